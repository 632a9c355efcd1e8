package put

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// lineBytesMax bounds one line. An event of 1 MiB whose detail is a JSON string
// may take up to twice that.
const lineBytesMax = 4 << 20

// Defaults fill in what a line does not say.
type Defaults struct {
	Bus        string
	Source     string
	DetailType string
	// Details says that each line is an event's detail; otherwise a line is a
	// PutEvents entry, whose own fields win over these.
	Details bool
}

// entry is one event and the line it came from; a line that cannot be an event
// has err instead.
type entry struct {
	line  int
	event types.PutEventsRequestEntry
	err   error
}

// reader turns lines into batches.
type reader struct {
	in       *bufio.Reader
	defaults Defaults
	line     int
	next     *entry // read, but too large for the batch before
	ended    bool
}

func newReader(in io.Reader, d Defaults) *reader {
	return &reader{in: bufio.NewReaderSize(in, 256<<10), defaults: d}
}

// batch returns the next entries: as many as one request may hold, or fewer
// when no further complete line is at hand, so that a slow stream is not held
// back. It returns io.EOF after the last one.
func (r *reader) batch() ([]entry, error) {
	var batch []entry
	size := 0
	for len(batch) < awsclient.BatchEntriesMax {
		e := r.next
		r.next = nil
		if e == nil {
			if len(batch) > 0 && !r.atHand() {
				break
			}
			var err error
			if e, err = r.read(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return batch, err
			}
		}
		n := awsclient.EntrySizeBytes(&e.event)
		if len(batch) > 0 && size+n > awsclient.BatchBytesMax {
			r.next = e
			break
		}
		size += n
		batch = append(batch, *e)
	}
	if len(batch) == 0 {
		return nil, io.EOF
	}
	return batch, nil
}

// atHand reports whether a complete line can be read without waiting.
func (r *reader) atHand() bool {
	buffered, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(buffered, '\n') >= 0
}

// read returns the entry of the next line that is not blank.
func (r *reader) read() (*entry, error) {
	for !r.ended {
		line, err := r.readLine()
		switch {
		case errors.Is(err, io.EOF):
			r.ended = true // the last line may lack its newline
		case errors.Is(err, errLineTooLong):
			return &entry{line: r.line, err: err}, nil
		case err != nil:
			return nil, fmt.Errorf("read line %d: %w", r.line, err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		event, err := r.defaults.parse(line)
		return &entry{line: r.line, event: event, err: err}, nil
	}
	return nil, io.EOF
}

var errLineTooLong = fmt.Errorf("line is longer than %d bytes", lineBytesMax)

func (r *reader) readLine() ([]byte, error) {
	r.line++
	var line []byte
	tooLong := false
	for {
		part, err := r.in.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > lineBytesMax; !tooLong {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if tooLong && (err == nil || errors.Is(err, io.EOF)) {
			r.ended = err != nil
			return nil, errLineTooLong
		}
		return line, err
	}
}

// line is a PutEvents entry as JSON. Detail may be the string that the API
// wants, or the object itself.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
type line struct {
	EventBusName string
	Source       string
	DetailType   string
	Detail       json.RawMessage
	Resources    []string
	Time         *time.Time
	TraceHeader  string
}

// parse makes an event of one line.
func (d Defaults) parse(text []byte) (types.PutEventsRequestEntry, error) {
	l := line{Detail: text}
	if !d.Details {
		l.Detail = nil
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil {
			return types.PutEventsRequestEntry{}, fmt.Errorf("not a PutEvents entry: %w", err)
		}
		if dec.More() {
			return types.PutEventsRequestEntry{}, errors.New("more than one JSON value")
		}
	}
	detail := string(l.Detail)
	if len(l.Detail) > 0 && l.Detail[0] == '"' {
		if err := json.Unmarshal(l.Detail, &detail); err != nil {
			return types.PutEventsRequestEntry{}, fmt.Errorf("detail: %w", err)
		}
	}
	e := types.PutEventsRequestEntry{
		EventBusName: optional(l.EventBusName, d.Bus),
		Source:       optional(l.Source, d.Source),
		DetailType:   optional(l.DetailType, d.DetailType),
		Detail:       optional(detail, ""),
		Resources:    l.Resources,
		Time:         l.Time,
		TraceHeader:  optional(l.TraceHeader, ""),
	}
	return e, nil
}

// optional returns the first of the two that is not empty, or nil.
func optional(s, otherwise string) *string {
	if s == "" {
		s = otherwise
	}
	if s == "" {
		return nil
	}
	return aws.String(s)
}
