package testbus

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

func TestArchiveAndReplay(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "shop")
		all, odd := newQueue(t, b.SQS(), "all", nil), newQueue(t, b.SQS(), "odd", nil)
		bus.rule("all", `{"source":["shop"]}`, to("1", all.arn()))
		bus.rule("odd", `{"detail":{"odd":[true]}}`, to("1", odd.arn()))
		archive, err := bus.client.CreateArchive(t.Context(), &eventbridge.CreateArchiveInput{
			ArchiveName: str("orders"), EventSourceArn: str(bus.arn()), EventPattern: str(`{"detail":{"n":[{"numeric":["<",8]}]}}`),
		})
		require.NoError(t, err)
		began := time.Now()
		ids := map[string]int{}
		for i := range 10 {
			ids[bus.put(`{"n":`+strconv.Itoa(i)+`,"odd":`+strconv.FormatBool(i%2 == 1)+`}`)] = i
			time.Sleep(time.Second)
		}
		require.Len(t, all.drain(), 10)
		require.Len(t, odd.drain(), 5)
		b.Crash(0)

		shown, err := bus.client.DescribeArchive(t.Context(), &eventbridge.DescribeArchiveInput{ArchiveName: str("orders")})
		require.NoError(t, err)
		require.EqualValues(t, 8, shown.EventCount)
		require.Equal(t, types.ArchiveStateEnabled, shown.State)

		start := func(name string, from, to time.Time, rules ...string) {
			_, err := bus.client.StartReplay(t.Context(), &eventbridge.StartReplayInput{
				ReplayName: &name, EventSourceArn: archive.ArchiveArn, EventStartTime: &from, EventEndTime: &to,
				Destination: &types.ReplayDestination{Arn: str(bus.arn()), FilterArns: rules},
			})
			require.NoError(t, err)
		}
		start("again", began, began.Add(time.Hour))
		time.Sleep(time.Minute)
		replay, err := bus.client.DescribeReplay(t.Context(), &eventbridge.DescribeReplayInput{ReplayName: str("again")})
		require.NoError(t, err)
		require.Equal(t, types.ReplayStateCompleted, replay.State)
		got := all.drain()
		require.Len(t, got, 8)
		for i, m := range got {
			e := parseEnvelope(t, *m.Body)
			require.Equal(t, i, ids[e.ID], "a replay keeps ids and order")
			require.Contains(t, *m.Body, `"region":"us-east-1","replay-name":"again","resources":[]`)
		}
		require.Len(t, odd.drain(), 4)
		shown, err = bus.client.DescribeArchive(t.Context(), &eventbridge.DescribeArchiveInput{ArchiveName: str("orders")})
		require.NoError(t, err)
		require.EqualValues(t, 8, shown.EventCount, "what is replayed is not archived again")

		start("part", began.Add(2*time.Second), began.Add(5*time.Second), "arn:aws:events:us-east-1:000000000000:rule/shop/odd")
		time.Sleep(time.Minute)
		require.Empty(t, all.drain(), "only the rules that are named get the past")
		require.Len(t, odd.drain(), 1)

		_, err = bus.client.DeleteArchive(t.Context(), &eventbridge.DeleteArchiveInput{ArchiveName: str("orders")})
		require.NoError(t, err)
		rules, err := bus.client.ListRules(t.Context(), &eventbridge.ListRulesInput{EventBusName: &bus.bus})
		require.NoError(t, err)
		require.Len(t, rules.Rules, 2, "the archive's rule goes with it")
	})
}

func TestScheduledRulesFire(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		q := newQueue(t, b.SQS(), "q", nil)
		put := func(expression string, state types.RuleState) {
			_, err := bus.client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: str("tick"), ScheduleExpression: &expression, State: state})
			require.NoError(t, err)
		}
		put("rate(5 minutes)", types.RuleStateEnabled)
		_, err := bus.client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: str("tick"), Targets: []types.Target{to("1", q.arn())}})
		require.NoError(t, err)
		time.Sleep(time.Hour + time.Second)
		got := q.drain()
		require.Len(t, got, 12)
		e := parseEnvelope(t, *got[0].Body)
		require.Equal(t, "Scheduled Event", e.DetailType)
		require.Equal(t, "aws.events", e.Source)
		require.Equal(t, []string{"arn:aws:events:us-east-1:000000000000:rule/tick"}, e.Resources)
		require.JSONEq(t, `{}`, string(e.Detail))

		b.Crash(0)
		time.Sleep(time.Hour)
		require.Len(t, q.drain(), 12, "ticks go on after a crash, none twice")
		put("rate(5 minutes)", types.RuleStateDisabled)
		time.Sleep(time.Hour)
		require.Empty(t, q.drain())
		put("cron(0 12 * * ? *)", types.RuleStateEnabled)
		time.Sleep(48 * time.Hour)
		require.Len(t, q.drain(), 2)
	})
}

func TestReplayFromTheHistory(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		began := time.Now()
		for range 3 {
			bus.put(`{}`)
		}
		q := newQueue(t, b.SQS(), "late", nil)
		bus.rule("late", `{"source":["shop"]}`, to("1", q.arn()))
		_, err := bus.client.StartReplay(t.Context(), &eventbridge.StartReplayInput{
			ReplayName: str("catch-up"), EventSourceArn: str(bus.arn()),
			EventStartTime: &began, EventEndTime: aws.Time(began.Add(time.Minute)),
			Destination: &types.ReplayDestination{Arn: str(bus.arn())},
		})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		replay, err := bus.client.DescribeReplay(t.Context(), &eventbridge.DescribeReplayInput{ReplayName: str("catch-up")})
		require.NoError(t, err)
		require.Equal(t, types.ReplayStateCompleted, replay.State, aws.ToString(replay.StateReason))
		require.Len(t, q.drain(), 3, "a rule that is late gets what came before it, without an archive")
	})
}
