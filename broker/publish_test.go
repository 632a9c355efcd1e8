package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

func TestADeliveredEventIsAWSsEnvelope(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.rule(ruleNamed("default", "all"), `{"account":[{"prefix":""}]}`, toQueue("q"))
	e := turnout.EventEntry{
		Bus: busNamed("default"), Source: `a"b`, DetailType: "Order\nplaced <é>", Resources: []string{"arn:x", "y"},
		Detail: []byte(" { \"b\" : [ 1.50 , \"x \\\" y\" ] ,\n\t\"a\" : { } } "),
		Time:   time.Date(2026, 5, 6, 7, 8, 9, 999_000_000, time.FixedZone("", 3600)), TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
	}
	id := n.publish(e)[0]
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	got := n.take("q")
	require.Len(t, got, 1)
	require.Equal(t, `{"version":"0","id":"`+id+`","detail-type":"Order\nplaced <é>","source":"a\"b","account":"000000000000",`+
		`"time":"2026-05-06T06:08:09Z","region":"us-east-1","resources":["arn:x","y"],"detail":{"b":[1.50,"x \" y"],"a":{}}}`, string(got[0].Body))
	require.Equal(t, e.TraceHeader, got[0].TraceHeader)
	require.Empty(t, got[0].Attributes)
}

func TestAnEventWithoutATimeHasThatOfThePublish(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.rule(ruleNamed("default", "all"), `{"source":["test"]}`, toQueue("q"))
	before := time.Now().UTC().Truncate(time.Second)
	n.publish(entry("default", `{}`))
	_, after, _ := strings.Cut(string(n.take("q")[0].Body), `"time":"`)
	at, err := time.Parse(time.RFC3339, after[:20])
	require.NoError(t, err)
	require.WithinRange(t, at, before, time.Now())
}

func TestOneEventGoesToEveryMatchingTargetAndIsStoredOnce(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("a", "b", "c", "d")
	n.rule(ruleNamed("default", "one"), `{"detail":{"n":[1]}}`, toQueue("a"), toQueue("b"))
	n.rule(ruleNamed("default", "two"), `{"detail":{"n":[1,2]}}`, toQueue("c"))
	n.rule(ruleNamed("default", "three"), `{"detail":{"n":[3]}}`, toQueue("d"))
	sent := n.publish(entry("default", `{"n":1}`), entry("default", `{"n":2}`), entry("default", `{"n":4}`))
	require.Equal(t, 3, n.bodies(), "a body is stored once for its targets and the history")
	require.Equal(t, sent[:1], ids(t, n.take("a")))
	require.Equal(t, sent[:1], ids(t, n.take("b")))
	require.ElementsMatch(t, sent[:2], ids(t, n.take("c")))
	require.Empty(t, n.take("d"))

	matches, err := n.RuleMatches(t.Context(), busNamed("default"))
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{"one": 1, "two": 2, "three": 0}, matches)
	s := n.Stats()
	require.EqualValues(t, 3, s.Published)
	require.EqualValues(t, 1, s.Unmatched)
	require.EqualValues(t, 3, s.Matched)
	require.EqualValues(t, 4, s.ToQueues)
	require.EqualValues(t, 1, s.Match.Count)
}

func TestAMalformedDetailIsRefusedAlone(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.rule(ruleNamed("default", "all"), `{"source":["test"]}`, toQueue("q"))
	details := []string{`{"a":`, `[]`, `"x"`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), `{}`}
	entries := make([]turnout.EventEntry, len(details))
	for i, d := range details {
		entries[i] = entry("default", d)
	}
	published, err := n.Publish(t.Context(), entries)
	require.NoError(t, err)
	last := len(details) - 1
	for i, p := range published[:last] {
		require.ErrorContains(t, p.Err, "Detail is malformed.", details[i])
		require.Equal(t, turnout.CodeMalformedRequest, codeOf(t, p.Err))
		require.Empty(t, p.ID)
	}
	require.Equal(t, []string{published[last].ID}, ids(t, n.take("q")))
	require.EqualValues(t, last, n.Stats().Refused)
}

func TestAnEventForAnUnknownBusIsDroppedAsOnAWS(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	require.NotEmpty(t, n.publish(entry("nowhere", `{}`))[0])
	other := entry("default", `{}`)
	other.Bus.Scope = turnout.Scope{Account: "111111111111", Region: "eu-west-1"}
	n.publish(other)
	s := n.Stats()
	require.EqualValues(t, 1, s.UnknownBus)
	require.EqualValues(t, 1, s.Unmatched, "the default bus exists everywhere")
}

func TestAccountsAndRegionsAreIsolated(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.rule(ruleNamed("default", "all"), `{"source":["test"]}`, toQueue("q"))
	for _, s := range []turnout.Scope{{Account: "111111111111", Region: scope.Region}, {Account: scope.Account, Region: "eu-west-1"}} {
		e := entry("default", `{}`)
		e.Bus.Scope = s
		n.publish(e)
	}
	require.Empty(t, n.take("q"))
}

func TestABusTargetMatchesThereInTheSamePublish(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q1", "q2")
	n.bus("in", "out")
	n.rule(ruleNamed("in", "forward"), `{"source":["test"]}`, toBus("out"), toQueue("q1"))
	n.rule(ruleNamed("out", "deliver"), `{"detail":{"n":[1]}}`, toQueue("q2"))
	sent := n.publish(entry("in", `{"n":1}`), entry("in", `{"n":2}`))
	require.ElementsMatch(t, sent, ids(t, n.take("q1")))
	require.Equal(t, sent[:1], ids(t, n.take("q2")), "the event keeps its id within a region")
	require.Equal(t, 2, n.bodies(), "the body is stored once for both buses")
	require.EqualValues(t, 2, n.Stats().ToBuses)
}

func TestAnEventNeverVisitsABusTwice(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.bus("a", "b")
	n.rule(ruleNamed("a", "self"), `{"source":["test"]}`, toBus("a"))
	n.rule(ruleNamed("a", "ab"), `{"source":["test"]}`, toBus("b"))
	n.rule(ruleNamed("b", "ba"), `{"source":["test"]}`, toBus("a"), toQueue("q"))
	sent := n.publish(entry("a", `{}`))
	require.Equal(t, sent, ids(t, n.take("q")))
	require.EqualValues(t, 2, n.Stats().BusLoops)
	require.EqualValues(t, 1, n.Stats().ToBuses)
}

func TestACopyInAnotherRegionHasItsOwnID(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	west := turnout.BusName{Scope: turnout.Scope{Account: "222222222222", Region: "us-west-2"}, Name: "default"}
	n.rule(ruleNamed("default", "forward"), `{"source":["test"]}`, turnout.Target{ARN: west.ARN()}, toQueue("q"))
	n.rule(turnout.RuleName{Bus: west, Name: "back"}, `{"region":["us-east-1"],"account":["000000000000"]}`, toQueue("q"))
	sent := n.publish(entry("default", `{}`))
	got := n.take("q")
	require.Len(t, got, 2, "account and region stay the origin's")
	all := ids(t, got)
	require.Contains(t, all, sent[0])
	require.NotEqual(t, all[0], all[1], "another region gives the event another id")
	one, two := string(got[0].Body), string(got[1].Body)
	const id = len(`{"version":"0","id":"`) + 36
	require.Equal(t, one[id:], two[id:], "nothing but the id differs")
}

func TestHopsAreBounded(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{HopsMax: 2})
	n.queue("dlq", "q")
	for i := range 5 {
		n.bus(fmt.Sprint("b", i))
	}
	for i := range 4 {
		target := toBus(fmt.Sprint("b", i+1))
		target.DeadLetterARN = queueNamed("dlq").ARN()
		n.rule(ruleNamed(fmt.Sprint("b", i), "next"), `{"source":["test"]}`, target)
	}
	n.rule(ruleNamed("b2", "deliver"), `{"source":["test"]}`, toQueue("q"))
	n.publish(entry("b0", `{}`))
	require.Len(t, n.take("q"), 1)
	dead := n.take("dlq")
	require.Len(t, dead, 1)
	require.Equal(t, "RESOURCE_LIMIT_EXCEEDED", attributes(dead[0])["ERROR_CODE"])
	require.Equal(t, ruleNamed("b2", "next").ARN(), attributes(dead[0])["RULE_ARN"])
}

func TestDeliveriesOfOnePublishAreBounded(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{DeliveriesMax: 3})
	n.queue("q")
	n.rule(ruleNamed("default", "two"), `{"source":["test"]}`, toQueue("q"), toQueue("q"))
	n.publish(entry("default", `{}`))
	require.Len(t, n.take("q"), 2)
	_, err := n.Publish(t.Context(), []turnout.EventEntry{entry("default", `{}`), entry("default", `{}`)})
	require.Equal(t, turnout.CodeLimitExceeded, codeOf(t, err))
	require.Empty(t, n.take("q"), "a publish that is refused has no effect")
}

func TestBodiesOfOnePublishAreBounded(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	target := toQueue("q")
	target.InputPath = new("$.detail")
	targets := make([]turnout.Target, 80)
	for i := range targets {
		targets[i] = target
	}
	n.rule(ruleNamed("default", "copies"), `{"source":["test"]}`, targets...)
	_, err := n.Publish(t.Context(), []turnout.EventEntry{entry("default", `{"text":"`+strings.Repeat("x", 1<<20)+`"}`)})
	require.Equal(t, turnout.CodeLimitExceeded, codeOf(t, err))
	n.publish(entry("default", `{}`))
	require.Len(t, n.take("q"), 80)
}

func TestAFullDiskRefusesEvents(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.RefusePublishes(true)
	_, err := n.Publish(t.Context(), []turnout.EventEntry{entry("default", `{}`)})
	require.Equal(t, turnout.CodeStorageFull, codeOf(t, err))
	n.RefusePublishes(false)
	n.publish(entry("default", `{}`))
}

func TestFIFOTargets(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("constant.fifo", "path.fifo", "dlq")
	constant, path := toQueue("constant.fifo"), toQueue("path.fifo")
	constant.MessageGroupID = "all"
	path.MessageGroupID, path.DeadLetterARN = "$.detail.device", queueNamed("dlq").ARN()
	n.rule(ruleNamed("default", "one"), `{"source":["test"]}`, constant, path)
	n.rule(ruleNamed("default", "again"), `{"source":["test"]}`, constant)
	details := []string{`{"device":"d1"}`, `{"device":42}`, `{"device":true}`, `{"device":{}}`, `{}`, `{"device":""}`, `{"device":"a b"}`}
	var sent []string
	for _, d := range details {
		sent = append(sent, n.publish(entry("default", d))...)
	}
	var groups []string
	for _, m := range n.take("path.fifo") {
		groups = append(groups, m.GroupID)
		require.Contains(t, sent, m.DeduplicationID, "the deduplication id is the event's")
	}
	require.ElementsMatch(t, []string{"d1", "42", "true"}, groups)
	for _, m := range n.take("dlq") {
		require.Equal(t, "INVALID_PARAMETER", attributes(m)["ERROR_CODE"])
		require.Contains(t, attributes(m)["ERROR_MESSAGE"], "$.detail.device")
	}
	require.EqualValues(t, 4, n.Stats().DeadLettered)
	got := n.take("constant.fifo")
	require.Len(t, got, 2*len(details), "two rules deliver twice, although the event is one")
	require.Equal(t, "all", got[0].GroupID)
}
