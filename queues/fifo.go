package queues

// fifoWindowMax is how many references a FIFO queue holds in memory at most,
// the same 120,000 messages that SQS looks through for a free group; behind
// them nothing is seen until groups move on. The window grows that far only
// when every group in it waits for a message in flight.
const fifoWindowMax = 120_000

// fifoRefillMin is how many messages ready to be offered keep a refill away.
const fifoRefillMin = 1024

// group is one message group of a FIFO queue: its loaded messages in order of
// sending, in flight or not, until they are deleted.
//
// The invariant of FIFO delivery: only the messages from the head up to the
// first that is in flight may be handed out, so a group whose head is in flight
// is closed, whoever holds it.
type group struct {
	id         string
	messages   deque
	queued     bool // in the line of open groups
	next, prev *group
}

func (g *group) open() bool { return g.messages.len() > 0 && g.messages.at(0).state == ready }

// fifoOrder hands out as many messages as it can from one group before it goes
// on to the next; a group that opens again joins the end of the line.
type fifoOrder struct {
	groups map[string]*group
	line   struct{ first, last *group } // open groups
	log    deque                        // every loaded message by position; gone ones leave when they reach the front
	loaded int                          // messages in groups
	flying int                          // of these, in flight or moving
}

func newFIFOOrder() *fifoOrder { return &fifoOrder{groups: make(map[string]*group)} }

// groupOf returns the group with the given id, made when it is new.
func (f *fifoOrder) groupOf(id string) *group {
	g := f.groups[id]
	if g == nil {
		g = &group{id: id}
		f.groups[id] = g
	}
	return g
}

func (f *fifoOrder) add(m *message) {
	f.log.push(m)
	f.restore(m)
}

func (f *fifoOrder) pass(m *message) { f.log.push(m) }

func (f *fifoOrder) restore(m *message) {
	m.group.messages.push(m)
	f.loaded++
	if m.state != ready {
		f.flying++
	}
	f.settle(m.group)
}

func (f *fifoOrder) take(n int, visit func(*message) verdict) {
	for n > 0 && f.line.first != nil {
		g := f.line.first
		for i := 0; n > 0 && i < g.messages.len() && g.messages.at(i).state == ready; {
			v := visit(g.messages.at(i))
			if v == taken {
				n--
			}
			if v != dropped { // a dropped one has left the group by now
				f.flying++
				i++
			}
			if v == skipped {
				break // what is behind must not overtake it
			}
		}
		f.settle(g)
		if g.queued && n > 0 {
			return // the head is ready but was refused: nothing to gain by offering it again
		}
	}
}

func (f *fifoOrder) giveBack(m *message) {
	f.flying--
	f.settle(m.group)
}

func (f *fifoOrder) remove(m *message) {
	g := m.group
	for i := range g.messages.len() { // what can be removed is near the head
		if g.messages.at(i) == m {
			g.messages.removeAt(i)
			break
		}
	}
	f.loaded--
	if m.state != ready {
		f.flying--
	}
	f.settle(g)
	if g.messages.len() == 0 {
		delete(f.groups, g.id)
	}
}

func (f *fifoOrder) oldest() *message {
	for f.log.len() > 0 {
		if m := f.log.at(0); m.state != gone {
			return m
		}
		f.log.removeAt(0)
	}
	return nil
}

func (f *fifoOrder) room() bool { return f.loaded-f.flying < windowMax && f.loaded < fifoWindowMax }

func (f *fifoOrder) wants() int {
	if f.line.first != nil && f.loaded-f.flying >= fifoRefillMin {
		return 0
	}
	return min(windowMax, fifoWindowMax-f.loaded)
}

func (f *fifoOrder) floor() (position, bool) {
	if m := f.oldest(); m != nil {
		return m.pos, true
	}
	return position{}, false
}

// settle puts g into the line of open groups or takes it out, as its head says.
func (f *fifoOrder) settle(g *group) {
	switch open := g.open(); {
	case open && !g.queued:
		g.queued, g.prev = true, f.line.last
		if g.prev != nil {
			g.prev.next = g
		} else {
			f.line.first = g
		}
		f.line.last = g
	case !open && g.queued:
		if g.prev != nil {
			g.prev.next = g.next
		} else {
			f.line.first = g.next
		}
		if g.next != nil {
			g.next.prev = g.prev
		} else {
			f.line.last = g.prev
		}
		g.queued, g.prev, g.next = false, nil, nil
	}
}
