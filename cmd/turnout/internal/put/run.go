package put

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// failuresKept bounds the failures that a Summary lists.
const failuresKept = 100

// Publisher sends up to ten entries and returns one result for each; see
// awsclient.Clients.
type Publisher interface {
	Publish(ctx context.Context, entries []types.PutEventsRequestEntry) ([]awsclient.Result, error)
}

// Summary says what became of a stream.
type Summary struct {
	Published int       `json:"published"`
	Failed    int       `json:"failed"`
	Seconds   float64   `json:"seconds"`
	EventID   string    `json:"event_id,omitempty"` // of the only event, when one was published
	Failures  []Failure `json:"failures"`           // the first hundred
}

// Failure is a line that was not published.
type Failure struct {
	Line    int    `json:"line"`
	Code    string `json:"code"` // the server's, or InvalidLine
	Message string `json:"message"`
}

// codeInvalidLine marks lines that were not sent because they are no events.
const codeInvalidLine = "InvalidLine"

// Run publishes every line of in, in order. After each batch it calls progress,
// if that is set, with the summary so far. A line that is refused does not stop
// it; the error is not nil when reading or a whole request failed, and the
// summary then covers what was answered before.
func Run(ctx context.Context, p Publisher, in io.Reader, d Defaults, progress func(*Summary)) (*Summary, error) {
	began := time.Now()
	s := &Summary{Failures: []Failure{}}
	defer func() { s.Seconds = time.Since(began).Seconds() }()
	r := newReader(in, d)
	for {
		batch, err := r.batch()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if err := s.send(ctx, p, batch); err != nil {
			return s, err
		}
		if progress != nil {
			progress(s)
		}
	}
}

func (s *Summary) send(ctx context.Context, p Publisher, batch []entry) error {
	var events []types.PutEventsRequestEntry
	var sent []entry
	for _, e := range batch {
		if e.err != nil {
			s.fail(e.line, codeInvalidLine, e.err.Error())
			continue
		}
		events = append(events, e.event)
		sent = append(sent, e)
	}
	if len(events) == 0 {
		return nil
	}
	results, err := p.Publish(ctx, events)
	if err != nil {
		return fmt.Errorf("publish lines %d to %d: %w", sent[0].line, sent[len(sent)-1].line, err)
	}
	for i, res := range results {
		if res.Code != "" {
			s.fail(sent[i].line, res.Code, res.Message)
			continue
		}
		s.Published++
		s.EventID = ""
		if s.Published == 1 {
			s.EventID = res.EventID
		}
	}
	return nil
}

func (s *Summary) fail(line int, code, message string) {
	s.Failed++
	if len(s.Failures) < failuresKept {
		s.Failures = append(s.Failures, Failure{Line: line, Code: code, Message: message})
	}
}
