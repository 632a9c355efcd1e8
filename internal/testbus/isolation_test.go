package testbus

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"
)

func TestAccountsAndRegionsAreIsolated(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		scopes := []struct{ account, region string }{
			{Account, Region}, {Account, "eu-west-1"}, {"111111111111", Region},
		}
		var queues []*queue
		for _, s := range scopes {
			q := newQueue(t, b.SQSIn(s.account, s.region), "q", nil)
			q.send(s.account + s.region)
			require.Equal(t, "arn:aws:sqs:"+s.region+":"+s.account+":q", q.arn())
			queues = append(queues, q)
		}
		for i, s := range scopes {
			list, err := b.SQSIn(s.account, s.region).ListQueues(t.Context(), &sqs.ListQueuesInput{})
			require.NoError(t, err)
			require.Equal(t, []string{*queues[i].url}, list.QueueUrls, "a scope sees its own queues only")
			require.Equal(t, []string{s.account + s.region}, bodies(queues[i].receive()))
		}
		require.Equal(t, URL+"/000000000000/q", *queues[0].url, "a queue's URL is built from the request's Host")
		require.Equal(t, URL+"/111111111111/q", *queues[2].url)

		_, err := b.EventBridgeIn("111111111111", Region).CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: str("orders")})
		require.NoError(t, err)
		_, err = b.EventBridge().DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: str("orders")})
		requireError(t, err, "ResourceNotFoundException", "Event bus orders does not exist.")
	})
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		out, err := b.STSIn("123456789012", "eu-north-1").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		require.NoError(t, err)
		require.Equal(t, "123456789012", *out.Account, "an access key of twelve digits is the account")
		out, err = b.STSIn("AKIAIOSFODNN7EXAMPLE", Region).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		require.NoError(t, err)
		require.Equal(t, Account, *out.Account)
	})
}
