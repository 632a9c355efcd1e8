package topics

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics/deliverypolicy"
	"github.com/seed567880c8/turnout/internal/partition"
)

// find returns a topic that exists, nil if none does. On the loop it is exact;
// elsewhere it is as new as the last change that was answered, or newer.
func (t *Topics) find(name turnout.TopicName) *topic {
	if p, ok := t.byName.Load(name); ok {
		return p.(*topic)
	}
	return nil
}

// CreateTopic creates a topic, if there is none of the name; otherwise it calls
// same with the settings of the existing one, on the partition's loop, and
// returns what that returns. A topic is FIFO by its attributes; that its name
// says the same is the caller's to see to. It is CodeInvalidParameter for a
// policy that cannot be parsed, CodeLimitExceeded beyond Config.TopicsMax.
func (t *Topics) CreateTopic(_ context.Context, name turnout.TopicName, s turnout.TopicSettings, same func(turnout.TopicSettings) error) error {
	s = clone(s)
	delivery, archive, err := parseTopic(&s.Attributes)
	if err != nil {
		return asError(err, inAttributes)
	}
	return t.loop.Do(func(tx *partition.Tx) error {
		if p := t.find(name); p != nil {
			return same(p.view.Load().settings)
		}
		if t.counts[name.Scope] >= t.cfg.TopicsMax {
			return turnout.Errorf(turnout.CodeLimitExceeded, "Topic limit exceeded: at most %d topics can be created.", t.cfg.TopicsMax)
		}
		p := &topic{id: t.nextID, name: name, createdAt: tx.Now, all: make(map[string]*subscription)}
		v := &View{topic: p, arn: name.ARN(), settings: s, delivery: delivery}
		if s.Attributes.FIFO {
			p.fifo = newFIFO(tx.Now)
			t.setArchive(tx, p, v, archive)
		}
		p.publish(v)
		t.nextID++
		tx.Batch.Set(plainKey(kindMeta), encode(metaRecord{Version: recordVersion, NextID: t.nextID}))
		t.storeTopic(tx, p)
		t.enter(p)
		return nil
	})
}

// enter gives a topic its place in memory.
func (t *Topics) enter(p *topic) {
	t.byName.Store(p.name, p)
	t.counts[p.name.Scope]++
	if p.fifo != nil {
		t.fifos[p.id] = p
	}
	t.stats.topics.Add(1)
}

// storeTopic writes a topic's record.
func (t *Topics) storeTopic(tx *partition.Tx, p *topic) {
	tx.Batch.Set(appendTopicKey(nil, kindTopic, p.id), p.encode())
}

// parseTopic parses the policies among a topic's attributes.
func parseTopic(a *turnout.TopicAttributes) (delivery deliverypolicy.Topic, archive time.Duration, err error) {
	if delivery, err = deliverypolicy.ParseTopic(a.DeliveryPolicy); err != nil {
		return delivery, 0, invalid("DeliveryPolicy: %s", err.Error())
	}
	if a.ArchivePolicy != "" && !a.FIFO {
		return delivery, 0, invalid("ArchivePolicy: only FIFO topics can have an archive policy")
	}
	archive, err = parseArchive(a.ArchivePolicy)
	return delivery, archive, err
}

// asError words the *turnout.Error in err otherwise.
func asError(err error, word func(*turnout.Error) *turnout.Error) error {
	if e, ok := errors.AsType[*turnout.Error](err); ok {
		return word(e)
	}
	return err
}

// UpdateTopic changes the settings of a topic: change gets a copy of them, on
// the partition's loop, and may refuse by an error, which is returned. Whether
// a topic is FIFO cannot be changed. It is CodeNotFound without the topic.
func (t *Topics) UpdateTopic(_ context.Context, name turnout.TopicName, change func(*turnout.TopicSettings) error) error {
	return t.loop.Do(func(tx *partition.Tx) error {
		p := t.find(name)
		if p == nil {
			return errTopicNotFound()
		}
		old := p.view.Load()
		s := clone(old.settings)
		if err := change(&s); err != nil {
			return err
		}
		s = clone(s) // what change left in it is the caller's
		s.Attributes.FIFO = old.settings.Attributes.FIFO
		delivery, archive, err := parseTopic(&s.Attributes)
		if err != nil {
			return err
		}
		next := old.next()
		next.settings, next.delivery = s, delivery
		if p.fifo != nil {
			if archive == 0 && t.replaying(p) {
				return invalid("ArchivePolicy: a subscription of the topic is replaying its messages")
			}
			t.setArchive(tx, p, next, archive)
		}
		p.publish(next)
		t.storeTopic(tx, p)
		return nil
	})
}

func clone(s turnout.TopicSettings) turnout.TopicSettings {
	s.Tags = maps.Clone(s.Tags)
	s.Attributes.Feedback = maps.Clone(s.Attributes.Feedback)
	return s
}

// DeleteTopic removes a topic; one that does not exist is no error. Its
// subscriptions get nothing any more, and can be read for Config.TokenLife.
func (t *Topics) DeleteTopic(_ context.Context, name turnout.TopicName) error {
	return t.loop.Do(func(tx *partition.Tx) error {
		p := t.find(name)
		if p == nil {
			return nil
		}
		until := tx.Now.Add(t.cfg.TokenLife)
		g := &ghost{until: until, subscriptions: make([]string, 0, len(p.all))}
		for _, s := range p.all {
			delete(t.fading, s.ID)
			delete(t.replays, s.ID)
			g.subscriptions = append(g.subscriptions, s.ID)
		}
		for id, s := range t.fading {
			if s.topic == p { // removed before, and not among all
				delete(t.fading, id)
				g.subscriptions = append(g.subscriptions, id)
			}
		}
		t.ghosts[p.id] = g
		t.dueAt(until)
		tx.Batch.Set(appendTopicKey(nil, kindGhost, p.id), encode(ghostRecord{Version: recordVersion, Until: until.UnixMilli()}))
		tx.Batch.Delete(appendTopicKey(nil, kindTopic, p.id))
		if p.fifo != nil {
			tx.Batch.Delete(appendTopicKey(nil, kindSequence, p.id))
			for _, kind := range []byte{kindArchived, kindDedup, kindReplay} {
				tx.Batch.DeleteRange(topicRange(kind, p.id))
			}
			delete(t.fifos, p.id)
		}
		t.byName.Delete(name)
		t.counts[name.Scope]--
		t.stats.topics.Add(-1)
		t.stats.subscriptions.Add(-int64(len(p.all)))
		p.close()
		return nil
	})
}

// Topic describes a topic. It is CodeNotFound without one.
func (t *Topics) Topic(_ context.Context, name turnout.TopicName) (turnout.TopicInfo, error) {
	p := t.find(name)
	if p == nil {
		return turnout.TopicInfo{}, t.absent(errTopicNotFound())
	}
	v := p.view.Load()
	info := turnout.TopicInfo{
		TopicName: name, TopicSettings: clone(v.settings), CreatedAt: p.createdAt,
		Confirmed: v.confirmed, Pending: v.pending, Deleted: v.deleted,
		EffectiveDeliveryPolicy: v.delivery.Document(),
	}
	if err := t.settled(); err != nil {
		return turnout.TopicInfo{}, err
	}
	if v.settings.Attributes.ArchivePolicy != "" {
		var err error
		if info.ArchiveBegins, err = t.archiveBegins(p); err != nil {
			return turnout.TopicInfo{}, err
		}
	}
	return info, nil
}

// absent returns err, once what made it true is durable.
func (t *Topics) absent(err error) error {
	if failed := t.settled(); failed != nil {
		return failed
	}
	return err
}

// TopicNames returns the topics of an account and region, sorted by name.
func (t *Topics) TopicNames(_ context.Context, scope turnout.Scope) ([]turnout.TopicName, error) {
	var names []turnout.TopicName
	t.byName.Range(func(key, _ any) bool {
		if name := key.(turnout.TopicName); name.Scope == scope {
			names = append(names, name)
		}
		return true
	})
	slices.SortFunc(names, func(a, b turnout.TopicName) int { return strings.Compare(a.Name, b.Name) })
	return names, t.settled()
}
