package testbus

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

const placed = `{"source":["shop"],"detail":{"total":[{"numeric":[">",100]}]}}`

func TestEventReachesTheQueueOfAMatchingRule(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		q := newQueue(t, b.SQS(), "q", nil)
		bus.rule("big", placed, to("1", q.arn()))
		poll := later(func() []string { return bodies(q.receive(waiting(20))) })
		time.Sleep(2 * time.Second)
		bus.put(`{"total":99}`)
		at := time.Now().UTC().Format("2006-01-02T15:04:05Z")
		id := bus.put(`{"total": 101, "note":"é \u00e9"}`, func(e *types.PutEventsRequestEntry) { e.Resources = []string{"arn:aws:x", "y"} })
		got := poll()
		require.Len(t, got, 1, "only what matches is delivered, and at once")
		event := parseEnvelope(t, got[0])
		require.JSONEq(t, `{"total":101,"note":"é é"}`, string(event.Detail))
		event.Detail = nil
		require.Equal(t, envelope{
			Version: "0", ID: id, DetailType: "OrderPlaced", Source: "shop", Account: Account,
			Time: at, Region: Region, Resources: []string{"arn:aws:x", "y"},
		}, event)
		require.True(t, strings.HasPrefix(got[0], `{"version":"0","id":"`), "members come in AWS's order")
	})
}

func TestEventTimeIsThePublishersIfGiven(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		q := newQueue(t, b.SQS(), "q", nil)
		bus.rule("all", `{"source":["shop"]}`, to("1", q.arn()))
		given := time.Date(1999, 5, 6, 7, 8, 9, 0, time.UTC)
		bus.put(`{}`, func(e *types.PutEventsRequestEntry) { e.Time = &given })
		event := parseEnvelope(t, *q.one().Body)
		require.Equal(t, "1999-05-06T07:08:09Z", event.Time)
		require.NotNil(t, event.Resources, "resources are an empty list, not null")
	})
}

func TestOneEventOncePerTarget(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "orders")
		var queues []*queue
		for i := range 3 {
			q := newQueue(t, b.SQS(), fmt.Sprint("q", i), nil)
			bus.rule(fmt.Sprint("rule", i), `{"source":["shop"]}`, to("1", q.arn()))
			queues = append(queues, q)
		}
		bus.rule("second", `{"detail-type":["OrderPlaced"]}`, to("1", queues[0].arn()), to("2", queues[1].arn()))
		id := bus.put(`{"n":1}`)
		for i, want := range []int{2, 2, 1} {
			got := queues[i].receive()
			require.Len(t, got, want)
			for _, m := range got {
				require.Equal(t, id, parseEnvelope(t, *m.Body).ID, "every copy has the event's id")
			}
		}
		require.Empty(t, defaultBusQueue(t, b), "another bus does not see it")
	})
}

// defaultBusQueue publishes nothing and returns what a queue of a catch-all on the default bus holds.
func defaultBusQueue(t *testing.T, b *Bus) []string {
	t.Helper()
	q := newQueue(t, b.SQS(), "of-default", nil)
	defaultBus(t, b).rule("all", `{"source":[{"exists":true}]}`, to("1", q.arn()))
	newBus(t, b, "elsewhere").put(`{}`)
	return bodies(q.receive())
}

func TestRuleChangesTakeEffectAtOnce(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		q := newQueue(t, b.SQS(), "q", nil)
		arrived := func() bool {
			t.Helper()
			bus.put(`{"total":500}`)
			got := q.receive()
			for _, m := range got {
				q.delete(m)
			}
			return len(got) > 0
		}
		require.False(t, arrived())
		bus.rule("r", placed, to("1", q.arn()))
		require.True(t, arrived(), "a new rule")
		_, err := bus.client.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: str("r")})
		require.NoError(t, err)
		require.False(t, arrived(), "a disabled rule")
		_, err = bus.client.EnableRule(t.Context(), &eventbridge.EnableRuleInput{Name: str("r")})
		require.NoError(t, err)
		require.True(t, arrived(), "an enabled rule")
		bus.rule("r", `{"source":["other"]}`)
		require.False(t, arrived(), "a rule with another pattern")
		bus.rule("r", placed)
		require.True(t, arrived(), "a rule keeps its targets when it is put again")
		_, err = bus.client.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: str("r"), Ids: []string{"1"}})
		require.NoError(t, err)
		require.False(t, arrived(), "a rule without a target")
		_, err = bus.client.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: str("r")})
		require.NoError(t, err)
		require.False(t, arrived(), "a deleted rule")
		b.Restart()
		require.False(t, arrived())
	})
}

func TestRulesSurviveARestart(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "orders")
		q := newQueue(t, b.SQS(), "q", nil)
		bus.rule("r", placed, to("1", q.arn(), func(t *types.Target) { t.InputPath = str("$.detail") }))
		bus.put(`{"total":101}`)
		b.Crash(0)
		bus.put(`{"total":102}`)
		require.Equal(t, []string{`{"total":101}`, `{"total":102}`}, bodies(q.receive()))
	})
}

func TestInputs(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		transformer := func(template string, paths ...string) func(*types.Target) {
			return func(target *types.Target) {
				m := map[string]string{}
				for i := 0; i+1 < len(paths); i += 2 {
					m[paths[i]] = paths[i+1]
				}
				target.InputTransformer = &types.InputTransformer{InputTemplate: &template, InputPathsMap: m}
			}
		}
		path := func(p string) func(*types.Target) { return func(target *types.Target) { target.InputPath = &p } }
		for i, tc := range []struct {
			change func(*types.Target)
			want   string
		}{
			{func(target *types.Target) { target.Input = str(`{"fixed": true}`) }, `{"fixed": true}`},
			{path("$.detail"), `{"total":101,"user":"bo","list":["a","b"]}`},
			{path("$.detail.user"), `"bo"`},
			{path("$.source"), `"shop"`},
			{transformer(`{"who":<u>,"all":<l>,"text":"<u>/<t>"}`, "u", "$.detail.user", "l", "$.detail.list", "t", "$.detail.total"), `{"who":"bo","all":["a","b"],"text":"bo/101"}`},
			{transformer(`"<u> paid <t>, list <l>, none <n>"`, "u", "$.detail.user", "t", "$.detail.total", "l", "$.detail.list", "n", "$.detail.none"), `"bo paid 101, list [a,b], none "`},
			{transformer(`{"rule":"<aws.events.rule-name>"}`), `{"rule":"rule6"}`},
		} {
			q := newQueue(t, b.SQS(), fmt.Sprint("q", i), nil)
			bus.rule(fmt.Sprint("rule", i), placed, to("1", q.arn(), tc.change))
			bus.put(`{"total":101,"user":"bo","list":["a","b"]}`)
			require.Equal(t, tc.want, *q.one().Body)
		}
	})
}

func TestBusToBus(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		first, second := newBus(t, b, "first"), newBus(t, b, "second")
		q := newQueue(t, b.SQS(), "q", nil)
		first.rule("forward", `{"source":["shop"]}`, to("1", second.arn()))
		second.rule("back", `{"source":["shop"]}`, to("1", first.arn()), to("2", q.arn()))
		id := first.put(`{"n":1}`)
		got := q.receive()
		require.NotEmpty(t, got, "an event goes on from bus to bus")
		require.Less(t, len(got), 10, "and a loop of buses ends")
		require.Equal(t, id, parseEnvelope(t, *got[0].Body).ID)
	})
}

func TestFIFOTarget(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		constant := newFIFO(t, b.SQS(), "constant", nil)
		dynamic := newFIFO(t, b.SQS(), "dynamic", attributes{"ContentBasedDeduplication": "true"})
		group := func(id string) func(*types.Target) {
			return func(target *types.Target) { target.SqsParameters = &types.SqsParameters{MessageGroupId: &id} }
		}
		bus.rule("r", `{"source":["shop"]}`, to("1", constant.arn(), group("all")), to("2", dynamic.arn(), group("$.detail.device")))
		for i := range 6 {
			bus.put(fmt.Sprintf(`{"device":"d%d","n":%d}`, i%2, i))
		}
		require.Len(t, constant.receive(), 6)
		got := dynamic.receive()
		require.Len(t, got, 6)
		var order []string
		for _, m := range got {
			order = append(order, m.Attributes["MessageGroupId"]+string(parseEnvelope(t, *m.Body).Detail))
		}
		require.Equal(t, []string{
			`d0{"device":"d0","n":0}`, `d0{"device":"d0","n":2}`, `d0{"device":"d0","n":4}`,
			`d1{"device":"d1","n":1}`, `d1{"device":"d1","n":3}`, `d1{"device":"d1","n":5}`,
		}, order, "a path gives each device a message group of its own")
	})
}

func TestUndeliverableGoesToTheDeadLetterQueueOfTheTarget(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		gone := newQueue(t, b.SQS(), "gone", nil)
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		good := newQueue(t, b.SQS(), "good", nil)
		arn := gone.arn()
		bus.rule("r", `{"source":["shop"]}`,
			to("1", arn, func(target *types.Target) { target.DeadLetterConfig = &types.DeadLetterConfig{Arn: str(dlq.arn())} }),
			to("2", good.arn()))
		gone.remove()
		id := bus.put(`{"n":1}`)
		require.Len(t, good.receive(), 1, "one target's failure is not another's")
		m := dlq.one()
		require.Equal(t, id, parseEnvelope(t, *m.Body).ID)
		require.Equal(t, arn, *m.MessageAttributes["TARGET_ARN"].StringValue)
		require.Equal(t, "NO_RESOURCE", *m.MessageAttributes["ERROR_CODE"].StringValue)
		require.Contains(t, *m.MessageAttributes["RULE_ARN"].StringValue, ":rule/r")
		require.NotEmpty(t, *m.MessageAttributes["ERROR_MESSAGE"].StringValue)
	})
}

func TestPutEventsAnswersEachEntry(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		q := newQueue(t, b.SQS(), "q", nil)
		bus.rule("all", `{"source":["shop"]}`, to("1", q.arn(), func(t *types.Target) { t.InputPath = str("$.detail.n") }))
		entry := func(source, detailType, detail *string) types.PutEventsRequestEntry {
			return types.PutEventsRequestEntry{Source: source, DetailType: detailType, Detail: detail}
		}
		shop, placed := str("shop"), str("OrderPlaced")
		out, err := bus.client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
			entry(shop, placed, str(`{"n":1}`)),
			entry(nil, placed, str(`{"n":2}`)),
			entry(shop, nil, str(`{"n":3}`)),
			entry(shop, placed, nil),
			entry(shop, placed, str(`[4]`)),
			entry(shop, placed, str(`{"n":`)),
			entry(shop, placed, str(`{"n":5}`)),
			{Source: shop, DetailType: placed, Detail: str(`{}`), EventBusName: str("missing")},
		}})
		require.NoError(t, err)
		require.EqualValues(t, 5, out.FailedEntryCount)
		var codes []string
		for _, e := range out.Entries {
			if e.ErrorCode != nil {
				require.Nil(t, e.EventId)
				codes = append(codes, *e.ErrorCode+": "+*e.ErrorMessage)
				continue
			}
			require.Len(t, *e.EventId, 36)
			codes = append(codes, "")
		}
		require.Equal(t, []string{
			"",
			"InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.",
			"InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.",
			"InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.",
			"MalformedDetail: Detail is malformed.",
			"MalformedDetail: Detail is malformed.",
			"", "",
		}, codes)
		require.Equal(t, []string{"1", "5"}, bodies(q.receive()))
	})
}

func TestSlowQueueDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		slow, quick := newQueue(t, b.SQS(), "slow", nil), newQueue(t, b.SQS(), "quick", nil)
		bus.rule("r", `{"source":["shop"]}`, to("1", slow.arn()), to("2", quick.arn()))
		for i := range 30 {
			bus.put(fmt.Sprintf(`{"n":%d}`, i))
		}
		require.Len(t, quick.drain(), 30)
		require.Equal(t, depth{visible: 30}, slow.depth())
		time.Sleep(4 * 24 * time.Hour)
		require.Equal(t, depth{}, slow.depth(), "events wait as long as the queue's retention")
	})
}

func TestDeletedBusOfARuleIsUndeliverable(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		first, second := newBus(t, b, "first"), newBus(t, b, "second")
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		first.rule("forward", `{"source":["shop"]}`, to("1", second.arn(), func(target *types.Target) {
			target.DeadLetterConfig = &types.DeadLetterConfig{Arn: str(dlq.arn())}
		}))
		_, err := second.client.DeleteEventBus(t.Context(), &eventbridge.DeleteEventBusInput{Name: &second.bus})
		require.NoError(t, err)
		id := first.put(`{}`)
		require.Equal(t, id, parseEnvelope(t, *dlq.one().Body).ID)
	})
}

func TestRulesOfOtherScopesDoNotMatch(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		here := defaultBus(t, b)
		here.rule("all", `{"source":["shop"]}`, to("1", q.arn()))
		for _, c := range []*eventbridge.Client{b.EventBridgeIn("111111111111", Region), b.EventBridgeIn(Account, "eu-west-1")} {
			there := &events{t: t, client: c, bus: "default"}
			there.put(`{}`)
		}
		require.Equal(t, depth{}, q.depth())
		here.put(`{}`)
		require.Equal(t, depth{visible: 1}, q.depth())
	})
}
