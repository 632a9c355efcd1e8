package topics

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// replayPolicy is a parsed ReplayPolicy.
type replayPolicy struct {
	from, to time.Time // to is zero for no end
}

// parseReplay reads a ReplayPolicy; "" is none.
// https://docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-subscriber.html
func parseReplay(policy string) (*replayPolicy, error) {
	if policy == "" {
		return nil, nil //nolint:nilnil // no policy, no error
	}
	var d struct {
		PointType     string
		StartingPoint string
		EndingPoint   string
	}
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		return nil, invalid("ReplayPolicy: failed to parse JSON. %s", err.Error())
	}
	if d == (struct{ PointType, StartingPoint, EndingPoint string }{}) {
		return nil, nil //nolint:nilnil // {} is none
	}
	if d.PointType != "Timestamp" {
		return nil, invalid("ReplayPolicy: PointType must be Timestamp")
	}
	p := &replayPolicy{}
	var err error
	if p.from, err = time.Parse(time.RFC3339, d.StartingPoint); err != nil || p.from.Unix() < 0 {
		return nil, invalid("ReplayPolicy: StartingPoint must be an ISO 8601 timestamp")
	}
	if d.EndingPoint != "" {
		if p.to, err = time.Parse(time.RFC3339, d.EndingPoint); err != nil || !p.to.After(p.from) {
			return nil, invalid("ReplayPolicy: EndingPoint must be an ISO 8601 timestamp after StartingPoint")
		}
	}
	return p, nil
}

// The values of ReplayStatus.
const (
	replayPending    = "Pending"
	replayInProgress = "In progress"
	replayCompleted  = "Completed"
	replayFailed     = "Failed"
)

// replay delivers messages of a FIFO topic's archive to one subscription again,
// in order: those of the time asked for, and then those that have been
// published since the replay was asked for. Meanwhile the subscription gets
// nothing at publish time, and when it has caught up it does again, in one
// operation of the loop, so that nothing is left out, comes twice or out of order.
//
// It belongs to the loop. Its progress is in the batches of its deliveries.
type replay struct {
	topic        *topic
	subscription string // id

	status string
	next   position // of the first message that was not looked at
	end    int64    // Unix ms: of what was asked for, the last; 0 for no end
	live   position // of the first message that was published afterwards
	held   bool     // the subscription is not among the receivers
}

// active reports whether there is something to do.
func (r *replay) active() bool { return r.held }

// upper returns where the part of the archive that is being read ends.
func (r *replay) upper() position {
	if !r.next.before(r.live) {
		return position{at: maxMillis}
	}
	if end := (position{at: r.end + 1}); r.end != 0 && end.before(r.live) {
		return end
	}
	return r.live
}

// maxMillis is later than any message.
const maxMillis = 1<<48 - 1

// replayStatus returns the ReplayStatus of a subscription. It may be called
// from any goroutine.
func (p *topic) replayStatus(subscription string) (string, bool) {
	if status, ok := p.statuses.Load(subscription); ok {
		return status.(string), true
	}
	return "", false
}

// checkReplay refuses a ReplayPolicy where nothing can be replayed.
func checkReplay(p *topic, s *subscription) error {
	if s.replay != nil && (p.fifo == nil || p.fifo.archive.retention == 0) {
		return invalid("ReplayPolicy: the topic has no archive policy")
	}
	return nil
}

// startReplay begins the replay that a live subscription asks for, if it does.
// It then is not to be among the receivers.
func (t *Topics) startReplay(tx *partition.Tx, p *topic, s *subscription) bool {
	if s.replay == nil || checkReplay(p, s) != nil {
		return false
	}
	live := position{at: tx.Now.UnixMilli(), seq: p.fifo.next}
	if old := t.replays[s.ID]; old != nil && old.active() {
		live = old.live
		if live.before(old.next) {
			live = old.next
		}
	}
	r := &replay{
		topic: p, subscription: s.ID, status: replayPending, held: true,
		next: position{at: s.replay.from.UnixMilli()}, end: millis(s.replay.to), live: live,
	}
	t.putReplay(tx, r)
	return true
}

// changeReplay makes a new ReplayPolicy of a live subscription hold, and
// reports whether the subscription is not to be among the receivers.
func (t *Topics) changeReplay(tx *partition.Tx, p *topic, s *subscription) bool {
	if s.replay != nil {
		return t.startReplay(tx, p, s)
	}
	old := t.replays[s.ID]
	if old == nil || !old.active() {
		t.stopReplay(tx, p, s)
		return false
	}
	r := *old // what was held back of the live messages is still to come
	r.status, r.end = "", 0
	if r.next.before(r.live) {
		r.next = r.live
	}
	t.putReplay(tx, &r)
	return true
}

// stopReplay forgets the replay of a subscription, if there is one.
func (t *Topics) stopReplay(tx *partition.Tx, p *topic, s *subscription) {
	if t.replays[s.ID] == nil {
		return
	}
	delete(t.replays, s.ID)
	p.statuses.Delete(s.ID)
	tx.Batch.Delete(subscriptionKey(kindReplay, p.id, s.ID))
}

// putReplay stores a replay and shows its status.
func (t *Topics) putReplay(tx *partition.Tx, r *replay) {
	t.replays[r.subscription] = r
	r.show()
	live := r.live
	if !r.held {
		live = position{}
	}
	tx.Batch.Set(subscriptionKey(kindReplay, r.topic.id, r.subscription), encode(replayRecord{
		Version: recordVersion, Status: r.status,
		NextAt: r.next.at, NextSeq: r.next.seq, EndAt: r.end, LiveAt: live.at, LiveSeq: live.seq,
	}))
	if r.held {
		tx.OnDurable(t.wakeReplays)
	}
}

func (r *replay) show() {
	if r.status == "" {
		r.topic.statuses.Delete(r.subscription)
		return
	}
	r.topic.statuses.Store(r.subscription, r.status)
}

// replaying reports whether a subscription of a topic waits for messages of its archive.
func (t *Topics) replaying(p *topic) bool {
	for _, r := range t.replays {
		if r.topic == p && r.active() {
			return true
		}
	}
	return false
}

func (t *Topics) wakeReplays() {
	select {
	case t.wake <- struct{}{}:
	default: // a token is there already
	}
}

// replayRetry is how long to wait after the server was too busy for a step.
const replayRetry = 100 * time.Millisecond

// runReplays does steps of all active replays in turn until ctx ends.
func (t *Topics) runReplays(ctx context.Context) error {
	for ctx.Err() == nil {
		steps, err := t.activeReplays()
		for _, s := range steps {
			if err == nil && ctx.Err() == nil {
				err = t.step(s)
			}
		}
		switch {
		case err != nil:
			if e, ok := errors.AsType[*turnout.Error](err); !ok || e.Code != turnout.CodeThrottled && e.Code != turnout.CodeUnavailable {
				return err
			}
			t.pause(ctx, replayRetry)
		case len(steps) == 0:
			select {
			case <-t.wake:
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (t *Topics) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// replayStep is a part of a replay: what is read of the archive at once.
type replayStep struct {
	replay   *replay
	from, to position
	next     position
	to1      *subscription
	view     *View
	messages []*notification.Message
	stored   [][]byte
	failed   error
}

// What is read of the archive at once.
const (
	stepMessages = 1024
	stepBytes    = 1 << 20
)

// activeReplays returns a step of each active replay.
func (t *Topics) activeReplays() ([]*replayStep, error) {
	var steps []*replayStep
	err := t.loop.Do(func(*partition.Tx) error {
		for _, r := range t.replays {
			if r.active() {
				steps = append(steps, &replayStep{replay: r, from: r.next, to: r.upper()})
			}
		}
		return nil
	})
	return steps, err
}

// step reads a part of the archive, and delivers it on the loop.
func (t *Topics) step(s *replayStep) error {
	s.read(t)
	return t.loop.Do(func(tx *partition.Tx) error {
		r := t.replays[s.replay.subscription]
		found, ok := t.byID.Load(s.replay.subscription)
		if r != s.replay || r.next != s.from || !ok {
			return nil // it was changed or ended
		}
		s.to1 = found.(*subscription)
		s.view = r.topic.view.Load()
		next := *r
		next.next = s.next
		if next.status == replayPending {
			next.status = replayInProgress
		}
		for i, m := range s.messages {
			t.repeat(tx, s, m, s.stored[i])
		}
		switch {
		case s.failed != nil:
			next.next = next.live
			if !r.next.before(r.live) {
				next.next = position{at: maxMillis}
			}
			next.status = replayFailed
			tx.OnDurable(func() { t.warn("archived messages cannot be read", s.failed) })
		case len(s.messages) == 0 && r.next.before(r.live):
			next.next = next.live // the time asked for is done
		}
		last := r.topic.fifo.archive.last
		if !next.next.before(next.live) && last.before(next.next) {
			t.catchUp(&next, s.to1)
		}
		t.putReplay(tx, &next)
		return nil
	})
}

// catchUp puts a subscription among the receivers again.
func (t *Topics) catchUp(r *replay, s *subscription) {
	r.held = false
	if r.status == replayInProgress {
		r.status = replayCompleted
	}
	v := r.topic.view.Load().next()
	v.add(s)
	r.topic.publish(v)
}

// read reads the step's part of the archive.
func (s *replayStep) read(t *Topics) {
	topic := s.replay.topic.id
	s.next = s.from
	pairs, failed := t.store.Scan(appendArchivedKey(nil, topic, s.from), appendArchivedKey(nil, topic, s.to))
	size := 0
	for key, value := range pairs {
		at, err := parseArchivedKey(key)
		var m *notification.Message
		if err == nil {
			m, err = notification.Parse(value)
		}
		if err != nil {
			s.failed = err
			return
		}
		s.messages = append(s.messages, m)
		s.stored = append(s.stored, append([]byte(nil), value...))
		s.next = position{at: at.at, seq: at.seq + 1}
		if size += len(value); size >= stepBytes || len(s.messages) >= stepMessages {
			break
		}
	}
	s.failed = failed()
}

// repeat delivers an archived message to a subscription whose filter policy
// lets it through.
func (t *Topics) repeat(tx *partition.Tx, s *replayStep, m *notification.Message, stored []byte) {
	to := s.to1
	body := m.Body(to.Protocol)
	if !to.accepts(m.Attributes, body.Text) {
		t.stats.filtered.Add(1)
		return
	}
	t.stats.replayed.Add(1)
	if to.external() {
		x := dispatch.Delivery{
			Endpoint: to.arn, EventID: m.ID, Body: stored, GroupID: m.GroupID, DeadLetters: to.deadLetters,
			RetriesMax: to.policy(s.view).Retry.Retries, AgeMax: httpAgeMax, TraceHeader: m.TraceHeader,
		}
		if !to.overHTTP() {
			x.AgeMax = functionAgeMax
		}
		t.offer(tx, to, x)
		return
	}
	out := queues.Delivery{
		GroupID: m.GroupID, DeduplicationID: m.DeduplicationID, DeduplicationIDGiven: true, Repeated: true, TraceHeader: m.TraceHeader,
	}
	if to.Attributes.RawMessageDelivery {
		out.Body, out.Attributes = []byte(body.Text), m.Attributes
	} else {
		receiver := t.receiver(to.arn)
		out.Body = notification.AppendNotification(nil, m, body, &receiver)
	}
	t.enqueue(tx, to, out)
}
