package archive_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

func TestAReplayDeliversAgainInOrder(t *testing.T) {
	t.Parallel()
	for _, source := range []string{archiveNamed("a").ARN(), busNamed("default").ARN()} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, archive.Config{})
				n.queue("all", "even.fifo", "other")
				n.archive("a", "", 0)
				n.rule("all", `{"source":["test"]}`, "all")
				n.rule("other", `{"source":["nobody"]}`, "other")
				for i := range 50 {
					n.publish(span(4*i, 4*i+4)...)
					time.Sleep(time.Duration(i%3) * 7 * time.Millisecond)
				}
				before, size := n.info("a"), n.past.Stats()
				original := n.take("all")
				r := n.run(replayOf("r", source))
				again := n.take("all")
				require.Equal(t, span(0, 200), numbers(again), "in the order of their publish")
				for i := range again {
					require.Equal(t, original[i].ID, again[i].ID, "an event keeps its id")
					require.Equal(t, "r", again[i].ReplayName)
				}
				require.Equal(t, int64(200), r.Events)
				require.Equal(t, int64(200), r.Delivered)
				require.False(t, r.LastEvent.IsZero())
				require.False(t, r.EndedAt.Before(r.StartedAt))
				require.Equal(t, before, n.info("a"), "what is replayed is not archived again")
				require.Equal(t, size.Events, n.past.Stats().Events, "nor kept in the history")
				require.Empty(t, n.take("other"))
				n.restart()
				require.Equal(t, r, n.state("r"), "the record of a replay lasts")
			})
		})
	}
}

func TestAReplayOfATimeRange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.archive("a", "", 0)
		var at []time.Time
		for i := range 20 {
			at = append(at, time.Now())
			n.publish(i)
			time.Sleep(90 * time.Second)
		}
		for i, source := range []string{archiveNamed("a").ARN(), busNamed("default").ARN()} {
			spec := replayOf(fmt.Sprint("r", i), source)
			spec.From, spec.To, spec.Queue = at[3], at[17], new(queueNamed("q"))
			r := n.run(spec)
			require.Equal(t, span(3, 17), numbers(n.take("q")), "from is inclusive, to is exclusive")
			require.Equal(t, at[16].UTC(), r.LastEvent)
			spec.ReplayName = replayNamed(fmt.Sprint("none", i))
			spec.From, spec.To = at[3].Add(1), at[4]
			require.Zero(t, n.run(spec).Events)
		}
	})
}

func TestAReplayIntoAQueueKeepsTheOrderOfAFIFOQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q.fifo")
		n.publish(span(0, 10)...)
		for i := 10; i < 3000; i += 10 {
			n.publish(span(i, i+10)...)
		}
		spec := replayOf("r", busNamed("default").ARN())
		spec.Queue = new(queueNamed("q.fifo"))
		n.run(spec)
		require.Equal(t, span(0, 3000), numbers(n.take("q.fifo")))
		spec.ReplayName = replayNamed("again")
		n.run(spec)
		require.Len(t, n.take("q.fifo"), 3000, "another replay is not a duplicate of the first")
	})
}

func TestAReplayToOneRuleAndTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("a", "b", "c")
		n.archive("a", "", 0)
		n.rule("first", `{"detail":{"even":[true]}}`, "a", "b")
		n.rule("second", `{"source":["test"]}`, "c")
		n.publish(0, 1, 2, 3)
		for _, q := range []string{"a", "b", "c"} {
			n.take(q)
		}
		spec := replayOf("rule", archiveNamed("a").ARN())
		spec.FilterARNs = []string{ruleNamed("first").ARN()}
		n.run(spec)
		require.Equal(t, []int{0, 2}, numbers(n.take("a")), "the rule's pattern applies")
		require.Equal(t, []int{0, 2}, numbers(n.take("b")))
		require.Empty(t, n.take("c"))
		spec.ReplayName, spec.TargetID = replayNamed("target"), "b"
		n.run(spec)
		require.Empty(t, n.take("a"))
		require.Equal(t, []int{0, 2}, numbers(n.take("b")))
	})
}

// TestSkipDelivered makes one target miss some events, and has only these
// delivered again.
func TestSkipDelivered(t *testing.T) {
	t.Parallel()
	for _, source := range []string{archiveNamed("a").ARN(), busNamed("default").ARN()} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, archive.Config{})
				n.queue("a", "late")
				n.archive("a", "", 0)
				n.rule("r", `{"source":["test"]}`, "a", "late", "missing")
				require.NoError(t, n.queues.DeleteQueue(t.Context(), queueNamed("late")))
				n.publish(0, 1, 2)
				n.queue("late")
				n.publish(3, 4)
				n.take("a")
				require.Equal(t, []int{3, 4}, numbers(n.take("late")))

				spec := replayOf("r", source)
				spec.SkipDelivered = true
				dry, err := n.archives.DryRun(t.Context(), spec)
				require.NoError(t, err)
				require.Equal(t, []archive.DryRunTarget{
					{Rule: ruleNamed("r"), TargetID: "a", Skipped: 5},
					{Rule: ruleNamed("r"), TargetID: "late", Deliveries: 3, Skipped: 2},
					{Rule: ruleNamed("r"), TargetID: "missing", Deliveries: 5},
				}, dry.Targets)
				require.Equal(t, int64(5), dry.Events)

				n.queue("missing")
				r := n.run(spec)
				require.Empty(t, n.take("a"))
				require.Equal(t, []int{0, 1, 2}, numbers(n.take("late")))
				require.Equal(t, span(0, 5), numbers(n.take("missing")))
				require.Equal(t, int64(8), r.Delivered)
				require.Equal(t, int64(7), r.Skipped)
			})
		})
	}
}

func TestSkipDeliveredFollowsAnEventToFurtherBuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("got")
		_, err := n.broker.CreateBus(t.Context(), turnout.Bus{BusName: busNamed("second")})
		require.NoError(t, err)
		n.rule("hop", `{"source":["test"]}`)
		put := func(rule turnout.RuleName, id, arn string) {
			errs, err := n.broker.PutTargets(t.Context(), rule, []turnout.Target{{ID: id, ARN: arn}})
			require.NoError(t, err)
			require.NoError(t, errs[0])
		}
		put(ruleNamed("hop"), "second", busNamed("second").ARN())
		there := turnout.RuleName{Bus: busNamed("second"), Name: "there"}
		_, err = n.broker.PutRule(t.Context(), there, func(r *turnout.Rule, _ bool) error {
			r.Pattern = `{"source":["test"]}`
			return nil
		})
		require.NoError(t, err)
		put(there, "got", queueNamed("got").ARN())
		n.publish(0, 1)
		require.Len(t, n.take("got"), 2)
		n.queue("new")
		put(there, "new", queueNamed("new").ARN())
		spec := replayOf("r", busNamed("default").ARN())
		spec.SkipDelivered = true
		n.run(spec)
		require.Empty(t, n.take("got"))
		require.Len(t, n.take("new"), 2)
	})
}

func TestADryRunCountsAndDeliversNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{DryRunEventsMax: 1500})
		n.queue("a", "b")
		n.rule("even", `{"detail":{"even":[true]}}`, "a", "b")
		n.rule("all", `{"source":["test"]}`, "b")
		for i := 0; i < 1200; i += 10 {
			n.publish(span(i, i+10)...)
		}
		n.take("a")
		n.take("b")
		dry, err := n.archives.DryRun(t.Context(), replayOf("r", busNamed("default").ARN()))
		require.NoError(t, err)
		require.Equal(t, int64(1200), dry.Events)
		require.True(t, dry.Complete)
		require.Equal(t, []archive.DryRunTarget{
			{Rule: ruleNamed("all"), TargetID: "b", Deliveries: 1200},
			{Rule: ruleNamed("even"), TargetID: "a", Deliveries: 600},
			{Rule: ruleNamed("even"), TargetID: "b", Deliveries: 600},
		}, dry.Targets)
		require.Len(t, dry.Samples, 10)
		require.NotContains(t, string(dry.Samples[0]), "replay-name", "samples are as they were published")
		require.Empty(t, n.take("a"))
		require.Empty(t, n.take("b"))

		spec := replayOf("r", busNamed("default").ARN())
		spec.Queue = new(queueNamed("a"))
		dry, err = n.archives.DryRun(t.Context(), spec)
		require.NoError(t, err)
		require.Equal(t, []archive.DryRunTarget{{Deliveries: 1200}}, dry.Targets)
		require.Empty(t, n.take("a"))

		for i := 0; i < 1200; i += 10 {
			n.publish(span(i, i+10)...)
		}
		dry, err = n.archives.DryRun(t.Context(), replayOf("r", busNamed("default").ARN()))
		require.NoError(t, err)
		require.False(t, dry.Complete)
		replays, err := n.archives.Replays(t.Context(), scope)
		require.NoError(t, err)
		require.Empty(t, replays)
	})
}

func TestReplaysThatAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{ReplaysMax: 2})
		n.queue("q")
		n.archive("a", "", 0)
		n.rule("r", `{"source":["test"]}`, "q")
		_, err := n.broker.CreateBus(t.Context(), turnout.Bus{BusName: busNamed("second")})
		require.NoError(t, err)
		for _, c := range []struct {
			change  func(*turnout.ReplaySpec)
			code    turnout.Code
			message string
		}{
			{func(s *turnout.ReplaySpec) { s.SourceARN = archiveNamed("b").ARN() }, turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Archive b does not exist."},
			{func(s *turnout.ReplaySpec) { s.SourceARN = queueNamed("b").ARN() }, turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN."},
			{func(s *turnout.ReplaySpec) { s.Bus = busNamed("second") }, turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."},
			{func(s *turnout.ReplaySpec) { s.SourceARN = busNamed("second").ARN() }, turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."},
			{func(s *turnout.ReplaySpec) { s.Bus = busNamed("third") }, turnout.CodeNotFound, "Event bus third does not exist."},
			{func(s *turnout.ReplaySpec) { s.To = s.From }, turnout.CodeValidation, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."},
			{func(s *turnout.ReplaySpec) { s.From = time.Unix(-1, 0) }, turnout.CodeValidation, "Parameter EventStartTime is not valid. Reason: The times must be between the years 1970 and 6400."},
			{func(s *turnout.ReplaySpec) { s.Name = "" }, turnout.CodeValidation, "Parameter ReplayName is not valid."},
			{func(s *turnout.ReplaySpec) { s.PerSecondMax = -1 }, turnout.CodeValidation, "Parameter PerSecondMax is not valid. Reason: Must not be negative."},
			{func(s *turnout.ReplaySpec) { s.TimeLapse = 1e9 }, turnout.CodeValidation, "Parameter TimeLapse is not valid. Reason: Must be 0, or between 1/1000000 and 1000000."},
			{func(s *turnout.ReplaySpec) { s.TargetID = "q" }, turnout.CodeValidation, "Parameter TargetId is not valid. Reason: It needs exactly one rule in Destination.FilterArns."},
			{func(s *turnout.ReplaySpec) { s.FilterARNs = []string{ruleNamed("none").ARN()} }, turnout.CodeNotFound, "Rule none does not exist on EventBus default."},
			{func(s *turnout.ReplaySpec) { s.FilterARNs = []string{"x"} }, turnout.CodeValidation, "Parameter Destination.FilterArns is not valid. Reason: x is not the ARN of a rule on EventBus default."},
			{func(s *turnout.ReplaySpec) { s.FilterARNs, s.TargetID = []string{ruleNamed("r").ARN()}, "none" }, turnout.CodeValidation, "Parameter TargetId is not valid. Reason: Rule r has no target none."},
			{func(s *turnout.ReplaySpec) {
				s.FilterARNs, s.Queue = []string{ruleNamed("r").ARN()}, new(queueNamed("q"))
			}, turnout.CodeValidation, "Parameter Queue is not valid. Reason: Destination.FilterArns must be empty."},
			{func(s *turnout.ReplaySpec) { s.Queue = new(queueNamed("none")) }, turnout.CodeQueueNotFound, "The specified queue does not exist."},
		} {
			spec := replayOf("r", archiveNamed("a").ARN())
			c.change(&spec)
			_, err := n.archives.StartReplay(t.Context(), spec)
			refused(t, err, c.code, c.message)
		}
		slow := replayOf("slow", archiveNamed("a").ARN())
		slow.PerSecondMax = 1
		n.publish(0, 1, 2, 3)
		n.startReplay(slow)
		_, err = n.archives.StartReplay(t.Context(), slow)
		refused(t, err, turnout.CodeAlreadyExists, "Replay slow already exists.")
		slow.Name = "slow2"
		n.startReplay(slow)
		slow.Name = "slow3"
		_, err = n.archives.StartReplay(t.Context(), slow)
		refused(t, err, turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")
		_, err = n.archives.CancelReplay(t.Context(), replayNamed("none"))
		refused(t, err, turnout.CodeNotFound, "Replay none does not exist.")
		_, err = n.archives.Replay(t.Context(), replayNamed("none"))
		refused(t, err, turnout.CodeNotFound, "Replay none does not exist.")
		n.finish("slow")
		_, err = n.archives.CancelReplay(t.Context(), replayNamed("slow"))
		refused(t, err, turnout.CodeConflict, "Replay slow is not in a valid state for this operation.")
		n.finish("slow2")
		n.startReplay(slow)
		n.finish("slow3")
		all, err := n.archives.Replays(t.Context(), scope)
		require.NoError(t, err)
		require.Len(t, all, 3)
		require.True(t, slices.IsSortedFunc(all, func(a, b turnout.Replay) int { return len(a.Name) - len(b.Name) }))
	})
}

func TestACancelledReplayStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.archive("a", "", 0)
		n.publish(span(0, 10)...)
		spec := replayOf("r", archiveNamed("a").ARN())
		spec.Queue, spec.PerSecondMax = new(queueNamed("q")), 1
		n.startReplay(spec)
		time.Sleep(3500 * time.Millisecond)
		require.Equal(t, turnout.ReplayRunning, n.state("r").State)
		cancelled, err := n.archives.CancelReplay(t.Context(), replayNamed("r"))
		require.NoError(t, err)
		require.Equal(t, turnout.ReplayCancelling, cancelled.State)
		synctest.Wait()
		r := n.state("r")
		require.Equal(t, turnout.ReplayCancelled, r.State, "it does not wait for its next event")
		require.Equal(t, int64(4), r.Events)
		require.Equal(t, int64(4), r.Delivered)
		time.Sleep(time.Minute)
		require.Equal(t, span(0, 4), numbers(n.take("q")), "what was delivered stays")
		require.Equal(t, uint64(1), n.archives.Stats().Cancelled)
		require.Zero(t, n.archives.Stats().Running)
	})
}

func TestAReplayGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.archive("a", "", 0)
		n.publish(span(0, 10)...)
		spec := replayOf("r", archiveNamed("a").ARN())
		spec.Queue, spec.PerSecondMax = new(queueNamed("q")), 1
		n.startReplay(spec)
		for range 3 {
			time.Sleep(2500 * time.Millisecond)
			n.restart()
		}
		n.publish(99) // after the start: not a part of it
		r := n.finish("r")
		require.Equal(t, turnout.ReplayCompleted, r.State)
		require.Equal(t, span(0, 10), numbers(n.take("q")))
		require.Equal(t, int64(10), r.Events)
	})
}

func TestAReplayFailsWhenWhatItNeedsIsGone(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(n *node) error{
		"The archive was deleted.": func(n *node) error {
			return n.archives.DeleteArchive(n.t.Context(), archiveNamed("a"))
		},
		"The specified queue does not exist.": func(n *node) error {
			return n.queues.DeleteQueue(n.t.Context(), queueNamed("q"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, archive.Config{})
				n.queue("q")
				n.archive("a", "", 0)
				n.publish(span(0, 10)...)
				spec := replayOf("r", archiveNamed("a").ARN())
				spec.Queue, spec.PerSecondMax = new(queueNamed("q")), 1
				n.startReplay(spec)
				time.Sleep(2500 * time.Millisecond)
				require.NoError(t, remove(n))
				r := n.finish("r")
				require.Equal(t, turnout.ReplayFailed, r.State)
				require.Equal(t, name, r.StateReason)
				require.Equal(t, uint64(1), n.archives.Stats().Failed)
			})
		})
	}
}

func TestAReplayWaitsWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.publish(0, 1, 2)
		n.broker.RefusePublishes(true)
		spec := replayOf("r", busNamed("default").ARN())
		spec.Queue = new(queueNamed("q"))
		n.startReplay(spec)
		time.Sleep(time.Minute)
		require.Equal(t, turnout.ReplayStarting, n.state("r").State)
		n.broker.RefusePublishes(false)
		require.Equal(t, turnout.ReplayCompleted, n.finish("r").State)
		require.Equal(t, span(0, 3), numbers(n.take("q")))
	})
}

func TestAReplayWithALargeFanOutTakesFewerEventsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := startNode(&node{t: t, fs: pebblestore.NewMemory(), buses: broker.Config{DeliveriesMax: 50}})
		n.queue("a", "b", "c")
		for i := range 20 {
			n.publish(span(10*i, 10*i+10)...)
		}
		n.rule("r", `{"source":["test"]}`, "a", "b", "c")
		r := n.run(replayOf("r", busNamed("default").ARN()))
		require.Equal(t, int64(600), r.Delivered)
		for _, q := range []string{"a", "b", "c"} {
			require.Equal(t, span(0, 200), numbers(n.take(q)))
		}
		n.buses.DeliveriesMax = 2
		n.restart()
		n.startReplay(replayOf("impossible", busNamed("default").ARN()))
		r = n.finish("impossible")
		require.Equal(t, turnout.ReplayFailed, r.State)
		require.Equal(t, "The events match too many targets: at most 2 deliveries can be made by one request.", r.StateReason)
	})
}

func TestAReplayThatIsBeingCancelledEndsAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.publish(span(0, 10)...)
		n.broker.RefusePublishes(true) // the worker waits
		spec := replayOf("r", busNamed("default").ARN())
		spec.Queue = new(queueNamed("q"))
		n.startReplay(spec)
		_, err := n.archives.CancelReplay(t.Context(), replayNamed("r"))
		require.NoError(t, err)
		n.crashTo(n.fs.PowerLoss(0, nil))
		require.Equal(t, turnout.ReplayCancelled, n.finish("r").State)
		require.Empty(t, n.take("q"))
	})
}

func TestAReplayIsPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		for i := range 6 { // 0, 10, 30, 60, 100, 150 s
			time.Sleep(time.Duration(i) * 10 * time.Second)
			n.publish(i)
		}
		spec := replayOf("rate", busNamed("default").ARN())
		spec.Queue, spec.PerSecondMax = new(queueNamed("q")), 2
		r := n.run(spec)
		require.InDelta(t, 2500, r.EndedAt.Sub(r.StartedAt).Milliseconds(), 50)
		spec.Name, spec.PerSecondMax, spec.TimeLapse = "lapse", 0, 10
		r = n.run(spec)
		require.InDelta(t, 15_000, r.EndedAt.Sub(r.StartedAt).Milliseconds(), 50, "150 s ten times as fast")
		require.Len(t, n.take("q"), 12)
	})
}

func TestRecordsOfReplaysGoAfterNinetyDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.archive("a", "", 0)
		n.run(replayOf("r", archiveNamed("a").ARN()))
		due := n.archives.Due()
		require.Equal(t, n.state("r").EndedAt.AddDate(0, 0, 90), due)
	})
}
