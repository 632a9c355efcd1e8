package queues

import "slices"

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
// about 120 bytes each: while half of it is read again the other half is handed out.
const windowMax = 2048

// standardOrder hands out the lowest position first: what was received and
// became visible again before what never was. With tenants (message group ids
// on a standard queue) those that hold up the others come last: see fairness.
type standardOrder struct {
	window   deque          // never received, in order
	returned heap[*message] // received before, visible again
	fair     fairness
	aside    asideReader
}

func newStandardOrder() *standardOrder {
	return &standardOrder{
		returned: newMessageHeap(earlierPosition),
		aside:    asideReader{from: position{seq: 1}}, // empty
	}
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
	if len(s.fair.noisy) == 0 || s.quietReady() == 0 {
		return s.first()
	}
	for i, m := range s.returned.items {
		if !m.tenant.isNoisy() {
			s.returned.remove(i)
			return m
		}
	}
	for _, d := range []*deque{&s.aside.window, &s.window} {
		for i := range d.len() {
			if !d.at(i).tenant.isNoisy() {
				return d.removeAt(i)
			}
		}
	}
	return s.first()
}

func (s *standardOrder) readyLen() int {
	return s.window.len() + s.aside.window.len() + s.returned.len()
}

// quietReady counts the ready messages of those who are not noisy tenants.
func (s *standardOrder) quietReady() int { return s.readyLen() - s.fair.noisyReady() }

// oldest returns the ready message with the lowest position.
func (s *standardOrder) oldest() *message {
	var m *message
	if s.returned.len() > 0 {
		m = s.returned.top()
	}
	for _, d := range []*deque{&s.aside.window, &s.window} {
		if d.len() > 0 && (m == nil || d.at(0).pos.before(m.pos)) {
			m = d.at(0)
		}
	}
	return m
}

// first takes out the oldest message.
func (s *standardOrder) first() *message {
	m := s.oldest()
	if m != nil {
		s.remove(m)
	}
	return m
}

func (s *standardOrder) remove(m *message) {
	if m.state != ready {
		return // in flight or moving: not held here
	}
	if m.index >= 0 {
		s.returned.remove(int(m.index))
		return
	}
	for _, d := range []*deque{&s.aside.window, &s.window} {
		for i := range d.len() { // at the front but for a change of visibility
			if d.at(i) == m {
				d.removeAt(i)
				return
			}
		}
	}
}

func (s *standardOrder) floor() (position, bool) {
	floor, ok := position{}, false
	for _, d := range []*deque{&s.aside.window, &s.window} {
		if d.len() > 0 && (!ok || d.at(0).pos.before(floor)) {
			floor, ok = d.at(0).pos, true
		}
	}
	if !s.aside.empty() && (!ok || s.aside.from.before(floor)) {
		floor, ok = s.aside.from, true
	}
	return floor, ok
}

// A message group id on a standard queue names a tenant and asks for fairness:
// while one tenant holds up a queue, the messages of the others come first.
// The thresholds are those AWS documents:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
const (
	noisyInFlightMin = 30            // a tenant with fewer messages in flight is never noisy by number
	noisyShare       = 10            // percent of the messages in flight, or of the time spent on them
	quietAfterMillis = 5 * 60 * 1000 // without a send a noisy tenant is quiet again
	busyHalfMillis   = 60 * 1000     // half-life of the time that processing took
	tenantsMax       = 10_000        // tenants tracked a queue; further ones share none of the accounting
)

// tenant is the account that a standard queue keeps of one message group id.
type tenant struct {
	id       string
	held     int // messages in memory: loaded, in flight or returned
	aside    int // messages set aside, see aside.go
	inFlight int
	busy     float64 // ms of processing, decayed
	sentAt   int64   // Unix ms of the newest send
	noisy    bool
}

// fairness classifies the tenants of one standard queue.
type fairness struct {
	tenants  map[string]*tenant
	inFlight int       // messages in flight, of tenants or not
	busy     float64   // ms of processing of all messages, decayed
	decayed  int64     // Unix ms at which busy was decayed last
	noisy    []*tenant // at most ten or so: each has a tenth of something
}

func (t *tenant) isNoisy() bool { return t != nil && t.noisy }

// ready counts the tenant's messages in memory that are not in flight.
func (t *tenant) ready() int { return t.held - t.inFlight }

func (f *fairness) noisyReady() (n int) {
	for _, t := range f.noisy {
		n += t.ready()
	}
	return n
}

// hold counts one more message in memory, sent at sentAt, of the tenant with the given id and
// returns the tenant, nil for no id or too many tenants. release takes it
// back; a tenant without any message, whose processing is forgotten, is dropped.
func (f *fairness) hold(id string, sentAt int64) *tenant {
	if id == "" {
		return nil
	}
	t := f.tenants[id]
	if t == nil {
		if len(f.tenants) >= tenantsMax {
			return nil
		}
		if f.tenants == nil {
			f.tenants = make(map[string]*tenant)
		}
		t = &tenant{id: id}
		f.tenants[id] = t
	}
	t.held++
	t.sentAt = max(t.sentAt, sentAt)
	return t
}

// sent notes that the tenant with the given id sent a message.
func (f *fairness) sent(id string, now int64) {
	if t := f.tenants[id]; t != nil {
		t.sentAt = now
	}
}

func (f *fairness) release(t *tenant) {
	if t == nil {
		return
	}
	t.held--
	if t.held+t.aside == 0 {
		f.setNoisy(t, false) // its backlog is empty
		if t.busy < 1 {
			delete(f.tenants, t.id)
		}
	}
}

// received counts a message that went in flight.
func (f *fairness) received(t *tenant, now int64) {
	f.inFlight++
	if t != nil {
		t.inFlight++
		f.classify(t, now)
	}
}

// ended counts a message that left flight after held ms.
func (f *fairness) ended(t *tenant, now, heldMillis int64) {
	f.inFlight--
	f.decay(now)
	f.busy += float64(heldMillis)
	if t != nil {
		t.inFlight--
		t.busy += float64(heldMillis)
		f.classify(t, now)
	}
}

// classify sets whether t is noisy: it holds more than a tenth of the messages
// in flight and at least thirty, or more than a tenth of the processing time
// while others have a share of it.
func (f *fairness) classify(t *tenant, now int64) {
	byNumber := t.inFlight >= noisyInFlightMin && t.inFlight*100 > f.inFlight*noisyShare
	byTime := t.inFlight >= noisyInFlightMin && t.busy*100 > f.busy*noisyShare
	recent := now-t.sentAt < quietAfterMillis
	f.setNoisy(t, recent && t.ready()+t.aside > 0 && (byNumber || byTime))
}

func (f *fairness) setNoisy(t *tenant, noisy bool) {
	if t.noisy == noisy {
		return
	}
	t.noisy = noisy
	if noisy {
		f.noisy = append(f.noisy, t)
	} else {
		f.noisy = slices.DeleteFunc(f.noisy, func(o *tenant) bool { return o == t })
	}
}

// decay halves the processing times as time passes, a whole half-life at once.
func (f *fairness) decay(now int64) {
	for ; now-f.decayed >= busyHalfMillis; f.decayed += busyHalfMillis {
		if f.busy < 1 {
			f.decayed, f.busy = now, 0
			return
		}
		f.busy /= 2
		for _, t := range f.tenants {
			t.busy /= 2
			if t.held+t.aside == 0 && t.busy < 1 {
				delete(f.tenants, t.id)
			}
		}
	}
}
