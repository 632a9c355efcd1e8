package sqs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// discard is a ResponseWriter that costs nothing.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { d.bytes += len(p); return len(p), nil }

// benchmark measures what the wire and the API cost a request: everything but
// net/http and the engine.
func benchmark(b *testing.B, operation, body string) {
	b.Helper()
	h := parrotHandler()
	reader := strings.NewReader(body)
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/", io.NopCloser(reader))
	require.NoError(b, err)
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20250102/us-east-1/sqs/aws4_request, "+
		"SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target;x-amzn-query-mode, Signature="+strings.Repeat("0", 64))
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		reader.Reset(body)
		h.ServeHTTP(w, r)
	}
	require.Equal(b, http.StatusOK, w.status)
}

func jsonOf(b *testing.B, v any) string {
	b.Helper()
	text, err := json.Marshal(v)
	require.NoError(b, err)
	return string(text)
}

// How much of a SendMessage's CPU is decoding, checking, digesting and answering?
func BenchmarkSendMessage(b *testing.B) {
	for name, body := range map[string][]byte{"plain": bytes.Repeat([]byte("x"), 1<<10), "json": message(1 << 10).Body} {
		b.Run(name, func(b *testing.B) {
			benchmark(b, "SendMessage", jsonOf(b, map[string]any{"QueueUrl": "http://localhost:4566/000000000000/q", "MessageBody": string(body)}))
		})
	}
	b.Run("attributes", func(b *testing.B) {
		benchmark(b, "SendMessage", jsonOf(b, map[string]any{
			"QueueUrl": "http://localhost:4566/000000000000/q", "MessageBody": string(message(1 << 10).Body),
			"MessageAttributes": map[string]any{
				"a": map[string]any{"DataType": "String", "StringValue": "value"},
				"b": map[string]any{"DataType": "Number", "StringValue": "42"},
			},
		}))
	})
}

// And of a batch of ten messages of 1 KiB?
func BenchmarkSendMessageBatch(b *testing.B) {
	var entries []map[string]any
	for i := range 10 {
		entries = append(entries, map[string]any{"Id": string(rune('a' + i)), "MessageBody": string(message(1 << 10).Body)})
	}
	benchmark(b, "SendMessageBatch", jsonOf(b, map[string]any{"QueueUrl": "http://localhost:4566/000000000000/q", "Entries": entries}))
}

// What does it cost to answer messages of 1 KiB?
func BenchmarkReceiveMessage(b *testing.B) {
	for name, request := range map[string]map[string]any{
		"1":      {"MaxNumberOfMessages": 1},
		"10":     {"MaxNumberOfMessages": 10},
		"10-all": {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": []string{"All"}, "MessageAttributeNames": []string{"All"}},
	} {
		b.Run(name, func(b *testing.B) {
			request["QueueUrl"] = "http://localhost:4566/000000000000/q"
			benchmark(b, "ReceiveMessage", jsonOf(b, request))
		})
	}
}

func BenchmarkDeleteMessage(b *testing.B) {
	benchmark(b, "DeleteMessage", jsonOf(b, map[string]any{
		"QueueUrl": "http://localhost:4566/000000000000/q", "ReceiptHandle": message(1).ReceiptHandle,
	}))
}

func BenchmarkDeleteMessageBatch(b *testing.B) {
	var entries []map[string]any
	for i := range 10 {
		entries = append(entries, map[string]any{"Id": string(rune('a' + i)), "ReceiptHandle": message(1).ReceiptHandle})
	}
	benchmark(b, "DeleteMessageBatch", jsonOf(b, map[string]any{"QueueUrl": "http://localhost:4566/000000000000/q", "Entries": entries}))
}
