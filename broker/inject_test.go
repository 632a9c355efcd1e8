package broker_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
)

// past is an event as it was published before.
func past(id, source string) []byte {
	return []byte(`{"version":"0","id":"` + id + `","detail-type":"t \",\"resources\":[","source":"` + source +
		`","account":"000000000000","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"n":1}}`)
}

// bodiesOf returns the bodies of the messages in a queue.
func bodiesOf(messages []turnout.ReceivedMessage) []string {
	all := make([]string, len(messages))
	for i := range messages {
		all[i] = string(messages[i].Body)
	}
	return all
}

// kept returns what the history holds of a bus: each event's size and the targets that got it.
func (n *node) kept(bus string) (sizes []int, targets [][]uint64) {
	n.t.Helper()
	view := n.store.Snapshot()
	entries, failed := n.history.Entries(view, busNamed(bus), history.Position{}, time.Now().Add(time.Hour))
	for e := range entries {
		sizes = append(sizes, e.SizeBytes)
		targets = append(targets, append([]uint64(nil), e.Targets...))
	}
	require.NoError(n.t, failed())
	require.NoError(n.t, view.Close())
	return sizes, targets
}

func TestEveryEventIsInTheHistory(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("a", "b")
	n.bus("second")
	n.rule(ruleNamed("default", "one"), `{"source":["test"]}`, toQueue("a"), toQueue("missing"), toBus("second"))
	n.rule(ruleNamed("second", "two"), `{"source":["test"]}`, toQueue("b"))
	n.publish(entry("default", `{"n":1}`))
	n.publish(turnout.EventEntry{Bus: busNamed("default"), Source: "nobody", DetailType: "t", Detail: []byte(`{}`)})

	sizes, targets := n.kept("default")
	require.Len(t, sizes, 2, "an event that matches no rule is kept too")
	body := n.take("a")[0].Body
	require.Equal(t, len(body), sizes[0])
	require.Equal(t, [][]uint64{{1}, nil}, targets, "a delivery that failed is not one")
	_, targets = n.kept("second")
	require.Equal(t, [][]uint64{{4}}, targets, "the bus that an event came by keeps it too")
	rule, id, ok := n.TargetByNumber(4)
	require.True(t, ok)
	require.Equal(t, ruleNamed("second", "two"), rule)
	require.Equal(t, "t0", id)

	n.crash()
	sizes, _ = n.kept("default")
	require.Len(t, sizes, 2)
	require.NoError(t, n.DeleteRule(t.Context(), ruleNamed("second", "none")))
	_, err := n.RemoveTargets(t.Context(), ruleNamed("second", "two"), []string{"t0"})
	require.NoError(t, err)
	require.NoError(t, n.DeleteRule(t.Context(), ruleNamed("second", "two")))
	require.NoError(t, n.DeleteBus(t.Context(), busNamed("second")))
	n.bus("second")
	sizes, _ = n.kept("second")
	require.Empty(t, sizes, "a bus that is created again has no past")
}

func TestInjectDeliversThePastAgain(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("a", "b", "c")
	n.queue("order.fifo")
	n.rule(ruleNamed("default", "one"), `{"source":["x"]}`, toQueue("a"))
	n.rule(ruleNamed("default", "two"), `{"source":["x","y"]}`, toQueue("b"))
	n.rule(ruleNamed("default", "live"), `{"replay-name":[{"exists":false}]}`, toQueue("c"))

	inject := func(i broker.Injection) broker.Injected {
		t.Helper()
		i.Bus = busNamed("default")
		got, err := n.Inject(t.Context(), i)
		require.NoError(t, err)
		return got
	}
	events := [][]byte{past("e1", "x"), past("e2", "y")}

	require.Equal(t, broker.Injected{Deliveries: 3}, inject(broker.Injection{Events: events, ReplayName: "again"}))
	got := bodiesOf(n.take("a"))
	require.Len(t, got, 1)
	var keys struct {
		ID         string
		ReplayName string `json:"replay-name"`
		DetailType string `json:"detail-type"`
	}
	require.NoError(t, json.Unmarshal([]byte(got[0]), &keys))
	require.Equal(t, "e1", keys.ID, "an event keeps its id")
	require.Equal(t, "again", keys.ReplayName)
	require.Equal(t, `t ","resources":[`, keys.DetailType)
	require.Contains(t, got[0], `"region":"us-east-1","replay-name":"again","resources":[]`, "the name has AWS's place")
	require.Len(t, n.take("b"), 2)
	require.Empty(t, n.take("c"), "rules see that an event is replayed")
	sizes, _ := n.kept("default")
	require.Empty(t, sizes, "what is replayed does not become history again")

	require.Equal(t, broker.Injected{Deliveries: 1}, inject(broker.Injection{Events: events, Rules: []turnout.RuleName{ruleNamed("default", "one")}}))
	require.Len(t, n.take("a"), 1)
	require.Empty(t, n.take("b"), "rules that are not asked for get nothing")

	require.Equal(t, broker.Injected{Deliveries: 2}, inject(broker.Injection{
		Events: events, Direct: true, Rules: []turnout.RuleName{ruleNamed("default", "one")},
	}))
	require.Len(t, n.take("a"), 2, "a direct injection does not ask the pattern")

	skip := func(event int, target uint64) bool { return event == 1 && target == 2 }
	require.Equal(t, broker.Injected{Deliveries: 2, Skipped: 1}, inject(broker.Injection{Events: events, ReplayName: "rest", Skip: skip}))
	require.Len(t, n.take("a"), 1)
	require.Len(t, n.take("b"), 1)

	for range 2 {
		inject(broker.Injection{Events: events, ReplayName: "r", Queue: new(queueNamed("order.fifo"))})
	}
	inject(broker.Injection{Events: events, ReplayName: "another", Queue: new(queueNamed("order.fifo"))})
	messages := n.take("order.fifo")
	require.Len(t, messages, 4, "what one replay sends twice is a duplicate, what another sends is not")
	require.Equal(t, "r", messages[0].GroupID)
	require.Contains(t, string(messages[1].Body), `"id":"e2"`, "in order")
}

func TestInjectIsOneBatchWithThen(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("a")
	n.rule(ruleNamed("default", "one"), `{"source":["x"]}`, toQueue("a"))
	refused := errors.New("no")
	i := broker.Injection{
		Bus: busNamed("default"), Events: [][]byte{past("e1", "x")},
		Then: func(*partition.Tx) error { return refused },
	}
	_, err := n.Inject(t.Context(), i)
	require.ErrorIs(t, err, refused)
	require.Empty(t, n.take("a"), "an error of Then leaves everything as it was")

	i.Then = func(tx *partition.Tx) error {
		tx.Batch.Set([]byte("zz progress"), []byte("1"))
		return nil
	}
	_, err = n.Inject(t.Context(), i)
	require.NoError(t, err)
	n.crash()
	_, err = n.store.Get(nil, []byte("zz progress"))
	require.NoError(t, err)
	require.Len(t, n.take("a"), 1)

	i.Then = nil
	i.Direct, i.Rules = true, []turnout.RuleName{ruleNamed("default", "none")}
	_, err = n.Inject(t.Context(), i)
	require.Equal(t, turnout.CodeNotFound, codeOf(t, err))
	i.Direct, i.Rules, i.Events = false, nil, [][]byte{[]byte(`{}`)}
	_, err = n.Inject(t.Context(), i)
	require.Equal(t, turnout.CodeValidation, codeOf(t, err))
}

func TestManagedRulesBelongToArchives(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	archive := turnout.ArchiveName{Scope: scope, Name: "all"}
	_, err := n.PrepareArchiveRule(archive, busNamed("default"), `{"source":[]}`)
	require.Equal(t, turnout.CodeInvalidEventPattern, codeOf(t, err))
	kept := &keeper{}
	n.stop()
	n.openWith(func() { n.ArchiveTo(kept) })
	put, err := n.PrepareArchiveRule(archive, busNamed("default"), `{"source":["test"]}`)
	require.NoError(t, err)
	require.NoError(t, n.loop.Do(put))
	n.publish(entry("default", `{"n":1}`))
	require.Len(t, kept.bodies, 1)
	require.Contains(t, kept.bodies[0], `"detail":{"n":1}`)

	name := archive.RuleName(busNamed("default"))
	r, err := n.Rule(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, "Events-Archive-all", r.Name)
	require.NotEmpty(t, r.ManagedBy)
	_, err = n.PutRule(t.Context(), name, func(*turnout.Rule, bool) error { return nil })
	require.Equal(t, turnout.CodeManagedRule, codeOf(t, err))
	_, err = n.PutTargets(t.Context(), name, []turnout.Target{{ID: "a", ARN: queueNamed("q").ARN()}})
	require.Equal(t, turnout.CodeManagedRule, codeOf(t, err))
	_, err = n.RemoveTargets(t.Context(), name, []string{"all"})
	require.Equal(t, turnout.CodeManagedRule, codeOf(t, err))
	require.Equal(t, turnout.CodeManagedRule, codeOf(t, n.DeleteRule(t.Context(), name)))
	errs, err := n.PutTargets(t.Context(), r.RuleName, nil)
	require.Equal(t, turnout.CodeManagedRule, codeOf(t, err))
	require.Empty(t, errs)

	n.rule(ruleNamed("default", "mine"), `{"source":["test"]}`)
	errs, err = n.PutTargets(t.Context(), ruleNamed("default", "mine"), []turnout.Target{{ID: "a", ARN: archive.ARN()}})
	require.NoError(t, err)
	require.Equal(t, turnout.CodeUnsupportedOperation, codeOf(t, errs[0]))

	require.NoError(t, n.loop.Do(func(tx *partition.Tx) error {
		n.DeleteArchiveRule(tx, archive, busNamed("default"))
		return nil
	}))
	_, err = n.Rule(t.Context(), name)
	require.Equal(t, turnout.CodeNotFound, codeOf(t, err))
}

// keeper is an archive in memory.
type keeper struct{ bodies []string }

func (k *keeper) Append(_ *partition.Tx, _ turnout.ArchiveName, _ time.Time, _ string, body []byte) error {
	k.bodies = append(k.bodies, string(body))
	return nil
}

func TestScheduledRulesAreAnnounced(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.stop()
	var heard []string
	n.openWith(func() {
		n.OnRuleChange(func(_ *partition.Tx, name turnout.RuleName, r *turnout.Rule) {
			what := name.Name + " gone"
			if r != nil {
				what = name.Name + " " + r.Schedule
			}
			heard = append(heard, what)
		})
	})
	put := func(name, schedule, pattern string) {
		_, err := n.PutRule(t.Context(), ruleNamed("default", name), func(r *turnout.Rule, _ bool) error {
			r.Schedule, r.Pattern = schedule, pattern
			return nil
		})
		require.NoError(t, err)
	}
	put("tick", "rate(1 minute)", "")
	put("plain", "", `{"source":["x"]}`)
	put("tick", "rate(5 minutes)", "")
	put("other", "rate(1 hour)", "")
	put("other", "", `{"source":["x"]}`)
	_, err := n.PutTargets(t.Context(), ruleNamed("default", "tick"), []turnout.Target{{ID: "a", ARN: queueNamed("q").ARN()}})
	require.NoError(t, err)
	require.NoError(t, n.Fire(t.Context(), ruleNamed("default", "tick"), past("tick-1", "aws.events"), nil))
	require.Len(t, n.take("q"), 1, "a rule that fires needs no pattern")
	sizes, _ := n.kept("default")
	require.Len(t, sizes, 1)
	n.stop()
	n.openWith(func() {
		all := n.ScheduledRules()
		require.Len(t, all, 1)
		require.Equal(t, "rate(5 minutes)", all[0].Schedule)
		require.False(t, all[0].CreatedAt.IsZero())
	})
	require.NoError(t, n.Reset(t.Context()))
	require.Equal(t, []string{"tick rate(1 minute)", "tick rate(5 minutes)", "other rate(1 hour)", "other gone"}, heard)
}
