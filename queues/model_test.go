package queues_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/queues"
)

// The model: what a caller may observe of one queue and its dead-letter queue,
// written for clarity. The engine must agree after every step, whatever power
// losses and restarts lie between.

type modelMessage struct {
	body      string
	id        string
	group     string
	sentAt    time.Time
	visibleAt time.Time // delayed or in flight until then
	handle    string    // of the newest receive
	receives  int
}

type model struct {
	t        *rapid.T
	n        *node
	queue    turnout.QueueName
	dlq      turnout.QueueName
	fifo     bool
	receives int           // the redrive policy's maximum, 0 for none
	retain   time.Duration // retention
	delays   bool
	messages []*modelMessage // in order of sending
	dead     map[string]bool
	next     int
	sent     map[string]string // FIFO: id by body, within the deduplication window
	sentAt   map[string]time.Time
}

// expire drops what retention ended, in flight or not.
func (m *model) expire() {
	now := time.Now()
	m.messages = slices.DeleteFunc(m.messages, func(x *modelMessage) bool { return !x.sentAt.Add(m.retain).After(now) })
}

func (x *modelMessage) inFlight(now time.Time) bool { return x.receives > 0 && x.visibleAt.After(now) }

func (m *model) depth() (d turnout.QueueDepth) {
	now := time.Now()
	for _, x := range m.messages {
		switch {
		case x.inFlight(now):
			d.InFlight++
		case x.visibleAt.After(now):
			d.Delayed++
		default:
			d.Visible++
		}
	}
	return d
}

// offered returns what a receive may hand out: in a FIFO queue each group up to its first invisible message.
func (m *model) offered() []*modelMessage {
	closed := make(map[string]bool)
	var got []*modelMessage
	for _, x := range m.messages {
		if m.fifo && closed[x.group] {
			continue
		}
		if x.visibleAt.After(time.Now()) {
			closed[x.group] = true
			continue
		}
		got = append(got, x)
	}
	return got
}

func (m *model) find(body string) *modelMessage {
	for _, x := range m.messages {
		if x.body == body {
			return x
		}
	}
	return nil
}

func (m *model) require() *require.Assertions { return require.New(m.t) }

func (m *model) send(t *rapid.T) {
	m.t = t
	out := turnout.OutgoingMessage{Body: fmt.Append(nil, m.next)}
	x := &modelMessage{body: string(out.Body), sentAt: time.Now(), visibleAt: time.Now()}
	if m.delays {
		d := time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * time.Second
		out.Delay, x.visibleAt = &d, time.Now().Add(d)
	}
	if m.fifo {
		x.group = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
		out.GroupID = x.group
		if len(m.sent) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 { // maybe a duplicate
			out.Body = []byte(rapid.SampledFrom(slices.Sorted(maps.Keys(m.sent))).Draw(t, "body"))
			x.body = string(out.Body)
		}
	}
	m.next++
	sent, err := m.n.Send(m.n.t.Context(), m.queue, []turnout.OutgoingMessage{out})
	m.require().NoError(err)
	m.require().NoError(sent[0].Err)
	x.id = sent[0].MessageID
	if m.fifo {
		if at, ok := m.sentAt[x.body]; ok && time.Since(at) < turnout.DeduplicationWindow {
			m.require().Equal(m.sent[x.body], x.id, "a duplicate is answered with the original id")
			return
		}
		m.sent[x.body], m.sentAt[x.body] = x.id, time.Now()
	}
	m.messages = append(m.messages, x)
}

func (m *model) receive(t *rapid.T) {
	m.t = t
	limit := rapid.IntRange(1, 10).Draw(t, "max")
	visibility := time.Duration(rapid.IntRange(0, 60).Draw(t, "visibility")) * time.Second
	m.expire()
	offered := m.offered()
	dead := make(map[string]*modelMessage)
	alive := 0
	for _, x := range offered {
		if m.receives > 0 && x.receives >= m.receives {
			dead[x.body] = x
		} else {
			alive++
		}
	}
	got, err := m.n.Receive(m.n.t.Context(), m.queue, turnout.ReceiveOptions{Max: limit, Visibility: &visibility})
	m.require().NoError(err)
	m.collectDead(dead)
	if !m.fifo {
		m.require().Equal(alive > 0, len(got) > 0, "a receive finds what is visible")
	} else if len(dead) == 0 {
		m.require().Equal(alive > 0, len(got) > 0, "a receive finds what is open")
	}
	for _, r := range got {
		x := m.find(string(r.Body))
		m.require().NotNil(x, "message %s was handed out and does not exist", r.Body)
		if m.fifo { // every earlier message of the group is gone, dead or in this receive
			for _, y := range m.messages {
				if y == x {
					break
				}
				m.require().False(y.group == x.group && (y.visibleAt.After(time.Now()) || y.handle == "" || y.receives == 0),
					"message %s overtook %s", x.body, y.body)
			}
		}
		m.require().False(x.visibleAt.After(time.Now()), "message %s was invisible", x.body)
		x.receives++
		m.require().Equal(x.receives, r.ReceiveCount)
		m.require().Equal(x.id, r.MessageID)
		x.handle = r.ReceiptHandle
	}
	for _, r := range got { // only now, so that one receive may hold several of a group
		m.find(string(r.Body)).visibleAt = time.Now().Add(visibility)
	}
}

// collectDead moves to the model's dead-letter queue what is in the real one.
func (m *model) collectDead(candidates map[string]*modelMessage) {
	if m.receives == 0 {
		return
	}
	peeked, err := m.n.Peek(m.n.t.Context(), m.dlq, 10_000)
	m.require().NoError(err)
	for _, p := range peeked {
		body := string(p.Body)
		if m.dead[body] {
			continue
		}
		x := m.find(body)
		m.require().NotNil(x)
		if !m.fifo { // in a FIFO queue more become candidates as the first leave
			m.require().Contains(candidates, body, "dead-lettered too early")
		}
		m.require().GreaterOrEqual(x.receives, m.receives)
		m.require().Equal(x.id, p.MessageID)
		m.dead[body] = true
		m.messages = slices.DeleteFunc(m.messages, func(y *modelMessage) bool { return y == x })
	}
	m.require().Len(peeked, len(m.dead), "a dead letter is in one queue only")
}

func (m *model) pick(t *rapid.T) *modelMessage {
	var received []*modelMessage
	for _, x := range m.messages {
		if x.handle != "" {
			received = append(received, x)
		}
	}
	if len(received) == 0 {
		t.Skip("nothing was received")
	}
	return rapid.SampledFrom(received).Draw(t, "message")
}

func (m *model) delete(t *rapid.T) {
	m.t = t
	m.expire()
	x := m.pick(t)
	errs, err := m.n.Delete(m.n.t.Context(), m.queue, []string{x.handle})
	m.require().NoError(err)
	if m.fifo && !x.inFlight(time.Now()) {
		m.require().Error(errs[0], "a FIFO handle ends with its visibility timeout")
		return
	}
	m.require().NoError(errs[0])
	m.messages = slices.DeleteFunc(m.messages, func(y *modelMessage) bool { return y == x })
}

func (m *model) changeVisibility(t *rapid.T) {
	m.t = t
	m.expire()
	x := m.pick(t)
	timeout := time.Duration(rapid.IntRange(0, 100).Draw(t, "timeout")) * time.Second
	errs, err := m.n.ChangeVisibility(m.n.t.Context(), m.queue, []turnout.VisibilityChange{{ReceiptHandle: x.handle, Timeout: timeout}})
	m.require().NoError(err)
	if m.fifo && !x.inFlight(time.Now()) {
		m.require().Error(errs[0])
		return
	}
	m.require().NoError(errs[0])
	x.visibleAt = time.Now().Add(timeout)
}

func (m *model) purge(t *rapid.T) {
	m.t = t
	if err := m.n.PurgeQueue(m.n.t.Context(), m.queue); err == nil {
		m.messages = nil
		clear(m.sent)
		clear(m.sentAt)
	}
}

func (m *model) check(t *rapid.T) {
	m.t = t
	synctest.Wait()
	m.expire()
	info, err := m.n.Queue(m.n.t.Context(), m.queue)
	m.require().NoError(err)
	m.require().Equal(m.depth(), info.Depth)
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"send": m.send, "send ": m.send, "receive": m.receive, "receive ": m.receive,
		"delete": m.delete, "visibility": m.changeVisibility, "purge": m.purge,
		"advance": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second) },
		"crash":   func(t *rapid.T) { m.n.restart(rapid.SampledFrom([]int{-1, 0, 50}).Draw(t, "kept")) },
		"":        m.check,
	}
}

// drain receives and deletes until nothing is left, so that a lost message shows.
func (m *model) drain() {
	for range 1000 {
		m.expire()
		if len(m.messages) == 0 {
			return
		}
		time.Sleep(time.Minute)
		m.expire()
		got, err := m.n.Receive(m.n.t.Context(), m.queue, turnout.ReceiveOptions{Max: 10})
		m.require().NoError(err)
		m.collectDead(m.all())
		for _, r := range got {
			x := m.find(string(r.Body))
			m.require().NotNil(x)
			_, err := m.n.Delete(m.n.t.Context(), m.queue, []string{r.ReceiptHandle})
			m.require().NoError(err)
			m.messages = slices.DeleteFunc(m.messages, func(y *modelMessage) bool { return y == x })
		}
	}
	m.require().Empty(m.messages, "messages that never came")
}

func (m *model) all() map[string]*modelMessage {
	all := make(map[string]*modelMessage)
	for _, x := range m.messages {
		all[x.body] = x
	}
	return all
}

func testModel(t *testing.T, isFIFO bool) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			t: rt, fifo: isFIFO, dead: make(map[string]bool), sent: make(map[string]string), sentAt: make(map[string]time.Time),
			receives: rapid.IntRange(0, 3).Draw(rt, "max receives"),
			retain:   4 * 24 * time.Hour,
		}
		if short := rapid.Bool().Draw(rt, "short retention"); short {
			m.retain = 5 * time.Minute
		} else {
			m.delays = !isFIFO
		}
		var failure any // of rt, carried out of the bubble by hand
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			m.n = start(t, queues.Config{})
			suffix := ""
			if isFIFO {
				suffix = ".fifo"
			}
			set := func(a *turnout.QueueAttributes) {
				a.FIFO, a.ContentBasedDeduplication = isFIFO, isFIFO
			}
			m.dlq = m.n.create("dlq"+suffix, set)
			m.queue = m.n.create("queue"+suffix, func(a *turnout.QueueAttributes) {
				set(a)
				a.Retention = m.retain
				if m.receives > 0 {
					a.Redrive = &turnout.RedrivePolicy{DeadLetterTargetARN: m.dlq.ARN(), MaxReceiveCount: m.receives}
				}
			})
			rt.Repeat(m.actions())
			m.t = rt
			m.drain()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func TestStandardQueueModel(t *testing.T) {
	t.Parallel()
	testModel(t, false)
}

func TestFIFOQueueModel(t *testing.T) {
	t.Parallel()
	testModel(t, true)
}
