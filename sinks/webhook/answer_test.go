package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]time.Duration{
		"":                                0,
		"0":                               0,
		"7":                               7 * time.Second,
		" 120\t":                          2 * time.Minute,
		"007":                             7 * time.Second,
		"86400":                           24 * time.Hour,
		"86401":                           24 * time.Hour,
		"9223372036854775807":             24 * time.Hour,
		"99999999999999999999999999":      24 * time.Hour,
		"-1":                              0,
		"1.5":                             0,
		"1e3":                             0,
		"+5":                              0,
		"0x10":                            0,
		"soon":                            0,
		"Mon, 23 Nov 2026 12:00:30 GMT":   30 * time.Second,
		"Monday, 23-Nov-26 12:01:00 GMT":  time.Minute,
		"Mon Nov 23 13:00:00 2026":        time.Hour,
		"Mon, 23 Nov 2026 11:00:00 GMT":   0,
		"Fri, 31 Dec 9999 23:59:59 GMT":   24 * time.Hour,
		"Mon, 01 Jan 0001 00:00:00 GMT":   0,
		"Mon, 23 Nov 2026 12:00:30 +0000": 0,
	} {
		require.Equal(t, want, RetryAfter(value, noon), "%q", value)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://hooks.example/s3cret?s3cret", nil)
	require.NoError(t, err)
	retried := map[int]bool{408: true, 425: true, 429: true}
	codes := map[int]string{401: sinks.CodeNoPermissions, 403: sinks.CodeNoPermissions, 407: sinks.CodeNoPermissions, 429: sinks.CodeThrottling}
	for status := 100; status <= 999; status++ {
		r := classify(req, &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"5"}}}, noon)
		require.Equal(t, status, r.Status)
		if status >= 200 && status <= 299 {
			require.Nil(t, r.Failure)
			require.Zero(t, r.RetryAfter)
			continue
		}
		retry := status >= 500 || retried[status]
		code := codes[status]
		if code == "" {
			code = sinks.CodeErrorFromTarget
		}
		message := fmt.Sprintf("POST https://hooks.example: the endpoint answered with status %d", status)
		if status >= 300 && status <= 399 {
			message += "; redirects are not followed"
		}
		require.Equal(t, &sinks.Failure{Code: code, Message: message, Permanent: !retry, Gone: status == 410}, r.Failure)
		if retry {
			require.Equal(t, 5*time.Second, r.RetryAfter)
		} else {
			require.Zero(t, r.RetryAfter)
		}
	}

	for after, permanent := range map[string]bool{"-1": true, " -3600 ": true, "-0": false, "-": false, "-1x": false, "--1": false, "": false} {
		r := classify(req, &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {after}}}, noon)
		require.Equal(t, permanent, r.Failure.Permanent, "a negative Retry-After ends the attempts: %q", after)
	}
}

func TestTransportFailures(t *testing.T) {
	t.Parallel()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://hooks.example:8443/s3cret?s3cret", nil)
	require.NoError(t, err)
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	cases := []struct {
		err  error
		want sinks.Failure
	}{
		{op(&refusal{"address 10.0.0.1 is not public"}), sinks.Failure{
			Code: sinks.CodeNoPermissions, Message: "https://hooks.example:8443: address 10.0.0.1 is not public", Permanent: true,
		}},
		{&tlsOptionsError{"no PEM"}, sinks.Failure{Code: sinks.CodeInvalidParameter, Message: "no PEM", Permanent: true}},
		{errClosed, sinks.Failure{Code: sinks.CodeInternalError, Message: "the server is stopping"}},
		{op(&net.DNSError{Err: "no such host", Name: "hooks.example", Server: "10.9.9.9:53"}), sinks.Failure{
			Code: sinks.CodeConnectionFailure, Message: "the name cannot be resolved: no such host",
		}},
		{op(os.NewSyscallError("connect", syscall.ECONNREFUSED)), sinks.Failure{
			Code: sinks.CodeConnectionFailure, Message: "the connection failed: connection refused",
		}},
		{op(os.ErrDeadlineExceeded), sinks.Failure{
			Code: sinks.CodeConnectionFailure, Message: "the connection could not be made in time",
		}},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, sinks.Failure{
			Code: sinks.CodeConnectionFailure, Message: "the certificate is not valid: x509: certificate signed by unknown authority",
		}},
		{errors.New(`malformed HTTP response "` + strings.Repeat("ä\x00", 1000)), sinks.Failure{
			Code: sinks.CodeConnectionFailure, Message: "the connection failed: malformed HTTP response",
		}},
	}
	for _, tc := range cases {
		got := transportFailure(t.Context(), req, tc.err)
		require.Equal(t, tc.want.Code, got.Code, got.Message)
		require.Equal(t, tc.want.Permanent, got.Permanent)
		require.Contains(t, got.Message, tc.want.Message)
		require.NotContains(t, got.Message, "s3cret")
		require.NotContains(t, got.Message, "10.9.9.9")
		require.NotContains(t, got.Message, "\x00")
		require.LessOrEqual(t, len(got.Message), messageBytesMax+len("…"))
		require.True(t, utf8.ValidString(got.Message))
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := transportFailure(ctx, req, context.Canceled)
	require.Equal(t, &sinks.Failure{Code: sinks.CodeInternalError, Message: "PUT https://hooks.example:8443: the attempt was called off"}, got)
	ctx, cancel = context.WithDeadline(t.Context(), noon.Add(-1000000*time.Hour))
	defer cancel()
	require.Equal(t, sinks.CodeTimeout, transportFailure(ctx, req, context.DeadlineExceeded).Code)
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "99999999999999999999", "Mon, 23 Nov 2026 12:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", " 5 ", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := RetryAfter(value, noon)
		require.GreaterOrEqual(t, got, time.Duration(0))
		require.LessOrEqual(t, got, 24*time.Hour)
		require.False(t, got > 0 && isNegative(value), "both a wait and a refusal")
	})
}

func TestTransportsAreBounded(t *testing.T) {
	t.Parallel()

	c := NewClient(Config{IdleConnsMax: 10, IdleConnsPerHostMax: 4})
	t.Cleanup(c.Close)
	roots := func(n int) *TLSOptions {
		return &TLSOptions{Roots: []byte(strings.Repeat("\n", n) + testCertificate)}
	}
	first, err := c.transports.get(roots(0))
	require.NoError(t, err)
	for n := range 3 * transportsMax {
		_, err := c.transports.get(roots(n))
		require.NoError(t, err)
		again, err := c.transports.get(roots(0))
		require.NoError(t, err)
		require.Same(t, first, again, "the options used last are kept")
	}
	require.Equal(t, transportsMax, c.transports.mu.recent.Len())
	require.Len(t, c.transports.mu.bySum, transportsMax)
	require.Equal(t, 1, first.MaxIdleConns)
	shared, err := c.transports.get(nil)
	require.NoError(t, err)
	require.Equal(t, 10, shared.MaxIdleConns)
	require.Equal(t, 4, shared.MaxIdleConnsPerHost)
	require.NotEqual(t, roots(1).sum(), roots(2).sum())
	require.NotEqual(t, (&TLSOptions{Roots: []byte("ab")}).sum(), (&TLSOptions{Roots: []byte("a"), Certificate: []byte("b")}).sum(),
		"the fields are told apart")
}

// testCertificate is self-signed, for nobody.
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBQDCB56ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBHRlc3QwIBcN
NzAwMTAxMDAwMDAwWhgPMjEwMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBHRlc3Qw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASOIaBfoRysiusa5G+oI2mdmU2CEyUb
c1JSwV8G3DmTZ/lTABlIbbFw2oGBhWwp5nTcDYJvktNWeYDMTsTUq8IOozIwMDAP
BgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQ1WNs+3pPWJdA7rEigTBup1DOy7DAK
BggqhkjOPQQDAgNIADBFAiACQJnMgVgPEBllJoHln9OvJRlkElvVfb/CW5Qfh+FI
pgIhAIInRhxC4my8FkgujxKKnpjxiB3XlThVBAqh/wLGdlJo
-----END CERTIFICATE-----
`
