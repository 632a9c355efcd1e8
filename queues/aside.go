package queues

import "github.com/seed567880c8/turnout/internal/partition"

// asideReader keeps the backlog of noisy tenants out of a standard queue's
// window. While one of them has asideKeep messages ready in memory, what the log
// yields of its others is set aside: passed over, to be read again later. So the
// log is read on to the messages of quiet tenants, however many lie before them,
// and memory stays bounded.
//
// What was set aside lies between from and to, together with messages that
// were not: a second reading skips those that are in memory or were received.
type asideReader struct {
	from, to position // both inclusive; from is behind to when nothing is set aside
	window   deque    // read back, ready; positions before those of the log's window
	reading  bool
	removed  map[uint64]struct{} // deleted since the reading began
}

// asideKeep is how many ready messages of noisy tenants stay in memory, so that
// they go on at full speed as soon as no quiet tenant has any.
const asideKeep = 256

func (a *asideReader) empty() bool { return a.to.before(a.from) }

// set sets aside the message at pos, which is behind everything set aside before.
func (a *asideReader) set(pos position) {
	if a.empty() {
		a.from = pos
	}
	a.to = pos
}

func (a *asideReader) forget(pos position) {
	if a.reading && !pos.before(a.from) && !a.to.before(pos) {
		if a.removed == nil {
			a.removed = make(map[uint64]struct{})
		}
		a.removed[pos.seq] = struct{}{}
	}
}

// setsAside reports whether a message of the tenant with the given id, just
// read from the log or sent, should be set aside, and counts it if so.
func (s *standardOrder) setsAside(id string, pos position) bool {
	if len(s.fair.noisy) == 0 {
		return false
	}
	t := s.fair.tenants[id]
	if t == nil || !t.noisy || s.fair.noisyReady() < asideKeep {
		return false
	}
	t.aside++
	s.aside.set(pos)
	return true
}

// trim sets aside what a noisy tenant has in the window beyond asideKeep, so
// that the log is read on. It does so once, when the tenant has become noisy and
// nobody else has a message ready.
func (s *standardOrder) trim() {
	if len(s.fair.noisy) == 0 || s.aside.reading || s.window.len() < windowMax/2 || s.quietReady() > 0 {
		return
	}
	kept := deque{}
	for i := range s.window.len() {
		m := s.window.at(i)
		if !m.tenant.isNoisy() || i < asideKeep {
			kept.push(m)
			continue
		}
		if s.aside.empty() {
			s.aside.from, s.aside.to = m.pos, m.pos
		}
		if m.pos.before(s.aside.from) {
			s.aside.from = m.pos
		}
		if s.aside.to.before(m.pos) {
			s.aside.to = m.pos
		}
		m.state = gone
		m.tenant.aside++
		s.fair.release(m.tenant)
	}
	s.window = kept
}

// readAsideIfWanted begins to read back what was set aside, when no quiet
// tenant has a message ready or none is noisy any more, or when it is to expire.
func (q *queue) readAsideIfWanted(tx *partition.Tx) {
	s := q.standard
	if s == nil || s.aside.empty() || s.aside.reading {
		return
	}
	due := q.expiresAt(s.aside.from.at) <= tx.Now.UnixMilli()
	low := s.readyLen() < asideKeep && (len(s.fair.noisy) == 0 || s.quietReady() == 0)
	if !due && !low {
		return
	}
	s.aside.reading = true
	job := readJob{
		queue: q.id, version: q.version, aside: true,
		from: s.aside.from.previous(), to: s.aside.to, limit: windowMax / 2,
	}
	tx.OnDurable(func() { q.engine.refills.add(job) })
}

// readAside takes in what a second reading found.
func (q *queue) readAside(job readJob, got readResult) {
	s := q.standard
	held := make(map[uint64]struct{}, s.window.len()+s.aside.window.len())
	for _, d := range []*deque{&s.window, &s.aside.window} {
		for i := range d.len() {
			held[d.at(i).pos.seq] = struct{}{}
		}
	}
	for m := range q.unrecorded {
		held[m.pos.seq] = struct{}{}
	}
	for i := range got.messages {
		r := &got.messages[i]
		s.aside.from = r.pos.next()
		_, inMemory := held[r.pos.seq]
		_, removed := s.aside.removed[r.pos.seq]
		if inMemory || removed || q.received[r.pos.seq] != nil {
			continue
		}
		m := q.message(r)
		if m.tenant != nil {
			m.tenant.aside--
		}
		s.aside.window.push(m)
	}
	if got.exhausted {
		s.aside.from = job.to.next()
	}
	s.aside.reading, s.aside.removed = false, nil
}
