package archive

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/rules/transform"
)

// position is where a replay stands in its source. With an archive, Index is
// the number of an event within its millisecond.
type position struct {
	At    int64  `json:"at"` // Unix ms
	Group uint32 `json:"group,omitempty"`
	Index uint32 `json:"index,omitempty"`
}

// past is an event of the past.
type past struct {
	at       int64    // Unix ms of its publish
	next     position // behind it
	from, to int      // its text, in passage.text
	targets  []uint64 // the numbers of those it was delivered to, if that was asked for
}

// passage is some consecutive events of a source. Its memory is used again.
type passage struct {
	events []past
	text   []byte
	end    bool // the source has no more

	refs []eventlog.Ref // scratch
}

func (p *passage) reset() {
	p.events, p.text, p.refs, p.end = p.events[:0], p.text[:0], p.refs[:0], false
}

func (p *passage) body(i int) []byte { return p.text[p.events[i].from:p.events[i].to] }

func (p *passage) add(at int64, next position, body []byte) {
	from := len(p.text)
	p.text = append(p.text, body...)
	p.events = append(p.events, past{at: at, next: next, from: from, to: len(p.text)})
}

const (
	passageEventsMax = 1000
	passageBytesMax  = 1 << 20 // and one event more
)

func (p *passage) full() bool {
	return len(p.events) >= passageEventsMax || len(p.text) >= passageBytesMax
}

// source is what a replay reads: an archive, or the history of a bus.
type source struct {
	archive   uint32 // 0 for the history
	bus       turnout.BusName
	history   *history.Log
	until     int64 // Unix ms: events from then on are left out
	delivered bool  // past.targets are wanted
}

// read fills p with the events from a position on. It opens a view of the
// store for that only, so that a slow replay does not keep what is deleted, and
// seeks: what is before the position costs nothing.
func (s *source) read(st Store, p *passage, from position) (err error) {
	p.reset()
	snapshot := st.Snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	if s.archive != 0 {
		err = s.readArchive(snapshot, p, from)
	} else {
		err = s.readHistory(snapshot, p, from)
	}
	if err != nil || !s.delivered {
		return err
	}
	return s.findTargets(snapshot, p)
}

func (s *source) readArchive(r store.Reader, p *passage, from position) error {
	p.end = true
	events, failed := r.Scan(appendEventKey(nil, s.archive, from.At, from.Index), appendEventKey(nil, s.archive, s.until, 0))
	for key, body := range events {
		at, n, err := parseEventKey(key)
		if err != nil {
			return err
		}
		p.add(at, position{At: at, Index: n + 1}, body)
		if p.full() {
			p.end = false
			break
		}
	}
	return failed()
}

func (s *source) readHistory(r store.Reader, p *passage, from position) error {
	p.end = true
	size := 0
	begin := history.Position{At: from.At, Group: from.Group, Index: from.Index}
	entries, failed := s.history.Entries(r, s.bus, begin, time.UnixMilli(s.until))
	for e := range entries {
		next := e.Next()
		p.events = append(p.events, past{at: e.At, next: position{At: next.At, Group: next.Group, Index: next.Index}})
		p.refs = append(p.refs, e.Ref)
		if size += e.SizeBytes; size >= passageBytesMax || len(p.events) >= passageEventsMax {
			p.end = false
			break
		}
	}
	if err := failed(); err != nil {
		return err
	}
	return p.readBodies(r)
}

// readBodies reads the events that refs name: in one go, if they are near one
// another, as on a server whose events go by one bus.
func (p *passage) readBodies(r store.Reader) error {
	n := len(p.refs)
	if n > 0 && slices.IsSorted(p.refs) && int(p.refs[n-1]-p.refs[0]) < 3*n {
		return p.scanBodies(r)
	}
	for i, ref := range p.refs {
		p.events[i].from = len(p.text)
		var err error
		if p.text, err = eventlog.Get(r, p.text, ref); err != nil {
			return fmt.Errorf("read event %d of the history: %w", ref, err)
		}
		p.events[i].to = len(p.text)
	}
	return nil
}

func (p *passage) scanBodies(r store.Reader) error {
	i := 0
	bodies, failed := eventlog.Scan(r, p.refs[0], p.refs[len(p.refs)-1]+1)
	for ref, body := range bodies {
		for ; i < len(p.refs) && p.refs[i] == ref; i++ {
			p.events[i].from = len(p.text)
			p.text = append(p.text, body...)
			p.events[i].to = len(p.text)
		}
	}
	if err := failed(); err != nil {
		return fmt.Errorf("read events of the history: %w", err)
	}
	if i < len(p.refs) {
		return fmt.Errorf("%w: event %d of the history has no body", errRecord, p.refs[i])
	}
	return nil
}

//nolint:gochecknoglobals // a constant
var eventID, _ = transform.ParsePath("$.id")

// findTargets asks the history what the events were delivered to. What it does
// not know, or not any more, counts as never delivered.
func (s *source) findTargets(r store.Reader, p *passage) error {
	for i := range p.events {
		e := &p.events[i]
		id, ok := eventID.Text(p.body(i))
		if !ok {
			continue
		}
		found, err := s.history.FindAt(r, id, time.UnixMilli(e.at))
		if err != nil {
			return fmt.Errorf("find event %s in the history: %w", id, err)
		}
		for _, f := range found {
			e.targets = append(e.targets, f.Targets...)
		}
	}
	return nil
}
