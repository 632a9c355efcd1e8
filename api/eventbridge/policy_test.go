package eventbridge

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"a","Effect":"Allow"},{"Effect":"Deny"}]}`)
	f.Add(`{"Statement":{"Sid":"a"}}`)
	f.Add(`{"Statement":[null,1]}`)
	f.Add(`{"Statement":[]} trailing`)
	f.Add("")
	f.Fuzz(func(t *testing.T, document string) {
		p, err := parsePolicy(document)
		if err != nil {
			return
		}
		count := len(p.statements)
		again, err := parsePolicy(p.String())
		require.NoError(t, err, "a policy that was read can be read again")
		require.Len(t, again.statements, count)
		p.put("new-sid", []byte(`{"Sid":"new-sid"}`))
		again, err = parsePolicy(p.String())
		require.NoError(t, err)
		require.True(t, again.remove("new-sid"))
	})
}
