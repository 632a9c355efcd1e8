package archive_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/internal/partition"
)

// fill puts events of about 1 KB into archive a without publishing them: 100 each millisecond of the past.
func (n *node) fill(events int, began time.Time) {
	n.t.Helper()
	padding := fmt.Sprintf("%0900d", 0)
	for i := 0; i < events; i += 1000 {
		require.NoError(n.t, n.loop.Do(func(tx *partition.Tx) error {
			for k := range min(1000, events-i) {
				at := began.Add(time.Duration((i+k)/100) * time.Millisecond)
				body := fmt.Appendf(nil, `{"version":"0","id":"6f1e0c1e-0000-4000-8000-%012d","detail-type":"kind","source":"test","account":"000000000000",`+
					`"time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":[],"detail":{"n":%d,"even":%t,"pad":"%s"}}`, i+k, i+k, (i+k)%2 == 0, padding)
				if err := n.archives.Append(tx, archiveNamed("a"), at, "", body); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// await waits until a replay has replayed so many events or ended.
func (n *node) await(name string, events int64) turnout.Replay {
	n.t.Helper()
	for {
		r, err := n.archives.Replay(context.Background(), replayNamed(name))
		require.NoError(n.t, err)
		if r.Events >= events || !r.EndedAt.IsZero() {
			return r
		}
		<-time.After(time.Millisecond) // a benchmark runs in real time
	}
}

// BenchmarkReplay answers: how many archived events of 1 KB a second does a
// replay deliver durably, into a queue and through a rule?
func BenchmarkReplay(b *testing.B) {
	const events = 200_000
	for _, kind := range []string{"queue", "rule", "history"} {
		b.Run(kind, func(b *testing.B) {
			n := startNode(&node{t: b, dir: b.TempDir()})
			n.queue("q")
			n.archive("a", "", 0)
			spec := replayOf("", archiveNamed("a").ARN())
			switch kind {
			case "history":
				for range events / 500 {
					entries := make([]turnout.EventEntry, 500)
					for i := range entries {
						entries[i] = turnout.EventEntry{
							Bus: busNamed("default"), Source: "test", DetailType: "kind", Resources: []string{},
							Detail: fmt.Appendf(nil, `{"n":%d,"pad":"%0900d"}`, i, 0),
						}
					}
					_, err := n.broker.Publish(context.Background(), entries)
					require.NoError(b, err)
				}
				spec.SourceARN, spec.Queue = busNamed("default").ARN(), new(queueNamed("q"))
			case "rule":
				n.fill(events, time.Now().Add(-time.Hour))
				n.rule("r", `{"source":["test"],"detail":{"n":[{"numeric":[">=",0]}]}}`, "q")
			default:
				n.fill(events, time.Now().Add(-time.Hour))
				spec.Queue = new(queueNamed("q"))
			}
			rounds := 0
			for b.Loop() {
				rounds++
				spec.Name = fmt.Sprint("r", rounds)
				n.startReplay(spec)
				r := n.await(spec.Name, math.MaxInt64)
				require.Equal(b, turnout.ReplayCompleted, r.State, r.StateReason)
				require.Equal(b, int64(events), r.Delivered)
			}
			b.ReportMetric(float64(rounds*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkReplayStart answers: how long does it take until a replay from the
// middle of a large archive has delivered its first events?
func BenchmarkReplayStart(b *testing.B) {
	events := setting("TURNOUT_BENCH_EVENTS", 1_000_000)
	n := startNode(&node{t: b, dir: b.TempDir(), cfg: archive.Config{ReplaysMax: 60}})
	n.queue("q")
	n.archive("a", "", 0)
	began := time.Now().Add(-24 * time.Hour)
	n.fill(events, began)
	rounds := 0
	for b.Loop() {
		rounds++
		spec := replayOf(fmt.Sprint("r", rounds), archiveNamed("a").ARN())
		spec.Queue = new(queueNamed("q"))
		spec.From = began.Add(time.Duration(events/200) * time.Millisecond)
		spec.To = spec.From.Add(time.Millisecond)
		n.startReplay(spec)
		r := n.await(spec.Name, 1)
		require.Equal(b, int64(100), r.Events)
	}
	b.ReportMetric(float64(events), "archived")
}

// BenchmarkAppend answers: what does an archive add to each event on the loop, its body's copy included?
func BenchmarkAppend(b *testing.B) {
	n := startNode(&node{t: b, dir: b.TempDir()})
	n.archive("a", "", 0)
	body := make([]byte, 1000)
	before := n.loop.Stats()
	b.ReportAllocs()
	for left := 0; b.Loop(); left++ {
		if left%1000 != 0 {
			continue
		}
		require.NoError(b, n.loop.Do(func(tx *partition.Tx) error {
			for range 1000 {
				if err := n.archives.Append(tx, archiveNamed("a"), tx.Now, "", body); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	b.ReportMetric(float64(n.loop.Stats().Bytes-before.Bytes)/float64((b.N+999)/1000*1000)-1000, "overheadB/event")
}
