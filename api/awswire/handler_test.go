package awswire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
)

type echo struct{ r *awswire.Request }

func (a echo) EncodeTo(e *awswire.Encoder) {
	e.String("Account", a.r.Account)
	e.String("Region", a.r.Region)
}

func service() *awswire.Service {
	return &awswire.Service{
		Name: "sqs", TargetPrefix: "AmazonSQS", JSONVersion: "1.0", QueryVersion: "2012-11-05",
		XMLNamespace: "http://queue.amazonaws.com/doc/2012-11-05/", ShapeNamespace: "com.amazonaws.sqs",
		Operations: map[string]awswire.Operation{
			"Echo": func(_ context.Context, r *awswire.Request) (awswire.Result, error) { return echo{r}, nil },
		},
		ErrorOf: awswire.CommonError,
	}
}

func TestHandlerAnswersBothProtocols(t *testing.T) {
	t.Parallel()
	h := awswire.New(awswire.Config{Services: []*awswire.Service{service()}, NewRequestID: func() string { return "id" }})

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{}`))
	r.Header.Set("X-Amz-Target", "AmazonSQS.Echo")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=123456789012/20250101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.JSONEq(t, `{"Account":"123456789012","Region":"eu-west-1"}`, w.Body.String())

	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?Action=Echo", nil))
	require.Contains(t, w.Body.String(), `<EchoResult><Account>000000000000</Account><Region>us-east-1</Region></EchoResult>`)
}
