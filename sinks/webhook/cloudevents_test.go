package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

const event = `{"version":"0","id":"7f6e2f1c-0000-4000-8000-000000000001","detail-type":"Order \"Placed\" é","source":"com.acme.orders",` +
	`"account":"000000000000","time":"2026-11-23T12:00:00Z","region":"us-east-1",` +
	`"resources":["arn:aws:s3:::a","b\"c"],"detail":{"order":1.50,"big":123456789012345678901234567890,"text":"ä %\u0000"}}`

func TestCloudEventStructured(t *testing.T) {
	t.Parallel()

	h, body, err := webhook.CloudEvent(webhook.CloudEventsStructured, []byte(event))
	require.NoError(t, err)
	require.Equal(t, http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, h)
	require.Equal(t, `{"specversion":"1.0","id":"7f6e2f1c-0000-4000-8000-000000000001","source":"com.acme.orders",`+
		`"type":"Order \"Placed\" é","time":"2026-11-23T12:00:00Z","awsaccount":"000000000000","awsregion":"us-east-1",`+
		`"awsresources":"[\"arn:aws:s3:::a\",\"b\\\"c\"]","datacontenttype":"application/json",`+
		`"data":{"order":1.50,"big":123456789012345678901234567890,"text":"ä %\u0000"}}`, string(body))
}

func TestCloudEventBinary(t *testing.T) {
	t.Parallel()

	h, body, err := webhook.CloudEvent(webhook.CloudEventsBinary, []byte(event))
	require.NoError(t, err)
	require.Equal(t, http.Header{
		"Content-Type":    {"application/json"},
		"Ce-Specversion":  {"1.0"},
		"Ce-Id":           {"7f6e2f1c-0000-4000-8000-000000000001"},
		"Ce-Source":       {"com.acme.orders"},
		"Ce-Type":         {"Order%20%22Placed%22%20%C3%A9"},
		"Ce-Time":         {"2026-11-23T12:00:00Z"},
		"Ce-Awsaccount":   {"000000000000"},
		"Ce-Awsregion":    {"us-east-1"},
		"Ce-Awsresources": {`[%22arn:aws:s3:::a%22,%22b\%22c%22]`},
	}, h)
	require.Equal(t, `{"order":1.50,"big":123456789012345678901234567890,"text":"ä %\u0000"}`, string(body))
}

func TestCloudEventSource(t *testing.T) {
	t.Parallel()

	for source, want := range map[string]string{
		"aws.s3":              "aws.s3",
		"https://x.example/a": "https://x.example/a",
		"my app":              "my%20app",
		"50%":                 "50%25",
		"ü":                   "%C3%BC",
		"a\nb":                "a%0Ab",
		`"<>\^{|}`:            "%22%3C%3E%5C%5E%60%7B%7C%7D",
	} {
		source = strings.Replace(source, "^{", "^`{", 1)
		_, body, err := webhook.CloudEvent(webhook.CloudEventsStructured, eventOf(t, map[string]any{"source": source}))
		require.NoError(t, err)
		var got struct{ Source string }
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, want, got.Source)
		back, err := url.PathUnescape(got.Source)
		require.NoError(t, err)
		require.Equal(t, source, back, "the encoding can be undone")
	}
}

// eventOf is the event with members changed, or removed where they are nil.
func eventOf(t testing.TB, change map[string]any) []byte {
	t.Helper()
	var all map[string]any
	require.NoError(t, json.Unmarshal([]byte(event), &all))
	for name, value := range change {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return text
}

func TestCloudEventRefuses(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		event []byte
		want  string
	}{
		"no JSON":          {[]byte(`{`), "not a JSON object"},
		"no object":        {[]byte(`[1]`), "not a JSON object"},
		"null":             {[]byte(`null`), "not a JSON object"},
		"empty":            {nil, "not a JSON object"},
		"transformed":      {[]byte(`{"order":1}`), "it has no id"},
		"no id":            {eventOf(t, map[string]any{"id": nil}), "it has no id"},
		"empty source":     {eventOf(t, map[string]any{"source": ""}), "it has no source"},
		"no type":          {eventOf(t, map[string]any{"detail-type": nil}), "it has no detail-type"},
		"number as time":   {eventOf(t, map[string]any{"time": 5}), "its time is not a string"},
		"no detail":        {eventOf(t, map[string]any{"detail": nil}), "it has no detail"},
		"detail is a list": {eventOf(t, map[string]any{"detail": []int{1}}), "it has no detail"},
		"other member":     {eventOf(t, map[string]any{"s3cret": "s3cret"}), "members that an event does not have"},
		"other version":    {eventOf(t, map[string]any{"version": "1"}), "its version is not 0"},
		"resources":        {eventOf(t, map[string]any{"resources": "a"}), "its resources are not an array"},
		"member by case":   {[]byte(strings.Replace(event, `"source"`, `"Source"`, 1)), "it has no source"},
	} {
		for _, mode := range []webhook.CloudEventsMode{webhook.CloudEventsStructured, webhook.CloudEventsBinary} {
			_, _, err := webhook.CloudEvent(mode, tc.event)
			require.ErrorContains(t, err, tc.want, name)
			require.NotContains(t, err.Error(), "s3cret")
		}
	}

	_, _, err := webhook.CloudEvent("both", []byte(event))
	require.ErrorContains(t, err, `mode "both" is not structured or binary`)
	long := eventOf(t, map[string]any{"resources": []string{strings.Repeat("x", 17<<10)}})
	_, _, err = webhook.CloudEvent(webhook.CloudEventsBinary, long)
	require.ErrorContains(t, err, "structured mode takes them")
	_, _, err = webhook.CloudEvent(webhook.CloudEventsStructured, long)
	require.NoError(t, err)
}

func TestCloudEventRequest(t *testing.T) {
	t.Parallel()

	var header http.Header
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		header, body = r.Header, string(b)
	}))
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{})
	request := &webhook.Request{
		URL: s.URL, Body: []byte(event), CloudEvents: webhook.CloudEventsBinary,
		Header: http.Header{"Content-Type": {"text/plain"}, "X-Other": {"kept"}},
	}
	require.Nil(t, client.Do(t.Context(), request).Failure)
	require.Equal(t, "com.acme.orders", header.Get("ce-source"))
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.Equal(t, "kept", header.Get("X-Other"))
	require.True(t, strings.HasPrefix(body, `{"order"`))

	request.CloudEvents = webhook.CloudEventsStructured
	require.Nil(t, client.Do(t.Context(), request).Failure)
	require.Equal(t, "application/cloudevents+json; charset=utf-8", header.Get("Content-Type"))

	request.Body = []byte("no event")
	f := client.Do(t.Context(), request).Failure
	require.Equal(t, &sinks.Failure{
		Code: sinks.CodeInvalidParameter, Message: "the event cannot be sent as a CloudEvent: it is not a JSON object", Permanent: true,
	}, f)
}

// reverse makes the envelope again of a CloudEvent's attributes.
func reverse(t *testing.T, attribute func(name string) string, data []byte) map[string]any {
	t.Helper()
	source, err := url.PathUnescape(attribute("source"))
	require.NoError(t, err)
	all := map[string]any{
		"version": "0", "id": attribute("id"), "source": source, "detail-type": attribute("type"), "time": attribute("time"),
	}
	for member, name := range map[string]string{"account": "awsaccount", "region": "awsregion", "replay-name": "awsreplayname"} {
		if text := attribute(name); text != "" {
			all[member] = text
		}
	}
	resources := []any{}
	if text := attribute("awsresources"); text != "" {
		require.NoError(t, json.Unmarshal([]byte(text), &resources))
	}
	all["resources"] = resources
	var detail any
	require.NoError(t, json.Unmarshal(data, &detail))
	all["detail"] = detail
	return all
}

func FuzzCloudEvent(f *testing.F) {
	f.Add([]byte(event))
	f.Add([]byte(strings.Replace(event, `"resources"`, `"replay-name":"r","resources"`, 1)))
	f.Add(eventOf(f, map[string]any{"source": "50% ü\n", "detail-type": "\x00\x7f%25", "resources": []string{}}))
	f.Add([]byte(`{"id":"1","source":"s","detail-type":"t","time":"x","detail":{}}`))
	f.Add([]byte(`{"id":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, body, err := webhook.CloudEvent(webhook.CloudEventsStructured, raw)
		h, data, binaryErr := webhook.CloudEvent(webhook.CloudEventsBinary, raw)
		if err != nil {
			require.Error(t, binaryErr)
			return
		}
		// What was sent, as far as an event has it.
		var want map[string]any
		require.NoError(t, json.Unmarshal(raw, &want))
		want["version"] = "0"
		if list, ok := want["resources"].([]any); !ok || len(list) == 0 {
			want["resources"] = []any{}
		}
		for _, member := range []string{"account", "region", "replay-name"} {
			if want[member] == "" {
				delete(want, member)
			}
		}

		var sent map[string]any
		require.NoError(t, json.Unmarshal(body, &sent), "structured mode is JSON")
		detail, err := json.Marshal(sent["data"])
		require.NoError(t, err)
		require.Equal(t, want, reverse(t, func(name string) string { s, _ := sent[name].(string); return s }, detail))

		if binaryErr != nil {
			require.ErrorContains(t, binaryErr, "structured mode takes them")
			return
		}
		require.Equal(t, want, reverse(t, func(name string) string {
			value := h.Get("ce-" + name)
			for i := range len(value) {
				require.True(t, value[i] > ' ' && value[i] < 0x7f, "headers are printable")
			}
			value, err := url.PathUnescape(value)
			require.NoError(t, err)
			return value
		}, data))
	})
}
