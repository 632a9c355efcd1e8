package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/rules"
)

// Publish accepts events and answers each: its id, or why it is refused
// (CodeMalformedRequest for a detail that is not a JSON object within the
// bounds of rules.Scan). When it returns, every delivery to every matching
// target is durable, or none of any of the events is. An event for a bus that
// does not exist gets an id and is dropped, as AWS does it, and counted.
//
// The error is for the call, which then had no effect: CodeStorageFull,
// CodeThrottled, CodeUnavailable, CodeLimitExceeded beyond Config.DeliveriesMax.
func (b *Broker) Publish(ctx context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.refuse.Load() {
		return nil, errStorageFull
	}
	p := b.newPublication()
	defer b.release(p)
	published := make([]turnout.PublishedEvent, len(entries))
	if err := p.accept(entries, published); err != nil {
		return nil, err
	}
	if err := p.commit(); err != nil {
		return nil, err
	}
	p.account(len(entries))
	return published, nil
}

var errStorageFull = turnout.Errorf(turnout.CodeStorageFull,
	"The server's disk is almost full and accepts no new events. Receives and deletes still work; free some space or consume messages.")

// publication is one Publish on its way. Its memory is used again.
type publication struct {
	broker *Broker
	now    time.Time

	accepted int     // events[:accepted] are as published, the rest copies for other regions
	events   []event // what is delivered
	text     []byte  // of events, one after another
	random   []byte  // not used yet, of …
	entropy  [16 * idsAtOnce]byte

	injection *Injection      // nil: the events are published
	direct    []*catalog.Rule // of a direct injection …
	directAt  uint64          // … at this version of its bus

	// What matching found.
	used       []usedBus // the buses matched against, and their versions
	visits     []visit
	rules      []*catalog.Rule // matched, once for each event
	ids        []rules.ID
	deliveries []delivery
	attempts   int                // deliveries, and visits of further buses
	fifo       map[fifoTarget]int // deliveries to FIFO queues
	matching   time.Duration

	// What became of it.
	tally   tally
	lost    []delivery
	numbers []uint64 // scratch
}

// event is one body: an event as a target that takes it unchanged gets it.
type event struct {
	entry    *turnout.EventEntry
	origin   int // the index of the event as published
	id       string
	from, to int          // its text
	ref      eventlog.Ref // once a delivery needs it
}

type usedBus struct {
	name    turnout.BusName
	version uint64
}

// visit says that an event came by a bus.
type visit struct {
	event  int // index in publication.events
	origin int // of the event
	bus    turnout.BusName
}

// fifoTarget is an event on its way to a FIFO queue or topic.
type fifoTarget struct {
	event int
	arn   string
}

func (b *Broker) newPublication() *publication {
	p, ok := b.publications.Get().(*publication)
	if !ok {
		p = &publication{broker: b}
	}
	p.now = b.loop.Now()
	return p
}

// keepTextMax bounds the memory that a publication keeps for the next one.
const keepTextMax = 256 << 10

func (b *Broker) release(p *publication) {
	if cap(p.text) > keepTextMax || cap(p.deliveries) > 4096 {
		return
	}
	p.reset(0)
	clear(p.direct)
	p.injection, p.direct = nil, p.direct[:0]
	clear(p.events[:cap(p.events)])
	p.events, p.text = p.events[:0], p.text[:0]
	b.publications.Put(p)
}

// reset forgets what matching found, and the copies it made.
func (p *publication) reset(events int) {
	p.events = p.events[:events]
	if events > 0 {
		p.text = p.text[:p.events[events-1].to]
	}
	clear(p.rules)
	clear(p.deliveries)
	clear(p.lost)
	clear(p.fifo)
	p.used, p.visits, p.rules, p.deliveries, p.lost = p.used[:0], p.visits[:0], p.rules[:0], p.deliveries[:0], p.lost[:0]
	p.attempts, p.tally = 0, tally{}
}

// accept makes the events of entries, and answers each in published.
func (p *publication) accept(entries []turnout.EventEntry, published []turnout.PublishedEvent) error {
	for i := range entries {
		e := &entries[i]
		if err := checkDetail(e.Detail); err != nil {
			published[i].Err = err
			continue
		}
		id, err := p.newID()
		if err != nil {
			return err
		}
		at := e.Time
		if at.IsZero() {
			at = p.now
		}
		from := len(p.text)
		p.text = appendEvent(p.text, id, at, e)
		p.events = append(p.events, event{entry: e, origin: len(p.events), id: id, from: from, to: len(p.text)})
		published[i].ID = id
	}
	p.accepted = len(p.events)
	return nil
}

// checkDetail refuses what AWS calls malformed. Nothing looks into the bytes before.
func checkDetail(detail []byte) error {
	if err := rules.Scan(detail); err != nil {
		return &turnout.Error{Code: turnout.CodeMalformedRequest, Message: "Detail is malformed.", Err: err}
	}
	if !rules.IsObject(detail) {
		return turnout.Errorf(turnout.CodeMalformedRequest, "Detail is malformed.")
	}
	return nil
}

// idsAtOnce is how many ids random bytes are read for: one read costs little
// more than another, however much it yields.
const idsAtOnce = 16

func (p *publication) newID() (string, error) {
	const size = 16
	if len(p.random) < size {
		p.random = p.entropy[:]
		if _, err := io.ReadFull(p.broker.cfg.Random, p.random); err != nil {
			p.random = nil
			return "", fmt.Errorf("make an event id: %w", err)
		}
	}
	id := turnout.UUID([size]byte(p.random))
	p.random = p.random[size:]
	return id, nil
}

func (p *publication) body(e *event) []byte { return p.text[e.from:e.to] }

// commit matches outside the loop and writes on it. When rules change in
// between, it matches again; when they change again and again, on the loop.
func (p *publication) commit() error {
	c := p.broker.catalog
	for range staleMax {
		err := p.resolve(p.broker.read)
		if err == nil {
			err = p.match(c.View)
		}
		if err != nil {
			return err
		}
		err = p.broker.loop.Do(func(tx *partition.Tx) error {
			if !p.isCurrent() {
				return errStale
			}
			return p.deliver(tx)
		})
		if !errors.Is(err, errStale) {
			return err
		}
		p.broker.stats.rematches.Add(1)
	}
	return p.broker.loop.Do(func(tx *partition.Tx) error {
		err := p.resolve(func(f func() error) error { return f() })
		if err == nil {
			err = p.match(c.Current)
		}
		if err != nil {
			return err
		}
		return p.deliver(tx)
	})
}

// isCurrent reports whether matching now would find the same.
func (p *publication) isCurrent() bool {
	if len(p.direct) > 0 && p.broker.catalog.Current(p.injection.Bus).Version() != p.directAt {
		return false
	}
	for i := range p.used {
		if p.broker.catalog.Current(p.used[i].name).Version() != p.used[i].version {
			return false
		}
	}
	for i := range p.deliveries {
		if topic := p.deliveries[i].topic; topic != nil && !topic.Current() {
			return false
		}
	}
	return true
}
