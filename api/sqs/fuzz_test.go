package sqs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/sqs"
)

// parrot is an engine that takes everything and stores nothing: what reaches it
// was decoded and checked, and what it answers must be encoded.
type parrot struct{ attributes turnout.QueueAttributes }

func (p *parrot) CreateQueue(_ context.Context, _ turnout.QueueName, _ turnout.QueueSettings, same func(turnout.QueueAttributes) error) error {
	return same(p.attributes)
}

func (p *parrot) UpdateQueue(_ context.Context, _ turnout.QueueName, change func(*turnout.QueueSettings) error) error {
	return change(&turnout.QueueSettings{Attributes: p.attributes})
}

func (p *parrot) DeleteQueue(context.Context, turnout.QueueName) error { return nil }
func (p *parrot) PurgeQueue(context.Context, turnout.QueueName) error  { return nil }

func (p *parrot) Queue(_ context.Context, name turnout.QueueName) (turnout.QueueInfo, error) {
	return turnout.QueueInfo{QueueName: name, QueueSettings: turnout.QueueSettings{Attributes: p.attributes, Tags: map[string]string{"k": "v"}}}, nil
}

func (p *parrot) Queues(_ context.Context, scope turnout.Scope, prefix string) ([]turnout.QueueName, error) {
	return []turnout.QueueName{{Scope: scope, Name: prefix + "q"}}, nil
}

func (p *parrot) DeadLetterSources(_ context.Context, name turnout.QueueName) ([]turnout.QueueName, error) {
	return []turnout.QueueName{name}, nil
}

func (p *parrot) Send(_ context.Context, _ turnout.QueueName, msgs []turnout.OutgoingMessage) ([]turnout.SentMessage, error) {
	sent := make([]turnout.SentMessage, len(msgs))
	for i := range sent {
		sent[i] = turnout.SentMessage{MessageID: "8f6a1c52-0b0f-4f5e-9d0c-0a4b0f3f1a11"}
	}
	return sent, nil
}

func (p *parrot) Receive(_ context.Context, _ turnout.QueueName, o turnout.ReceiveOptions) ([]turnout.ReceivedMessage, error) {
	return slices.Repeat([]turnout.ReceivedMessage{message(1 << 10)}, o.Max), nil
}

func (p *parrot) Delete(_ context.Context, _ turnout.QueueName, handles []string) ([]error, error) {
	return make([]error, len(handles)), nil
}

func (p *parrot) ChangeVisibility(_ context.Context, _ turnout.QueueName, changes []turnout.VisibilityChange) ([]error, error) {
	return make([]error, len(changes)), nil
}

func (p *parrot) Peek(context.Context, turnout.QueueName, int) ([]turnout.ReceivedMessage, error) {
	return []turnout.ReceivedMessage{message(10)}, nil
}

func (p *parrot) StartMoveTask(_ context.Context, spec turnout.MoveTaskSpec) (turnout.MoveTask, error) {
	return turnout.MoveTask{MoveTaskSpec: spec, ID: "id", Status: turnout.MoveRunning}, nil
}

func (p *parrot) CancelMoveTask(context.Context, turnout.QueueName, string) (int64, error) {
	return 1, nil
}

func (p *parrot) MoveTasks(_ context.Context, source turnout.QueueName) ([]turnout.MoveTask, error) {
	return []turnout.MoveTask{{MoveTaskSpec: turnout.MoveTaskSpec{Source: source}, Status: turnout.MoveCompleted}}, nil
}

// message is a received message with a body of n bytes, half of them quotes as in JSON text.
func message(n int) turnout.ReceivedMessage {
	return turnout.ReceivedMessage{
		MessageID: "8f6a1c52-0b0f-4f5e-9d0c-0a4b0f3f1a11", ReceiptHandle: "AQAAAAEAAAAAAAEAAAABOvSLAiNhNcr6ppkCSHi7bQ==",
		Body:       bytes.Repeat([]byte(`{"k":"value"},`), n/14+1)[:n],
		Attributes: []turnout.MessageAttribute{{Name: "k", Type: "String", Value: []byte("v")}},
		SenderID:   "000000000000", SentAt: time.UnixMilli(1700000000123), FirstReceivedAt: time.UnixMilli(1700000000123), ReceiveCount: 1,
	}
}

func parrotHandler() http.Handler {
	api := sqs.New(&parrot{attributes: turnout.DefaultQueueAttributes()})
	return awswire.New(awswire.Config{Services: []*awswire.Service{api.Service()}})
}

// sdkRequests returns the operations and bodies of testdata/sdk_requests.
func sdkRequests(t testing.TB) (requests [][2]string) {
	t.Helper()
	f, err := os.Open("testdata/sdk_requests")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if operation, body, ok := strings.Cut(lines.Text(), " "); ok && operation != "#" {
			requests = append(requests, [2]string{operation, body})
		}
	}
	require.NoError(t, lines.Err())
	return requests
}

// TestSDKRequestsAreRead proves that every member that the SDK can send is
// read: what is wrong with these requests is their values, not their form.
func TestSDKRequestsAreRead(t *testing.T) {
	t.Parallel()
	h := parrotHandler()
	requests := sdkRequests(t)
	require.Len(t, requests, 23, "all operations")
	for _, request := range requests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(request[1]))
		r.Header.Set("X-Amz-Target", "AmazonSQS."+request[0])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Less(t, w.Code, 500, request[0])
		require.NotContains(t, w.Body.String(), "SerializationException", request[0])
		require.NotContains(t, w.Body.String(), "UnknownOperation", request[0])
	}
}

// FuzzOperations sends arbitrary parameters to every operation in both
// protocols: none may panic or fail inside, and every answer is well-formed.
func FuzzOperations(f *testing.F) {
	for _, request := range sdkRequests(f) {
		f.Add(request[0], request[1], false)
	}
	f.Add("SendMessage", `{"QueueUrl":"q","MessageBody":"m","MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AP8="}}}`, false)
	f.Add("SendMessageBatch", `{"QueueUrl":"q","Entries":[{"Id":"1","MessageBody":"m","DelaySeconds":1},{"Id":"2"}]}`, false)
	f.Add("SendMessageBatch", "SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=m&QueueUrl=q.fifo", true)
	f.Add("ReceiveMessage", "QueueUrl=q&AttributeName.1=All&MessageAttributeName.1=k.*&MaxNumberOfMessages=3", true)
	f.Add("CreateQueue", "QueueName=q&Attribute.1.Name=RedrivePolicy&Attribute.1.Value={}&Tag.1.Key=a", true)
	f.Add("SetQueueAttributes", `{"QueueUrl":"q","Attributes":{"RedriveAllowPolicy":"{\"redrivePermission\":\"byQueue\"}","Policy":"{}"}}`, false)
	f.Add("AddPermission", `{"QueueUrl":"http://x/1/q","Label":"l","AWSAccountIds":["123456789012"],"Actions":["*"]}`, false)
	h := parrotHandler()
	f.Fuzz(func(t *testing.T, operation, parameters string, query bool) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(parameters))
		if query {
			r.URL.RawQuery = "Action=" + strings.Map(letters, operation)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		} else {
			r.Header["X-Amz-Target"] = []string{"AmazonSQS." + operation}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Less(t, w.Code, 500, "%s", w.Body)
		if !query {
			require.True(t, json.Valid(w.Body.Bytes()), "%s", w.Body)
			return
		}
		d := xml.NewDecoder(w.Body)
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
		}
	})
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}
