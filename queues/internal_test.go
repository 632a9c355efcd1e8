package queues_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
)

// lane is an internal queue and how often its reader was told of it.
type lane struct {
	*node
	name turnout.QueueName
	mu   sync.Mutex
	told int
}

func openLane(t *testing.T) *lane {
	t.Helper()
	l := &lane{node: start(t, queues.Config{}), name: turnout.QueueName{Scope: turnout.Scope{Account: "~test"}, Name: "lane"}}
	require.NoError(t, l.loop.Do(func(*partition.Tx) error {
		l.Watch(func(*partition.Tx, turnout.QueueName) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told++
		})
		return nil
	}))
	return l
}

func (l *lane) do(f func(tx *partition.Tx)) {
	l.t.Helper()
	require.NoError(l.t, l.loop.Do(func(tx *partition.Tx) error {
		f(tx)
		return nil
	}))
}

func (l *lane) post(group string, bodies ...string) {
	l.t.Helper()
	l.do(func(tx *partition.Tx) {
		for _, b := range bodies {
			l.Post(tx, l.name, time.Minute, queues.Delivery{GroupID: group, Body: []byte(b)})
		}
	})
}

// all takes without bounds but the number.
func all(n int) queues.Take {
	return queues.Take{Max: n, AgainMax: n, ExpiredMax: n, HeldMax: 1000, Visibility: 10 * time.Second}
}

func (l *lane) taken(t queues.Take) (got []queues.Taken, left queues.Left) {
	l.t.Helper()
	l.do(func(tx *partition.Tx) { got, left = l.Take(tx, l.name, t, nil) })
	for i := range got {
		require.NoError(l.t, l.Load(&got[i]))
	}
	return got, left
}

func texts(got []queues.Taken) []string {
	list := make([]string, len(got))
	for i := range got {
		list[i] = string(got[i].Body)
	}
	return list
}

func (l *lane) tolds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.told = 0 }()
	return l.told
}

func TestInternalQueueTellsItsReaderOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLane(t)
		l.post("", "a")
		l.post("", "b")
		require.Equal(t, 1, l.tolds(), "once until it is read")
		got, left := l.taken(all(10))
		require.Equal(t, []string{"a", "b"}, texts(got))
		require.True(t, left.Idle())
		require.Equal(t, queues.Left{Messages: 2, Held: 2}, left)
		l.do(func(tx *partition.Tx) {
			require.True(t, l.Remove(tx, got[0].Receipt))
			require.False(t, l.Remove(tx, got[0].Receipt), "it is gone")
			require.True(t, l.Return(tx, got[1].Receipt, 3*time.Second, false))
		})
		time.Sleep(2 * time.Second)
		require.Zero(t, l.tolds())
		time.Sleep(time.Second + time.Millisecond)
		require.Equal(t, 1, l.tolds(), "when it is visible again")
		depths, err := l.Depths()
		require.NoError(t, err)
		require.Empty(t, depths, "metrics are of accounts' queues")
	})
}

func TestInternalQueueCountsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLane(t)
		l.post("", "a")
		for i, uncounted := range []bool{false, true, true, false, false} {
			got, _ := l.taken(all(1))
			require.Len(t, got, 1)
			require.Equal(t, []int{1, 2, 2, 2, 3}[i], got[0].Takes)
			l.do(func(tx *partition.Tx) { require.True(t, l.Return(tx, got[0].Receipt, 0, uncounted)) })
			l.restart(-1)
		}
		none, left := l.taken(queues.Take{Max: 1, HeldMax: 10})
		require.Empty(t, none, "no message that was taken before, if none is asked for")
		require.Equal(t, 1, left.Again)
		l.post("", "b", "c")
		none, _ = l.taken(queues.Take{Max: 5, HeldMax: 2, Visibility: time.Second})
		require.Equal(t, []string{"b"}, texts(none), "no more new ones than may be held")
	})
}

func TestInternalQueueHandsOutWhatIsTooOld(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "g"} {
		synctest.Test(t, func(t *testing.T) {
			l := openLane(t)
			l.post(group, "a", "b")
			got, _ := l.taken(all(1))
			l.do(func(tx *partition.Tx) { l.Return(tx, got[0].Receipt, time.Minute, false) })
			_, left := l.taken(queues.Take{ExpiredMax: 5})
			require.False(t, left.Expired)
			l.tolds()
			time.Sleep(time.Minute + time.Millisecond)
			require.NotZero(t, l.tolds(), "its reader is told")
			old, left := l.taken(queues.Take{ExpiredMax: 5, Visibility: time.Second})
			want := []string{"a", "b"}
			if group != "" {
				want = want[:1] // one of a group at a time
			}
			require.ElementsMatch(t, want, texts(old))
			require.True(t, old[0].Uncounted)
			require.EqualValues(t, 2, left.Messages, "nothing is dropped")
		})
	}
}

func TestInternalFIFOQueueHandsOutOneOfAGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLane(t)
		l.post("g", "g1", "g2", "g2")
		l.post("h", "h1")
		got, _ := l.taken(all(10))
		require.Equal(t, []string{"g1", "h1"}, texts(got))
		more, _ := l.taken(all(10))
		require.Empty(t, more)
		l.do(func(tx *partition.Tx) { l.Remove(tx, got[0].Receipt) })
		got, _ = l.taken(all(10))
		require.Equal(t, []string{"g2"}, texts(got))
		l.do(func(tx *partition.Tx) { l.Remove(tx, got[0].Receipt) })
		got, _ = l.taken(all(10))
		require.Equal(t, []string{"g2"}, texts(got), "repetitions are not taken for duplicates")
	})
}

func TestInternalQueueIsDroppedOnlyWhenEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := openLane(t)
		l.do(func(tx *partition.Tx) {
			l.Post(tx, l.name, time.Minute, queues.Delivery{Event: l.events.Append(tx, []byte("body"))})
			require.False(t, l.DropIfEmpty(tx, l.name))
			require.Equal(t, map[turnout.QueueName]int64{l.name: 1}, l.InternalQueues(tx))
		})
		got, _ := l.taken(all(1))
		require.NotEqual(t, eventlog.Ref(0), got[0].Event)
		l.do(func(tx *partition.Tx) {
			require.True(t, l.Holds(tx, got[0].Receipt))
			require.True(t, l.Remove(tx, got[0].Receipt))
			require.False(t, l.Holds(tx, got[0].Receipt))
			require.True(t, l.DropIfEmpty(tx, l.name))
			require.Empty(t, l.InternalQueues(tx))
		})
	})
}
