package archive_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/archive"
)

func TestAnArchiveGetsTheEventsThatMatch(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{})
	n.publish(0)
	n.archive("all", "", 0)
	n.archive("even", ` {"detail":{"even":[true]}}`, 0)
	n.archive("or", `{"$or":[{"detail":{"n":[1]}},{"detail":{"n":[2]}}]}`, 0)
	n.publish(1, 2, 3)
	n.publish(4)
	for name, want := range map[string]int64{"all": 4, "even": 2, "or": 2} {
		require.Equal(t, want, n.info(name).EventCount, name)
	}
	events, size := n.recount()
	require.Equal(t, int64(8), events)
	total := int64(0)
	for _, name := range []string{"all", "even", "or"} {
		total += n.info(name).SizeBytes
	}
	require.Equal(t, size, total, "the size is that of the events' text")
	require.Equal(t, int64(8), n.archives.Stats().Archived)
}

func TestAnArchiveIsFedByAManagedRule(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{})
	n.archive("a", `{"source":["x"]}`, 0)
	rule, err := n.broker.Rule(t.Context(), archiveNamed("a").RuleName(busNamed("default")))
	require.NoError(t, err)
	require.Equal(t, "Events-Archive-a", rule.Name)
	require.JSONEq(t, `{"source":["x"],"replay-name":[{"exists":false}]}`, rule.Pattern)
	require.NotEmpty(t, rule.ManagedBy)
	require.NoError(t, n.archives.DeleteArchive(t.Context(), archiveNamed("a")))
	_, err = n.broker.Rule(t.Context(), rule.RuleName)
	refused(t, err, turnout.CodeNotFound, "Rule Events-Archive-a does not exist on EventBus default.")
}

func TestErrorsOfArchivesChangeNothing(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{ArchivesMax: 2})
	n.archive("a", "", 0)
	n.rule("Events-Archive-mine", `{"source":["x"]}`)
	create := func(name, bus, pattern string) error {
		_, err := n.archives.CreateArchive(t.Context(), turnout.Archive{ArchiveName: archiveNamed(name), Bus: busNamed(bus), Pattern: pattern})
		return err
	}
	refused(t, create("a", "default", ""), turnout.CodeAlreadyExists, "Archive a already exists.")
	refused(t, create("b", "none", ""), turnout.CodeNotFound, "Event bus none does not exist.")
	refused(t, create("", "default", ""), turnout.CodeValidation, "Parameter ArchiveName is not valid.")
	refused(t, create("b", "default", `{"source":[]}`), turnout.CodeInvalidEventPattern,
		"Event pattern is not valid. Reason: Empty arrays are not allowed\n at [Source: (String)\"{\"source\":[]}\"; line: 1, column: 13]")
	require.Error(t, create("mine", "default", ""), "a user's own rule is not taken over")
	_, err := n.archives.Archive(t.Context(), archiveNamed("b"))
	refused(t, err, turnout.CodeNotFound, "Archive b does not exist.")
	refused(t, n.archives.DeleteArchive(t.Context(), archiveNamed("b")), turnout.CodeNotFound, "Archive b does not exist.")
	_, err = n.archives.UpdateArchive(t.Context(), archiveNamed("b"), func(*turnout.Archive) error { return nil })
	refused(t, err, turnout.CodeNotFound, "Archive b does not exist.")
	_, err = n.archives.UpdateArchive(t.Context(), archiveNamed("a"), func(a *turnout.Archive) error {
		a.Pattern = `{"source":"x"}`
		return nil
	})
	require.ErrorContains(t, err, "must be an object or an array")
	mine := errors.New("mine")
	_, err = n.archives.UpdateArchive(t.Context(), archiveNamed("a"), func(a *turnout.Archive) error {
		a.Description = "changed"
		return mine
	})
	require.ErrorIs(t, err, mine)
	n.archive("b", "", 0)
	refused(t, create("c", "default", ""), turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")

	all, err := n.archives.Archives(t.Context(), scope)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].Name)
	require.Empty(t, all[0].Pattern)
	require.Empty(t, all[0].Description)
	require.Equal(t, "b", all[1].Name)
	all, err = n.archives.Archives(t.Context(), turnout.Scope{Account: "111111111111", Region: "us-east-1"})
	require.NoError(t, err)
	require.Empty(t, all, "other accounts see nothing")
}

func TestAnUpdateTakesEffectAndLasts(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{})
	n.archive("a", `{"detail":{"n":[1]}}`, 24*time.Hour)
	before := n.info("a")
	n.publish(1, 2)
	updated, err := n.archives.UpdateArchive(t.Context(), archiveNamed("a"), func(a *turnout.Archive) error {
		a.Pattern, a.Description, a.Retention, a.KMSKeyID = `{"detail":{"n":[2]}}`, "two", 48*time.Hour, "key"
		a.Name, a.Bus = "other", busNamed("other")
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "a", updated.Name, "neither name nor bus can be changed")
	require.Equal(t, before.Bus, updated.Bus)
	require.Equal(t, before.CreatedAt, updated.CreatedAt)
	n.publish(1, 2, 2)
	want := turnout.ArchiveInfo{Archive: updated, EventCount: 3, SizeBytes: n.info("a").SizeBytes}
	require.Equal(t, want, n.info("a"))
	n.restart()
	require.Equal(t, want, n.info("a"))
	n.publish(2)
	require.Equal(t, int64(4), n.info("a").EventCount)
	events, size := n.recount()
	require.Equal(t, int64(4), events)
	require.Equal(t, n.info("a").SizeBytes, size)
}

func TestConcurrentUpdatesAllCount(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{})
	n.archive("a", "", 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				for {
					_, err := n.archives.UpdateArchive(t.Context(), archiveNamed("a"), func(a *turnout.Archive) error {
						a.Description += "x"
						return nil
					})
					if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeConflict {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, n.info("a").Description, 20)
}

func TestADeletedArchiveLeavesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, archive.Config{})
	n.archive("a", "", 0)
	n.archive("b", "", 0)
	n.publish(1, 2)
	require.NoError(t, n.archives.DeleteArchive(t.Context(), archiveNamed("a")))
	n.archive("a", "", 0)
	require.Zero(t, n.info("a").EventCount, "an archive that is created again begins empty")
	require.NoError(t, n.archives.DeleteArchive(t.Context(), archiveNamed("b")))
	events, _ := n.recount()
	require.Zero(t, events)
	n.publish(3)
	n.restart()
	require.Equal(t, int64(1), n.info("a").EventCount)
}

// TestRetention publishes every hour for three days into archives with a
// retention of one and of two days, and one that keeps everything.
func TestRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		n := start(t, archive.Config{})
		n.archive("one", "", day)
		n.archive("two", "", 2*day)
		n.archive("ever", "", 0)
		for hour := range 72 {
			n.publish(hour)
			n.publish(hour)
			time.Sleep(time.Hour)
			if hour == 40 {
				n.restart()
			}
		}
		require.Equal(t, int64(2*72), n.info("ever").EventCount)
		require.InDelta(t, 2*24, n.info("one").EventCount, 4, "events go by the hour with a retention of a day")
		require.InDelta(t, 2*48, n.info("two").EventCount, 6)
		total := int64(0)
		for _, name := range []string{"one", "two", "ever"} {
			total += n.info(name).EventCount
		}
		events, _ := n.recount()
		require.Equal(t, total, events, "what is counted is what is there")

		n.queue("q")
		spec := replayOf("r", archiveNamed("one").ARN())
		spec.Queue = new(queueNamed("q"))
		r := n.run(spec)
		require.Equal(t, n.info("one").EventCount, r.Events, "a replay covers what is still there")

		_, err := n.archives.UpdateArchive(t.Context(), archiveNamed("ever"), func(a *turnout.Archive) error {
			a.Retention = day
			return nil
		})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Less(t, n.info("ever").EventCount, int64(2*50), "a shorter retention applies to what is there")
		time.Sleep(2*day + time.Hour)
		require.Zero(t, n.info("one").EventCount)
		require.Zero(t, n.info("one").SizeBytes)
		events, _ = n.recount()
		require.Zero(t, events, "no archive keeps anything for longer than two days now")
	})
}

func TestResetRemovesArchivesAndReplays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, archive.Config{})
		n.queue("q")
		n.archive("a", "", 0)
		n.publish(1, 2, 3)
		spec := replayOf("r", archiveNamed("a").ARN())
		spec.Queue, spec.PerSecondMax = new(queueNamed("q")), 1
		n.startReplay(spec)
		time.Sleep(20 * time.Millisecond)
		require.NoError(t, n.broker.Reset(t.Context()))
		require.NoError(t, n.archives.Reset(t.Context()))
		time.Sleep(time.Minute)
		require.Len(t, n.take("q"), 1, "a replay that was under way goes no further")
		n.restart()
		all, err := n.archives.Archives(t.Context(), scope)
		require.NoError(t, err)
		require.Empty(t, all)
		replays, err := n.archives.Replays(t.Context(), scope)
		require.NoError(t, err)
		require.Empty(t, replays)
		n.archive("a", "", 0)
		n.publish(1)
		require.Equal(t, int64(1), n.info("a").EventCount)
	})
}
