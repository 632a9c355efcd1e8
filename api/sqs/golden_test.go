package sqs_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/queues"
)

// TestGolden runs the files of testdata/golden: requests as they are on the
// wire, and the answers. Each file is one server in virtual time.
//
//	json OPERATION     the body as awsJson, as a current SDK sends it
//	query              one parameter a line, as an older SDK sends them
//	raw                a whole request
//	sleep DURATION
//
// json and query take path=, account= and region=; query takes accept=json;
// save=NAME keeps the first receipt handle or task handle of the answer as $NAME. Other
// handles and message ids are shown by the order in which they appear.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := &golden{t: t, handler: serve(t, queues.Config{}), saved: map[string]string{}, ids: map[string]string{}}
				datadriven.RunTest(t, file, g.run)
			})
		})
	}
}

type golden struct {
	t       *testing.T
	handler http.Handler
	saved   map[string]string // name → receipt or task handle
	ids     map[string]string // message id → how it is shown
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	input := strings.TrimSuffix(d.Input, "\n")
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(g.saved))) { // $h2 before $h
		input = strings.ReplaceAll(input, "$"+name, g.saved[name])
	}
	path := "/"
	d.MaybeScanArgs(t, "path", &path)
	var r *http.Request
	switch d.Cmd {
	case "json":
		r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(input))
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", "AmazonSQS."+d.CmdArgs[0].Key)
		r.Header.Set("X-Amzn-Query-Mode", "true")
	case "query":
		var pairs []string
		for line := range strings.SplitSeq(input, "\n") {
			key, value, _ := strings.Cut(line, "=")
			value = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\x01`, "\x01").Replace(value)
			pairs = append(pairs, url.QueryEscape(key)+"="+url.QueryEscape(value))
		}
		r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(strings.Join(pairs, "&")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if d.HasArg("accept") {
			r.Header.Set("Accept", "application/json")
		}
	case "raw":
		var err error
		head, body, _ := strings.Cut(input, "\n\n")
		r, err = http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") +
			fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body))))
		require.NoError(t, err)
		r = r.WithContext(t.Context())
	case "sleep":
		pause, err := time.ParseDuration(d.CmdArgs[0].Key)
		require.NoError(t, err)
		time.Sleep(pause)
		return ""
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	account, region := "", "us-east-1"
	d.MaybeScanArgs(t, "account", &account)
	d.MaybeScanArgs(t, "region", &region)
	if account != "" || region != "us-east-1" {
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+account+"x/20000101/"+region+"/sqs/aws4_request, SignedHeaders=host, Signature=0")
		if account != "" {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "x/", "/", 1))
		}
	}
	r.Host = "localhost:4566"
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	synctest.Wait() // what it set going, such as a move task, does its part of this instant
	name := ""
	d.MaybeScanArgs(t, "save", &name)
	return g.show(w, name)
}

var (
	handleJSON = regexp.MustCompile(`"(?:ReceiptHandle|TaskHandle)":\s?"([^"]+)"`)
	handleXML  = regexp.MustCompile(`<(?:ReceiptHandle|TaskHandle)>([^<]+)<`)
	uuid       = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// show renders an answer; XML gets a line for each element.
func (g *golden) show(w *httptest.ResponseRecorder, save string) string {
	body := w.Body.String()
	for _, pattern := range []*regexp.Regexp{handleJSON, handleXML} {
		for i, match := range pattern.FindAllStringSubmatch(body, -1) {
			if save != "" && i == 0 {
				g.saved[save] = match[1]
			}
		}
	}
	for name, handle := range g.saved {
		body = strings.ReplaceAll(body, handle, "$"+name)
	}
	for _, pattern := range []*regexp.Regexp{handleJSON, handleXML} {
		for _, match := range pattern.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(match[1], "$") && match[1] != "SQS/BACKDOOR/ACCESS" {
				body = strings.ReplaceAll(body, match[1], "(a handle)")
			}
		}
	}
	body = uuid.ReplaceAllStringFunc(body, func(id string) string {
		if g.ids[id] == "" {
			g.ids[id] = fmt.Sprintf("(id %d)", len(g.ids)+1)
		}
		return g.ids[id]
	})
	if strings.HasPrefix(body, "<") {
		body = strings.ReplaceAll(body, "><", ">\n<")
	}
	line := fmt.Sprintf("%d %s", w.Code, w.Header().Get("Content-Type"))
	if e := w.Header().Get("X-Amzn-Query-Error"); e != "" {
		line += "\n" + "x-amzn-query-error: " + e
	}
	return line + "\n" + strings.TrimSuffix(body, "\n") + "\n"
}
