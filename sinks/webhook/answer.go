package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed567880c8/turnout/sinks"
)

// messageBytesMax bounds a failure's message: a part of it may be an endpoint's.
const messageBytesMax = 512

// retryAfterMax bounds what Retry-After may ask for: the longest that AWS keeps
// an event that waits for its delivery.
const retryAfterMax = 24 * time.Hour

// classify says what the status of an answer means.
//
// As with AWS's API destinations 429 and 5xx are tried again, other 4xx and 3xx
// are not, and a negative Retry-After ends the attempts. 408 and 425 ask for
// another attempt by their definition (RFC 9110, RFC 8470), which AWS ignores.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func classify(req *http.Request, resp *http.Response, now time.Time) sinks.Result {
	status := resp.StatusCode
	r := sinks.Result{Status: status}
	if status >= 200 && status <= 299 {
		return r
	}
	code, retry := sinks.CodeErrorFromTarget, status >= 500
	switch status {
	case http.StatusTooManyRequests:
		code, retry = sinks.CodeThrottling, true
	case http.StatusRequestTimeout, http.StatusTooEarly:
		retry = true
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		code = sinks.CodeNoPermissions
	}
	r.Failure = failuref(req, code, "the endpoint answered with status %d", status)
	if status >= 300 && status <= 399 {
		r.Failure.Message += "; redirects are not followed"
	}
	r.Failure.Permanent, r.Failure.Gone = !retry, status == http.StatusGone
	if retry {
		after := resp.Header.Get("Retry-After")
		r.RetryAfter = RetryAfter(after, now)
		r.Failure.Permanent = isNegative(after)
	}
	return r
}

// RetryAfter returns how long the value of a Retry-After header asks to wait,
// from now: at most 24 h, and 0 for what is in the past or means nothing. It
// takes both forms of RFC 9110 section 10.2.3, seconds and a date.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(retryAfterMax/time.Second) { // out of range: it is a number
			return retryAfterMax
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), retryAfterMax))
}

// isNegative reports whether a Retry-After is a negative number: the endpoint
// does not want this delivery at all.
func isNegative(value string) bool {
	digits, ok := strings.CutPrefix(strings.Trim(value, " \t"), "-")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == "" && strings.Trim(digits, "0") != ""
}

// transportFailure says why there is no answer.
func transportFailure(ctx context.Context, req *http.Request, err error) *sinks.Failure {
	if refusal, ok := errors.AsType[*refusal](err); ok {
		return refused(origin(req.URL), refusal)
	}
	if invalid, ok := errors.AsType[*tlsOptionsError](err); ok {
		return permanent(sinks.CodeInvalidParameter, invalid.Error())
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSlow), errors.Is(cause, context.DeadlineExceeded):
		return failuref(req, sinks.CodeTimeout, "the endpoint did not answer in time")
	case cause != nil:
		return failuref(req, sinks.CodeInternalError, "the attempt was called off")
	case errors.Is(err, errClosed):
		return failuref(req, sinks.CodeInternalError, "the server is stopping")
	}
	return failuref(req, sinks.CodeConnectionFailure, "%s", describe(err))
}

// describe puts a transport's error into words that hold no address of ours.
func describe(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name cannot be resolved: " + dns.Err
	}
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not valid: " + verify.Err.Error()
	}
	if hostname, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid: " + hostname.Error()
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "the connection failed: " + errno.Error()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "the connection could not be made in time"
	}
	return "the connection failed: " + err.Error()
}

// origin is the part of a URL that a message may hold: a path can be as secret
// as a query, as with the hooks of chat services.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// failuref returns a failure of an exchange that another attempt may repair.
func failuref(req *http.Request, code, format string, args ...any) *sinks.Failure {
	message := req.Method + " " + origin(req.URL) + ": " + fmt.Sprintf(format, args...)
	return &sinks.Failure{Code: code, Message: clip(message)}
}

// permanent returns a failure that no attempt repairs.
func permanent(code, message string) *sinks.Failure {
	return &sinks.Failure{Code: code, Message: clip(message), Permanent: true}
}

func refused(origin string, err error) *sinks.Failure {
	return permanent(sinks.CodeNoPermissions, origin+": "+err.Error())
}

// clip bounds a message and makes it printable.
func clip(message string) string {
	if len(message) > messageBytesMax {
		message = message[:messageBytesMax] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(message, "?"))
}
