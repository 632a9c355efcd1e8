package awswire_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// echo answers what an operation learns about its request.
type echo struct{ r *awswire.Request }

func (a echo) EncodeTo(e *awswire.Encoder) {
	e.String("Account", a.r.Account)
	e.String("Region", a.r.Region)
	e.Optional("Trace", a.r.TraceHeader)
	e.String("Address", a.r.Scheme+"://"+a.r.Host+a.r.Path)
	e.Int("BodyBytes", int64(len(a.r.Body)))
	name, _ := a.r.Params().String("Name")
	e.Optional("Name", name)
}

func operations() map[string]awswire.Operation {
	fails := func(err error) awswire.Operation {
		return func(context.Context, *awswire.Request) (awswire.Result, error) { return nil, err }
	}
	return map[string]awswire.Operation{
		"Echo": func(_ context.Context, r *awswire.Request) (awswire.Result, error) {
			p := r.Params()
			p.String("Name")
			return echo{r}, p.Err()
		},
		"Nothing":  fails(nil),
		"Leak":     fails(errors.New("the password is 12345")),
		"Canceled": fails(fmt.Errorf("wait: %w", context.Canceled)),
		"Full":     fails(turnout.Errorf(turnout.CodeStorageFull, "The disk is full.")),
		"Own":      fails(fmt.Errorf("wrapped: %w", &awswire.WireError{Shape: "Odd", QueryCode: "Legacy.Odd", Status: 418, Message: "<&>"})),
	}
}

// shelf answers lists and maps that are not flattened.
type shelf struct{}

func (shelf) EncodeTo(e *awswire.Encoder) {
	e.BeginMembers("Books")
	for _, title := range []string{"A", "<B>"} {
		e.BeginMember()
		e.String("Title", title)
		e.EndMember()
	}
	e.EndMembers("Books")
	e.BeginMembers("None")
	e.EndMembers("None")
	e.BeginEntries("Notes")
	e.StringEntry("k", "&")
	e.StringEntry("l", "\"")
	e.EndEntries("Notes")
	e.Optional("NextToken", "")
}

func services() []*awswire.Service {
	return []*awswire.Service{
		{
			Name: "sqs", TargetPrefix: "AmazonSQS", JSONVersion: "1.0", QueryVersion: "2012-11-05",
			XMLNamespace: "http://queue.amazonaws.com/doc/2012-11-05/", ShapeNamespace: "com.amazonaws.sqs",
			Operations: operations(), ErrorOf: awswire.CommonError,
		},
		{Name: "events", TargetPrefix: "AWSEvents", JSONVersion: "1.1", Operations: operations(), ErrorOf: awswire.CommonError},
		{
			Name: "sts", QueryVersion: "2011-06-15", XMLNamespace: "https://sts.amazonaws.com/doc/2011-06-15/",
			Operations: map[string]awswire.Operation{"WhoAmI": operations()["Echo"]}, ErrorOf: awswire.CommonError,
		},
		{
			Name: "sns", QueryVersion: "2010-03-31", XMLNamespace: "http://sns.amazonaws.com/doc/2010-03-31/", PlainErrors: true,
			Operations: map[string]awswire.Operation{
				"List": func(context.Context, *awswire.Request) (awswire.Result, error) { return shelf{}, nil },
				"Own":  operations()["Own"],
			},
			ErrorOf: awswire.CommonError,
		},
	}
}

// TestGolden runs testdata/wire: whole requests and the answers to them.
func TestGolden(t *testing.T) {
	t.Parallel()
	h := awswire.New(awswire.Config{Services: services(), NewRequestID: func() string { return "the-request-id" }})
	datadriven.RunTest(t, "testdata/wire", func(t *testing.T, d *datadriven.TestData) string {
		head, body, _ := strings.Cut(strings.TrimSuffix(d.Input, "\n"), "\n\n")
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") +
			fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body))))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(t.Context()))
		out := fmt.Sprintf("%d %s\n", w.Code, w.Header().Get("Content-Type"))
		if e := w.Header().Get("X-Amzn-Query-Error"); e != "" {
			out += "x-amzn-query-error: " + e + "\n"
		}
		require.Equal(t, "the-request-id", w.Header().Get("x-amzn-RequestId"))
		return out + strings.TrimSuffix(w.Body.String(), "\n") + "\n"
	})
}

func post(t testing.TB, h http.Handler, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
	r.Header.Set("X-Amz-Target", "AmazonSQS.Echo")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const limit = 1000
	h := awswire.New(awswire.Config{Services: services(), BodyBytesMax: limit})
	document := func(n int) string { return `{"Name":"` + strings.Repeat("x", n-11) + `"}` }
	zip := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, s)
		require.NoError(t, z.Close())
		return b.String()
	}
	require.Equal(t, http.StatusOK, post(t, h, strings.NewReader(document(limit))).Code, "the limit itself is allowed")

	chunked := io.MultiReader(strings.NewReader(document(limit))) // a length that httptest cannot know
	require.Equal(t, http.StatusOK, post(t, h, chunked).Code, "chunked bodies have no length")

	w := post(t, h, strings.NewReader(zip(document(limit))), "Content-Encoding", "gzip")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `"BodyBytes":1000`)

	for name, w := range map[string]*httptest.ResponseRecorder{
		"length":  post(t, h, strings.NewReader(document(limit+1))),
		"chunked": post(t, h, io.MultiReader(strings.NewReader(document(limit+1)))),
		"gzip":    post(t, h, strings.NewReader(zip(document(limit+1))), "Content-Encoding", "gzip"),
		"bomb":    post(t, h, strings.NewReader(zip(strings.Repeat(" ", 1<<20))[:900]), "Content-Encoding", "gzip"),
		"outer":   post(t, h, io.MultiReader(&failing{&http.MaxBytesError{Limit: 1}})),
	} {
		require.Equal(t, http.StatusRequestEntityTooLarge, w.Code, name)
		require.Contains(t, w.Body.String(), `RequestEntityTooLarge","message":"The request body is larger than 1000 bytes."`, name)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"not gzip":  post(t, h, strings.NewReader("{}"), "Content-Encoding", "gzip"),
		"cut short": post(t, h, strings.NewReader(zip(document(limit))[:20]), "Content-Encoding", "gzip"),
	} {
		require.Equal(t, http.StatusBadRequest, w.Code, name)
		require.Contains(t, w.Body.String(), "not valid gzip", name)
	}
	w = post(t, h, strings.NewReader("{}"), "Content-Encoding", "br")
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
	w = post(t, h, io.MultiReader(&failing{io.ErrUnexpectedEOF}))
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "could not be read to its end")

	big := awswire.New(awswire.Config{Services: services()})
	require.Equal(t, http.StatusOK, post(t, big, strings.NewReader(document(4<<20))).Code, "more than the first allocation")
}

// failing is a body that breaks off.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// refuse is an Authenticator that asks for a password.
type refuse struct{ body []byte }

func (a *refuse) Authenticate(_ *http.Request, body []byte, c awswire.Credential) (awswire.Identity, error) {
	a.body = bytes.Clone(body)
	if c.AccessKeyID != "friend" {
		return awswire.Identity{}, turnout.Errorf(turnout.CodeAccessDenied, "Go away.")
	}
	return awswire.Identity{Account: "123456789012"}, nil
}

func TestAuthenticatorDecides(t *testing.T) {
	t.Parallel()
	a := &refuse{}
	h := awswire.New(awswire.Config{Services: services(), Authenticator: a})
	w := post(t, h, strings.NewReader("{}"))
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), `AccessDeniedException","message":"Go away."`)

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, "{}")
	require.NoError(t, z.Close())
	sent := bytes.Clone(zipped.Bytes())
	w = post(t, h, &zipped, "Content-Encoding", "gzip",
		"Authorization", "AWS4-HMAC-SHA256 Credential=friend/20250102/eu-west-1/sqs/aws4_request, Signature=x")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `"Account":"123456789012","Region":"eu-west-1"`)
	require.Equal(t, sent, a.body, "a signature covers the body as it was sent")
}

func TestInternalFailuresAreLoggedNotShown(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var calls []awswire.Call
	h := awswire.New(awswire.Config{
		Services: services(), Log: slog.New(slog.NewTextHandler(&log, nil)),
		Observe: func(c awswire.Call) { calls = append(calls, c) },
	})
	w := post(t, h, strings.NewReader("{}"), "X-Amz-Target", "AmazonSQS.Leak")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "password")
	require.Contains(t, log.String(), "password")
	require.Contains(t, log.String(), w.Header().Get("X-Amzn-Requestid"), "the log names the request")

	post(t, h, strings.NewReader("{}"))
	require.Len(t, calls, 2)
	require.Equal(t, "InternalFailure", calls[0].ErrorCode)
	require.Equal(t, "Leak", calls[0].Operation)
	calls[1].Duration = 0
	require.Equal(t, awswire.Call{Service: "sqs", Operation: "Echo", Status: 200, BytesIn: 2, BytesOut: calls[1].BytesOut}, calls[1])
}

func TestRequestIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	h := awswire.New(awswire.Config{Services: services()})
	seen := map[string]bool{}
	for range 100 {
		id := post(t, h, strings.NewReader("{}")).Header().Get("X-Amzn-Requestid")
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		seen[id] = true
	}
	require.Len(t, seen, 100)
}

func TestCommonErrorKnowsEveryCode(t *testing.T) {
	t.Parallel()
	for _, code := range turnout.Codes() {
		for _, p := range []awswire.Protocol{awswire.ProtocolJSON, awswire.ProtocolQuery} {
			w := awswire.CommonError(turnout.Errorf(code, "text"), p)
			require.NotEmpty(t, w.Shape)
			require.GreaterOrEqual(t, w.Status, 400)
			require.NotEmpty(t, w.Message)
			isFault := code == turnout.CodeInternal || code == turnout.CodeUnavailable || code == turnout.CodeStorageFull
			require.Equal(t, isFault, w.Status >= 500, "code %d", code)
		}
	}
}

// FuzzHandler sends arbitrary requests: every one gets an answer that its protocol can carry.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/", "AmazonSQS.Echo", "application/x-amz-json-1.0", "", "", []byte(`{"Name":"x"}`))
	f.Add("POST", "/?Action=Echo", "", "application/x-www-form-urlencoded", "application/json", "", []byte(`Name=x&Version=2012-11-05`))
	f.Add("GET", "/000000000000/q?Action=WhoAmI&X-Amz-Credential=a", "", "", "", "gzip", []byte{})
	f.Add("POST", "/", "AWSEvents.Own", "text/plain", "", "gzip", []byte("\x1f\x8b"))
	f.Add("POST", "/", "AmazonSQS.Echo", "", "", "", []byte(strings.Repeat("[", 200)))
	h := awswire.New(awswire.Config{Services: services(), BodyBytesMax: 1 << 16})
	f.Fuzz(func(t *testing.T, method, url, target, contentType, accept, encoding string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			return
		}
		r.Header = http.Header{
			"X-Amz-Target": {target}, "Content-Type": {contentType}, "Accept": {accept}, "Content-Encoding": {encoding},
			"X-Amzn-Query-Mode": {"true"},
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.GreaterOrEqual(t, w.Code, 200)
		require.NotEmpty(t, w.Body.Bytes())
		require.Equal(t, fmt.Sprint(w.Body.Len()), w.Header().Get("Content-Length"))
		checkAnswer(t, w)
	})
}

// TestBodiesThatAreKeptStay sends requests whose bodies have the same memory,
// if it is used again, and looks at what the first of them left behind.
func TestBodiesThatAreKeptStay(t *testing.T) {
	t.Parallel()
	var kept [][]byte
	keep := func(_ context.Context, r *awswire.Request) (awswire.Result, error) {
		d := r.JSON()
		d.Object()
		d.Key()
		s, _ := d.String() // with an escape: decoded beside the body
		kept = append(kept, r.Body, s)
		return nil, nil
	}
	h := awswire.New(awswire.Config{Services: []*awswire.Service{{
		Name: "sqs", TargetPrefix: "AmazonSQS", JSONVersion: "1.0", ErrorOf: awswire.CommonError,
		Operations:   map[string]awswire.Operation{"Keep": keep, "Forget": keep},
		KeepsNothing: map[string]bool{"Forget": true},
	}}})
	send := func(operation, text string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"k":"\n`+text+`"}`))
		r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i := range 20 {
		send("Keep", fmt.Sprint("text-", i))
		send("Forget", fmt.Sprint("other", i))
	}
	reused := false
	for i := range 20 {
		require.Equal(t, fmt.Sprintf(`{"k":"\n%s%d"}`, "text-", i), string(kept[4*i]))
		require.Equal(t, fmt.Sprintf("\n%s%d", "text-", i), string(kept[4*i+1]))
		reused = reused || string(kept[4*i+3]) != fmt.Sprintf("\n%s%d", "other", i)
	}
	require.True(t, reused, "memory that nobody keeps is used again")
}
