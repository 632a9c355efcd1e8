package sts_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/sts"
	"github.com/seed567880c8/turnout/internal/memnet"
)

func handler() http.Handler {
	return awswire.New(awswire.Config{Services: []*awswire.Service{sts.Service()}, NewRequestID: func() string { return "id" }})
}

func TestSDK(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("localhost:4566")
		server := &http.Server{Handler: handler()}
		go func() { _ = server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.DialContext}
		defer func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
		}()
		client := awssts.New(awssts.Options{
			Region: "eu-west-1", BaseEndpoint: aws.String("http://localhost:4566"),
			Credentials: credentials.NewStaticCredentialsProvider("123456789012", "secret", ""),
			HTTPClient:  &http.Client{Transport: transport},
		})
		id, err := client.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
		require.NoError(t, err)
		require.Equal(t, "123456789012", aws.ToString(id.Account), "an access key of twelve digits is the account")
		require.Equal(t, "arn:aws:iam::123456789012:root", aws.ToString(id.Arn))
		require.Equal(t, "123456789012", aws.ToString(id.UserId))

		_, err = client.GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{})
		var refused smithy.APIError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "UnsupportedOperation", refused.ErrorCode())
		require.Contains(t, refused.ErrorMessage(), "GetSessionToken is not supported")
	})
}

func TestWire(t *testing.T) {
	t.Parallel()
	send := func(method, url, target, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if target != "" {
			r.Header.Set("X-Amz-Target", target)
		}
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	status, body := send(http.MethodGet, "/?Action=GetCallerIdentity&Version=2011-06-15", "", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, `<?xml version="1.0"?>
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
		`<Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId><Account>000000000000</Account>`+
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetCallerIdentityResponse>`, body)

	status, body = send(http.MethodPost, "/", "AWSSecurityTokenServiceV20110615.GetCallerIdentity", "{}")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"Arn":"arn:aws:iam::000000000000:root","UserId":"000000000000","Account":"000000000000"}`, body)

	status, body = send(http.MethodGet, "/?Action=AssumeRole&Version=2011-06-15", "", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "<Code>UnsupportedOperation</Code><Message>The operation AssumeRole is not supported: this server issues no credentials.</Message>")

	status, body = send(http.MethodGet, "/?Action=FooBar&Version=2011-06-15", "", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "<Code>InvalidAction</Code>")
}
