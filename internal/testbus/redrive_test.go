package testbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 2))
		sent := q.send("poison", func(in *sqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"color": {DataType: str("String"), StringValue: str("red")}}
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: str("String"), StringValue: str("Root=1-5759e988-bd862e3fe1be46a994272793")}}
		})
		for range 2 {
			q.one(invisible(10))
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, depth{visible: 1}, q.depth(), "after its last allowed receive a message waits for the next attempt")
		q.send("healthy")
		require.Equal(t, []string{"healthy"}, bodies(q.receive()), "the receive that moves a message skips it")
		require.Equal(t, depth{inFlight: 1}, q.depth())

		m := dlq.one()
		require.Equal(t, "poison", *m.Body)
		require.Equal(t, *sent.MessageId, *m.MessageId, "the id is kept")
		require.Equal(t, "red", *m.MessageAttributes["color"].StringValue)
		require.Equal(t, "Root=1-5759e988-bd862e3fe1be46a994272793", m.Attributes["AWSTraceHeader"])
		require.Equal(t, q.arn(), m.Attributes["DeadLetterQueueSourceArn"])
		require.Equal(t, "3", receiveCount(m), "the receive count goes on")

		out, err := b.SQS().ListDeadLetterSourceQueues(t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dlq.url})
		require.NoError(t, err)
		require.Equal(t, []string{*q.url}, out.QueueUrls)
	})
}

func TestDeadLetterWakesAPollerOfTheDeadLetterQueue(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		q.send("poison")
		q.one(invisible(1))
		poll := later(func() string { return *dlq.one(waiting(20)).Body })
		time.Sleep(time.Second)
		require.Empty(t, q.receive())
		require.Equal(t, "poison", poll())
	})
}

func TestFIFODeadLetterQueueKeepsGroupAndOrder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newFIFO(t, b.SQS(), "dlq", nil)
		q := newFIFO(t, b.SQS(), "q", redriveTo(dlq, 1))
		q.sendTo("g", "1")
		q.sendTo("g", "2")
		require.Len(t, q.receive(invisible(5)), 2)
		time.Sleep(5 * time.Second)
		q.sendTo("g", "3")
		require.Equal(t, []string{"3"}, bodies(q.receive()))
		got := dlq.receive()
		require.Equal(t, []string{"1", "2"}, bodies(got))
		require.Equal(t, "g", got[0].Attributes["MessageGroupId"])
		require.NotEmpty(t, got[0].Attributes["SequenceNumber"])
	})
}

func TestRedrivePolicyIsChecked(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		fifo := newFIFO(t, b.SQS(), "dlq", nil)
		create := func(a attributes) error {
			_, err := b.SQS().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: str("q"), Attributes: a})
			return err
		}
		require.Error(t, create(redriveTo(fifo, 1)), "a standard queue needs a standard dead-letter queue")
		require.Error(t, create(redriveTo(dlq, 0)))
		require.Error(t, create(redriveTo(dlq, 1001)))
		require.Error(t, create(attributes{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":1}`}))
		dlq.set(attributes{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`})
		require.Error(t, create(redriveTo(dlq, 1)), "the dead-letter queue may refuse")
		dlq.set(attributes{"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:q"]}`})
		require.NoError(t, create(redriveTo(dlq, 1)))
	})
}

// startMove starts a message move task.
func startMove(t *testing.T, b *Bus, in *sqs.StartMessageMoveTaskInput) string {
	t.Helper()
	out, err := b.SQS().StartMessageMoveTask(t.Context(), in)
	require.NoError(t, err)
	return *out.TaskHandle
}

// newestMove returns the newest message move task of a queue.
func newestMove(t *testing.T, b *Bus, source *queue) types.ListMessageMoveTasksResultEntry {
	t.Helper()
	out, err := b.SQS().ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: str(source.arn())})
	require.NoError(t, err)
	require.Len(t, out.Results, 1, "one task is listed unless more are asked for")
	return out.Results[0]
}

// deadLetter fills dlq by way of q with so many messages.
func deadLetter(t *testing.T, q *queue, n int) {
	t.Helper()
	for i := range n {
		q.send(fmt.Sprint(i))
	}
	for range (n + 9) / 10 {
		require.NotEmpty(t, q.receive(invisible(1)))
	}
	time.Sleep(time.Second)
	require.Empty(t, q.receive(), "all of them went to the dead-letter queue")
}

func TestMoveTaskReturnsMessagesToTheirSource(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q1 := newQueue(t, b.SQS(), "q1", redriveTo(dlq, 1))
		q2 := newQueue(t, b.SQS(), "q2", redriveTo(dlq, 1))
		deadLetter(t, q1, 12)
		deadLetter(t, q2, 3)
		require.Equal(t, depth{visible: 15}, dlq.depth())
		startMove(t, b, &sqs.StartMessageMoveTaskInput{SourceArn: str(dlq.arn())})
		time.Sleep(5 * time.Second)
		task := newestMove(t, b, dlq)
		require.Equal(t, "COMPLETED", *task.Status)
		require.EqualValues(t, 15, task.ApproximateNumberOfMessagesMoved)
		require.EqualValues(t, 15, *task.ApproximateNumberOfMessagesToMove)
		require.Nil(t, task.TaskHandle, "only a running task has a handle")
		require.Equal(t, depth{}, dlq.depth())
		require.Equal(t, depth{visible: 12}, q1.depth())
		require.Equal(t, depth{visible: 3}, q2.depth())
	})
}

func TestMoveTaskPaceAndCancel(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		other := newQueue(t, b.SQS(), "other", nil)
		deadLetter(t, q, 8)
		spec := &sqs.StartMessageMoveTaskInput{SourceArn: str(dlq.arn()), DestinationArn: str(other.arn()), MaxNumberOfMessagesPerSecond: new(int32(1))}
		handle := startMove(t, b, spec)
		_, err := b.SQS().StartMessageMoveTask(t.Context(), spec)
		requireError(t, err, "InvalidParameterValue", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		time.Sleep(3500 * time.Millisecond)
		task := newestMove(t, b, dlq)
		require.Equal(t, "RUNNING", *task.Status)
		require.Equal(t, other.arn(), *task.DestinationArn)
		require.EqualValues(t, 1, *task.MaxNumberOfMessagesPerSecond)
		moved := task.ApproximateNumberOfMessagesMoved
		require.LessOrEqual(t, moved, int64(4), "one message a second")
		require.GreaterOrEqual(t, moved, int64(3))

		out, err := b.SQS().CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		require.NoError(t, err)
		require.Equal(t, moved, out.ApproximateNumberOfMessagesMoved)
		time.Sleep(10 * time.Second)
		require.Equal(t, "CANCELLED", *newestMove(t, b, dlq).Status)
		require.Equal(t, depth{visible: int(moved)}, other.depth())
		require.Equal(t, depth{visible: 8 - int(moved)}, dlq.depth(), "nothing is lost by a cancel")
		_, err = b.SQS().CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		require.Error(t, err, "it is over")
	})
}

func TestMoveTaskFailsWhenItsDestinationGoes(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		other := newQueue(t, b.SQS(), "other", nil)
		deadLetter(t, q, 5)
		startMove(t, b, &sqs.StartMessageMoveTaskInput{SourceArn: str(dlq.arn()), DestinationArn: str(other.arn()), MaxNumberOfMessagesPerSecond: new(int32(1))})
		time.Sleep(1500 * time.Millisecond)
		other.remove()
		time.Sleep(5 * time.Second)
		task := newestMove(t, b, dlq)
		require.Equal(t, "FAILED", *task.Status)
		require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", *task.FailureReason)
	})
}

func TestMoveTaskRefusals(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		start := func(source, destination *string) error {
			_, err := b.SQS().StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: source, DestinationArn: destination})
			return err
		}
		none := str("arn:aws:sqs:us-east-1:000000000000:none")
		requireError(t, start(str(q.arn()), nil), "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
		requireError(t, start(none, nil), "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist.")
		requireError(t, start(str(dlq.arn()), none), "ResourceNotFoundException", "The resource that you specified for the DestinationArn parameter doesn't exist.")
		_, err := b.SQS().CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: str("garbage")})
		requireError(t, err, "InvalidParameterValue", "Value for parameter TaskHandle is invalid.")
	})
}

func TestMoveTaskGoesOnAfterARestart(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		deadLetter(t, q, 6)
		startMove(t, b, &sqs.StartMessageMoveTaskInput{SourceArn: str(dlq.arn()), MaxNumberOfMessagesPerSecond: new(int32(1))})
		time.Sleep(2500 * time.Millisecond)
		b.Crash(50)
		time.Sleep(10 * time.Second)
		require.Equal(t, depth{}, dlq.depth())
		require.Equal(t, depth{visible: 6}, q.depth(), "each message was moved, and moved once")
	})
}

func TestMessageStaysWhenItsDeadLetterQueueIsGone(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		q.send("x")
		dlq.remove()
		for range 3 {
			q.one(invisible(1))
			time.Sleep(time.Second)
		}
		require.Equal(t, depth{visible: 1}, q.depth(), "there is nowhere to move it, so it is not lost")
	})
}

func TestDeduplicationNeverEatsAMovedMessage(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newFIFO(t, b.SQS(), "dlq", nil)
		q := newFIFO(t, b.SQS(), "q", redriveTo(dlq, 1))
		dlq.send("direct", inGroup("g"), withDedup("d"))
		q.send("moved", inGroup("g"), withDedup("d"))
		q.one(invisible(1))
		time.Sleep(time.Second)
		require.Empty(t, q.receive())
		got := dlq.receive()
		require.Equal(t, []string{"direct", "moved"}, bodies(got), "a move to the dead-letter queue is no send")
		for _, m := range got {
			dlq.changeVisibility(m, 0)
		}
		startMove(t, b, &sqs.StartMessageMoveTaskInput{SourceArn: str(dlq.arn()), DestinationArn: str(q.arn())})
		time.Sleep(5 * time.Second)
		require.Equal(t, "COMPLETED", *newestMove(t, b, dlq).Status)
		require.Equal(t, []string{"direct", "moved"}, bodies(q.receive()), "and neither is a move back")
	})
}

func TestExpiryOfDeadLetters(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		dlq := newQueue(t, b.SQS(), "dlq", attributes{"MessageRetentionPeriod": "600"})
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 1))
		sent := q.send("x")
		time.Sleep(9 * time.Minute)
		q.one(invisible(1))
		time.Sleep(time.Second)
		require.Empty(t, q.receive())
		m := dlq.one(invisible(1))
		require.Equal(t, *sent.MessageId, *m.MessageId)
		time.Sleep(time.Minute)
		require.Equal(t, depth{}, dlq.depth(), "on a standard queue retention goes on from the first send")
	})
}
