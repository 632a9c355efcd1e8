package topics_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
)

func inGroup(group, dedup, text string) turnout.TopicMessage {
	m := message(text)
	m.GroupID, m.DeduplicationID = group, dedup
	return m
}

func contentBased(a *turnout.TopicAttributes) { a.ContentBasedDeduplication = true }

func TestFIFONotificationsHaveASequenceNumberAndNoSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("q.fifo", "raw.fifo", "standard")
		n.topic("t.fifo", contentBased)
		sub := n.subscribe("t.fifo", "q.fifo")
		n.subscribe("t.fifo", "raw.fifo", raw)
		n.subscribe("t.fifo", "standard", raw)
		p := n.publish("t.fifo", inGroup("g", "", "text"))[0]
		require.Equal(t, "10000000000000000001", p.SequenceNumber)
		got := n.take("q.fifo")
		require.Len(t, got, 1)
		require.Equal(t, fmt.Sprintf(`{
  "Type" : "Notification",
  "MessageId" : %q,
  "SequenceNumber" : "10000000000000000001",
  "TopicArn" : %q,
  "Message" : "text",
  "Timestamp" : "2000-01-01T00:00:00.000Z",
  "UnsubscribeURL" : "http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=%s"
}`, p.MessageID, topicNamed("t.fifo").ARN(), sub.ARN()), string(got[0].Body))
		sum := sha256.Sum256([]byte("text"))
		require.Equal(t, hex.EncodeToString(sum[:]), got[0].DeduplicationID, "content-based deduplication gives the SHA-256 of the message")
		require.Equal(t, "g", got[0].GroupID)
		require.Equal(t, []string{"text"}, n.bodies("raw.fifo"))
		require.Equal(t, []string{"text"}, n.bodies("standard"), "a FIFO topic delivers to standard queues too")
	})
}

func TestFIFOMessagesAreChecked(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.topic("t.fifo")
	_, err := n.PublishTopic(t.Context(), topicNamed("t.fifo"), []turnout.TopicMessage{message("x")})
	requireCode(t, err, turnout.CodeInvalidParameter, "Invalid parameter: The MessageGroupId parameter is required for FIFO topics")
	published, err := n.PublishTopic(t.Context(), topicNamed("t.fifo"), []turnout.TopicMessage{inGroup("g", "", "x")})
	require.NoError(t, err)
	requireCode(t, published[0].Err, turnout.CodeInvalidParameter,
		"Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
}

func TestADuplicateIsAnsweredWithTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("q.fifo")
		n.topic("t.fifo", contentBased)
		n.subscribe("t.fifo", "q.fifo", raw)
		first := n.publish("t.fifo", inGroup("g", "d", "1"))[0]
		require.Equal(t, first, n.publish("t.fifo", inGroup("other", "d", "2"))[0], "for the whole topic, whatever the group and text")
		twice := n.publish("t.fifo", inGroup("g", "", "3"), inGroup("g", "", "3"))
		require.Equal(t, twice[0], twice[1], "within one request too")
		n.crash()
		require.Equal(t, first, n.publish("t.fifo", inGroup("g", "d", "4"))[0], "also after a power loss")
		time.Sleep(5*time.Minute - time.Second)
		require.Equal(t, first, n.publish("t.fifo", inGroup("g", "d", "5"))[0])
		n.restart()
		time.Sleep(time.Second)
		again := n.publish("t.fifo", inGroup("g", "d", "6"))[0]
		require.NotEqual(t, first.MessageID, again.MessageID, "five minutes later it is a new message")
		require.Greater(t, again.SequenceNumber, twice[0].SequenceNumber)
		require.Equal(t, []string{"1", "3", "6"}, n.bodies("q.fifo"))
		require.EqualValues(t, 0, n.Stats().Duplicates)
		time.Sleep(time.Hour)
		require.Zero(t, n.records('d'), "ids are forgotten, in the store too")
	})
}

// records counts the records of a kind in the store.
func (n *node) records(kind byte) int {
	n.t.Helper()
	count := 0
	pairs, failed := n.store.Scan([]byte{'p', kind}, []byte{'p', kind + 1})
	for range pairs {
		count++
	}
	require.NoError(n.t, failed())
	return count
}

func TestDeduplicationMayBeByGroup(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{DeduplicationMax: 3})
	n.queue("q.fifo")
	n.topic("t.fifo", func(a *turnout.TopicAttributes) { a.FIFOThroughputScope = "MessageGroup" })
	n.subscribe("t.fifo", "q.fifo", raw)
	n.publish("t.fifo", inGroup("a", "d1", "1"), inGroup("b", "d1", "2"), inGroup("a", "d1", "3"), inGroup("b", "d2", "4"))
	published, err := n.PublishTopic(t.Context(), topicNamed("t.fifo"), []turnout.TopicMessage{inGroup("b", "d3", "5"), inGroup("b", "d2", "6")})
	require.NoError(t, err)
	requireCode(t, published[0].Err, turnout.CodeThrottled, "The topic has too many deduplication ids of the last five minutes; retry with backoff.")
	require.NoError(t, published[1].Err, "a duplicate needs no room")
}

func TestAnIDThatWasGivenCountsInAQueueThatDeduplicatesByContent(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	a := turnout.DefaultQueueAttributes()
	a.FIFO, a.ContentBasedDeduplication = true, true
	n.queueWith("q.fifo", a)
	n.topic("t.fifo")
	n.subscribe("t.fifo", "q.fifo", raw)
	n.publish("t.fifo", inGroup("g", "1", "same"), inGroup("g", "2", "same"))
	require.Equal(t, []string{"same", "same"}, n.bodies("q.fifo"))
}

func TestEveryQueueHasTheSameOrder(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	queues := []string{"a.fifo", "b.fifo", "c.fifo"}
	n.queue(queues...)
	n.topic("t.fifo")
	for _, q := range queues {
		n.subscribe("t.fifo", q, func(a *turnout.SubscriptionAttributes) { a.RawMessageDelivery = q != "a.fifo" })
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("%d-%d", worker, i)
				if _, err := n.PublishTopic(t.Context(), topicNamed("t.fifo"), []turnout.TopicMessage{inGroup("g", id, id), inGroup("g", id+"'", id+"'")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := n.bodies("b.fifo")
	require.Len(t, want, 200)
	require.Equal(t, want, n.bodies("c.fifo"))
	for i, body := range n.bodies("a.fifo") {
		require.Contains(t, body, fmt.Sprintf(`"Message" : %q`, want[i]))
		require.Contains(t, body, fmt.Sprintf(`"SequenceNumber" : "%d"`, uint64(10_000_000_000_000_000_001)+uint64(i)))
	}
	n.crash()
	p := n.publish("t.fifo", inGroup("g", "last", "last"))[0]
	require.Equal(t, "10000000000000000201", p.SequenceNumber, "sequence numbers go on after a power loss")
}

func TestADeletedFIFOTopicLeavesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q.fifo")
	n.topic("t.fifo", archived)
	n.subscribe("t.fifo", "q.fifo", raw)
	n.publish("t.fifo", inGroup("g", "d", "1"))
	require.NoError(t, n.DeleteTopic(t.Context(), topicNamed("t.fifo")))
	for _, kind := range "adqrt" {
		require.Zero(t, n.records(byte(kind)), "kind %c", kind)
	}
	n.topic("t.fifo")
	p := n.publish("t.fifo", inGroup("g", "d", "2"))[0]
	require.True(t, strings.HasSuffix(p.SequenceNumber, "01"), "a topic of the same name is another topic")
	n.restart()
	require.Equal(t, []string{"1"}, n.bodies("q.fifo"))
}
