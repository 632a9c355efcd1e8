package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Part is one long-lived piece of a program.
type Part struct {
	// Name names the part in errors.
	Name string
	// Run works until ctx ends, then finishes what it began and returns nil.
	// Returning earlier, even nil, stops the whole group. Why ctx ended is its
	// cause: ErrStopped on a wanted stop, the first failure otherwise.
	Run func(ctx context.Context) error
}

// Stage is a set of parts that stop together.
type Stage struct {
	// Name names the stage in errors.
	Name string
	// StopWithin bounds how long the parts may take to return once their
	// context has ended; then the stage is given up as failed and the next one
	// is stopped. Zero is DefaultStopWithin.
	StopWithin time.Duration
	Parts      []Part
}

// DefaultStopWithin is the stop deadline of a stage that names none.
const DefaultStopWithin = 5 * time.Second

// ErrStopped is the cause of the contexts of parts when the program is asked to stop.
var ErrStopped = errors.New("stopped")

// Group runs parts in stages: started in the order of Add, stopped in reverse,
// each stage only when the one after it is done. So what a part relies on goes
// in an earlier stage, and outlives it.
//
// Parts have no Start and no Stop, because a function that blocks needs no
// state to be safe: it is running exactly while it has not returned.
type Group struct {
	stages []Stage
}

// Add appends a stage. It must not be called once Run has begun.
func (g *Group) Add(s Stage) { g.stages = append(g.stages, s) }

// running is a stage that has been started.
type running struct {
	stage  Stage
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when every part has returned

	mu   sync.Mutex
	left []string // parts that have not returned
	errs []error
}

// Run starts every part and returns when all have returned or been given up.
// It stops them when ctx ends or when any part returns, and returns every
// failure, joined; nil is a clean stop.
func (g *Group) Run(ctx context.Context) error {
	ended := make(chan error, g.parts()) // one for each part: none ever waits
	started := make([]*running, 0, len(g.stages))
	for _, s := range g.stages {
		started = append(started, start(ctx, s, ended))
	}
	cause := ErrStopped
	if g.parts() > 0 {
		select {
		case <-ctx.Done():
		case cause = <-ended:
		}
	}
	var errs []error
	for _, r := range slices.Backward(started) {
		errs = append(errs, r.stop(cause)...)
	}
	return errors.Join(errs...)
}

func (g *Group) parts() int {
	n := 0
	for _, s := range g.stages {
		n += len(s.Parts)
	}
	return n
}

// start runs the parts of s. They keep ctx's values but not its end, which
// reaches them stage by stage.
func start(ctx context.Context, s Stage, ended chan<- error) *running {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &running{stage: s, cancel: cancel, done: make(chan struct{})}
	for _, p := range s.Parts {
		r.left = append(r.left, p.Name)
	}
	var wg sync.WaitGroup
	for _, p := range s.Parts {
		wg.Go(func() {
			err := p.outcome(own, p.Run(own))
			r.returned(p.Name, err)
			ended <- err
		})
	}
	go func() {
		wg.Wait()
		close(r.done)
	}()
	return r
}

// outcome is the error that a part's return means.
func (p Part) outcome(ctx context.Context, err error) error {
	asked := ctx.Err() != nil
	switch {
	case err == nil && !asked:
		return fmt.Errorf("%s: ended without being asked to", p.Name)
	case err == nil, asked && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		return nil
	}
	return fmt.Errorf("%s: %w", p.Name, err)
}

func (r *running) returned(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = slices.Delete(r.left, slices.Index(r.left, name), slices.Index(r.left, name)+1)
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// stop ends the stage and returns the failures of its parts.
func (r *running) stop(cause error) []error {
	within := r.stage.StopWithin
	if within == 0 {
		within = DefaultStopWithin
	}
	r.cancel(cause)
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	select {
	case <-r.done:
	case <-deadline.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) > 0 {
		r.errs = append(r.errs, fmt.Errorf("stage %s: %s still running %v after the stop", r.stage.Name, strings.Join(r.left, ", "), within))
	}
	return r.errs
}
