package queues_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/queues"
)

// What clients know of a message; states only rise.
const (
	unsent = iota
	sending
	sent
	deleting
	deleted
)

const crashMessages = 2000

// crashRun is one life of a node: clients work until the power fails.
type crashRun struct {
	n      *node
	queues []turnout.QueueName // the last is the dead-letter queue of the others
	state  [crashMessages]atomic.Int32
	next   atomic.Int64
	ops    atomic.Int64
	stop   atomic.Bool
}

func (c *crashRun) client(rng *rand.Rand) {
	ctx := c.n.t.Context()
	for !c.stop.Load() {
		q := c.queues[rng.IntN(len(c.queues))]
		c.ops.Add(1)
		if rng.IntN(2) == 0 {
			first := c.next.Add(3) - 3
			if first+3 > crashMessages {
				return
			}
			msgs := make([]turnout.OutgoingMessage, 3)
			for i := range msgs {
				c.state[first+int64(i)].Store(sending)
				msgs[i].Body = fmt.Append(nil, first+int64(i))
				if strings.HasSuffix(q.Name, ".fifo") {
					msgs[i].GroupID = strconv.Itoa(rng.IntN(5))
				} else if rng.IntN(4) == 0 {
					msgs[i].Delay = new(time.Second)
				}
			}
			if _, err := c.n.Send(ctx, q, msgs); err != nil {
				return
			}
			for i := range msgs {
				c.state[first+int64(i)].CompareAndSwap(sending, sent) // unless it was deleted already
			}
			continue
		}
		visibility := time.Duration(rng.IntN(2)) * time.Second // 1 s does not end before the power fails
		got, err := c.n.Receive(ctx, q, turnout.ReceiveOptions{Max: 1 + rng.IntN(10), Visibility: &visibility})
		if err != nil {
			return
		}
		for _, m := range got {
			if visibility == 0 || rng.IntN(3) == 0 {
				continue // left to come back, or to be dead-lettered; its handle may outlive its place
			}
			i, _ := strconv.Atoi(string(m.Body))
			c.state[i].Store(deleting)
			if errs, err := c.n.Delete(ctx, q, []string{m.ReceiptHandle}); err != nil || errs[0] != nil {
				continue
			}
			c.state[i].Store(deleted)
		}
	}
}

func (c *crashRun) states() (all [crashMessages]int32) {
	for i := range all {
		all[i] = c.state[i].Load()
	}
	return all
}

// TestPowerLoss: whatever instant the power fails at, no acknowledged message
// is lost, no acknowledged delete is undone, a message is in one queue only,
// and the counters are what a recount finds.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	cycles := 60
	if testing.Short() {
		cycles = 6
	}
	for cycle := range cycles {
		seed := uint64(cycle)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { powerLoss(t, seed) })
		})
	}
}

func powerLoss(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &crashRun{n: start(t, queues.Config{})}
	dlq := c.n.create("dlq", nil)
	dlqFIFO := c.n.create("dlq.fifo", fifo)
	c.queues = []turnout.QueueName{
		c.n.create("a", redriveTo(dlq, 2)),
		c.n.create("b.fifo", func(a *turnout.QueueAttributes) { fifo(a); redriveTo(dlqFIFO, 2)(a) }),
		dlq, dlqFIFO,
	}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() { c.client(rand.New(rand.NewPCG(seed, uint64(i+2)))) })
	}
	for target := int64(rng.IntN(1500)); c.ops.Load() < target && c.next.Load() < crashMessages; {
		time.Sleep(time.Microsecond) // lets the clients work; virtual
	}
	before := c.states()
	fs := c.n.fs.PowerLoss([]int{0, 10, 50, 90}[rng.IntN(4)], rng)
	after := c.states()
	c.stop.Store(true)
	clients.Wait()
	c.n.stop()
	c.n.fs = fs
	c.n.open()

	found := c.drain(t)
	for i := range before {
		times := found[strconv.Itoa(i)]
		require.LessOrEqual(t, times, 1, "message %d is in two places", i)
		switch {
		case before[i] == sent && after[i] == sent:
			require.Equal(t, 1, times, "message %d was acknowledged and is lost", i)
		case before[i] == deleted:
			require.Zero(t, times, "message %d was deleted and came back", i)
		case after[i] == unsent:
			require.Zero(t, times, "message %d was never sent", i)
		}
	}
}

// drain takes every message out of every queue, checks the counters against
// what it finds, and returns how often each body came.
func (c *crashRun) drain(t *testing.T) map[string]int {
	time.Sleep(time.Minute) // whatever was in flight or delayed is visible
	found := make(map[string]int)
	for _, q := range c.queues {
		require.NoError(t, c.n.UpdateQueue(t.Context(), q, func(s *turnout.QueueSettings) error {
			s.Attributes.Redrive = nil
			return nil
		}))
		depth := c.n.depth(q)
		require.Zero(t, depth.InFlight+depth.Delayed)
		total := int64(0)
		for {
			got := c.n.receive(q, 10)
			if len(got) == 0 {
				break
			}
			total += int64(len(got))
			for _, m := range got {
				found[string(m.Body)]++
			}
			c.n.delete(q, got...)
		}
		require.Equal(t, depth.Visible, total, "the counter of %s and a recount", q.Name)
		require.Equal(t, turnout.QueueDepth{}, c.n.depth(q))
	}
	return found
}
