package queues

// order holds the messages of a queue that are loaded and decides which of the
// ready ones is handed out next. There are two: standard and FIFO.
type order interface {
	// add takes a message that was read from the log or just sent; they come in order of position.
	add(m *message)
	// restore takes a message that was received before a restart, in flight or
	// visible; pass says that the log was read past it.
	restore(m *message)
	pass(m *message)
	// take offers up to n ready messages, one after another, to visit.
	take(n int, visit func(*message) verdict)
	// giveBack takes a message that is visible again after a receive or a failed move.
	giveBack(m *message)
	// remove forgets a message, whatever its state is until now.
	remove(m *message)
	// oldest returns the loaded message with the lowest position, or nil. In a
	// standard queue it passes over those in flight.
	oldest() *message
	// floor returns the lowest position of a loaded message without a state record, if there is one.
	floor() (position, bool)
	// room reports whether one more message may be added without being read from
	// the log; wants is how many to read, 0 while enough is loaded.
	room() bool
	wants() int
}

// verdict is what became of an offered message.
type verdict uint8

const (
	taken   verdict = iota // it is in flight now
	skipped                // it is moving and neither ready nor gone
	dropped                // it is gone
)

// windowMax is how many ready references a standard queue holds in memory, at
// about 110 bytes each. A refill of half of it takes a millisecond or two, in
// which the other half feeds 200,000 receives a second.
const windowMax = 2048

// standardOrder hands out the lowest position first: what was received and
// became visible again before what never was. With tenants (message group ids
// on a standard queue) those that hold up the others come last: see fair.go.
type standardOrder struct {
	window   deque
	returned heap[*message]
	fair     fairness
}

func newStandardOrder() *standardOrder {
	return &standardOrder{returned: newMessageHeap(earlierPosition)}
}

func (s *standardOrder) add(m *message)      { s.window.push(m) }
func (s *standardOrder) giveBack(m *message) { s.returned.push(m) }
func (s *standardOrder) room() bool          { return s.window.len() < windowMax }
func (s *standardOrder) pass(*message)       {}

func (s *standardOrder) restore(m *message) {
	if m.state == ready {
		s.returned.push(m)
	}
}

func (s *standardOrder) wants() int {
	if n := windowMax - s.window.len(); n >= windowMax/2 {
		return n
	}
	return 0
}

func (s *standardOrder) take(n int, visit func(*message) verdict) {
	for n > 0 {
		m := s.next()
		if m == nil {
			return
		}
		m.state = moving // out of the order until visit says what it is
		if visit(m) == taken {
			n--
		}
	}
}

// next takes out the message to offer: that of a quiet tenant if there is one.
func (s *standardOrder) next() *message {
	if s.fair.noisyLen == 0 {
		return s.first()
	}
	for i := range s.returned.items {
		if m := s.returned.items[i]; !s.fair.isNoisy(m.tenant) {
			s.returned.remove(i)
			return m
		}
	}
	for i := range s.window.len() {
		if !s.fair.isNoisy(s.window.at(i).tenant) {
			return s.window.removeAt(i)
		}
	}
	return s.first()
}

func (s *standardOrder) first() *message {
	switch {
	case s.returned.len() > 0 && (s.window.len() == 0 || s.returned.top().pos.before(s.window.at(0).pos)):
		return s.returned.pop()
	case s.window.len() > 0:
		return s.window.removeAt(0)
	}
	return nil
}

func (s *standardOrder) remove(m *message) {
	if m.state != ready {
		return // in flight or moving: not held here
	}
	if m.index >= 0 {
		s.returned.remove(int(m.index))
		return
	}
	for i := range s.window.len() { // at the front when it expires, anywhere only after a failed move
		if s.window.at(i) == m {
			s.window.removeAt(i)
			return
		}
	}
}

func (s *standardOrder) oldest() *message {
	switch {
	case s.returned.len() > 0 && (s.window.len() == 0 || s.returned.top().pos.before(s.window.at(0).pos)):
		return s.returned.top()
	case s.window.len() > 0:
		return s.window.at(0)
	}
	return nil
}

func (s *standardOrder) floor() (position, bool) {
	if s.window.len() == 0 {
		return position{}, false
	}
	return s.window.at(0).pos, true
}
