package native_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/native"
	"github.com/seed567880c8/turnout/internal/memnet"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// served is an API that is served over gRPC in a bubble.
type served struct {
	conn *grpc.ClientConn
	stop func() // the server, and waits for it
}

// serve runs f in a bubble with an API over e that is served over gRPC.
func serve(t *testing.T, e *engine, f func(t *testing.T, s *served), change ...func(*native.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(t, e, change...)
		listener := memnet.Listen("turnout.test:4567")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- api.Serve(ctx, listener) }()
		conn, err := grpc.NewClient("passthrough:///turnout.test:4567",
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.Dial(ctx) }))
		require.NoError(t, err)
		s := &served{conn: conn, stop: func() {
			if cancel != nil {
				cancel()
				cancel = nil
				require.NoError(t, <-done, "a stop that was asked for is clean")
			}
		}}
		f(t, s)
		require.NoError(t, conn.Close())
		s.stop()
	})
}

func event(detail string) *turnoutv1.Event {
	return &turnoutv1.Event{Source: "shop", DetailType: "OrderPlaced", Detail: detail}
}

func step(details ...string) *turnoutv1.PublishStreamRequest {
	r := &turnoutv1.PublishStreamRequest{}
	for _, d := range details {
		r.Events = append(r.Events, event(d))
	}
	return r
}

type publishStream = grpc.BidiStreamingClient[turnoutv1.PublishStreamRequest, turnoutv1.PublishStreamResponse]

func openStream(t *testing.T, s *served) publishStream {
	t.Helper()
	stream, err := turnoutv1.NewEventServiceClient(s.conn).PublishStream(t.Context())
	require.NoError(t, err)
	return stream
}

func TestStreamAcknowledgesInOrder(t *testing.T) {
	t.Parallel()

	e := &engine{}
	serve(t, e, func(t *testing.T, s *served) {
		stream := openStream(t, s)
		const requests = 2500 // more than wait at once
		go func() {
			for i := range requests {
				if stream.Send(step(fmt.Sprintf(`{"n":%d}`, i), "7")) != nil {
					return
				}
			}
			_ = stream.CloseSend()
		}()
		for i := range requests {
			ack, err := stream.Recv()
			require.NoError(t, err)
			require.EqualValues(t, i+1, ack.Sequence)
			require.Len(t, ack.Results, 2)
			require.NotEmpty(t, ack.Results[0].GetEventId())
			require.Equal(t, "events[1].detail", ack.Results[1].GetError().GetField(), "one that is refused leaves the rest alone")
		}
		_, err := stream.Recv()
		require.ErrorIs(t, err, io.EOF, "a stream that the client ends, ends well")
		n := 0
		for _, batch := range e.mu.published {
			require.LessOrEqual(t, len(batch), 1000)
			for _, one := range batch {
				if string(one.Detail) != "7" {
					require.Equal(t, fmt.Sprintf(`{"n":%d}`, n), string(one.Detail), "events are published in the order in which they were sent")
					n++
				}
			}
		}
		require.Less(t, len(e.mu.published), requests, "requests gather")
	})
}

func TestStreamEndsWithAReason(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		send    *turnoutv1.PublishStreamRequest
		publish func([]turnout.EventEntry) error
		code    codes.Code
		text    string
		field   string
	}{
		"empty": {send: step(), code: codes.InvalidArgument, field: "events", text: "Request 2 of the stream was not published: events must have 1–1,000 items, but has 0"},
		"large": {send: step(strings.Repeat("x", 3000)), code: codes.InvalidArgument, field: "events", text: "at most 2,000 bytes together"},
		"full": {send: step(`{"full":1}`), code: codes.ResourceExhausted, text: "Request 2 of the stream was not published: Disk full.", publish: func(all []turnout.EventEntry) error {
			if strings.Contains(string(all[len(all)-1].Detail), "full") {
				return turnout.Errorf(turnout.CodeStorageFull, "Disk full.")
			}
			return nil
		}},
		"broken": {send: step(`{"broken":1}`), code: codes.Internal, text: "The server failed", publish: func(all []turnout.EventEntry) error {
			if strings.Contains(string(all[len(all)-1].Detail), "broken") {
				return io.ErrUnexpectedEOF
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			serve(t, &engine{publish: c.publish}, func(t *testing.T, s *served) {
				stream := openStream(t, s)
				require.NoError(t, stream.Send(step(`{}`)))
				_, err := stream.Recv()
				require.NoError(t, err)
				require.NoError(t, stream.Send(c.send))
				_, err = stream.Recv()
				require.Equal(t, c.code, status.Code(err), "%v", err)
				require.ErrorContains(t, err, c.text)
				if c.field != "" {
					require.Equal(t, c.field, violations(t, err)[0].Field)
				}
			}, func(c *native.Config) { c.EventsBytesMax = 2000 })
		})
	}
}

func violations(t *testing.T, err error) []*errdetails.BadRequest_FieldViolation {
	t.Helper()
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			return bad.FieldViolations
		}
	}
	require.Fail(t, "no field is named", "%v", err)
	return nil
}

func TestStreamWaitsWhileTheServerIsBusy(t *testing.T) {
	t.Parallel()

	until := 5
	serve(t, &engine{publish: func([]turnout.EventEntry) error {
		if until--; until > 0 {
			return turnout.Errorf(turnout.CodeThrottled, "Busy.")
		}
		return nil
	}}, func(t *testing.T, s *served) {
		stream := openStream(t, s)
		began := time.Now()
		require.NoError(t, stream.Send(step(`{}`)))
		ack, err := stream.Recv()
		require.NoError(t, err, "a busy server holds a stream back and does not end it")
		require.NotEmpty(t, ack.Results[0].GetEventId())
		require.Equal(t, 150*time.Millisecond, time.Since(began), "10, 20, 40 and 80 ms")
		require.NoError(t, stream.CloseSend())
		_, err = stream.Recv()
		require.ErrorIs(t, err, io.EOF)
	})
}

// Requests that make too many deliveries together are published one by one; one
// that does so alone is refused, and the stream goes on.
func TestStreamSplitsWhatIsTooMuchTogether(t *testing.T) {
	t.Parallel()

	var hold chan struct{} // of the bubble
	e := &engine{publish: func(all []turnout.EventEntry) error {
		if string(all[0].Detail) == `{"hold":1}` {
			<-hold
			return nil
		}
		if len(all) > 1 {
			return turnout.Errorf(turnout.CodeLimitExceeded, "Too many deliveries.")
		}
		return nil
	}}
	serve(t, e, func(t *testing.T, s *served) {
		hold = make(chan struct{})
		stream := openStream(t, s)
		for _, one := range []*turnoutv1.PublishStreamRequest{step(`{"hold":1}`), step(`{"a":1}`), step(`{"b":1}`, `{"c":1}`), step(`{"d":1}`)} {
			require.NoError(t, stream.Send(one))
			synctest.Wait()
		}
		close(hold)
		require.NoError(t, stream.CloseSend())
		for i, ok := range []bool{true, true, false, true} {
			ack, err := stream.Recv()
			require.NoError(t, err)
			require.EqualValues(t, i+1, ack.Sequence)
			for _, r := range ack.Results {
				if ok {
					require.NotEmpty(t, r.GetEventId(), "request %d", i+1)
				} else {
					require.Equal(t, "limit-exceeded", r.GetError().GetCode(), "request %d", i+1)
				}
			}
		}
		_, err := stream.Recv()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestStopAcknowledgesAndEndsStreams(t *testing.T) {
	t.Parallel()

	serve(t, &engine{}, func(t *testing.T, s *served) {
		stream := openStream(t, s)
		require.NoError(t, stream.Send(step(`{}`)))
		synctest.Wait()
		began := time.Now()
		s.stop()
		require.Zero(t, time.Since(began), "an idle stream does not hold up the stop")
		ack, err := stream.Recv()
		require.NoError(t, err)
		require.EqualValues(t, 1, ack.Sequence, "what was published is acknowledged")
		_, err = stream.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))
		require.ErrorContains(t, err, "The server is stopping")
	})
}

func TestStopCutsOffWhatHangs(t *testing.T) {
	t.Parallel()

	serve(t, &engine{publish: func([]turnout.EventEntry) error {
		time.Sleep(4 * time.Second)
		return nil
	}}, func(t *testing.T, s *served) {
		failed := make(chan error, 1)
		go func() {
			_, err := turnoutv1.NewEventServiceClient(s.conn).Publish(t.Context(), &turnoutv1.PublishRequest{Event: event(`{}`)})
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		s.stop()
		require.Equal(t, 4*time.Second, time.Since(began), "no handler runs once it has stopped")
		require.Equal(t, codes.Unavailable, status.Code(<-failed), "the caller was cut off after 3 s")
	})
}

func TestUnaryCalls(t *testing.T) {
	t.Parallel()

	e := furnished()
	serve(t, e, func(t *testing.T, s *served) {
		c := turnoutv1.NewReplayServiceClient(s.conn)
		out, err := c.ListReplays(t.Context(), &turnoutv1.ListReplaysRequest{})
		require.NoError(t, err)
		require.Len(t, out.Replays, 3)
		_, err = c.ListReplays(t.Context(), &turnoutv1.ListReplaysRequest{PageSize: -1, States: []turnoutv1.ReplayState{0}})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		require.Equal(t, "page_size", violations(t, err)[1].Field)
		require.Equal(t, "must be 0–1,000, but is -1", violations(t, err)[1].Description)
		there := metadata.AppendToOutgoingContext(t.Context(), "turnout-account", "111111111111")
		out, err = c.ListReplays(there, &turnoutv1.ListReplaysRequest{})
		require.NoError(t, err)
		require.Equal(t, "elsewhere", out.Replays[0].Spec.Name, "metadata say whom a call speaks for")
		_, err = turnoutv1.NewEventServiceClient(s.conn).Publish(t.Context(), &turnoutv1.PublishRequest{Event: event(strings.Repeat("x", 5<<20))})
		require.Equal(t, codes.ResourceExhausted, status.Code(err), "a message beyond 4 MiB is not read")
	})
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()

	var held chan struct{}
	serve(t, &engine{publish: func([]turnout.EventEntry) error { <-held; return nil }}, func(t *testing.T, s *served) {
		held = make(chan struct{})
		c := turnoutv1.NewEventServiceClient(s.conn)
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: event(`{}`)})
				ended <- err
			}()
		}
		synctest.Wait()
		_, err := c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: event(`{}`)})
		require.Equal(t, codes.ResourceExhausted, status.Code(err), "a third call is refused")
		close(held)
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		synctest.Wait()
		_, err = c.Publish(t.Context(), &turnoutv1.PublishRequest{Event: event(`{}`)})
		require.NoError(t, err, "there is room again")
	}, func(c *native.Config) { c.CallsMax = 2 })
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		api := newAPI(t, &engine{}, func(c *native.Config) { c.ConnectionsMax = 1 })
		listener := memnet.Listen("turnout.test:4567")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- api.Serve(ctx, listener) }()
		first, err := listener.Dial(t.Context())
		require.NoError(t, err)
		second, err := listener.Dial(t.Context())
		require.NoError(t, err)
		_, err = second.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "a second connection is closed at once")
		require.Equal(t, native.Stats{Connections: 1, ConnectionsRefused: 1}, api.Stats())
		require.NoError(t, first.Close())
		synctest.Wait()
		require.Zero(t, api.Stats().Connections)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestACallIsBoundedInTime(t *testing.T) {
	t.Parallel()

	serve(t, &engine{}, func(t *testing.T, s *served) {
		_, err := turnoutv1.NewReplayServiceClient(s.conn).ListReplays(t.Context(), &turnoutv1.ListReplaysRequest{})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	}, func(c *native.Config) {
		c.CallWithin = time.Second
		c.Archives = slow{engineArchives: c.Archives}
	})
}

type engineArchives = native.Archives

type slow struct{ engineArchives }

func (slow) Replays(ctx context.Context, _ turnout.Scope) ([]turnout.Replay, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestHealthAndReflection(t *testing.T) {
	t.Parallel()

	serve(t, &engine{}, func(t *testing.T, s *served) {
		for _, name := range []string{"", "turnout.v1.EventService", "turnout.v1.ReplayService", "turnout.v1.DeliveryService"} {
			out, err := healthpb.NewHealthClient(s.conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
			require.NoError(t, err)
			require.Equal(t, healthpb.HealthCheckResponse_SERVING, out.Status, "%q", name)
		}
		stream, err := reflectionpb.NewServerReflectionClient(s.conn).ServerReflectionInfo(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
		out, err := stream.Recv()
		require.NoError(t, err)
		var names []string
		for _, one := range out.GetListServicesResponse().GetService() {
			names = append(names, one.Name)
		}
		require.Contains(t, names, "turnout.v1.ReplayService")
		require.NoError(t, stream.CloseSend())
		_, err = stream.Recv()
		require.ErrorIs(t, err, io.EOF)
	})
}
