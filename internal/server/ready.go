package server

import (
	"context"
	"sync"
	"time"

	"github.com/seed567880c8/turnout/api/admin"
	"github.com/seed567880c8/turnout/internal/partition"
)

// probeWithin is how long the writer may take to answer before it counts as stuck.
const probeWithin = 2 * time.Second

// checks are the conditions of readiness.
func (s *Server) checks(ctx context.Context) []admin.Check {
	serving := admin.Check{Name: "serving"}
	if s.stopping.Load() {
		serving.Problem = "the server is stopping"
	}
	return []admin.Check{
		serving,
		{Name: "store", Problem: s.rooms.probe.problem(ctx)},
		{Name: "disk", Problem: s.rooms.disk.state.Load().problem()},
	}
}

// probe asks whether the writer still gets anything done, by having it do
// nothing. When the disk hangs the question hangs too, so there is only ever
// one, and everyone who asks waits for its answer, for a while.
type probe struct {
	do func(partition.Op) error

	mu      sync.Mutex
	running *answer // nil: none
}

type answer struct {
	done chan struct{}
	err  error // valid once done is closed
}

// problem returns "" when the writer answers.
func (p *probe) problem(ctx context.Context) string {
	a := p.ask()
	timer := time.NewTimer(probeWithin)
	defer timer.Stop()
	select {
	case <-a.done:
		if a.err != nil {
			return a.err.Error()
		}
		return ""
	case <-ctx.Done():
	case <-timer.C:
	}
	return "the writer does not answer: the disk may hang"
}

func (p *probe) ask() *answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return p.running
	}
	a := &answer{done: make(chan struct{})}
	p.running = a
	// Nobody waits for this goroutine by name, but the writer answers every
	// operation, at the latest when it stops.
	go func() {
		a.err = p.do(func(*partition.Tx) error { return nil })
		p.mu.Lock()
		p.running = nil
		p.mu.Unlock()
		close(a.done)
	}()
	return a
}
