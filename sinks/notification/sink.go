package notification

import (
	"context"
	"net/http"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// Client sends what leaves the server, as webhook.Client does.
type Client interface {
	Do(ctx context.Context, r *webhook.Request) sinks.Result
}

// HTTP posts messages to an http or https subscription. The body of a delivery
// is a message's stored form.
type HTTP struct {
	Client      Client
	Receiver    Receiver
	Protocol    string // http or https
	URL         string
	ContentType string
	Raw         bool // RawMessageDelivery
}

// The headers of AWS.
// https://docs.aws.amazon.com/sns/latest/dg/http-header.html
const (
	userAgent      = "Amazon Simple Notification Service Agent"
	acceptEncoding = "gzip,deflate"
)

// Attempt posts a message once.
func (s *HTTP) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result {
	m, err := Parse(d.Body)
	if err != nil {
		return damaged(err)
	}
	h := http.Header{
		"User-Agent":             {userAgent},
		"Accept-Encoding":        {acceptEncoding},
		"Content-Type":           {s.ContentType},
		"X-Amz-Sns-Message-Type": {m.Kind.String()},
		"X-Amz-Sns-Message-Id":   {m.ID},
		"X-Amz-Sns-Topic-Arn":    {m.TopicARN},
	}
	if m.Kind != SubscriptionConfirmation {
		h["X-Amz-Sns-Subscription-Arn"] = []string{s.Receiver.SubscriptionARN}
	}
	if m.TraceHeader != "" {
		h["X-Amzn-Trace-Id"] = []string{m.TraceHeader}
	}
	if s.Raw && m.Kind == Notification {
		h["X-Amz-Sns-Rawdelivery"] = []string{"true"}
	}
	result := s.Client.Do(ctx, &webhook.Request{URL: s.URL, Header: h, Body: s.body(m)})
	s.judge(&result)
	return result
}

// judge makes answers mean what they mean to SNS: of the client errors, only
// 429 is tried again.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func (s *HTTP) judge(r *sinks.Result) {
	if f := r.Failure; f != nil && r.Status >= 400 && r.Status < 500 {
		f.Permanent, f.Gone = r.Status != http.StatusTooManyRequests, false
	}
}

func (s *HTTP) body(m *Message) []byte {
	switch {
	case m.Kind != Notification:
		return AppendConfirmation(nil, m, &s.Receiver)
	case s.Raw:
		return []byte(m.Body(s.Protocol).Text)
	default:
		b := m.Body(s.Protocol)
		return AppendNotification(make([]byte, 0, len(b.Text)+1024), m, b, &s.Receiver)
	}
}

// DeadLetter returns what goes into the dead-letter queue of a subscription:
// the notification as it would have been delivered.
func (s *HTTP) DeadLetter(d sinks.Delivery) (body []byte, attributes []turnout.MessageAttribute) {
	m, err := Parse(d.Body)
	if err != nil {
		return d.Body, nil
	}
	if s.Raw {
		attributes = m.Attributes
	}
	return s.body(m), attributes
}

// Function gives messages to a function, in the form of SNS's events. The body
// of a delivery is a message's stored form.
type Function struct {
	Function sinks.Sink // takes the event as it is
	ARN      string     // of the function
	Receiver Receiver
}

// Attempt invokes the function once.
func (s *Function) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result {
	m, err := Parse(d.Body)
	if err != nil {
		return damaged(err)
	}
	d.Endpoint, d.Body = s.ARN, s.event(m)
	d.TraceHeader = m.TraceHeader
	return s.Function.Attempt(ctx, d)
}

func (s *Function) event(m *Message) []byte {
	b := m.Body("lambda")
	return AppendEvent(make([]byte, 0, len(b.Text)+1024), m, b, &s.Receiver)
}

// DeadLetter returns the notification in the form that a queue would get,
// since AWS puts the same text into every dead-letter queue.
func (s *Function) DeadLetter(d sinks.Delivery) (body []byte, attributes []turnout.MessageAttribute) {
	m, err := Parse(d.Body)
	if err != nil {
		return d.Body, nil
	}
	return AppendNotification(nil, m, m.Body("lambda"), &s.Receiver), nil
}

// Nowhere is the sink of a subscription that messages can no longer reach: each
// attempt fails for good.
type Nowhere struct {
	Receiver Receiver
	Raw      bool
	Reason   string // for people
}

// Attempt fails.
func (s *Nowhere) Attempt(context.Context, sinks.Delivery) sinks.Result {
	return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeNoResource, Message: s.Reason, Permanent: true}}
}

// DeadLetter returns the notification as a queue would get it.
func (s *Nowhere) DeadLetter(d sinks.Delivery) (body []byte, attributes []turnout.MessageAttribute) {
	queue := HTTP{Receiver: s.Receiver, Raw: s.Raw}
	return queue.DeadLetter(d)
}

// damaged is the result for a delivery that cannot be read: a fault of ours.
func damaged(err error) sinks.Result {
	return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeInternalError, Message: err.Error(), Permanent: true}}
}

var (
	_ sinks.Sink = (*HTTP)(nil)
	_ sinks.Sink = (*Function)(nil)
	_ sinks.Sink = (*Nowhere)(nil)
)
