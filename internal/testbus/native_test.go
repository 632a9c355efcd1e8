package testbus

import (
	"testing"

	"github.com/stretchr/testify/require"

	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

func TestNativePublish(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		newBus(t, b, "orders").rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		c := turnoutv1.NewEventServiceClient(newConn(t, b))
		out, err := c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: &turnoutv1.Event{Bus: "orders", Source: "shop", DetailType: "x", Detail: `{"id":1}`}})
		require.NoError(t, err)
		require.Equal(t, out.EventId, parseEnvelope(t, *q.one().Body).ID)
	})
}
