package testbus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

func TestNativePublish(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		newBus(t, b, "orders").rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		c := turnoutv1.NewEventServiceClient(newConn(t, b))
		out, err := c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: shopEvent("orders", `{"id":1}`)})
		require.NoError(t, err)
		require.Equal(t, out.EventId, parseEnvelope(t, *q.one().Body).ID)

		batch, err := c.PublishBatch(t.Context(), &turnoutv1.PublishBatchRequest{Events: []*turnoutv1.Event{
			shopEvent("orders", `{"id":2}`), shopEvent("orders", `{"id":`), shopEvent("gone", `{}`), shopEvent("orders", `{"id":3}`),
		}})
		require.NoError(t, err)
		require.EqualValues(t, 2, batch.Refused)
		require.Equal(t, "events[1].detail", batch.Results[1].GetError().GetField())
		require.Contains(t, batch.Results[1].GetError().GetMessage(), "must be a JSON object")
		require.Equal(t, "Event bus gone does not exist. The buses are: default, orders.", batch.Results[2].GetError().GetMessage())
		require.Len(t, q.drain(), 2)

		_, err = c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: shopEvent("gone", `{}`)})
		require.Equal(t, codes.NotFound, grpcstatus.Code(err), "a bus that does not exist is told, not dropped")
	})
}

func shopEvent(bus, detail string) *turnoutv1.Event {
	return &turnoutv1.Event{Bus: bus, Source: "shop", DetailType: "OrderPlaced", Detail: detail}
}

// What a stream acknowledged is there after a power loss, once, and in order.
func TestNativeStreamLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()

	eachLoss(t, func(t *testing.T, b *Bus, keep int) {
		q := newQueue(t, b.SQS(), "q", nil)
		newBus(t, b, "orders").rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		stream, err := turnoutv1.NewEventServiceClient(newConn(t, b)).PublishStream(t.Context())
		require.NoError(t, err)
		var sending sync.WaitGroup
		sending.Go(func() {
			for n := 0; ; n++ {
				if stream.Send(&turnoutv1.PublishStreamRequest{Events: []*turnoutv1.Event{shopEvent("orders", fmt.Sprintf(`{"n":%d}`, n))}}) != nil {
					return
				}
			}
		})
		acknowledged := map[string]bool{}
		enough := make(chan struct{})
		var receiving sync.WaitGroup
		receiving.Go(func() {
			for {
				ack, err := stream.Recv()
				if err != nil {
					return
				}
				acknowledged[ack.Results[0].GetEventId()] = true
				if len(acknowledged) == 300 {
					close(enough)
				}
			}
		})
		<-enough
		b.Crash(keep)
		receiving.Wait()
		sending.Wait()
		got := map[string]bool{}
		for _, m := range q.drain() {
			id := parseEnvelope(t, *m.Body).ID
			require.False(t, got[id], "an event is delivered once")
			got[id] = true
		}
		for id := range acknowledged {
			require.True(t, got[id], "an event that was acknowledged is lost")
		}
	})
}

func TestNativeStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		c := turnoutv1.NewEventServiceClient(newConn(t, b))
		stream, err := c.PublishStream(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&turnoutv1.PublishStreamRequest{Events: []*turnoutv1.Event{shopEvent("default", `{}`)}}))
		_, err = stream.Recv()
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, b.Stop())
		require.Less(t, time.Since(began), time.Second, "an open stream does not hold up a stop")
		_, err = stream.Recv()
		require.Equal(t, codes.Unavailable, grpcstatus.Code(err))
		require.ErrorContains(t, err, "The server is stopping")
		b.boot()
		_, err = c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: shopEvent("default", `{}`)})
		require.NoError(t, err, "a client connects again by itself")
	})
}

func TestNativeReplay(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "shop")
		all, inspection := newQueue(t, b.SQS(), "all", nil), newQueue(t, b.SQS(), "inspection", nil)
		bus.rule("all", `{"source":["shop"]}`, to("1", all.arn()))
		began := time.Now()
		for range 10 {
			bus.put(`{}`)
			time.Sleep(time.Second)
		}
		require.Len(t, all.drain(), 10)
		conn := newConn(t, b)
		c := turnoutv1.NewReplayServiceClient(conn)
		spec := func(name string) *turnoutv1.ReplaySpec {
			return &turnoutv1.ReplaySpec{Name: name, Source: &turnoutv1.ReplaySpec_Bus{Bus: "shop"}, From: timestamppb.New(began)}
		}

		skipping := spec("")
		skipping.SkipDelivered = true
		dry, err := c.DryRun(t.Context(), &turnoutv1.DryRunRequest{Spec: skipping})
		require.NoError(t, err)
		require.EqualValues(t, 10, dry.Events)
		require.True(t, dry.Complete)
		require.Len(t, dry.Targets, 1)
		require.Equal(t, "all", dry.Targets[0].Rule)
		require.EqualValues(t, 10, dry.Targets[0].Skipped)
		require.Len(t, dry.Samples, 10)
		require.Empty(t, all.receive(), "a dry run delivers nothing")

		paced := spec("paced")
		paced.Queue, paced.TimeLapse = "inspection", 0.5
		_, err = c.StartReplay(t.Context(), &turnoutv1.StartReplayRequest{Spec: paced})
		require.NoError(t, err)
		time.Sleep(9 * time.Second)
		shown, err := c.GetReplay(t.Context(), &turnoutv1.GetReplayRequest{Name: "paced"})
		require.NoError(t, err)
		require.Equal(t, turnoutv1.ReplayState_REPLAY_STATE_RUNNING, shown.Replay.State)
		require.InDelta(t, 0.45, shown.Replay.Progress, 0.11, "half as fast as the original")
		b.Crash(50)
		time.Sleep(time.Minute)
		shown, err = c.GetReplay(t.Context(), &turnoutv1.GetReplayRequest{Name: "paced"})
		require.NoError(t, err)
		require.Equal(t, turnoutv1.ReplayState_REPLAY_STATE_COMPLETED, shown.Replay.State)
		require.EqualValues(t, 10, shown.Replay.Events)
		require.InDelta(t, 1, shown.Replay.Progress, 0)
		require.Len(t, inspection.drain(), 10)
		require.Empty(t, all.receive())

		slow := spec("slow")
		slow.EventsPerSecondMax = 1
		_, err = c.StartReplay(t.Context(), &turnoutv1.StartReplayRequest{Spec: slow})
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		_, err = c.CancelReplay(t.Context(), &turnoutv1.CancelReplayRequest{Name: "slow"})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Less(t, len(all.drain()), 6, "what was not delivered by then is not")
		listed, err := c.ListReplays(t.Context(), &turnoutv1.ListReplaysRequest{States: []turnoutv1.ReplayState{turnoutv1.ReplayState_REPLAY_STATE_CANCELLED}})
		require.NoError(t, err)
		require.Len(t, listed.Replays, 1)
		require.Equal(t, "slow", listed.Replays[0].Spec.Name)

		wrong := spec("wrong")
		wrong.Rules, wrong.TargetId = []string{"all"}, "2"
		_, err = c.StartReplay(t.Context(), &turnoutv1.StartReplayRequest{Spec: wrong})
		require.Equal(t, codes.InvalidArgument, grpcstatus.Code(err))
		require.ErrorContains(t, err, "Rule all has no target 2.")
		wrong.Rules, wrong.TargetId = []string{"other"}, ""
		_, err = c.StartReplay(t.Context(), &turnoutv1.StartReplayRequest{Spec: wrong})
		require.Equal(t, codes.NotFound, grpcstatus.Code(err))
	})
}

func TestNativeDeliveries(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		hook := &receiver{answer: func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "try later \xff")
			}
		}}
		b.Serve("crm.test", hook)
		bus := newBus(t, b, "shop")
		arn := bus.destination("crm", "http://crm.test/", types.ConnectionAuthorizationTypeApiKey, apiKey())
		bus.rule("r", `{"source":["shop"]}`, to("1", arn, func(t *types.Target) { t.RoleArn = str("arn:aws:iam::000000000000:role/r") }))
		id := bus.put(`{}`)
		time.Sleep(10 * time.Minute)
		require.Equal(t, 2, hook.count())

		c := turnoutv1.NewDeliveryServiceClient(newConn(t, b))
		first, err := c.ListAttempts(t.Context(), &turnoutv1.ListAttemptsRequest{EventId: id, PageSize: 1})
		require.NoError(t, err)
		second, err := c.ListAttempts(t.Context(), &turnoutv1.ListAttemptsRequest{EventId: id, PageSize: 1, PageToken: first.NextPageToken})
		require.NoError(t, err)
		require.Empty(t, second.NextPageToken)
		a, z := first.Attempts[0], second.Attempts[0]
		require.Equal(t, turnoutv1.AttemptOutcome_ATTEMPT_OUTCOME_RETRIED, a.Outcome)
		require.EqualValues(t, 503, a.Status)
		require.Equal(t, "try later \uFFFD", a.ResponseExcerpt)
		require.NotNil(t, a.RetryTime)
		require.Equal(t, arn, a.Endpoint)
		require.Equal(t, turnoutv1.AttemptOutcome_ATTEMPT_OUTCOME_DELIVERED, z.Outcome)
		require.EqualValues(t, 2, z.Attempt)
		require.Equal(t, a.DeliveryId, z.DeliveryId)

		listed, err := c.ListEndpoints(t.Context(), &turnoutv1.ListEndpointsRequest{})
		require.NoError(t, err)
		require.Len(t, listed.Endpoints, 1)
		require.Equal(t, arn, listed.Endpoints[0].Arn)
		require.Equal(t, turnoutv1.EndpointPhase_ENDPOINT_PHASE_ACTIVE, listed.Endpoints[0].Phase)
		_, err = c.EnableEndpoint(t.Context(), &turnoutv1.EnableEndpointRequest{Arn: arn})
		require.NoError(t, err, "one that is not disabled stays as it is")
		_, err = c.EnableEndpoint(t.Context(), &turnoutv1.EnableEndpointRequest{Arn: arn + "x"})
		require.Equal(t, codes.NotFound, grpcstatus.Code(err))
		require.ErrorContains(t, err, "The endpoints are: "+arn)
	})
}

func TestNativeREST(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		newBus(t, b, "orders").rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		post := func(path, body string, headers ...string) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, URL+path, strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
			answer, err := b.HTTP().Do(r)
			require.NoError(t, err)
			text, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			return answer.StatusCode, string(text)
		}
		status, text := post("/v1/events", `{"event":{"bus":"orders","source":"shop","detailType":"x","detail":"{}"}}`)
		require.Equal(t, http.StatusOK, status, text)
		require.Contains(t, text, parseEnvelope(t, *q.one().Body).ID)
		status, text = post("/v1/events", `{"event":{"bus":"orders","source":"shop","detailType":"x","detail":"{}"}}`, "Turnout-Account: 111111111111")
		require.Equal(t, http.StatusNotFound, status, "another account does not have this bus")
		require.Contains(t, text, "urn:turnout:problem:not-found")
		status, text = post("/v1/events", `{}`, "Origin: https://evil.example")
		require.Equal(t, http.StatusForbidden, status, "a page of another site is refused: %s", text)
		status, _ = post("/v1/events", `{"event":{"source":"`+strings.Repeat("x", 5<<20)+`"}}`)
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
	})
}

func TestNativeCallIsCutOffByPowerLoss(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		c := turnoutv1.NewEventServiceClient(newConn(t, b))
		stream, err := c.PublishStream(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&turnoutv1.PublishStreamRequest{Events: []*turnoutv1.Event{shopEvent("default", `{}`)}}))
		_, err = stream.Recv()
		require.NoError(t, err)
		b.Crash(0)
		synctest.Wait()
		_, err = stream.Recv()
		require.Error(t, err, "a client of a dead server does not wait for ever")
		require.NotErrorIs(t, err, io.EOF, "nor does it take that for a good end")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for err = io.EOF; err != nil && ctx.Err() == nil; {
			if _, err = c.Publish(ctx, &turnoutv1.PublishRequest{Event: shopEvent("default", `{}`)}); err != nil {
				time.Sleep(time.Second)
			}
		}
		require.NoError(t, err)
	})
}
