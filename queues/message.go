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

func earlierPosition(a, b *message) bool { return a.pos.before(b.pos) }

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

// heap is a binary min-heap whose items know their place, so that any of them
// can be moved or taken out.
type heap[T any] struct {
	items []T
	less  func(a, b T) bool
	place func(item T, i int) // tells an item where it stands; -1 when it is out
}

func (h *heap[T]) len() int { return len(h.items) }

// top returns the least item; the heap must not be empty.
func (h *heap[T]) top() T { return h.items[0] }

func (h *heap[T]) push(item T) {
	h.items = append(h.items, item)
	h.place(item, len(h.items)-1)
	h.up(len(h.items) - 1)
}

func (h *heap[T]) pop() T {
	item := h.items[0]
	h.remove(0)
	return item
}

// remove takes the item at i out.
func (h *heap[T]) remove(i int) {
	last := len(h.items) - 1
	h.place(h.items[i], -1)
	if i != last {
		h.items[i] = h.items[last]
		h.place(h.items[i], i)
	}
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if i != last {
		h.fix(i)
	}
}

// fix restores the order after the item at i changed.
func (h *heap[T]) fix(i int) {
	if !h.down(i) {
		h.up(i)
	}
}

func (h *heap[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(h.items[i], h.items[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap[T]) down(i int) (moved bool) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			return moved
		}
		if right := child + 1; right < len(h.items) && h.less(h.items[right], h.items[child]) {
			child = right
		}
		if !h.less(h.items[child], h.items[i]) {
			return moved
		}
		h.swap(i, child)
		i, moved = child, true
	}
}

func (h *heap[T]) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.place(h.items[i], i)
	h.place(h.items[j], j)
}
