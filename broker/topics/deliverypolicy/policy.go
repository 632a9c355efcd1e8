package deliverypolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Policy is how messages are delivered to one HTTP endpoint.
type Policy struct {
	Retry        Retry
	PerSecondMax int    // maxReceivesPerSecond; 0 is no limit
	ContentType  string // headerContentType
}

// DefaultContentType is the content type that AWS gives messages.
const DefaultContentType = "text/plain; charset=UTF-8"

// Default returns what holds without any document.
func Default() Policy { return Policy{Retry: DefaultRetry(), ContentType: DefaultContentType} }

// Topic is a topic's DeliveryPolicy, parsed. The zero value is none.
type Topic struct {
	retry        *Retry
	perSecondMax *int
	contentType  *string
	final        bool // disableSubscriptionOverrides
}

// Subscription is a subscription's DeliveryPolicy, parsed. The zero value is none.
type Subscription struct {
	retry        *Retry
	perSecondMax *int
	contentType  *string
}

// The documents. A member that is null or missing is not set.

type topicDocument struct {
	HTTP struct {
		Retry    *retryDocument    `json:"defaultHealthyRetryPolicy"`
		Sickly   *retryDocument    `json:"defaultSicklyRetryPolicy"`
		Throttle *throttleDocument `json:"defaultThrottlePolicy"`
		Request  *requestDocument  `json:"defaultRequestPolicy"`
		Final    *bool             `json:"disableSubscriptionOverrides"`
	} `json:"http"`
}

type subscriptionDocument struct {
	Retry      *retryDocument    `json:"healthyRetryPolicy"`
	Sickly     *retryDocument    `json:"sicklyRetryPolicy"`
	Throttle   *throttleDocument `json:"throttlePolicy"`
	Request    *requestDocument  `json:"requestPolicy"`
	Guaranteed *bool             `json:"guaranteed"`
}

type retryDocument struct {
	MinDelay        *int    `json:"minDelayTarget"`
	MaxDelay        *int    `json:"maxDelayTarget"`
	Retries         *int    `json:"numRetries"`
	MaxDelayRetries *int    `json:"numMaxDelayRetries"`
	NoDelayRetries  *int    `json:"numNoDelayRetries"`
	MinDelayRetries *int    `json:"numMinDelayRetries"`
	Backoff         *string `json:"backoffFunction"`
}

type throttleDocument struct {
	PerSecond *int `json:"maxReceivesPerSecond"`
}

type requestDocument struct {
	ContentType *string `json:"headerContentType"`
}

// ParseTopic reads a topic's DeliveryPolicy; "" is none. The error's text has
// no prefix that depends on the operation.
func ParseTopic(text string) (Topic, error) {
	if text == "" {
		return Topic{}, nil
	}
	var d topicDocument
	if err := decode(text, &d); err != nil {
		return Topic{}, err
	}
	h := &d.HTTP
	s, err := parse("http.default", h.Retry, h.Throttle, h.Request)
	if err != nil {
		return Topic{}, err
	}
	return Topic{retry: s.retry, perSecondMax: s.perSecondMax, contentType: s.contentType, final: h.Final != nil && *h.Final}, nil
}

// ParseSubscription reads a subscription's DeliveryPolicy; "" is none.
func ParseSubscription(text string) (Subscription, error) {
	if text == "" {
		return Subscription{}, nil
	}
	var d subscriptionDocument
	if err := decode(text, &d); err != nil {
		return Subscription{}, err
	}
	return parse("", d.Retry, d.Throttle, d.Request)
}

// decode reads a document, strictly: a misspelt member would otherwise be a
// policy that silently does nothing.
func decode(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("failed to parse JSON. %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("failed to parse JSON. There is something behind the end of the document")
	}
	return nil
}

func parse(prefix string, r *retryDocument, t *throttleDocument, q *requestDocument) (s Subscription, err error) {
	if r != nil {
		s.retry = new(DefaultRetry())
		if err := r.read(s.retry, name(prefix, "healthyRetryPolicy", "HealthyRetryPolicy")); err != nil {
			return s, err
		}
	}
	if t != nil && t.PerSecond != nil {
		if *t.PerSecond < 1 {
			return s, fmt.Errorf("%s.maxReceivesPerSecond must be greater than or equal to 1", name(prefix, "throttlePolicy", "ThrottlePolicy"))
		}
		s.perSecondMax = t.PerSecond
	}
	if q != nil && q.ContentType != nil {
		if !knownContentType(*q.ContentType) {
			return s, fmt.Errorf("%s.headerContentType is not a content type that Amazon SNS supports: %s",
				name(prefix, "requestPolicy", "RequestPolicy"), *q.ContentType)
		}
		s.contentType = q.ContentType
	}
	return s, nil
}

func name(prefix, alone, behind string) string {
	if prefix == "" {
		return alone
	}
	return prefix + behind
}

// knownContentType reports whether AWS lets messages have a content type, with
// or without parameters.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func knownContentType(s string) bool {
	kind, _, _ := bytes.Cut([]byte(s), []byte{';'})
	switch string(bytes.TrimSpace(kind)) {
	case "text/css", "text/csv", "text/html", "text/plain", "text/xml",
		"application/atom+xml", "application/json", "application/octet-stream", "application/soap+xml",
		"application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml":
	default:
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= 256
}

// The bounds that AWS gives HTTP endpoints.
const (
	retriesMax = 100
	delayMax   = 3600 // seconds
	totalMax   = time.Hour
)

// read puts what is set into r, and checks the result. AWS wants three of the
// members given.
func (d *retryDocument) read(r *Retry, path string) error {
	var minDelay, maxDelay int
	for _, f := range []struct {
		name      string
		from      *int
		to        *int
		low, high int
		required  bool
	}{
		{"numRetries", d.Retries, &r.Retries, 0, retriesMax, true},
		{"minDelayTarget", d.MinDelay, &minDelay, 1, delayMax, true},
		{"maxDelayTarget", d.MaxDelay, &maxDelay, 1, delayMax, true},
		{"numNoDelayRetries", d.NoDelayRetries, &r.NoDelay, 0, retriesMax, false},
		{"numMinDelayRetries", d.MinDelayRetries, &r.MinDelayRetries, 0, retriesMax, false},
		{"numMaxDelayRetries", d.MaxDelayRetries, &r.MaxDelayRetries, 0, retriesMax, false},
	} {
		switch {
		case f.from == nil && f.required:
			return fmt.Errorf("%s.%s must be specified", path, f.name)
		case f.from == nil:
			continue
		case *f.from < f.low:
			return fmt.Errorf("%s.%s must be greater than or equal to %d", path, f.name, f.low)
		case *f.from > f.high:
			return fmt.Errorf("%s.%s must be less than or equal to %d", path, f.name, f.high)
		}
		*f.to = *f.from
	}
	if d.Backoff != nil {
		r.Backoff = Backoff(*d.Backoff)
	}
	r.MinDelay, r.MaxDelay = time.Duration(minDelay)*time.Second, time.Duration(maxDelay)*time.Second
	return r.check(path)
}

func (r Retry) check(path string) error {
	switch r.Backoff {
	case Linear, Arithmetic, Geometric, Exponential:
	default:
		return fmt.Errorf("%s.backoffFunction must be one of linear, arithmetic, geometric, exponential", path)
	}
	switch {
	case r.MinDelay > r.MaxDelay:
		return fmt.Errorf("%s.maxDelayTarget must be greater than or equal to minDelayTarget", path)
	case r.NoDelay+r.MinDelayRetries+r.MaxDelayRetries > r.Retries:
		return fmt.Errorf("%s.numRetries must be greater than or equal to the sum of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries", path)
	case r.total() > totalMax:
		return fmt.Errorf("%s must not take longer than %d seconds in total", path, int(totalMax.Seconds()))
	}
	return nil
}

// Effective puts the policies of a subscription and its topic together.
func Effective(t Topic, s Subscription) Policy {
	p := Default()
	override(&p, Subscription{retry: t.retry, perSecondMax: t.perSecondMax, contentType: t.contentType})
	if !t.final {
		override(&p, s)
	}
	return p
}

func override(p *Policy, s Subscription) {
	if s.retry != nil {
		p.Retry = *s.retry
	}
	if s.perSecondMax != nil {
		p.PerSecondMax = *s.perSecondMax
	}
	if s.contentType != nil {
		p.ContentType = *s.contentType
	}
}

// Document returns the topic's EffectiveDeliveryPolicy.
func (t Topic) Document() string {
	p := Effective(t, Subscription{})
	text := fmt.Appendf(nil, `{"http":{"defaultHealthyRetryPolicy":%s,"disableSubscriptionOverrides":%t`, retryText(p.Retry), t.final)
	if p.PerSecondMax > 0 {
		text = fmt.Appendf(text, `,"defaultThrottlePolicy":{"maxReceivesPerSecond":%d}`, p.PerSecondMax)
	}
	return string(fmt.Appendf(text, `,"defaultRequestPolicy":{"headerContentType":%q}}}`, p.ContentType))
}

// Document returns a subscription's EffectiveDeliveryPolicy.
func (p Policy) Document() string {
	throttle := "null"
	if p.PerSecondMax > 0 {
		throttle = fmt.Sprintf(`{"maxReceivesPerSecond":%d}`, p.PerSecondMax)
	}
	return fmt.Sprintf(`{"healthyRetryPolicy":%s,"sicklyRetryPolicy":null,"throttlePolicy":%s,"requestPolicy":{"headerContentType":%q},"guaranteed":false}`,
		retryText(p.Retry), throttle, p.ContentType)
}

func retryText(r Retry) string {
	return fmt.Sprintf(`{"minDelayTarget":%d,"maxDelayTarget":%d,"numRetries":%d,"numMaxDelayRetries":%d,"numNoDelayRetries":%d,"numMinDelayRetries":%d,"backoffFunction":%q}`,
		int(r.MinDelay.Seconds()), int(r.MaxDelay.Seconds()), r.Retries, r.MaxDelayRetries, r.NoDelay, r.MinDelayRetries, string(r.Backoff))
}
