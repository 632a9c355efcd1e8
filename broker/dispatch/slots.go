package dispatch

import "sync"

// slots bound the attempts of all endpoints together.
//
// Each endpoint may hold a sixteenth of what is free, and one in any case. So the
// more is taken, the less a single endpoint can take: however many hang, the
// others find slots. (The rule is that of switches that share a buffer, known
// as dynamic thresholds.) An endpoint that has none waits in line; one that has
// some looks again when an attempt of its own has ended.
type slots struct {
	max int

	mu   sync.Mutex
	used int
	line []*endpoint // waiting, each once
}

const slotsShare = 16

// acquire takes a slot for ep, which holds held already. If there is none for
// it, and it has none, it joins the line.
func (s *slots) acquire(ep *endpoint, held int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fits(held) {
		s.used++
		return true
	}
	if held == 0 && !ep.inLine {
		ep.inLine = true
		s.line = append(s.line, ep)
	}
	return false
}

// fits reports whether an endpoint that holds so many may have one more. The caller holds mu.
func (s *slots) fits(held int) bool {
	free := s.max - s.used
	return free > 0 && held < max(free/slotsShare, 1)
}

// keep reports whether an endpoint that holds so many slots, and has done with
// one, may go on with it. Otherwise it is released.
func (s *slots) keep(held int) bool {
	s.mu.Lock()
	if len(s.line) == 0 && held <= max((s.max-s.used)/slotsShare, 1) {
		s.mu.Unlock()
		return true
	}
	next := s.releaseLocked()
	s.mu.Unlock()
	next.poke()
	return false
}

// release gives a slot back; who is first in line hears of it.
func (s *slots) release() {
	s.mu.Lock()
	next := s.releaseLocked()
	s.mu.Unlock()
	next.poke()
}

func (s *slots) releaseLocked() *endpoint {
	s.used--
	return s.nextLocked()
}

// nextLocked takes the first out of the line, nil if there is none.
func (s *slots) nextLocked() *endpoint {
	if len(s.line) == 0 {
		return nil
	}
	ep := s.line[0]
	s.line[0] = nil
	s.line = s.line[1:]
	ep.inLine = false
	return ep
}

// pass is for an endpoint that may have heard of a slot: if it has taken what it
// needs, the next in line may look.
func (s *slots) pass(ep *endpoint) {
	s.mu.Lock()
	var next *endpoint
	if s.used < s.max && !ep.inLine {
		next = s.nextLocked()
	}
	s.mu.Unlock()
	next.poke()
}

func (s *slots) inUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
