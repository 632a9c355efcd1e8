package native_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzREST sends any request. Whatever it says, the answer is JSON: what was
// asked for, or a problem that is the caller's. Nothing that breaks a bound
// reaches the engine.
func FuzzREST(f *testing.F) {
	for _, seed := range [][2]string{
		{"/v1/events", `{"event":{"bus":"orders","source":"shop","detailType":"x","detail":"{}","resources":["a"],"time":"2026-01-02T03:04:05.6Z","traceHeader":"Root=1"}}`},
		{"/v1/events:batch", `{"events":[{"source":"shop","detailType":"x","detail":"{}"},{}]}`},
		{"/v1/replays", `{"spec":{"name":"x","archive":"all","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","rules":["r"],"targetId":"1","eventsPerSecondMax":10,"timeLapse":60}}`},
		{"/v1/replays:dryRun", `{"spec":{"bus":"orders","from":"2026-01-01T00:00:00Z","queue":"arn:aws:sqs:us-east-1:000000000000:q"}}`},
		{"/v1/replays/b-running:cancel", ``},
		{"/v1/endpoints:enable", `{"arn":"arn:aws:events:us-east-1:000000000000:api-destination/crm/1"}`},
		{"GET /v1/replays?pageSize=2&pageToken=cmVwbGF5cwBiLXJ1bm5pbmc&states=1&namePrefix=b", ``},
		{"GET /v1/events/e1/attempts?pageSize=1&pageToken=YXR0ZW1wdHMgZTEAMTc2NzMyMzA0NjAwMCBkMSAwMDAwMg", ``},
		{"GET /v1/endpoints?phases=ENDPOINT_PHASE_OPEN", ``},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, line, body string) {
		path, method := line, "POST "
		if len(line) > 4 && line[:4] == "GET " {
			path, method = line[4:], "GET "
		}
		if r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody); err != nil || path == "" || path[0] != '/' || r.URL.Path == "" || len(r.URL.Host) > 0 {
			t.Skip("no path")
		}
		for _, b := range []byte(path) {
			if b <= ' ' || b >= 0x7f {
				t.Skip("no path that a client can send")
			}
		}
		e := furnished()
		w := rest(t, newAPI(t, e), method+path, body)
		require.True(t, json.Valid(w.Body.Bytes()), "%s", w.Body)
		require.NotEqual(t, http.StatusInternalServerError, w.Code, "%s", w.Body)
		for _, batch := range e.mu.published {
			for _, entry := range batch {
				require.True(t, entry.Source != "" && utf8.RuneCountInString(entry.Source) <= 256)
				require.True(t, entry.DetailType != "" && utf8.RuneCountInString(entry.DetailType) <= 128)
				require.NotEmpty(t, entry.Detail)
				require.True(t, e.HasBus(entry.Bus))
			}
		}
		for _, spec := range e.mu.specs {
			require.True(t, spec.From.Before(spec.To))
			require.True(t, spec.TargetID == "" || len(spec.FilterARNs) == 1)
			require.True(t, spec.Queue == nil || len(spec.FilterARNs) == 0)
			require.True(t, spec.PerSecondMax >= 0 && spec.TimeLapse >= 0 && spec.TimeLapse <= 1e6)
			require.NotEmpty(t, spec.SourceARN)
		}
	})
}
