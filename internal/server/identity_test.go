package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

func TestWhomARequestSpeaksFor(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		authorization string
		want          turnout.Scope
	}{
		"unsigned":            {"", turnout.Scope{Account: "999999999999", Region: "xx-fallback-1"}},
		"an account as key":   {"AWS4-HMAC-SHA256 Credential=123456789012/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=00", turnout.Scope{Account: "123456789012", Region: "eu-west-1"}},
		"any other key":       {"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=00", turnout.Scope{Account: "999999999999", Region: "eu-west-1"}},
		"the default account": {"AWS4-HMAC-SHA256 Credential=000000000000/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=00", turnout.Scope{Account: "000000000000", Region: "eu-west-1"}},
	} {
		var got turnout.Scope
		services := []*awswire.Service{{
			Name: "x", TargetPrefix: "X", JSONVersion: "1.0",
			Operations: map[string]awswire.Operation{"Do": func(_ context.Context, r *awswire.Request) (awswire.Result, error) {
				got = r.Scope
				return nil, nil
			}},
		}}
		setRegion(services, "xx-fallback-1")
		h := awswire.New(awswire.Config{Services: services, Authenticator: accountOf{fallback: "999999999999"}})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.Header.Set("X-Amz-Target", "X.Do")
		if tc.authorization != "" {
			r.Header.Set("Authorization", tc.authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.Equal(t, tc.want, got, name)
	}
}
