package service_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/service"
)

var errBroken = errors.New("broken")

// journal notes what happens, in order. A bubble's goroutines hand over in
// virtual time, so the parts under test never write at once; -race checks it.
type journal struct{ ch chan string }

func newJournal() journal { return journal{make(chan string, 100)} }

func (j journal) note(s string) { j.ch <- s }

func (j journal) lines() []string {
	var out []string
	for len(j.ch) > 0 {
		out = append(out, <-j.ch)
	}
	return out
}

// part runs until it is stopped and takes a while to finish.
func (j journal) part(name string, finish time.Duration) service.Part {
	return service.Part{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		j.note(name + " stopping: " + context.Cause(ctx).Error())
		time.Sleep(finish)
		j.note(name + " stopped")
		return nil
	}}
}

func TestStagesStopInReverse(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var g service.Group
		g.Add(service.Stage{Name: "store", Parts: []service.Part{j.part("store", time.Second)}})
		g.Add(service.Stage{Name: "loop", Parts: []service.Part{j.part("loop", time.Second)}})
		g.Add(service.Stage{Name: "serve", Parts: []service.Part{j.part("http", time.Second), j.part("pprof", 2*time.Second)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()

		began := time.Now()
		require.NoError(t, g.Run(ctx), "a wanted stop is no failure")
		require.Equal(t, time.Hour+4*time.Second, time.Since(began), "a stage waits for the slowest part of the one after it")
		got := j.lines()
		require.ElementsMatch(t, []string{"http stopping: stopped", "pprof stopping: stopped"}, got[:2])
		require.Equal(t, []string{
			"http stopped", "pprof stopped",
			"loop stopping: stopped", "loop stopped",
			"store stopping: stopped", "store stopped",
		}, got[2:])
	})
}

func TestFirstFailureStopsAll(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var g service.Group
		g.Add(service.Stage{Name: "store", Parts: []service.Part{{Name: "store", Run: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("flush failed")
		}}}})
		g.Add(service.Stage{Name: "loop", Parts: []service.Part{{Name: "loop", Run: func(context.Context) error {
			time.Sleep(time.Minute)
			return errBroken
		}}}})
		g.Add(service.Stage{Name: "serve", Parts: []service.Part{j.part("http", 0)}})

		err := g.Run(t.Context())
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "loop: broken\nstore: flush failed", "every failure is reported, in the order of the stop")
		require.Equal(t, []string{"http stopping: loop: broken", "http stopped"}, j.lines(), "the cause of the stop is the failure")
	})
}

func TestPartThatReturnsUnaskedIsAFailure(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var g service.Group
		g.Add(service.Stage{Name: "a", Parts: []service.Part{j.part("a", 0), {Name: "b", Run: func(context.Context) error { return nil }}}})
		require.EqualError(t, g.Run(t.Context()), "b: ended without being asked to")
	})
}

func TestReturningTheContextsErrorIsClean(t *testing.T) {
	t.Parallel()

	for name, run := range map[string]func(context.Context) error{
		"error": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"cause": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var g service.Group
				g.Add(service.Stage{Name: "a", Parts: []service.Part{{Name: "a", Run: run}}})
				require.NoError(t, g.Run(ctx))
			})
		})
	}
}

func TestStuckStageIsGivenUp(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		release := make(chan struct{})
		var g service.Group
		g.Add(service.Stage{Name: "store", Parts: []service.Part{j.part("store", 0)}})
		g.Add(service.Stage{Name: "dispatch", StopWithin: 3 * time.Second, Parts: []service.Part{
			j.part("quick", 0),
			{Name: "stuck", Run: func(context.Context) error { <-release; return nil }},
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		began := time.Now()
		require.EqualError(t, g.Run(ctx), "stage dispatch: stuck still running 3s after the stop")
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Equal(t, []string{"quick stopping: stopped", "quick stopped", "store stopping: stopped", "store stopped"}, j.lines(),
			"the stages below are stopped all the same")
		close(release)
	})
}

func TestContextsKeepValues(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Second)
		defer cancel()
		var g service.Group
		g.Add(service.Stage{Name: "a", Parts: []service.Part{{Name: "a", Run: func(ctx context.Context) error {
			if ctx.Value(key{}) != "v" {
				return errBroken
			}
			<-ctx.Done()
			return nil
		}}}})
		require.NoError(t, g.Run(ctx))
	})
}

func TestEmptyGroup(t *testing.T) {
	t.Parallel()

	require.NoError(t, new(service.Group).Run(t.Context()), "nothing to run is nothing to wait for")
}
