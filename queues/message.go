package queues

import (
	"math"

	"github.com/seed567880c8/turnout/broker/eventlog"
)

// messageState says where a message in memory is held.
type messageState uint8

const (
	ready    messageState = iota // in the order, may be handed out
	inFlight                     // in the queue's flights, invisible until visibleAt
	moving                       // on its way to another queue: neither handed out nor counted in flight
	gone                         // deleted, moved or expired; whoever still holds it lets go
)

// message is one message in memory. A queue holds those of its window and
// those that were received and not deleted, never the whole backlog.
type message struct {
	pos        position
	sentAt     int64 // Unix ms; retention counts from here
	event      eventlog.Ref
	group      *group  // FIFO: the message group
	tenant     *tenant // standard: who sent it, nil without a message group id
	visibleAt  int64   // Unix ms, in flight only
	receivedAt int64   // Unix ms, newest receive
	firstAt    int64   // Unix ms, first receive
	receives   uint32  // in this queue and, for a moved message, those before it
	epoch      uint32  // receives in this queue; above 0 the message has a state record
	index      int32   // place in the heap that holds it, or -1
	state      messageState
}

func (m *message) setIndex(i int) { m.index = int32(i) }

func newMessageHeap(less func(a, b *message) bool) heap[*message] {
	return heap[*message]{less: less, place: (*message).setIndex}
}

func earlierPosition(a, b *message) bool   { return a.pos.before(b.pos) }
func earlierVisibility(a, b *message) bool { return a.visibleAt < b.visibleAt }

// never is a time in Unix ms that does not come.
const never = int64(math.MaxInt64)

// deque is a first-in first-out list of messages that also gives access by index.
type deque struct {
	items []*message
	head  int
}

func (d *deque) len() int          { return len(d.items) - d.head }
func (d *deque) at(i int) *message { return d.items[d.head+i] }
func (d *deque) push(m *message)   { d.items = append(d.items, m) }

// removeAt takes out the message at i; cheap at the front, linear behind it.
func (d *deque) removeAt(i int) *message {
	m := d.at(i)
	copy(d.items[d.head+1:d.head+1+i], d.items[d.head:d.head+i])
	d.items[d.head] = nil
	d.head++
	if d.head == len(d.items) {
		d.items, d.head = d.items[:0], 0
	} else if d.head > 64 && d.head > len(d.items)/2 {
		n := copy(d.items, d.items[d.head:])
		clear(d.items[n:])
		d.items, d.head = d.items[:n], 0
	}
	return m
}
