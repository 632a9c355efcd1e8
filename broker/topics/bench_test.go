package topics_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// BenchmarkPublishTopic measures what a publish of a 1 KiB message costs with
// so many queues behind the topic, durable but for the sync, by 32 publishers.
// The signing key is of half the size, which makes a signature a fifth as dear.
func BenchmarkPublishTopic(b *testing.B) {
	for _, kind := range []string{"raw", "signed", "unsigned", "fifo"} {
		for _, queues := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/queues=%d", kind, queues), func(b *testing.B) {
				n := start(b, topics.Config{UnsignedQueues: kind == "unsigned"})
				topic, suffix := "t", ""
				if kind == "fifo" {
					topic, suffix = "t.fifo", ".fifo"
				}
				n.topic(topic)
				for i := range queues {
					queue := fmt.Sprint("q", i, suffix)
					n.queue(queue)
					n.subscribe(topic, queue, func(a *turnout.SubscriptionAttributes) { a.RawMessageDelivery = kind == "raw" || kind == "fifo" })
				}
				m := message(strings.Repeat("x", 1024))
				b.ReportAllocs()
				b.SetParallelism(16)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						m := m
						if kind == "fifo" {
							m.GroupID, m.DeduplicationID = "g", fmt.Sprintf("%p %d", pb, i)
						}
						if _, err := n.PublishTopic(b.Context(), topicNamed(topic), []turnout.TopicMessage{m}); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(b.N*queues)/b.Elapsed().Seconds(), "deliveries/s")
			})
		}
	}
}

// BenchmarkPrepare measures the part of a publish that is outside the loop, for
// 100 subscriptions each with a filter policy of its own, one of which matches.
func BenchmarkPrepare(b *testing.B) {
	n := start(b, topics.Config{})
	n.topic("t")
	for i := range 100 {
		n.subscribe("t", fmt.Sprint("q", i), raw, filter(fmt.Sprintf(`{"n":["%d"],"kind":["a","b"]}`, i)))
	}
	m := message(strings.Repeat("x", 1024))
	m.Attributes = []turnout.MessageAttribute{text("n", "7"), text("kind", "a")}
	now := n.loop.Now()
	b.ReportAllocs()
	for b.Loop() {
		p, err := n.Prepare(topicNamed("t"), m, now)
		if err != nil || p.Deliveries() != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkReplay measures how fast an archive comes back into a queue.
func BenchmarkReplay(b *testing.B) {
	n := start(b, topics.Config{})
	n.queue("q.fifo")
	n.topic("t.fifo", archived)
	n.number("t.fifo", 0, 20_000)
	b.ReportAllocs()
	replayed := uint64(0)
	for b.Loop() {
		sub := n.subscribe("t.fifo", "q.fifo", raw, func(a *turnout.SubscriptionAttributes) {
			a.ReplayPolicy = `{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:00Z"}`
		})
		for n.Stats().Replayed < replayed+20_000 {
		}
		replayed += 20_000
		require.NoError(b, n.Unsubscribe(b.Context(), sub.SubscriptionName))
	}
	b.ReportMetric(float64(replayed)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkSign measures a signature with a key of the size that is used.
func BenchmarkSign(b *testing.B) {
	n := start(b, topics.Config{})
	s, err := notification.NewSigner(n.cfg.Random, n.loop.Now())
	require.NoError(b, err)
	m := &notification.Message{Kind: notification.Notification, ID: "id", SignatureVersion: 1, At: n.loop.Now(), Bodies: []notification.Body{{Text: strings.Repeat("x", 1024)}}}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, s.Sign(m, &m.Bodies[0]))
	}
}
