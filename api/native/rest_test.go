package native_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/native"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// The files of testdata/rest are requests and the answers to them, over an
// engine that has two buses, an archive, some replays, attempts and endpoints.
//
//	METHOD PATH [header=(Name:value)]
//	body
func TestREST(t *testing.T) {
	t.Parallel()

	datadriven.Walk(t, "testdata/rest", func(t *testing.T, path string) {
		t.Parallel()

		api := newAPI(t, furnished(), func(c *native.Config) { c.EventsBytesMax, c.BodyBytesMax = 2000, 3000 })
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			var headers []string
			for _, arg := range d.CmdArgs[1:] {
				if arg.Key == "header" {
					headers = append(headers, arg.Vals...)
				}
			}
			body := strings.ReplaceAll(d.Input, "<2000 x>", strings.Repeat("x", 2000))
			w := rest(t, api, d.Cmd+" "+d.CmdArgs[0].String(), body, headers...)
			out := fmt.Sprintf("%d %s\n", w.Code, w.Header().Get("Content-Type"))
			if after := w.Header().Get("Retry-After"); after != "" {
				out += "Retry-After: " + after + "\n"
			}
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, w.Body.Bytes(), "", "  "), "%s", w.Body)
			return out + strings.TrimRight(pretty.String(), "\n") + "\n"
		})
	})
}

// furnished returns an engine with something of everything.
func furnished() *engine {
	e := &engine{}
	spec := func(name string) turnout.ReplaySpec {
		bus := turnout.BusName{Scope: here, Name: "orders"}
		return turnout.ReplaySpec{
			ReplayName: turnout.ReplayName{Scope: here, Name: name}, SourceARN: bus.ARN(), Bus: bus,
			From: epoch, To: epoch.Add(100e9), FilterARNs: []string{turnout.RuleName{Bus: bus, Name: "invoices"}.ARN()}, TargetID: "1",
		}
	}
	archived := spec("c-archived")
	archived.SourceARN, archived.FilterARNs, archived.TargetID = turnout.ArchiveName{Scope: here, Name: "all"}.ARN(), nil, ""
	archived.Queue = &turnout.QueueName{Scope: here, Name: "inspection"}
	archived.PerSecondMax, archived.TimeLapse, archived.SkipDelivered = 100, 0.5, true
	elsewhere := spec("elsewhere")
	elsewhere.Account = "111111111111"
	e.replays = []turnout.Replay{
		{ReplaySpec: spec("a-done"), State: turnout.ReplayCompleted, StartedAt: epoch.Add(200e9), EndedAt: epoch.Add(201e9), LastEvent: epoch.Add(90e9), Events: 10, Delivered: 7, Skipped: 3},
		{ReplaySpec: spec("b-running"), State: turnout.ReplayRunning, StartedAt: epoch.Add(200e9), LastEvent: epoch.Add(25e9), Events: 3, Delivered: 2},
		{ReplaySpec: archived, State: turnout.ReplayFailed, StateReason: "The archive was deleted.", StartedAt: epoch.Add(200e9), EndedAt: epoch.Add(201e9)},
		{ReplaySpec: elsewhere, State: turnout.ReplayStarting, StartedAt: epoch},
	}
	destination := turnout.APIDestinationARN(turnout.APIDestinationName{Scope: here, Name: "crm"}, "1")
	attempt := native.Attempt{
		At: epoch, EventID: "e1", DeliveryID: "d1", Endpoint: destination,
		RuleARN: turnout.RuleName{Bus: turnout.BusName{Scope: here, Name: "default"}, Name: "r"}.ARN(), TargetID: "1",
	}
	first, second, third, foreign := attempt, attempt, attempt, attempt
	first.Number, first.Outcome, first.RetryAt, first.Latency, first.Status = 1, "retried", epoch.Add(1e9), 1500e3, 503
	first.ErrorCode, first.ErrorReason, first.Excerpt = "SDK_CLIENT_ERROR", "HTTP status 503", []byte("busy \xff")
	second.At, second.Number, second.Outcome, second.DeadLetterARN = epoch.Add(1e9), 2, "dead-lettered", turnout.QueueName{Scope: here, Name: "dlq"}.ARN()
	third.At, third.DeliveryID, third.Number, third.Outcome, third.Status = epoch.Add(1e9), "d2", 1, "delivered", 200
	foreign.RuleARN = strings.ReplaceAll(foreign.RuleARN, here.Account, "111111111111")
	e.attempts = []native.Attempt{first, second, third, foreign}
	e.endpoints = []native.Endpoint{
		{ARN: strings.ReplaceAll(destination, here.Account, "111111111111"), Phase: "active"},
		{ARN: destination, Phase: "disabled", Waiting: 12, RunningMax: 8, DisabledAt: epoch, DisabledReason: "it failed for a day", NextProbe: epoch.Add(3600e9), FailingSince: epoch.Add(-86400e9), LastError: "HTTP status 500"},
		{ARN: destination + "2", Phase: "active", Running: 3, RunningMax: 9, PerSecondMax: 300},
	}
	return e
}

func TestWhatTheServerMetIsNotTold(t *testing.T) {
	t.Parallel()

	e := furnished()
	e.fail = fmt.Errorf("read block 7: %w", http.ErrBodyNotAllowed)
	w := rest(t, newAPI(t, e), "GET /v1/replays", "")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "block")
	require.Contains(t, w.Body.String(), "urn:turnout:problem:internal")
}

// Every parameter of a query that the document promises is taken, and no other.
func TestQueriesAreAsDocumented(t *testing.T) {
	t.Parallel()

	api := newAPI(t, furnished())
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In, Type string }
		}
	}
	require.NoError(t, json.Unmarshal(rest(t, api, "GET /v1/openapi.json", "").Body.Bytes(), &doc))
	tried := 0
	for path, methods := range doc.Paths {
		if _, ok := methods["get"]; !ok {
			continue
		}
		path = strings.NewReplacer("{name}", "a-done", "{eventId}", "e1").Replace(path)
		require.NotContains(t, path, "{")
		require.Equal(t, http.StatusBadRequest, rest(t, api, "GET "+path+"?other=1", "").Code, path)
		for _, p := range methods["get"].Parameters {
			if p.In == "query" && p.Type != "array" {
				tried++
				value := map[string]string{"integer": "1"}[p.Type]
				require.Equal(t, http.StatusOK, rest(t, api, "GET "+path+"?"+p.Name+"="+value, "").Code, "%s of %s", p.Name, path)
			}
		}
	}
	require.Positive(t, tried)
}

// TestOpenAPIIsUpToDate compares the document with the protocol: it has every
// method that has a path, every message that one of them uses and every field.
func TestOpenAPIIsUpToDate(t *testing.T) {
	t.Parallel()

	w := rest(t, newAPI(t, &engine{}), "GET /v1/openapi.json", "")
	require.Equal(t, http.StatusOK, w.Code)
	var doc struct {
		Swagger     string
		Paths       map[string]map[string]struct{ OperationID string }
		Definitions map[string]struct {
			Properties map[string]struct{ Description, Ref string }
		}
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
	require.Equal(t, "2.0", doc.Swagger)
	operations := map[string]bool{}
	for path, methods := range doc.Paths {
		require.True(t, strings.HasPrefix(path, "/v1/"), path)
		for _, m := range methods {
			operations[m.OperationID] = true
		}
	}
	for _, file := range []protoreflect.FileDescriptor{turnoutv1.File_turnout_v1_event_proto, turnoutv1.File_turnout_v1_delivery_proto, turnoutv1.File_turnout_v1_replay_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				require.Equal(t, !m.IsStreamingClient(), operations[string(service.Name())+"_"+string(m.Name())], "%s has a path unless it is a stream", m.FullName())
			}
		}
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			def, ok := doc.Definitions[string(m.Name())]
			if !ok { // in the path and query, or of a stream
				require.True(t, strings.HasSuffix(string(m.Name()), "Request") || strings.Contains(string(m.Name()), "Stream"), "%s is missing", m.FullName())
				continue
			}
			for j := range m.Fields().Len() {
				f := m.Fields().Get(j)
				require.Contains(t, def.Properties, f.JSONName(), "%s", f.FullName())
			}
			require.Len(t, def.Properties, m.Fields().Len(), "%s has nothing else", m.FullName())
		}
	}
}
