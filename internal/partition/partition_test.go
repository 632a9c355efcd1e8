package partition_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// slowStore makes commits wait for permission, so that a test decides what gathers meanwhile.
type slowStore struct {
	store.Store
	commits chan error
}

func (s *slowStore) Commit(b store.Batch) error {
	if err := <-s.commits; err != nil {
		return err
	}
	return s.Store.Commit(b)
}

func open(t *testing.T) *pebblestore.Store {
	t.Helper()
	s, err := pebblestore.Open(pebblestore.Config{Dir: "data", FS: pebblestore.NewMemory(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// run starts p and returns a function that stops it and returns Run's error.
func run(p *partition.Partition) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func set(key string) partition.Op {
	return func(tx *partition.Tx) error {
		tx.Batch.Set([]byte(key), []byte("v"))
		return nil
	}
}

func TestDoAnswersWhenDurable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: open(t), commits: make(chan error)}
		p := partition.New(s, partition.Config{})
		stop := run(p)
		var wg sync.WaitGroup
		answered := make(chan int, 100)
		for i := range 100 {
			wg.Go(func() {
				if err := p.Do(set(fmt.Sprint(i))); err != nil {
					panic(err)
				}
				answered <- i
			})
			synctest.Wait()
		}
		require.Empty(t, answered, "nothing is answered before it is durable")
		s.commits <- nil
		synctest.Wait()
		require.Len(t, answered, 1, "the first operation was alone in its batch")
		s.commits <- nil
		synctest.Wait()
		require.Greater(t, len(answered), 1)
		for len(answered) < 100 {
			s.commits <- nil
			synctest.Wait()
		}
		wg.Wait()
		require.Less(t, p.Stats().Batches, uint64(5), "what waits for a sync shares the next one")
		require.NoError(t, stop())
		for i := range 100 {
			_, err := s.Get(nil, fmt.Append(nil, i))
			require.NoError(t, err)
		}
	})
}

func TestErrorsAndReadsNeedNoCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := partition.New(&slowStore{Store: open(t), commits: nil}, partition.Config{}) // a commit would wait for ever
		stop := run(p)
		want := turnout.Errorf(turnout.CodeNotFound, "no")
		require.ErrorIs(t, p.Do(func(*partition.Tx) error { return want }), want)
		require.NoError(t, p.Do(func(*partition.Tx) error { return nil }))
		require.NoError(t, stop())
		var coded *turnout.Error
		require.ErrorAs(t, p.Do(set("k")), &coded)
		require.Equal(t, turnout.CodeUnavailable, coded.Code, "a stopped partition refuses")
	})
}

func TestOverloadIsShed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: open(t), commits: make(chan error)}
		p := partition.New(s, partition.Config{PendingMax: 10})
		stop := run(p)
		results := make(chan error, 100)
		for i := range 100 {
			go func() { results <- p.Do(set(fmt.Sprint(i))) }()
			synctest.Wait()
		}
		require.Greater(t, len(results), 80, "beyond the bound operations are refused at once")
		var coded *turnout.Error
		require.ErrorAs(t, <-results, &coded)
		require.Equal(t, turnout.CodeThrottled, coded.Code)
		require.Equal(t, 10, p.Stats().Pending)
		close(s.commits)
		synctest.Wait()
		require.Len(t, results, 99, "what was accepted is done")
		require.NoError(t, stop())
	})
}

func TestCommitFailureEndsThePartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: open(t), commits: make(chan error)}
		p := partition.New(s, partition.Config{})
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		results := make(chan error, 10)
		for i := range 10 {
			go func() { results <- p.Do(set(fmt.Sprint(i))) }()
			synctest.Wait()
		}
		broken := errors.New("disk broken")
		s.commits <- broken
		require.ErrorIs(t, <-done, broken)
		for range 10 {
			require.Error(t, <-results, "nothing is acknowledged after a failed commit")
		}
	})
}

// alarm is a part that notes when it is called.
type alarm struct {
	due     time.Time
	ticks   []time.Time
	flushes int
}

func (a *alarm) Due() time.Time         { return a.due }
func (a *alarm) Tick(tx *partition.Tx)  { a.ticks, a.due = append(a.ticks, tx.Now), time.Time{} }
func (a *alarm) Flush(tx *partition.Tx) { a.flushes++ }

func TestTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := partition.New(open(t), partition.Config{})
		a := &alarm{due: time.Now().Add(90 * time.Minute)}
		p.Add(a)
		began := time.Now()
		stop := run(p)
		time.Sleep(2 * time.Hour)
		require.NoError(t, p.Do(func(tx *partition.Tx) error {
			require.Len(t, a.ticks, 1)
			require.Equal(t, 90*time.Minute, a.ticks[0].Sub(began), "a timer fires on time and once")
			a.due = tx.Now.Add(time.Second)
			return nil
		}))
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, stop())
		require.Len(t, a.ticks, 2)
		require.Equal(t, 3, a.flushes, "a flush for each batch")
	})
}

func TestStopDecidesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{Store: open(t), commits: make(chan error)}
		p := partition.New(s, partition.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		results := make(chan error, 10)
		for i := range 10 {
			go func() { results <- p.Do(set(fmt.Sprint(i))) }()
		}
		synctest.Wait()
		cancel()
		close(s.commits)
		require.NoError(t, <-done)
		for range 10 {
			require.NoError(t, <-results)
		}
	})
}

func TestTimeNeverGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := partition.New(open(t), partition.Config{})
		later := time.Now().Add(time.Hour)
		p.NotBefore(later) // a data directory written under a clock that was ahead
		require.True(t, p.Now().Equal(later.Truncate(time.Millisecond)))
		time.Sleep(time.Minute)
		require.Equal(t, later.Add(time.Minute).UTC(), p.Now(), "time goes on from there at its pace")
		time.Sleep(2 * time.Hour)
		require.Equal(t, time.Now().UTC().Add(time.Hour), p.Now())
	})
}
