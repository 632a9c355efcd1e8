package sns_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/sns"
)

// serve returns the API over an engine in memory.
func serve(engine *memory, cfg sns.Config) http.Handler {
	api := sns.New(engine, cfg)
	return api.CertificateHandler(awswire.New(awswire.Config{
		Services: []*awswire.Service{api.Service()}, NewRequestID: func() string { return "the-request-id" },
	}))
}

// TestGolden runs the files of testdata/golden: requests as they are on the
// wire, and the answers. Each file is one server.
//
//	query       one parameter a line; $topic and $fifo stand for the ARNs of
//	            topics of these names, $queue for that of a queue
//	errors      requests of one action, one a line as NAME=VALUE & …, and the
//	            code and message that each gets
//	raw         a whole request
//	published   what reached the engine since it was asked last
//
// query and errors take unsigned, for a request without a credential, region=,
// accept for an answer in JSON and trace for a trace header.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			g := &golden{engine: newMemory()}
			g.engine.refuse["refuse me"] = turnout.Errorf(turnout.CodeThrottled, "Rate exceeded")
			g.handler = serve(g.engine, sns.Config{Certificate: func() []byte { return []byte("-----BEGIN CERTIFICATE-----\n") }})
			datadriven.RunTest(t, file, g.run)
		})
	}
}

type golden struct {
	engine  *memory
	handler http.Handler
}

// arns stand for what they would make too long in the files.
var arns = strings.NewReplacer(
	"$topic", "arn:aws:sns:us-east-1:000000000000:topic", "$fifo", "arn:aws:sns:us-east-1:000000000000:topic.fifo",
	"$queue", "arn:aws:sqs:us-east-1:000000000000:queue", "$id", "00000000-0000-4000-8000-00000000000",
	`\n`, "\n", `\t`, "\t", `\x01`, "\x01",
)

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	input := strings.TrimSuffix(d.Input, "\n")
	switch d.Cmd {
	case "query":
		return show(g.send(t, d, pairs(strings.Split(input, "\n"))))
	case "errors":
		var out strings.Builder
		for line := range strings.SplitSeq(input, "\n") {
			all := append(pairs([]string{"Action=" + d.CmdArgs[0].Key}), pairs(strings.Split(line, " & "))...)
			w := g.send(t, d, all)
			body := w.Body.String()
			fmt.Fprintf(&out, "%d %s: %s\n", w.Code, element(body, "Code"), element(body, "Message"))
		}
		return out.String()
	case "raw":
		head, body, _ := strings.Cut(input, "\n\n")
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") +
			fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body))))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r.WithContext(t.Context()))
		return show(w)
	case "published":
		return g.published()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	}
}

// pairs reads lines of NAME=VALUE. A value A**300 is a letter many times.
func pairs(lines []string) []string {
	for i, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		value = arns.Replace(value)
		if letter, count, ok := strings.Cut(value, "**"); ok && len(letter) == 1 {
			n := 0
			_, _ = fmt.Sscan(count, &n)
			value = strings.Repeat(letter, n)
		}
		lines[i] = url.QueryEscape(strings.TrimSpace(key)) + "=" + url.QueryEscape(value)
	}
	return lines
}

func (g *golden) send(t *testing.T, d *datadriven.TestData, all []string) *httptest.ResponseRecorder {
	t.Helper()
	all = slices.Concat(all, []string{"Version=2010-03-31"})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(strings.Join(all, "&")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	region := "us-east-1"
	d.MaybeScanArgs(t, "region", &region)
	if !d.HasArg("unsigned") {
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20000101/"+region+"/sns/aws4_request, SignedHeaders=host, Signature=0")
	}
	if d.HasArg("accept") {
		r.Header.Set("Accept", "application/json")
	}
	if d.HasArg("trace") {
		r.Header.Set("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793")
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w
}

// element returns the text of an XML element, unescaped as far as errors need it.
func element(body, name string) string {
	_, rest, _ := strings.Cut(body, "<"+name+">")
	value, _, _ := strings.Cut(rest, "</"+name+">")
	return strings.NewReplacer("&quot;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "\n", `\n`).Replace(value)
}

// show renders an answer; XML gets a line for each element.
func show(w *httptest.ResponseRecorder) string {
	body := w.Body.String()
	if strings.HasPrefix(body, "<") {
		body = strings.ReplaceAll(body, "><", ">\n<")
	}
	return fmt.Sprintf("%d %s\n%s\n", w.Code, w.Header().Get("Content-Type"), strings.TrimSuffix(body, "\n"))
}

func (g *golden) published() string {
	var out strings.Builder
	for _, m := range g.engine.published {
		for _, protocol := range slices.Sorted(maps.Keys(m.Bodies)) {
			fmt.Fprintf(&out, "%s: %q\n", protocol, m.Bodies[protocol])
		}
		if m.Subject != nil {
			fmt.Fprintf(&out, "  subject %q\n", *m.Subject)
		}
		for _, a := range m.Attributes {
			fmt.Fprintf(&out, "  %s %s %q\n", a.Name, a.Type, a.Value)
		}
		if m.GroupID+m.DeduplicationID+m.TraceHeader != "" {
			fmt.Fprintf(&out, "  group %q deduplication %q trace %q\n", m.GroupID, m.DeduplicationID, m.TraceHeader)
		}
	}
	g.engine.published = nil
	return out.String()
}
