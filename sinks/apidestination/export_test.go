package apidestination

import (
	"time"

	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// Build is build, for tests.
func (s *Sink) Build(d *sinks.Delivery, c *Connection) (*webhook.Request, *sinks.Failure) {
	return s.build(d, c)
}

// MergeBody is mergeBody with body parameters of the given names and values, for tests.
func MergeBody(body []byte, pairs ...string) ([]byte, error) {
	var members []parameter
	for i := 0; i+1 < len(pairs); i += 2 {
		members = append(members, parameter{key: pairs[i], value: secret.NewText(pairs[i+1])})
	}
	return mergeBody(body, members)
}

// ReadToken is token.read on an answer with the given status and body, for tests.
func ReadToken(status int, body []byte) (value string, lifetime time.Duration, f *sinks.Failure) {
	a := webhook.Answer{Result: sinks.Result{Status: status}, Body: body}
	if status < 200 || status > 299 {
		a.Failure = &sinks.Failure{Code: sinks.CodeErrorFromTarget, Message: "x", Permanent: status < 500}
	}
	text, lifetime, _, f := (&token{}).read(&a)
	return text.Reveal(), lifetime, f
}
