package notification_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/notification"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

func example() *notification.Message {
	return &notification.Message{
		Kind: notification.Notification, ID: "8c8f1c3e-0000-4000-8000-000000000000", Sequence: 7,
		TopicARN: "arn:aws:sns:us-east-1:000000000000:t.fifo", Subject: new(""), At: time.UnixMilli(946684800123).UTC(),
		Bodies: []notification.Body{
			{Protocol: "default", Text: "text", Signature: []byte{1, 2}}, {Protocol: "http", Text: ""},
		},
		Attributes: []turnout.MessageAttribute{{Name: "a", Type: "Binary", Value: []byte{0, 255}}},
		GroupID:    "g", DeduplicationID: "d", TraceHeader: "Root=1", SignatureVersion: 2,
	}
}

func TestTheStoredFormReadsBack(t *testing.T) {
	t.Parallel()
	m := example()
	stored := m.Append([]byte("before"))
	got, err := notification.Parse(stored[6:])
	require.NoError(t, err)
	require.Equal(t, m, got)
	require.Equal(t, "text", got.Body("sqs").Text)
	require.Empty(t, got.Body("http").Text)
	notification.SetStoredSequence(stored[6:], 1<<60)
	got, err = notification.Parse(stored[6:])
	require.NoError(t, err)
	require.EqualValues(t, 1<<60, got.Sequence)
	for i := range stored[6:] {
		_, err := notification.Parse(stored[6 : 6+i])
		require.ErrorIs(t, err, notification.ErrMessage, "cut off after %d bytes", i)
	}
}

func FuzzParse(f *testing.F) {
	m := example()
	f.Add(m.Append(nil))
	m.Kind, m.Subject, m.Token, m.BaseURL = notification.SubscriptionConfirmation, nil, "token", "http://localhost:4566"
	f.Add(m.Append(nil))
	f.Add([]byte{1, 1, 0})
	f.Fuzz(func(t *testing.T, stored []byte) {
		m, err := notification.Parse(stored)
		if err != nil {
			require.ErrorIs(t, err, notification.ErrMessage)
			return
		}
		require.Equal(t, stored, m.Append(nil), "a message has one stored form")
		to := &notification.Receiver{SubscriptionARN: "arn", CertificateURL: "url", BaseURL: "base"}
		m.ID, m.TopicARN = "id", "arn"
		for _, text := range [][]byte{
			notification.AppendNotification(nil, m, m.Body("sqs"), to), notification.AppendConfirmation(nil, m, to), notification.AppendEvent(nil, m, m.Body("lambda"), to),
		} {
			require.True(t, json.Valid(text), "%s", text)
		}
	})
}

func TestTextIsQuotedAsJSON(t *testing.T) {
	t.Parallel()
	m := example()
	m.Bodies[0].Text = "\x00\x1f\"\\/\n\r\t\u2028é\xff\U0001F600"
	var got struct{ Message string }
	text := notification.AppendNotification(nil, m, &m.Bodies[0], &notification.Receiver{})
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, "\x00\x1f\"\\/\n\r\t\u2028é\ufffd\U0001F600", got.Message)
	notification.SetSequence(text, 1234)
	require.Contains(t, string(text), `"SequenceNumber" : "10000000000000001234"`)
	require.Equal(t, "10000000000000001234", notification.SequenceNumber(1234))
}

type client func(*webhook.Request) sinks.Result

func (c client) Do(_ context.Context, r *webhook.Request) sinks.Result { return c(r) }

func TestAnswersMeanWhatTheyMeanToSNS(t *testing.T) {
	t.Parallel()
	m := example()
	d := sinks.Delivery{Body: m.Append(nil)}
	for status, permanent := range map[int]bool{
		http.StatusNotFound: true, http.StatusRequestTimeout: true, http.StatusGone: true, http.StatusTooManyRequests: false, http.StatusBadGateway: false,
	} {
		sink := notification.HTTP{Protocol: "https", Client: client(func(*webhook.Request) sinks.Result {
			return sinks.Result{Status: status, Failure: &sinks.Failure{Gone: status == http.StatusGone}}
		})}
		result := sink.Attempt(t.Context(), d)
		require.Equal(t, permanent, result.Failure.Permanent, "status %d", status)
		require.False(t, result.Failure.Gone, "SNS does not give up an endpoint that answers 410")
	}
}

func TestWhatCannotBeReadFailsForGood(t *testing.T) {
	t.Parallel()
	d := sinks.Delivery{Body: []byte("no message")}
	for _, sink := range []sinks.Sink{&notification.HTTP{}, &notification.Function{}, &notification.Nowhere{}} {
		result := sink.Attempt(t.Context(), d)
		require.True(t, result.Failure.Permanent)
	}
	body, attributes := (&notification.Nowhere{}).DeadLetter(d)
	require.Equal(t, d.Body, body)
	require.Empty(t, attributes)
}
