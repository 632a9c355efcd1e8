package eventbridge_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseb "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

// TestSDKArchivesAndReplays drives the operations on archives and replays with
// the unchanged AWS SDK for Go, to see that it understands every member.
func TestSDKArchivesAndReplays(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, c clients) {
		ctx := t.Context()
		bus := aws.String("arn:aws:events:eu-west-1:123456789012:event-bus/default")
		name := aws.String("a")
		created, err := c.events.CreateArchive(ctx, &awseb.CreateArchiveInput{
			ArchiveName: name, EventSourceArn: bus, Description: aws.String("d"), EventPattern: aws.String(`{"source":["s"]}`), RetentionDays: aws.Int32(2),
		})
		require.NoError(t, err)
		require.Equal(t, "arn:aws:events:eu-west-1:123456789012:archive/a", *created.ArchiveArn)
		require.Equal(t, types.ArchiveStateEnabled, created.State)
		_, err = c.events.UpdateArchive(ctx, &awseb.UpdateArchiveInput{ArchiveName: name, Description: aws.String("e")})
		require.NoError(t, err)
		_, err = c.events.PutRule(ctx, &awseb.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["s"]}`)})
		require.NoError(t, err)
		from := time.Now()
		_, err = c.events.PutEvents(ctx, &awseb.PutEventsInput{Entries: []types.PutEventsRequestEntry{
			{Source: aws.String("s"), DetailType: aws.String("t"), Detail: aws.String("{}")},
		}})
		require.NoError(t, err)
		a, err := c.events.DescribeArchive(ctx, &awseb.DescribeArchiveInput{ArchiveName: name})
		require.NoError(t, err)
		require.Equal(t, "e", *a.Description)
		require.Equal(t, `{"source":["s"]}`, *a.EventPattern)
		require.Equal(t, int32(2), *a.RetentionDays)
		require.Equal(t, int64(1), a.EventCount)
		require.Greater(t, a.SizeBytes, int64(100))
		require.Equal(t, *bus, *a.EventSourceArn)
		archives, err := c.events.ListArchives(ctx, &awseb.ListArchivesInput{EventSourceArn: bus})
		require.NoError(t, err)
		require.Len(t, archives.Archives, 1)

		time.Sleep(time.Hour)
		from = from.Add(-250 * time.Millisecond)
		replay := aws.String("r")
		started, err := c.events.StartReplay(ctx, &awseb.StartReplayInput{
			ReplayName: replay, EventSourceArn: created.ArchiveArn, EventStartTime: &from, EventEndTime: aws.Time(from.Add(time.Minute)),
			Destination: &types.ReplayDestination{Arn: bus, FilterArns: []string{"arn:aws:events:eu-west-1:123456789012:rule/r"}},
		})
		require.NoError(t, err)
		require.Equal(t, types.ReplayStateStarting, started.State)
		time.Sleep(time.Minute)
		r, err := c.events.DescribeReplay(ctx, &awseb.DescribeReplayInput{ReplayName: replay})
		require.NoError(t, err)
		require.Equal(t, types.ReplayStateCompleted, r.State)
		require.True(t, from.Equal(*r.EventStartTime), "times keep their milliseconds")
		require.Equal(t, time.Minute, r.EventEndTime.Sub(*r.EventStartTime))
		require.Equal(t, 250*time.Millisecond, r.EventLastReplayedTime.Sub(*r.EventStartTime))
		require.False(t, r.ReplayEndTime.Before(*r.ReplayStartTime))
		require.Equal(t, []string{"arn:aws:events:eu-west-1:123456789012:rule/r"}, r.Destination.FilterArns)
		replays, err := c.events.ListReplays(ctx, &awseb.ListReplaysInput{State: types.ReplayStateCompleted})
		require.NoError(t, err)
		require.Len(t, replays.Replays, 1)
		_, err = c.events.CancelReplay(ctx, &awseb.CancelReplayInput{ReplayName: replay})
		require.ErrorAs(t, err, new(*types.IllegalStatusException))

		_, err = c.events.DeleteArchive(ctx, &awseb.DeleteArchiveInput{ArchiveName: name})
		require.NoError(t, err)
	})
}

// TestSDKConnectionsAndDestinations does so for connections and API destinations.
func TestSDKConnectionsAndDestinations(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, c clients) {
		ctx := t.Context()
		name := aws.String("c")
		created, err := c.events.CreateConnection(ctx, &awseb.CreateConnectionInput{
			Name: name, Description: aws.String("d"), AuthorizationType: types.ConnectionAuthorizationTypeOauthClientCredentials,
			AuthParameters: &types.CreateConnectionAuthRequestParameters{
				OAuthParameters: &types.CreateConnectionOAuthRequestParameters{
					AuthorizationEndpoint: aws.String("https://auth.example/token"), HttpMethod: types.ConnectionOAuthHttpMethodPost,
					ClientParameters: &types.CreateConnectionOAuthClientRequestParameters{ClientID: aws.String("id"), ClientSecret: aws.String("hidden")},
					OAuthHttpParameters: &types.ConnectionHttpParameters{
						BodyParameters: []types.ConnectionBodyParameter{{Key: aws.String("scope"), Value: aws.String("hidden"), IsValueSecret: true}},
					},
				},
				InvocationHttpParameters: &types.ConnectionHttpParameters{
					HeaderParameters:      []types.ConnectionHeaderParameter{{Key: aws.String("X-A"), Value: aws.String("1")}},
					QueryStringParameters: []types.ConnectionQueryStringParameter{{Key: aws.String("q"), Value: aws.String("2")}},
				},
			},
		})
		require.NoError(t, err)
		require.Equal(t, types.ConnectionStateAuthorizing, created.ConnectionState)
		d, err := c.events.DescribeConnection(ctx, &awseb.DescribeConnectionInput{Name: name})
		require.NoError(t, err)
		require.Contains(t, *d.SecretArn, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:events!connection/c/")
		auth := d.AuthParameters
		require.Equal(t, "id", *auth.OAuthParameters.ClientParameters.ClientID)
		require.Equal(t, types.ConnectionOAuthHttpMethodPost, auth.OAuthParameters.HttpMethod)
		scope := auth.OAuthParameters.OAuthHttpParameters.BodyParameters[0]
		require.True(t, scope.IsValueSecret)
		require.Nil(t, scope.Value, "a secret value is not shown")
		require.Equal(t, "1", *auth.InvocationHttpParameters.HeaderParameters[0].Value)
		require.Equal(t, "2", *auth.InvocationHttpParameters.QueryStringParameters[0].Value)

		_, err = c.events.UpdateConnection(ctx, &awseb.UpdateConnectionInput{
			Name: name, AuthorizationType: types.ConnectionAuthorizationTypeBasic,
			AuthParameters: &types.UpdateConnectionAuthRequestParameters{BasicAuthParameters: &types.UpdateConnectionBasicAuthRequestParameters{
				Username: aws.String("user"), Password: aws.String("hidden"),
			}},
		})
		require.NoError(t, err)
		connections, err := c.events.ListConnections(ctx, &awseb.ListConnectionsInput{NamePrefix: name})
		require.NoError(t, err)
		require.Equal(t, types.ConnectionAuthorizationTypeBasic, connections.Connections[0].AuthorizationType)

		destination := aws.String("d")
		made, err := c.events.CreateApiDestination(ctx, &awseb.CreateApiDestinationInput{
			Name: destination, ConnectionArn: created.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost,
			InvocationEndpoint: aws.String("https://api.example/*"),
		})
		require.NoError(t, err)
		_, err = c.events.UpdateApiDestination(ctx, &awseb.UpdateApiDestinationInput{Name: destination, InvocationRateLimitPerSecond: aws.Int32(5)})
		require.NoError(t, err)
		got, err := c.events.DescribeApiDestination(ctx, &awseb.DescribeApiDestinationInput{Name: destination})
		require.NoError(t, err)
		require.Equal(t, *made.ApiDestinationArn, *got.ApiDestinationArn)
		require.Equal(t, int32(5), *got.InvocationRateLimitPerSecond)
		require.Equal(t, *created.ConnectionArn, *got.ConnectionArn)
		destinations, err := c.events.ListApiDestinations(ctx, &awseb.ListApiDestinationsInput{ConnectionArn: created.ConnectionArn})
		require.NoError(t, err)
		require.Len(t, destinations.ApiDestinations, 1)

		_, err = c.events.DeleteApiDestination(ctx, &awseb.DeleteApiDestinationInput{Name: destination})
		require.NoError(t, err)
		deauthorized, err := c.events.DeauthorizeConnection(ctx, &awseb.DeauthorizeConnectionInput{Name: name})
		require.NoError(t, err)
		require.Equal(t, types.ConnectionStateDeauthorized, deauthorized.ConnectionState)
		deleted, err := c.events.DeleteConnection(ctx, &awseb.DeleteConnectionInput{Name: name})
		require.NoError(t, err)
		require.Equal(t, types.ConnectionStateDeleting, deleted.ConnectionState)
	})
}
