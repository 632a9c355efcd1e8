package topics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// load reads everything but archived messages. The kinds are read in an order
// in which each finds what it belongs to.
func (t *Topics) load() error {
	if err := t.loadSecret(); err != nil {
		return err
	}
	if err := t.loadSigner(); err != nil {
		return err
	}
	t.nextID = 1
	l := loader{topics: t, byID: make(map[uint32]*topic)}
	for _, kind := range []byte{kindMeta, kindTopic, kindGhost, kindSequence, kindSubscription, kindReplay, kindDedup} {
		pairs, failed := t.store.Scan([]byte{prefix, kind}, []byte{prefix, kind + 1})
		for key, value := range pairs {
			if err := l.record(key, value); err != nil {
				return err
			}
		}
		if err := failed(); err != nil {
			return fmt.Errorf("topics: read the configuration: %w", err)
		}
	}
	return l.finish()
}

// loader takes records.
type loader struct {
	topics *Topics
	byID   map[uint32]*topic
}

func (l *loader) record(key, value []byte) error {
	kind, number, rest, err := splitKey(key)
	if err != nil {
		return err
	}
	t := l.topics
	switch kind {
	case kindMeta:
		m, err := decode[metaRecord](key, value)
		t.nextID = m.NextID
		return err
	case kindTopic:
		return l.topic(number, key, value)
	case kindGhost:
		return l.ghost(number, key, value)
	case kindSubscription:
		return l.subscription(number, string(rest), key, value)
	}
	p := l.byID[number]
	if p == nil || p.fifo == nil {
		return fmt.Errorf("topics: key %x belongs to no FIFO topic", key)
	}
	switch kind {
	case kindSequence:
		if len(value) != 8 {
			return fmt.Errorf("topics: record of key %x is damaged", key)
		}
		p.fifo.next = binary.BigEndian.Uint64(value)
		return nil
	case kindDedup:
		return p.fifo.dedup.load(rest, value)
	default:
		return l.replay(p, string(rest), key, value)
	}
}

func (l *loader) topic(number uint32, key, value []byte) error {
	r, err := decode[topicRecord](key, value)
	if err != nil {
		return err
	}
	name, ok := turnout.ParseTopicARN(r.ARN)
	if !ok {
		return fmt.Errorf("topics: topic %d has the ARN %q", number, r.ARN)
	}
	s := r.settings()
	delivery, archive, err := parseTopic(&s.Attributes)
	if err != nil {
		return fmt.Errorf("topics: load topic %s: %w", r.ARN, err)
	}
	p := &topic{id: number, name: name, createdAt: fromMillis(r.CreatedAt), all: make(map[string]*subscription)}
	if r.FIFO {
		p.fifo = newFIFO(l.topics.loop.Now())
		p.fifo.archive.retention = archive
	}
	p.publish(&View{topic: p, arn: r.ARN, settings: s, delivery: delivery, deleted: r.Deleted, archiveSince: r.ArchiveSince})
	l.byID[number] = p
	l.topics.enter(p)
	return nil
}

// ghost makes a deleted topic that its subscriptions can belong to. What it was
// like is forgotten but its name, which they know.
func (l *loader) ghost(number uint32, key, value []byte) error {
	r, err := decode[ghostRecord](key, value)
	if err != nil {
		return err
	}
	until := fromMillis(r.Until)
	l.topics.ghosts[number] = &ghost{until: until}
	l.topics.dueAt(until)
	p := &topic{id: number}
	p.publish(&View{topic: p, gone: true})
	l.byID[number] = p
	return nil
}

func (l *loader) subscription(number uint32, id string, key, value []byte) error {
	r, err := decode[subscriptionRecord](key, value)
	if err != nil {
		return err
	}
	sub, st, err := r.subscription(id)
	if err != nil {
		return err
	}
	t, p := l.topics, l.byID[number]
	if p == nil {
		return fmt.Errorf("topics: subscription %s belongs to no topic", sub.ARN())
	}
	s, err := t.compile(sub, st)
	if err != nil {
		return fmt.Errorf("topics: load subscription %s: %w", sub.ARN(), err)
	}
	s.topic, s.until = p, fromMillis(r.Until)
	t.byID.Store(id, s)
	if g := t.ghosts[number]; g != nil {
		g.subscriptions = append(g.subscriptions, id)
		return nil
	}
	t.fade(s)
	v := p.view.Load() // nobody else has it yet
	switch st {
	case live:
		v.confirmed++
	case pending:
		v.pending++
	default:
		return nil
	}
	p.all[identity(s.Protocol, s.Endpoint)] = s
	t.stats.subscriptions.Add(1)
	return nil
}

func (l *loader) replay(p *topic, id string, key, value []byte) error {
	r, err := decode[replayRecord](key, value)
	if err != nil {
		return err
	}
	one := &replay{
		topic: p, subscription: id, status: r.Status,
		next: position{at: r.NextAt, seq: r.NextSeq}, end: r.EndAt, live: position{at: r.LiveAt, seq: r.LiveSeq},
		held: r.LiveAt != 0,
	}
	one.show()
	l.topics.replays[id] = one
	return nil
}

// finish puts the receivers into the Views, and finds the newest message of
// each archive.
func (l *loader) finish() error {
	t := l.topics
	for _, p := range l.byID {
		v := p.view.Load()
		for _, s := range p.all {
			if r := t.replays[s.ID]; s.state == live && (r == nil || !r.active()) {
				v.receivers = append(v.receivers, s)
			}
		}
		slices.SortFunc(v.receivers, func(a, b *subscription) int { return strings.Compare(a.ID, b.ID) })
		if p.fifo == nil || v.gone {
			continue
		}
		if d := &p.fifo.dedup; d.stored != 0 {
			t.dueAt(time.UnixMilli((d.stored + 2) * spanMillis))
		}
		key, _, err := t.store.Last(topicRange(kindArchived, p.id))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("topics: find the newest archived message: %w", err)
		}
		if p.fifo.archive.last, err = parseArchivedKey(key); err != nil {
			return err
		}
		t.tickArchive(&p.fifo.archive, t.loop.Now())
	}
	t.wakeReplays()
	return nil
}
