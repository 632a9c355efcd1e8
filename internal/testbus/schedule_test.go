package testbus

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

// Whatever part of the unsynced writes the disk keeps of each power loss, and
// wherever within the minute it comes.
func TestScheduledRulesFireOnceAcrossCrashes(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		arn := q.arn()
		events := b.EventBridge()
		_, err := events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: str("tick"), ScheduleExpression: str("rate(2 minutes)")})
		require.NoError(t, err)
		_, err = events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: str("tick"), Targets: []types.Target{to("1", arn)}})
		require.NoError(t, err)
		began := time.Now().UTC().Truncate(time.Second)
		for i := range 20 {
			time.Sleep(time.Until(began.Add(time.Duration(i+1)*time.Minute + time.Duration(i%3)*time.Millisecond)))
			b.Crash(i * 5)
		}
		time.Sleep(time.Second)
		var got []time.Time
		for _, m := range q.drain() {
			at, err := time.Parse(time.RFC3339, parseEnvelope(t, *m.Body).Time)
			require.NoError(t, err)
			got = append(got, at)
		}
		slices.SortFunc(got, time.Time.Compare)
		want := make([]time.Time, 10)
		for i := range want {
			want[i] = began.Add(time.Duration(i+1) * 2 * time.Minute)
		}
		require.Equal(t, want, got)
	})
}
