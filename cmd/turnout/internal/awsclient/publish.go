package awsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// Limits of one PutEvents request.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
const (
	BatchEntriesMax = 10
	BatchBytesMax   = 1 << 20
)

// attemptsMax is how often an entry is sent in all. An entry that the server
// shed three times is the caller's to decide about.
const attemptsMax = 3

// Result is the answer to one entry: its event id, or why it was refused.
type Result struct {
	EventID string
	Code    string // "" when published
	Message string
}

// Publish sends up to BatchEntriesMax entries with PutEvents and returns one
// result for each, in order. Entries that the server refused for a passing
// reason are sent again, twice at most, after a short wait. The error is not
// nil when a request failed as a whole; what it did is then unknown.
func (c *Clients) Publish(ctx context.Context, entries []types.PutEventsRequestEntry) ([]Result, error) {
	results := make([]Result, len(entries))
	todo := make([]int, len(entries)) // positions in entries
	for i := range todo {
		todo[i] = i
	}
	for attempt := 1; ; attempt++ {
		batch := make([]types.PutEventsRequestEntry, len(todo))
		for i, at := range todo {
			batch[i] = entries[at]
		}
		out, err := c.Events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: batch})
		if err != nil {
			return nil, Explain(err, c.Endpoint)
		}
		if len(out.Entries) != len(batch) {
			return nil, fmt.Errorf("server answered %d entries for %d", len(out.Entries), len(batch))
		}
		for i, at := range todo {
			e := out.Entries[i]
			results[at] = Result{EventID: aws.ToString(e.EventId), Code: aws.ToString(e.ErrorCode), Message: aws.ToString(e.ErrorMessage)}
		}
		todo = slices.DeleteFunc(todo, func(at int) bool { return !passing(results[at].Code) })
		if len(todo) == 0 || attempt == attemptsMax {
			return results, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Duration(attempt) * 100 * time.Millisecond):
		}
	}
}

// passing reports whether an entry with this error code may succeed later.
func passing(code string) bool {
	switch code {
	case "InternalFailure", "InternalException", "ThrottlingException", "ServiceUnavailable":
		return true
	}
	return false
}

// Explain adds to a connection error what to do about it.
func Explain(err error, endpoint string) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s: start one with 'turnout dev', or name another with --endpoint or AWS_ENDPOINT_URL: %w",
			endpoint, syscall.ECONNREFUSED)
	}
	return err
}

// EntrySizeBytes is the size of an entry as EventBridge counts it: 14 bytes for
// a time, and the UTF-8 lengths of source, detail type, detail and resources.
func EntrySizeBytes(e *types.PutEventsRequestEntry) int {
	n := len(aws.ToString(e.Source)) + len(aws.ToString(e.DetailType)) + len(aws.ToString(e.Detail))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}
