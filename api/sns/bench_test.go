package sns_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/sns"
)

// sink takes messages and keeps none.
type sink struct{ *memory }

func (s sink) PublishTopic(_ context.Context, _ turnout.TopicName, ms []turnout.TopicMessage) ([]turnout.PublishedMessage, error) {
	answers := make([]turnout.PublishedMessage, len(ms))
	for i := range answers {
		answers[i].MessageID = "8f6a1c52-0b0f-4f5e-9d0c-0a4b0f3f1a11"
	}
	return answers, nil
}

// BenchmarkPublish measures what the protocol costs a message of 1 KiB with
// two attributes, without the engine.
func BenchmarkPublish(b *testing.B) {
	api := sns.New(sink{populated()}, sns.Config{})
	h := awswire.New(awswire.Config{Services: []*awswire.Service{api.Service()}})
	body := strings.Join(pairs([]string{
		"Action=Publish", "Version=2010-03-31", "TopicArn=$topic", "Message=" + strings.Repeat(`{"k":"value"},`, 74),
		"MessageAttributes.entry.1.Name=a", "MessageAttributes.entry.1.Value.DataType=String", "MessageAttributes.entry.1.Value.StringValue=v",
		"MessageAttributes.entry.2.Name=b", "MessageAttributes.entry.2.Value.DataType=Number", "MessageAttributes.entry.2.Value.StringValue=1",
	}), "&")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
