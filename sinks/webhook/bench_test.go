package webhook_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks/webhook"
)

// BenchmarkDo answers what the client costs beside a bare http.Client that
// reads the answer: deliveries of 1 KiB to an endpoint in the same process.
func BenchmarkDo(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	b.Cleanup(s.Close)
	header := http.Header{"Content-Type": {"application/json"}}

	hardened := local(b, webhook.Config{})
	secret := key(b, secretText)
	do := func(b *testing.B, signing *webhook.Signing) {
		b.Helper()
		r := hardened.Do(b.Context(), &webhook.Request{URL: s.URL, Header: header, Body: body, DeliveryID: "d-1", Attempt: 1, Sign: signing})
		if r.Failure != nil {
			b.Fatal(r.Failure.Message)
		}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(client.CloseIdleConnections)
	plain := func(b *testing.B) {
		b.Helper()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL, bytes.NewReader(body))
		require.NoError(b, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		require.NoError(b, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(b, err)
		require.NoError(b, resp.Body.Close())
	}

	for name, one := range map[string]func(b *testing.B){
		"bare":   plain,
		"client": func(b *testing.B) { b.Helper(); do(b, nil) },
		"signed": func(b *testing.B) { b.Helper(); do(b, &webhook.Signing{Keys: []webhook.Key{secret}}) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one(b)
			}
		})
	}
	// One of each in turn, so that a busy machine slows both.
	b.Run("share", func(b *testing.B) {
		var bare, ours time.Duration
		for b.Loop() {
			start := time.Now()
			plain(b)
			middle := time.Now()
			do(b, nil)
			bare, ours = bare+middle.Sub(start), ours+time.Since(middle)
		}
		b.ReportMetric(100*bare.Seconds()/ours.Seconds(), "%-of-bare")
	})
}

// BenchmarkCloudEvent answers what the other form costs an event of 250 bytes.
func BenchmarkCloudEvent(b *testing.B) {
	for _, mode := range []webhook.CloudEventsMode{webhook.CloudEventsStructured, webhook.CloudEventsBinary} {
		b.Run(string(mode), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := webhook.CloudEvent(mode, []byte(event))
				require.NoError(b, err)
			}
		})
	}
}
