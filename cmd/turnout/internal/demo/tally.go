package demo

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// tally keeps what arrived on one queue.
type tally struct {
	queue *queue
	at    address
	rule  string // the only rule of the queue, when its messages do not name one

	mu        sync.Mutex
	seen      map[string][]bool // by rule and event number: arrived, and was deleted
	deleted   int
	receives  map[int]int    // refused messages: how often each was received, by event number
	last      map[string]int // FIFO: the newest event number of each message group
	latencies []time.Duration
}

// body is what a message says, in either of the two forms that the rules deliver.
type body struct {
	// A named rule's input.
	Rule  string `json:"rule"`
	Event string `json:"event"`
	// The event as EventBridge lays it out.
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// record checks and counts a message, and reports whether it is one to refuse.
func (t *tally) record(r *run, m *types.Message, at time.Duration) (refused bool) {
	var b body
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &b); err != nil {
		r.faults.addf("%s: a message is not JSON: %v", t.queue.name, err)
		return false
	}
	rule, resource := b.Rule, b.Event
	if rule == "" && len(b.Resources) == 1 {
		rule, resource = t.rule, b.Resources[0]
	}
	n, ok := eventNumber(resource)
	if !ok || n < 0 || n >= len(r.events) {
		r.faults.addf("%s: a message is none of the input's: %.200s", t.queue.name, aws.ToString(m.Body))
		return false
	}
	e := r.events[n]
	if b.Rule == "" && (b.Source != e.source || b.DetailType != e.detailType || !sameJSON(b.Detail, e.detail)) {
		r.faults.addf("%s: event %d arrived altered", t.queue.name, n)
	}
	return t.count(r, m, e, rule, at)
}

func (t *tally) count(r *run, m *types.Message, e *event, rule string, at time.Duration) (refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.receives[e.n] == 0
	t.receives[e.n]++
	if first {
		t.latencies = append(t.latencies, at-time.Duration(r.publishedAt[e.n].Load()))
	}
	if t.queue.refuse != nil && t.queue.refuse(e) {
		count, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
		if count != t.receives[e.n] || count > receivesMax {
			r.faults.addf("%s: event %d says it was received %d times, it was %d, at most %d", t.queue.name, e.n, count, t.receives[e.n], receivesMax)
		}
		return true
	}
	switch {
	case !r.expected.has(t.queue.name, rule, e.n):
		r.faults.addf("%s: event %d arrived by rule %s and should not have", t.queue.name, e.n, rule)
	case t.seen[rule][e.n]:
		r.faults.addf("%s: event %d arrived twice by rule %s", t.queue.name, e.n, rule)
	default:
		t.seen[rule][e.n] = true
		t.deleted++
	}
	if t.queue.fifo {
		t.checkOrder(r, m, e)
	}
	return false
}

// checkOrder checks a FIFO message's group and its place in it.
func (t *tally) checkOrder(r *run, m *types.Message, e *event) {
	group := m.Attributes["MessageGroupId"]
	if e.reading == nil || group != e.reading.Device {
		r.faults.addf("%s: event %d has message group %q", t.queue.name, e.n, group)
	}
	if last, ok := t.last[group]; ok && last >= e.n {
		r.faults.addf("%s: event %d came after %d of the same device", t.queue.name, e.n, last)
	}
	t.last[group] = e.n
}

// sameJSON reports whether two texts differ in nothing but white space.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
