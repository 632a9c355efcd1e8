package connections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/connections"
)

func TestRecordsOfANewerTurnoutAreRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []byte("cds") {
		require.EqualError(t, connections.DecodeRecord(kind, []byte(`{"v":2}`)), "the record has version 2; this Turnout knows version 1")
		err := connections.DecodeRecord(kind, []byte(`{"v":1,"password":["s3cret"],"id":7}`))
		require.EqualError(t, err, "the record is damaged", "an error quotes nothing of it")
	}
}

func FuzzKey(f *testing.F) {
	f.Add([]byte("nc000000000000\x00us-east-1\x00name"))
	f.Add([]byte("ns\x00\x00"))
	f.Add([]byte("nx1\x002\x003"))
	f.Fuzz(func(t *testing.T, k []byte) {
		kind, scope, name, err := connections.SplitKey(k)
		if err != nil {
			return
		}
		require.Equal(t, k, connections.Key(kind, scope, name), "a key says one thing in one way")
		require.NotContains(t, scope.Account+scope.Region+name, "\x00")
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(byte('c'), []byte(`{"v":1,"id":"i","auth":{"type":"BASIC","invocation":{"header":[{"key":"k","secret":true}]}},"secrets":1}`))
	f.Add(byte('d'), []byte(`{"v":1,"id":"i","endpoint":"https://x","per_second_max":-1}`))
	f.Add(byte('s'), []byte(`{"v":1,"parameters":["a"]}`))
	f.Fuzz(func(t *testing.T, kind byte, text []byte) {
		if err := connections.DecodeRecord(kind, text); err != nil {
			require.NotContains(t, err.Error(), "s3cret")
		}
	})
}

func TestKeysSortConnectionsBeforeTheirSecrets(t *testing.T) {
	t.Parallel()
	s := turnout.Scope{Account: "1", Region: "r"}
	require.Less(t, string(connections.Key('c', s, "z")), string(connections.Key('s', s, "a")))
}
