package testbus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestFairQueueServesQuietTenantsFirst(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "600"})
		for i := range 100 {
			q.send(fmt.Sprint("noisy", i), inGroup("noisy"))
		}
		for i := range 5 {
			q.send(fmt.Sprint("quiet", i), inGroup("quiet"))
		}
		for range 3 {
			for _, body := range bodies(q.receive()) {
				require.True(t, strings.HasPrefix(body, "noisy"), "below thirty messages in flight nobody is noisy")
			}
		}
		got := bodies(q.receive())
		require.Len(t, got, 10)
		require.Equal(t, []string{"quiet0", "quiet1", "quiet2", "quiet3", "quiet4"}, got[:5],
			"with thirty in flight, more than a tenth of all, a tenant is noisy and the quiet ones go first")
	})
}

func TestGroupsOfAStandardQueueAreNotLocked(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("1", inGroup("tenant"))
		q.send("2", inGroup("tenant"))
		var got []types.Message
		got = append(got, q.receive(most(1))...)
		got = append(got, q.receive(most(1))...)
		require.Equal(t, []string{"1", "2"}, bodies(got), "a message group on a standard queue orders nothing")
		require.Equal(t, "tenant", got[0].Attributes["MessageGroupId"])
		require.NotContains(t, got[0].Attributes, "MessageDeduplicationId")
	})
}

func TestFairnessAfterARestart(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "600"})
		for i := range 100 {
			q.send(fmt.Sprint("noisy", i), inGroup("noisy"))
		}
		for range 4 {
			q.receive()
		}
		b.Crash(0)
		q.send("one more", inGroup("noisy"))
		q.send("quiet", inGroup("quiet"))
		require.Contains(t, bodies(q.receive()), "quiet", "what is in flight is known after a restart, and so is who is noisy")
	})
}
