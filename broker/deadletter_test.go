package broker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

func codeOf(t testing.TB, err error) turnout.Code {
	t.Helper()
	e, ok := errors.AsType[*turnout.Error](err)
	require.True(t, ok, "%v is a coded error", err)
	return e.Code
}

func TestADeliveryThatFailsGoesToTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("small", "target-dlq", "bus-dlq")
	n.bus("orders")
	_, err := n.UpdateBus(t.Context(), busNamed("orders"), func(b *turnout.Bus) error {
		b.DeadLetterARN = queueNamed("bus-dlq").ARN()
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, n.queues.UpdateQueue(t.Context(), queueNamed("small"), func(s *turnout.QueueSettings) error {
		s.Attributes.MessageSizeMaxBytes = 1024
		return nil
	}))
	missing, small, gone := toQueue("missing"), toQueue("small"), toQueue("gone")
	missing.DeadLetterARN = queueNamed("target-dlq").ARN()
	gone.DeadLetterARN = queueNamed("no-dlq").ARN()
	nowhere := toBus("nowhere")
	n.rule(ruleNamed("orders", "r"), `{"source":["test"]}`, missing, small, gone, nowhere)
	sent := n.publish(entry("orders", `{"text":"`+strings.Repeat("x", 1000)+`"}`))

	dead := n.take("target-dlq")
	require.Equal(t, sent, ids(t, dead), "the dead letter is the event")
	require.Equal(t, map[string]string{
		"RULE_ARN":       "arn:aws:events:us-east-1:000000000000:rule/orders/r",
		"TARGET_ARN":     "arn:aws:sqs:us-east-1:000000000000:missing",
		"ERROR_CODE":     "NO_RESOURCE",
		"ERROR_MESSAGE":  "The specified queue does not exist.",
		"RETRY_ATTEMPTS": "0",
	}, attributes(dead[0]))

	got := map[string]string{}
	for _, m := range n.take("bus-dlq") {
		got[attributes(m)["TARGET_ARN"]] = attributes(m)["ERROR_CODE"] + ": " + attributes(m)["ERROR_MESSAGE"]
	}
	require.Equal(t, map[string]string{
		small.ARN:   "INVALID_PARAMETER: One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
		gone.ARN:    "NO_RESOURCE: The specified queue does not exist.",
		nowhere.ARN: "NO_RESOURCE: Event bus nowhere does not exist.",
	}, got, "the bus's dead-letter queue takes what the target's does not")
	require.Equal(t, 1, n.bodies(), "dead letters refer to the event's body too")
	require.EqualValues(t, 4, n.Stats().DeadLettered)
	require.Zero(t, n.Stats().Lost)
}

func TestALostDeliveryIsCountedAndLogged(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q")
	n.rule(ruleNamed("default", "r"), `{"source":["test"]}`, toQueue("missing"), toQueue("q"), toQueue("missing"))
	sent := n.publish(entry("default", `{}`))
	require.Equal(t, sent, ids(t, n.take("q")), "one target that fails does not hurt another")
	n.publish(entry("default", `{}`))
	require.EqualValues(t, 4, n.Stats().Lost)
	lines := strings.Count(n.log.String(), "\n")
	require.Equal(t, 1, lines, "a stream of failures is one line a second: %s", n.log)
	require.Contains(t, n.log.String(), "event_id="+sent[0])
	require.Contains(t, n.log.String(), "error_code=NO_RESOURCE")
	require.Contains(t, n.log.String(), "others_not_logged=1")
}
