package demo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// consume receives from one queue until every delivery of the whole run is in,
// or ctx ends. What fails because ctx has ended is of no interest to the caller.
func (r *run) consume(ctx context.Context, t *tally) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.complete:
			return nil
		default:
		}
		out, err := r.clients.Queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:                    aws.String(t.at.url),
			MaxNumberOfMessages:         10,
			WaitTimeSeconds:             1, // short, so that the end of the run is soon noticed
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			return fmt.Errorf("receive from %s: %w", t.queue.name, err)
		}
		if err := r.settle(ctx, t, out.Messages, time.Since(r.began)); err != nil {
			return err
		}
	}
}

// settle records messages received at the same moment, deletes the good ones
// and hands the refused ones back.
func (r *run) settle(ctx context.Context, t *tally, messages []types.Message, at time.Duration) error {
	if len(messages) == 0 {
		return nil
	}
	var deletes []types.DeleteMessageBatchRequestEntry
	var returns []types.ChangeMessageVisibilityBatchRequestEntry
	for i, m := range messages {
		id := strconv.Itoa(i)
		if refused := t.record(r, &m, at); refused {
			returns = append(returns, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(id), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
		} else {
			deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: aws.String(id), ReceiptHandle: m.ReceiptHandle})
		}
	}
	if len(returns) > 0 {
		out, err := r.clients.Queues.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(t.at.url), Entries: returns})
		if err != nil {
			return fmt.Errorf("hand back to %s: %w", t.queue.name, err)
		}
		for _, f := range out.Failed {
			r.faults.addf("%s: handing a message back failed: %s: %s", t.queue.name, aws.ToString(f.Code), aws.ToString(f.Message))
		}
	}
	if len(deletes) > 0 {
		out, err := r.clients.Queues.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(t.at.url), Entries: deletes})
		if err != nil {
			return fmt.Errorf("delete from %s: %w", t.queue.name, err)
		}
		for _, f := range out.Failed {
			r.faults.addf("%s: deleting a message failed: %s: %s", t.queue.name, aws.ToString(f.Code), aws.ToString(f.Message))
		}
	}
	r.delivered(len(deletes))
	return nil
}

// leftOver checks that a queue holds nothing any more.
func (r *run) leftOver(ctx context.Context, t *tally) error {
	out, err := r.clients.Queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(t.at.url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return fmt.Errorf("look at %s: %w", t.queue.name, err)
	}
	for _, name := range []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	} {
		if n := out.Attributes[string(name)]; n != "0" {
			r.faults.addf("%s is not empty at the end: %s is %s", t.queue.name, name, n)
		}
	}
	return nil
}
