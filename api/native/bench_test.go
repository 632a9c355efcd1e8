package native_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// nothing answers as EventService does, and does nothing else.
type nothing struct {
	turnoutv1.UnimplementedEventServiceServer
}

func (nothing) Publish(context.Context, *turnoutv1.PublishRequest) (*turnoutv1.PublishResponse, error) {
	return &turnoutv1.PublishResponse{EventId: "0aa6720c-abe4-440e-bdaf-d4599e1c0e07"}, nil
}

func (nothing) PublishStream(stream grpc.BidiStreamingServer[turnoutv1.PublishStreamRequest, turnoutv1.PublishStreamResponse]) error {
	for n := int64(1); ; n++ {
		r, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client is done
		}
		out := &turnoutv1.PublishStreamResponse{Sequence: n}
		for range r.GetEvents() {
			out.Results = append(out.Results, &turnoutv1.PublishResult{Outcome: &turnoutv1.PublishResult_EventId{EventId: "0aa6720c-abe4-440e-bdaf-d4599e1c0e07"}})
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

// listening connects to a server on a real socket: ours over an engine that
// accepts everything, or one that does nothing.
func listening(b *testing.B, ours bool) turnoutv1.EventServiceClient {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	address := l.Addr().String()
	if ours {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		api := newAPI(b, &engine{forget: true})
		go func() { done <- api.Serve(ctx, l) }()
		b.Cleanup(func() { cancel(); <-done })
	} else {
		s := grpc.NewServer()
		turnoutv1.RegisterEventServiceServer(s, nothing{})
		go func() { _ = s.Serve(l) }()
		b.Cleanup(s.Stop)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	return turnoutv1.NewEventServiceClient(conn)
}

const benchDetail = `{"order":{"id":"4711","total":129.5,"items":[{"sku":"a","n":1},{"sku":"b","n":2}]},"customer":{"id":42,"tier":"gold"}}`

// BenchmarkPublish answers what a call costs in this package, beside one to a
// server that does nothing.
func BenchmarkPublish(b *testing.B) {
	for name, ours := range map[string]bool{"turnout": true, "nothing": false} {
		b.Run(name, func(b *testing.B) {
			c := listening(b, ours)
			r := &turnoutv1.PublishRequest{Event: event(benchDetail)}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Publish(b.Context(), r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkPublishStream answers the same for a stream of requests of one event each.
func BenchmarkPublishStream(b *testing.B) {
	for name, ours := range map[string]bool{"turnout": true, "nothing": false} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			stream, err := listening(b, ours).PublishStream(ctx)
			require.NoError(b, err)
			r := step(benchDetail)
			var sending sync.WaitGroup
			sending.Go(func() {
				for stream.Send(r) == nil {
				}
			})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stream.Recv(); err != nil {
					b.Fatal(err)
				}
			}
			cancel()
			sending.Wait()
		})
	}
}
