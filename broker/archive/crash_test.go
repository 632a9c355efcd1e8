package archive_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// predicate is a pattern, and the same in Go: the oracle of what matches.
type predicate struct {
	pattern string
	matches func(n int) bool
}

// randomPredicate makes a pattern on detail.a = n mod 7, detail.b = n² mod 11 and detail.s = n as text.
func randomPredicate(rng *rand.Rand) predicate {
	x, y := rng.IntN(7), rng.IntN(11)
	p := strconv.Itoa(1 + rng.IntN(9))
	one := []struct {
		field   string
		matches func(n int) bool
	}{
		{fmt.Sprintf(`"a":[%d,%d]`, x, (x+2)%7), func(n int) bool { return n%7 == x || n%7 == (x+2)%7 }},
		{fmt.Sprintf(`"a":[{"anything-but":[%d]}]`, x), func(n int) bool { return n%7 != x }},
		{fmt.Sprintf(`"b":[{"numeric":[">=",%d]}]`, y), func(n int) bool { return n%11*(n%11)%11 >= y }},
		{fmt.Sprintf(`"s":[{"prefix":"%s"}]`, p), func(n int) bool { return strings.HasPrefix(strconv.Itoa(n), p) }},
		{`"n":[{"exists":true}]`, func(int) bool { return true }},
	}
	i, j := rng.IntN(len(one)), rng.IntN(len(one))
	if one[i].field[1] == one[j].field[1] { // the same field: one condition only
		return predicate{`{"detail":{` + one[i].field + `}}`, one[i].matches}
	}
	return predicate{
		`{"detail":{` + one[i].field + `,` + one[j].field + `}}`,
		func(n int) bool { return one[i].matches(n) && one[j].matches(n) },
	}
}

// world is random rules, and what is known of the events.
type world struct {
	*node
	rng    *rand.Rand
	queues []string
	rules  []struct {
		predicate
		queues []string
	}
	archived predicate

	mu    sync.Mutex
	acked []int        // events whose publish was answered
	found map[int]bool // events that are there: those and some more
	next  atomic.Int64 // the number of the next event
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 7)), queues: []string{"a", "b", "c"}, found: map[int]bool{}}
	w.node = start(t, archive.Config{})
	w.queue("witness", "to")
	w.queue(w.queues...)
	w.rule("witness", `{"source":["test"]}`, "witness")
	for i := range 3 + w.rng.IntN(8) {
		r := struct {
			predicate
			queues []string
		}{predicate: randomPredicate(w.rng)}
		for _, q := range w.queues {
			if w.rng.IntN(2) == 0 {
				r.queues = append(r.queues, q)
			}
		}
		w.rule(fmt.Sprint("r", i), r.pattern, r.queues...)
		w.rules = append(w.rules, r)
	}
	w.archived = randomPredicate(w.rng)
	w.archive("a", w.archived.pattern, 0)
	return w
}

// deliveries returns how often an event goes to a queue.
func (w *world) deliveries(queue string, n int) (count int) {
	if queue == "witness" {
		return 1
	}
	for _, r := range w.rules {
		for _, q := range r.queues {
			if q == queue && r.matches(n) {
				count++
			}
		}
	}
	return count
}

// publishUntilCrash publishes from several goroutines and loses power at some
// moment after so many events.
func (w *world) publishUntilCrash(events int) {
	var image *pebblestore.Memory
	var before int
	first := int(w.next.Load())
	crashAt := first + events*9/10 + w.rng.IntN(events/10+1)
	keep, rng := w.rng.IntN(101), rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	var once sync.Once
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				n := int(w.next.Add(5)) - 5
				if n >= first+events {
					return
				}
				if n >= crashAt {
					once.Do(func() {
						w.mu.Lock()
						before = len(w.acked)
						w.mu.Unlock()
						image = w.fs.PowerLoss(keep, rng) // while the others publish
					})
				}
				w.publishFive(n)
			}
		})
	}
	workers.Wait()
	if image == nil {
		before, image = len(w.acked), w.fs.PowerLoss(keep, rng)
	}
	w.acked = w.acked[:before]
	w.crashTo(image)
}

func (w *world) publishFive(n int) {
	entries := make([]turnout.EventEntry, 5)
	for i := range entries {
		k := n + i
		entries[i] = turnout.EventEntry{
			Bus: busNamed("default"), Source: "test", DetailType: "kind", Resources: []string{},
			Detail: fmt.Appendf(nil, `{"n":%d,"a":%d,"b":%d,"s":"%d"}`, k, k%7, k%11*(k%11)%11, k),
		}
	}
	if _, err := w.broker.Publish(context.Background(), entries); err != nil {
		w.t.Errorf("publish: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range entries {
		w.acked = append(w.acked, n+i)
	}
}

// drain takes everything in a queue, from several goroutines, and counts it by
// replay and event.
func (w *world) drain(queue string) map[string]map[int]int {
	counts := map[string]map[int]int{}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				got, err := w.node.queues.Receive(context.Background(), queueNamed(queue), turnout.ReceiveOptions{Max: 10})
				if err != nil || len(got) == 0 {
					if err != nil {
						w.t.Errorf("receive: %v", err)
					}
					return
				}
				handles := make([]string, len(got))
				for i := range got {
					var e event
					if err := json.Unmarshal(got[i].Body, &e); err != nil {
						w.t.Errorf("%s: %v", got[i].Body, err)
					}
					handles[i] = got[i].ReceiptHandle
					mu.Lock()
					if counts[e.ReplayName] == nil {
						counts[e.ReplayName] = map[int]int{}
					}
					counts[e.ReplayName][e.Detail.N]++
					mu.Unlock()
				}
				if _, err := w.node.queues.Delete(context.Background(), queueNamed(queue), handles); err != nil {
					w.t.Errorf("delete: %v", err)
				}
			}
		})
	}
	workers.Wait()
	return counts
}

// checkQueues drains the queues: of each of the events, every delivery must be
// there exactly as often as rules and oracle say.
func (w *world) checkQueues(replay string, events map[int]bool) {
	w.t.Helper()
	for _, queue := range append([]string{"witness"}, w.queues...) {
		counts := w.drain(queue)
		for other := range counts {
			require.Equal(w.t, replay, other, "queue %s has only what is expected now", queue)
		}
		got := counts[replay]
		missing, extra := 0, 0
		for n := range events {
			want := w.deliveries(queue, n)
			missing += max(0, want-got[n])
			extra += max(0, got[n]-want)
			delete(got, n)
		}
		for _, n := range got {
			extra += n
		}
		require.Zero(w.t, missing, "deliveries missing in queue %s", queue)
		require.Zero(w.t, extra, "deliveries too many in queue %s", queue)
	}
}

// crashing is a broker that loses power before, during or after one Inject.
type crashing struct {
	archive.Broker
	inject func(do func() (broker.Injected, error)) (broker.Injected, error)
}

func (c *crashing) Inject(ctx context.Context, i broker.Injection) (broker.Injected, error) {
	return c.inject(func() (broker.Injected, error) { return c.Broker.Inject(ctx, i) })
}

// replayWithCrashes runs a replay through so many power losses.
func (w *world) replayWithCrashes(spec turnout.ReplaySpec, events, crashes int) {
	w.t.Helper()
	started := false
	for crash := 0; ; crash++ {
		crashed := make(chan *pebblestore.Memory, 1)
		ended := make(chan struct{})
		countdown := w.rng.IntN(max(2, events/max(1, crashes)/150))
		moment, keep, rng := w.rng.IntN(3), w.rng.IntN(101), rand.New(rand.NewPCG(w.rng.Uint64(), 2))
		lose := func() { crashed <- w.fs.PowerLoss(keep, rng) }
		w.wrap = func(b archive.Broker) archive.Broker {
			return &crashing{Broker: b, inject: func(do func() (broker.Injected, error)) (broker.Injected, error) {
				if countdown--; countdown != 0 || crash >= crashes {
					return do()
				}
				var during sync.WaitGroup
				defer during.Wait()
				switch moment {
				case 0:
					lose()
				case 1:
					during.Go(lose)
				default:
					defer lose()
				}
				return do()
			}}
		}
		w.restart()
		if !started {
			_, err := w.archives.StartReplay(context.Background(), spec)
			require.NoError(w.t, err)
			started = true
		}
		archives := w.archives // those of this node: a crash makes others
		go func() {
			defer close(ended)
			for r, err := archives.Replay(context.Background(), spec.ReplayName); err == nil && r.EndedAt.IsZero(); {
				r, err = archives.Replay(context.Background(), spec.ReplayName)
			}
		}()
		select {
		case image := <-crashed:
			w.crashLoading(image)
			<-ended // the old node is stopped
		case <-ended:
			select {
			case image := <-crashed: // just before its end
				w.crashLoading(image)
				continue
			default:
			}
			r := w.state(spec.Name)
			require.Equal(w.t, turnout.ReplayCompleted, r.State, r.StateReason)
			require.Equal(w.t, int64(events), r.Events, "every event once")
			w.wrap = nil
			return
		}
	}
}

// crashLoading is crashTo, with nothing that crashes again before the next round.
func (w *world) crashLoading(image *pebblestore.Memory) {
	w.wrap = nil
	w.crashTo(image)
}

func setting(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// TestNothingIsMissingOrTwiceAfterPowerLosses publishes events through random
// rules, loses power at random moments of publishing and of replays from an
// archive and from the history, and counts what is in the queues.
//
// TURNOUT_CRASH_EVENTS and TURNOUT_CRASHES make it as large as wanted: the
// events of one run, and the power losses of each of its parts.
func TestNothingIsMissingOrTwiceAfterPowerLosses(t *testing.T) {
	t.Parallel()
	seeds := setting("TURNOUT_CRASH_SEEDS", 2)
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			events, crashes := setting("TURNOUT_CRASH_EVENTS", 900), setting("TURNOUT_CRASHES", 3)
			w := newWorld(t, seed)
			for range crashes {
				w.publishUntilCrash(events / crashes)
				w.checkPublished()
			}
			archived := map[int]bool{}
			for n := range w.found {
				if w.archived.matches(n) {
					archived[n] = true
				}
			}
			require.Equal(t, int64(len(archived)), w.info("a").EventCount, "the archive has what matches, once")
			w.replayWithCrashes(replayOf("fromarchive", archiveNamed("a").ARN()), len(archived), crashes)
			w.checkQueues("fromarchive", archived)

			kept := int(w.past.Stats().Events)
			if kept != len(w.found) {
				t.Logf("the history is full: it keeps %d of %d events", kept, len(w.found))
				return
			}
			w.replayWithCrashes(replayOf("fromhistory", busNamed("default").ARN()), kept, crashes)
			w.checkQueues("fromhistory", w.found)
		})
	}
}

// checkPublished drains the queues after a crash. Which events are there the
// witness tells: all that were acknowledged, and of each all deliveries.
func (w *world) checkPublished() {
	w.t.Helper()
	witness := w.drain("witness")[""]
	for n, count := range witness {
		if count != 1 || witness[n/5*5] != 1 {
			require.Fail(w.t, "the events of one publish stand or fall together", "event %d is there %d times", n, count)
		}
		w.found[n] = true
	}
	for _, n := range w.acked {
		if !w.found[n] {
			require.Fail(w.t, "an acknowledged event is missing", "event %d", n)
		}
	}
	w.acked = nil
	now := map[int]bool{}
	for n := range witness {
		now[n] = true
	}
	for _, queue := range w.queues {
		got := w.drain(queue)[""]
		for n := range now {
			if want := w.deliveries(queue, n); want != got[n] {
				require.Equal(w.t, want, got[n], "event %d in queue %s", n, queue)
			}
			delete(got, n)
		}
		require.Empty(w.t, got, "queue %s has nothing of an event that is not everywhere", queue)
	}
}
