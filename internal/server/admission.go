package server

import (
	"sync"

	"github.com/seed567880c8/turnout"
)

// admission counts the requests being handled and bounds the memory of their
// bodies. A body is paid for before it is read, at its announced size or, if
// none is announced, at the largest allowed.
type admission struct {
	bytesMax int64

	mu struct {
		sync.Mutex
		bytes    int64
		requests int
		shed     uint64
		closed   bool
		idle     chan struct{} // closed once closed and without requests
	}
}

func newAdmission(bytesMax int64) *admission {
	a := &admission{bytesMax: bytesMax}
	a.mu.idle = make(chan struct{})
	return a
}

// enter admits a request with a body of so many bytes; it must leave again.
func (a *admission) enter(bytes int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.mu.closed:
		return turnout.Errorf(turnout.CodeUnavailable, "The server is stopping.")
	case bytes > 0 && a.mu.bytes+bytes > a.bytesMax:
		a.mu.shed++
		return turnout.Errorf(turnout.CodeThrottled, "The server is overloaded: too many request bodies are being handled. Retry with backoff.")
	}
	a.mu.bytes += bytes
	a.mu.requests++
	return nil
}

func (a *admission) leave(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.bytes -= bytes
	a.mu.requests--
	a.closeIdleLocked()
}

// close admits nothing more. The channel it returns closes when the last request has left.
func (a *admission) close() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.mu.closed {
		a.mu.closed = true
		a.closeIdleLocked()
	}
	return a.mu.idle
}

func (a *admission) closeIdleLocked() {
	if a.mu.closed && a.mu.requests == 0 {
		close(a.mu.idle)
	}
}

// load is what an admission holds and has refused.
type load struct {
	requests int
	bytes    int64
	shed     uint64
}

func (a *admission) load() load {
	a.mu.Lock()
	defer a.mu.Unlock()
	return load{requests: a.mu.requests, bytes: a.mu.bytes, shed: a.mu.shed}
}
