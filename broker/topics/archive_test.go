package topics_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
)

func archived(a *turnout.TopicAttributes) { a.ArchivePolicy = `{"MessageRetentionPeriod":"30"}` }

// since asks for the messages of a time to be replayed; no to is no end.
func since(from time.Time, to ...time.Time) func(*turnout.SubscriptionAttributes) {
	return func(a *turnout.SubscriptionAttributes) {
		a.ReplayPolicy = fmt.Sprintf(`{"PointType":"Timestamp","StartingPoint":%q`, from.UTC().Format(time.RFC3339Nano))
		for _, end := range to {
			a.ReplayPolicy += fmt.Sprintf(`,"EndingPoint":%q`, end.UTC().Format(time.RFC3339Nano))
		}
		a.ReplayPolicy += "}"
	}
}

// number publishes messages called from, from+1, … in batches.
func (n *node) number(topic string, from, to int) {
	n.t.Helper()
	var batch []turnout.TopicMessage
	for i := from; i < to; i++ {
		m := inGroup("g", fmt.Sprint("d", i), fmt.Sprint(i))
		m.Attributes = []turnout.MessageAttribute{text("parity", []string{"even", "odd"}[i%2])}
		if batch = append(batch, m); len(batch) == 10 || i == to-1 {
			n.publish(topic, batch...)
			batch = nil
		}
	}
}

func numbers(from, to int) []string {
	all := []string{}
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func (n *node) status(s turnout.Subscription) string {
	n.t.Helper()
	got, err := n.Subscription(n.t.Context(), s.SubscriptionName)
	require.NoError(n.t, err)
	return got.ReplayStatus
}

func TestReplayBringsThePastAndThenThePresent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("live.fifo", "replayed.fifo", "even.fifo", "standard")
		n.topic("t.fifo", archived)
		n.subscribe("t.fifo", "live.fifo", raw)
		begin := time.Now()
		n.number("t.fifo", 0, 50)
		time.Sleep(time.Hour)
		n.number("t.fifo", 50, 100)
		sub := n.subscribe("t.fifo", "replayed.fifo", raw, since(begin))
		n.subscribe("t.fifo", "even.fifo", raw, since(begin), filter(`{"parity":["even"]}`))
		n.subscribe("t.fifo", "standard", since(begin))
		n.number("t.fifo", 100, 150)
		synctest.Wait()
		require.Equal(t, "Completed", n.status(sub))
		n.number("t.fifo", 150, 160)
		require.Equal(t, numbers(0, 160), n.bodies("live.fifo"))
		require.Equal(t, numbers(0, 160), n.bodies("replayed.fifo"), "everything once, in order")
		require.Len(t, n.bodies("even.fifo"), 80, "filter policies apply")
		got := n.take("standard")
		require.Len(t, got, 160)
		require.Contains(t, string(got[3].Body), `"SequenceNumber" : "10000000000000000004"`, "a replayed message is the one that was published")
		require.Contains(t, string(got[3].Body), `"Timestamp" : "2000-01-01T00:00:00.000Z"`)

		info, err := n.Topic(t.Context(), topicNamed("t.fifo"))
		require.NoError(t, err)
		require.Equal(t, begin.UTC(), info.ArchiveBegins)
		_, err = n.PublishTopic(t.Context(), topicNamed("t.fifo"), nil)
		require.NoError(t, err)
		n.restart()
		require.Equal(t, "Completed", n.status(sub))
	})
}

func TestReplayOfATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("q.fifo")
		n.topic("t.fifo", archived)
		var at []time.Time
		for i := range 5 {
			at = append(at, time.Now())
			n.number("t.fifo", i*10, i*10+10)
			time.Sleep(time.Minute)
		}
		sub := n.subscribe("t.fifo", "q.fifo", raw, since(at[1], at[2]))
		synctest.Wait()
		require.Equal(t, numbers(10, 30), n.bodies("q.fifo"), "both ends belong to it")
		require.Equal(t, "Completed", n.status(sub))
		n.number("t.fifo", 50, 60)
		require.Equal(t, numbers(50, 60), n.bodies("q.fifo"), "afterwards come the messages that are new")

		change := func(f func(*turnout.SubscriptionAttributes)) error {
			return n.UpdateSubscription(t.Context(), sub.SubscriptionName, func(a *turnout.SubscriptionAttributes) error {
				f(a)
				return nil
			})
		}
		require.NoError(t, change(since(at[4], at[4].Add(time.Second))))
		synctest.Wait()
		require.Equal(t, numbers(40, 50), n.bodies("q.fifo"), "a subscription may ask again, also for what it has had a minute ago")
		require.NoError(t, change(func(a *turnout.SubscriptionAttributes) { a.ReplayPolicy = "" }))
		require.Empty(t, n.status(sub))
		require.Zero(t, n.records('r'))
		requireCode(t, change(func(a *turnout.SubscriptionAttributes) { a.ReplayPolicy = `{"PointType":"Sequence"}` }),
			turnout.CodeInvalidParameter, "Invalid parameter: ReplayPolicy: PointType must be Timestamp")
	})
}

// TestReplayGoesOnAfterAPowerLoss takes the power away again and again while
// messages are replayed and published.
func TestReplayGoesOnAfterAPowerLoss(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q.fifo")
	n.topic("t.fifo", archived)
	n.number("t.fifo", 0, 3000)
	n.subscribe("t.fifo", "q.fifo", raw, since(time.Unix(0, 0)))
	for i := range 4 {
		n.number("t.fifo", 3000+i*100, 3100+i*100)
		n.crash()
	}
	var got []string
	for len(got) < 3400 {
		got = append(got, n.bodies("q.fifo")...)
	}
	n.number("t.fifo", 3400, 3410)
	for len(got) < 3410 {
		got = append(got, n.bodies("q.fifo")...)
	}
	require.Equal(t, numbers(0, 3410), got, "nothing is left out, nothing comes twice, all in order")
}

func TestAReplayMayBeCalledOffOrBegunAnew(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q.fifo")
	n.topic("t.fifo", archived)
	n.number("t.fifo", 0, 5000)
	sub := n.subscribe("t.fifo", "q.fifo", raw, since(time.Unix(0, 0)))
	n.number("t.fifo", 5000, 5010)
	require.NoError(t, n.UpdateSubscription(t.Context(), sub.SubscriptionName, func(a *turnout.SubscriptionAttributes) error {
		a.ReplayPolicy = ""
		return nil
	}))
	n.number("t.fifo", 5010, 5020)
	var got []string
	for len(got) == 0 || got[len(got)-1] != "5019" {
		got = append(got, n.bodies("q.fifo")...)
	}
	require.Equal(t, numbers(5000, 5020), got[len(got)-20:], "what was published meanwhile is not lost")
	require.Equal(t, numbers(0, len(got)-20), got[:len(got)-20], "of the past there is what was replayed until then")
}

func TestTheArchiveKeepsWhatItsPolicySays(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.topic("t.fifo", contentBased)
	n.number("t.fifo", 0, 10)
	require.Zero(t, n.records('a'), "without a policy nothing is kept")
	set := func(policy string) error {
		return n.UpdateTopic(t.Context(), topicNamed("t.fifo"), func(s *turnout.TopicSettings) error {
			s.Attributes.ArchivePolicy = policy
			return nil
		})
	}
	requireCode(t, set(`{"MessageRetentionPeriod":"366"}`), turnout.CodeInvalidParameter,
		"Invalid parameter: ArchivePolicy: MessageRetentionPeriod must be between 1 and 365 days")
	require.NoError(t, set(`{"MessageRetentionPeriod":1}`))
	n.number("t.fifo", 10, 20)
	require.Equal(t, 10, n.records('a'))
	n.restart()
	info, err := n.Topic(t.Context(), topicNamed("t.fifo"))
	require.NoError(t, err)
	require.False(t, info.ArchiveBegins.IsZero())
	require.NoError(t, set(""))
	require.Zero(t, n.records('a'), "without its policy the archive goes")
	requireCode(t, n.CreateTopic(t.Context(), topicNamed("standard"), turnout.TopicSettings{Attributes: turnout.TopicAttributes{ArchivePolicy: "{}"}}, exists),
		turnout.CodeInvalidParameter, "Invalid parameter: Attributes Reason: ArchivePolicy: only FIFO topics can have an archive policy")
}

func TestTheArchiveForgetsWhatIsTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t.fifo", func(a *turnout.TopicAttributes) { a.ArchivePolicy = `{"MessageRetentionPeriod":"1"}` })
		n.number("t.fifo", 0, 10)
		time.Sleep(12 * time.Hour)
		n.number("t.fifo", 10, 30)
		time.Sleep(11 * time.Hour)
		require.Equal(t, 30, n.records('a'))
		time.Sleep(3 * time.Hour)
		require.Equal(t, 20, n.records('a'))
		n.restart()
		time.Sleep(12 * time.Hour)
		require.Zero(t, n.records('a'))
	})
}
