package broker_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

// refused requires an error with a code and AWS's message.
func refused(t *testing.T, code turnout.Code, message string, err error) {
	t.Helper()
	require.EqualError(t, err, message)
	require.Equal(t, code, codeOf(t, err))
}

func TestBuses(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{BusesMax: 3})
	ctx := t.Context()
	made, err := n.CreateBus(ctx, turnout.Bus{BusName: busNamed("b"), Description: "d", Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.False(t, made.CreatedAt.IsZero())
	require.Equal(t, made.CreatedAt, made.ModifiedAt)
	n.bus("a")

	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("b")})
	refused(t, turnout.CodeAlreadyExists, "Event bus b already exists.", err)
	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("default")})
	refused(t, turnout.CodeAlreadyExists, "Event bus default already exists.", err)
	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("c")})
	refused(t, turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.", err)
	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("nul\x00")})
	require.Equal(t, turnout.CodeValidation, codeOf(t, err))
	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("log"), LogConfig: json.RawMessage("{")})
	require.Equal(t, turnout.CodeValidation, codeOf(t, err))
	_, err = n.CreateBus(ctx, turnout.Bus{BusName: busNamed("dlq"), DeadLetterARN: queueNamed("q.fifo").ARN()})
	require.Equal(t, turnout.CodeValidation, codeOf(t, err))
	_, err = n.UpdateBus(ctx, busNamed("x"), func(*turnout.Bus) error { return nil })
	refused(t, turnout.CodeNotFound, "Event bus x does not exist.", err)
	_, err = n.Bus(ctx, busNamed("x"))
	refused(t, turnout.CodeNotFound, "Event bus x does not exist.", err)

	stop := errors.New("stop")
	_, err = n.UpdateBus(ctx, busNamed("b"), func(b *turnout.Bus) error {
		b.Tags["k"], b.Description = "changed", "changed"
		return stop
	})
	require.ErrorIs(t, err, stop)
	got, err := n.Bus(ctx, busNamed("b"))
	require.NoError(t, err)
	require.Equal(t, made, got, "a change that fails changes nothing")

	_, err = n.UpdateBus(ctx, busNamed("default"), func(b *turnout.Bus) error {
		b.Policy, b.Name = "{}", "other"
		return nil
	})
	require.NoError(t, err)
	n.crash()
	all, err := n.Buses(ctx, scope)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, []string{"a", "b", "default"}, []string{all[0].Name, all[1].Name, all[2].Name}, "sorted, the default bus among them")
	require.Equal(t, made, all[1])
	require.Equal(t, "{}", all[2].Policy, "settings of the default bus persist")

	n.rule(ruleNamed("b", "r"), `{"source":["x"]}`)
	refused(t, turnout.CodeValidation, "Cannot delete event bus default.", n.DeleteBus(ctx, busNamed("default")))
	refused(t, turnout.CodeValidation, "EventBus can't be deleted since it has rules.", n.DeleteBus(ctx, busNamed("b")))
	require.NoError(t, n.DeleteRule(ctx, ruleNamed("b", "r")))
	require.NoError(t, n.DeleteBus(ctx, busNamed("b")))
	require.NoError(t, n.DeleteBus(ctx, busNamed("b")), "deleting a bus that does not exist succeeds")
}

func TestRules(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{RulesMax: 2})
	ctx := t.Context()
	n.queue("q")
	n.rule(ruleNamed("default", "b"), `{"source":["x"]}`, toQueue("q"))
	n.rule(ruleNamed("default", "a"), `{"source":["y"]}`)

	keep := func(*turnout.Rule, bool) error { return nil }
	_, err := n.PutRule(ctx, ruleNamed("x", "r"), keep)
	refused(t, turnout.CodeNotFound, "Event bus x does not exist.", err)
	_, err = n.PutRule(ctx, ruleNamed("default", "c"), keep)
	refused(t, turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.", err)
	_, err = n.PutRule(ctx, ruleNamed("default", ""), keep)
	require.Equal(t, turnout.CodeValidation, codeOf(t, err))
	_, err = n.PutRule(ctx, ruleNamed("default", "a"), func(r *turnout.Rule, exists bool) error {
		require.True(t, exists)
		r.Pattern = `{"source":"y"}`
		return nil
	})
	require.Equal(t, turnout.CodeInvalidEventPattern, codeOf(t, err))
	require.ErrorContains(t, err, `Event pattern is not valid. Reason: "source" must be an object or an array`)

	put, err := n.PutRule(ctx, ruleNamed("default", "b"), func(r *turnout.Rule, exists bool) error {
		r.Description, r.Tags = "d", map[string]string{"k": "v"}
		return nil
	})
	require.NoError(t, err)
	put.Tags["k"] = "changed by the caller"
	n.crash()
	got, err := n.Rule(ctx, ruleNamed("default", "b"))
	require.NoError(t, err)
	require.WithinRange(t, got.CreatedAt, time.Now().Add(-time.Minute), time.Now())
	got.CreatedAt = time.Time{}
	require.Equal(t, turnout.Rule{
		RuleName: ruleNamed("default", "b"), Pattern: `{"source":["x"]}`, State: turnout.RuleEnabled,
		Description: "d", Tags: map[string]string{"k": "v"},
	}, got)
	targets, err := n.Targets(ctx, ruleNamed("default", "b"))
	require.NoError(t, err)
	require.Len(t, targets, 1, "a rule that is put again keeps its targets")

	all, err := n.Rules(ctx, busNamed("default"))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, []string{all[0].Name, all[1].Name})
	names, err := n.RuleNamesByTarget(ctx, busNamed("default"), queueNamed("q").ARN())
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
	names, err = n.RuleNamesByTarget(ctx, busNamed("default"), queueNamed("other").ARN())
	require.NoError(t, err)
	require.Empty(t, names)

	for _, err := range []error{
		second(n.Rule(ctx, ruleNamed("x", "r"))), second(n.Rules(ctx, busNamed("x"))), second(n.RuleMatches(ctx, busNamed("x"))),
		second(n.RuleNamesByTarget(ctx, busNamed("x"), "arn")), n.DeleteRule(ctx, ruleNamed("x", "r")),
		second(n.Targets(ctx, ruleNamed("x", "r"))), second(n.PutTargets(ctx, ruleNamed("x", "r"), nil)), second(n.RemoveTargets(ctx, ruleNamed("x", "r"), nil)),
	} {
		refused(t, turnout.CodeNotFound, "Event bus x does not exist.", err)
	}
	for _, err := range []error{
		second(n.Rule(ctx, ruleNamed("default", "r"))), second(n.Targets(ctx, ruleNamed("default", "r"))),
		second(n.PutTargets(ctx, ruleNamed("default", "r"), nil)), second(n.RemoveTargets(ctx, ruleNamed("default", "r"), nil)),
	} {
		refused(t, turnout.CodeNotFound, "Rule r does not exist on EventBus default.", err)
	}
	require.NoError(t, n.DeleteRule(ctx, ruleNamed("default", "r")), "deleting a rule that does not exist succeeds")
	refused(t, turnout.CodeValidation, "Rule can't be deleted since it has targets.", n.DeleteRule(ctx, ruleNamed("default", "b")))
}

func second[T any](_ T, err error) error { return err }

func TestTargets(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{StrictAWS: true})
	ctx := t.Context()
	r := ruleNamed("default", "r")
	n.rule(r, `{"source":["x"]}`)
	target := func(id, arn string) turnout.Target { return turnout.Target{ID: id, ARN: arn} }
	queue := queueNamed("q").ARN()

	errs, err := n.PutTargets(ctx, r, []turnout.Target{target("1", queue), target("fn", "arn:aws:kinesis:us-east-1:1:stream/s"), target("2", queue)})
	require.NoError(t, err)
	require.NoError(t, errs[0])
	require.NoError(t, errs[2])
	refused(t, turnout.CodeUnsupportedOperation,
		`Turnout does not deliver to "arn:aws:kinesis:us-east-1:1:stream/s": the targets it supports are SQS queues, SNS topics, event buses, API destinations and Lambda functions.`, errs[1])

	many := []turnout.Target{target("1", queue), target("3", queue), target("4", queue), target("5", queue), target("6", queue)}
	_, err = n.PutTargets(ctx, r, many)
	refused(t, turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.", err)
	_, err = n.PutTargets(ctx, r, many[:4])
	require.NoError(t, err, "five targets are allowed, and one was replaced")

	for name, bad := range map[string]turnout.Target{
		"no id":             target("", queue),
		"broken parameters": {ID: "x", ARN: queue, Other: json.RawMessage("{")},
		"fifo dead letters": {ID: "x", ARN: queue, DeadLetterARN: queueNamed("d.fifo").ARN()},
		"no queue":          {ID: "x", ARN: queue, DeadLetterARN: busNamed("d").ARN()},
	} {
		_, err = n.PutTargets(ctx, r, []turnout.Target{bad})
		require.Equal(t, turnout.CodeValidation, codeOf(t, err), name)
	}

	errs, err = n.RemoveTargets(ctx, r, []string{"1", "none", "5"})
	require.NoError(t, err)
	require.NoError(t, errs[0])
	refused(t, turnout.CodeNotFound, "Rule 'r' does not have a target with the Id 'none'.", errs[1])
	n.crash()
	targets, err := n.Targets(ctx, r)
	require.NoError(t, err)
	require.Equal(t, []turnout.Target{target("2", queue), target("3", queue), target("4", queue)}, targets)
	require.NoError(t, second(n.RemoveTargets(ctx, r, []string{"2", "3", "4"})))
	require.NoError(t, n.DeleteRule(ctx, r))
}

func TestEventPatterns(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	event := `{"id":"1","account":"1","source":"a","time":"2026-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"t","detail":{"n":1}}`
	for pattern, want := range map[string]bool{`{"detail":{"n":[1]}}`: true, `{"detail":{"n":[2]}}`: false, `{"source":[{"prefix":"a"}]}`: true} {
		got, err := n.TestEventPattern(t.Context(), []byte(pattern), []byte(event))
		require.NoError(t, err)
		require.Equal(t, want, got, pattern)
	}
	_, err := n.TestEventPattern(t.Context(), []byte(`{}`), []byte(event))
	require.Equal(t, turnout.CodeInvalidEventPattern, codeOf(t, err))
	for _, bad := range []string{"", "[]", `"x"`, `{`, `{"id":"1"}`, `{"id":"1","account":"1","source":"a","time":"t","region":"r","resources":[]}`} {
		_, err := n.TestEventPattern(t.Context(), []byte(`{"source":["a"]}`), []byte(bad))
		refused(t, turnout.CodeValidation, "Parameter Event is not valid.", err)
	}
}

func TestResetForgetsTheConfiguration(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.bus("b")
	n.rule(ruleNamed("default", "r"), `{"source":["test"]}`, toQueue("q"))
	require.NoError(t, n.Reset(t.Context()))
	n.publish(entry("default", `{}`), entry("b", `{}`))
	require.Empty(t, n.take("q"))
	require.EqualValues(t, 1, n.Stats().UnknownBus)
	n.crash()
	all, err := n.Buses(t.Context(), scope)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestNewNeedsRandomness(t *testing.T) {
	t.Parallel()
	_, err := broker.New(nil, nil, nil, broker.Receivers{}, broker.Config{})
	require.ErrorContains(t, err, "Random")
}
