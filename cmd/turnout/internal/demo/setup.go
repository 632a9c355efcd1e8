package demo

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// address is where a created queue is.
type address struct{ url, arn string }

// setUp creates the bus, the queues and the rules, and returns the queues' addresses by name.
func setUp(ctx context.Context, c *awsclient.Clients, qs []*queue, rs []*rule) (map[string]address, error) {
	if _, err := c.Events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(busName)}); err != nil {
		return nil, fmt.Errorf("create bus %s: %w", busName, awsclient.Explain(err, c.Endpoint))
	}
	addresses := make(map[string]address, len(qs))
	for _, q := range qs {
		a, err := createQueue(ctx, c.Queues, q)
		if err != nil {
			return nil, fmt.Errorf("create queue %s: %w", q.name, err)
		}
		addresses[q.name] = a
	}
	for _, q := range qs {
		if q.deadLetter == "" {
			continue
		}
		policy := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, addresses[q.deadLetter].arn, receivesMax)
		_, err := c.Queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl: aws.String(addresses[q.name].url), Attributes: map[string]string{"RedrivePolicy": policy},
		})
		if err != nil {
			return nil, fmt.Errorf("set redrive policy of %s: %w", q.name, err)
		}
	}
	for _, r := range rs {
		if err := createRule(ctx, c.Events, r, addresses[r.queue].arn); err != nil {
			return nil, fmt.Errorf("create rule %s: %w", r.name, err)
		}
	}
	return addresses, nil
}

func createQueue(ctx context.Context, c *sqs.Client, q *queue) (address, error) {
	// Two minutes: no message may come back by itself while the demo runs, so
	// that a second delivery is always a fault.
	attributes := map[string]string{"VisibilityTimeout": strconv.Itoa(120)}
	if q.fifo {
		attributes["FifoQueue"] = "true"
		attributes["ContentBasedDeduplication"] = "true"
	}
	created, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(q.name), Attributes: attributes})
	if err != nil {
		return address{}, err
	}
	got, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: created.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return address{}, err
	}
	return address{url: aws.ToString(created.QueueUrl), arn: got.Attributes["QueueArn"]}, nil
}

func createRule(ctx context.Context, c *eventbridge.Client, r *rule, queueARN string) error {
	_, err := c.PutRule(ctx, &eventbridge.PutRuleInput{
		EventBusName: aws.String(busName), Name: aws.String(r.name), EventPattern: aws.String(r.pattern),
	})
	if err != nil {
		return err
	}
	target := ebtypes.Target{Id: aws.String(r.queue), Arn: aws.String(queueARN)}
	if r.groupPath != "" {
		target.SqsParameters = &ebtypes.SqsParameters{MessageGroupId: aws.String(r.groupPath)}
	}
	if r.named {
		target.InputTransformer = &ebtypes.InputTransformer{
			InputPathsMap: map[string]string{"event": "$.resources[0]", "type": "$.detail-type"},
			InputTemplate: aws.String(`{"rule": "<aws.events.rule-name>", "event": <event>, "type": <type>}`),
		}
	}
	out, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{
		EventBusName: aws.String(busName), Rule: aws.String(r.name), Targets: []ebtypes.Target{target},
	})
	if err != nil {
		return err
	}
	for _, f := range out.FailedEntries {
		return fmt.Errorf("target %s refused: %s: %s", aws.ToString(f.TargetId), aws.ToString(f.ErrorCode), aws.ToString(f.ErrorMessage))
	}
	return nil
}
