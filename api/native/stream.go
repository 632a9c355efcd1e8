package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// Bounds of a stream of publishes. What has been read and not published is at
// most queuedBytesMax and one message; beyond that the stream is not read, and
// the flow control of gRPC holds the client back.
const (
	queuedMax      = 1024
	queuedBytesMax = 1 << 20

	// What is published as one batch: as much as has come while the one before
	// became durable, but no more than this or one request.
	gatherEventsMax = eventsMax
	gatherBytesMax  = 1 << 20
)

var errStopping = turnout.Errorf(turnout.CodeUnavailable,
	"The server is stopping. What was acknowledged is published; send the rest again.")

// PublishStream publishes a stream of events.
//
// One goroutine reads, the handler's publishes: while one batch becomes
// durable, the requests for the next gather. The reader cannot be told to stop,
// but ends when the handler returns; API.Serve waits for it.
func (e *events) PublishStream(stream grpc.BidiStreamingServer[turnoutv1.PublishStreamRequest, turnoutv1.PublishStreamResponse]) error {
	ctx := stream.Context()
	scope, err := e.api.scope(ctx)
	if err != nil {
		return err
	}
	in := &inbox{ready: make(chan struct{}, 1), space: make(chan struct{}, 1)}
	e.api.readers.Go(func() { in.fill(ctx, stream.Recv) })

	var sequence int64 // of the last request that was acknowledged
	for {
		stopping := false
		select {
		case <-in.ready:
		case <-e.api.draining:
			stopping = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for {
			requests, end := in.take()
			if len(requests) > 0 {
				if err := e.publishRequests(stream, scope, requests, &sequence); err != nil {
					return err
				}
				continue
			}
			if errors.Is(end, io.EOF) {
				return nil
			}
			if end != nil {
				return end
			}
			break
		}
		if stopping {
			return errStopping
		}
	}
}

// publishRequests publishes requests and acknowledges each.
func (e *events) publishRequests(
	stream grpc.BidiStreamingServer[turnoutv1.PublishStreamRequest, turnoutv1.PublishStreamResponse],
	scope turnout.Scope, requests []*turnoutv1.PublishStreamRequest, sequence *int64,
) error {
	p := e.newPublication(scope)
	var fault error // of the first request that makes no sense: those before it stand
	for i, r := range requests {
		if fault = p.add(r.GetEvents()); fault != nil {
			requests = requests[:i]
			break
		}
	}
	err := p.publishPatiently(stream.Context(), e.api.draining)
	if tooMany(err) {
		if len(requests) > 1 { // perhaps only together
			for i := range requests {
				if err := e.publishRequests(stream, scope, requests[i:i+1], sequence); err != nil {
					return err
				}
			}
			return atRequest(*sequence+1, fault)
		}
		for _, at := range p.at {
			p.results[at.result].Outcome = refused(err)
		}
		err = nil
	}
	if err != nil {
		return atRequest(*sequence+1, err)
	}
	results := p.results
	for _, r := range requests {
		*sequence++
		n := len(r.GetEvents())
		if err := stream.Send(&turnoutv1.PublishStreamResponse{Sequence: *sequence, Results: results[:n]}); err != nil {
			return err
		}
		results = results[n:]
	}
	return atRequest(*sequence+1, fault)
}

// atRequest adds to the failure of a stream at which request it happened. nil stays nil.
func atRequest(sequence int64, err error) error {
	if err == nil {
		return nil
	}
	f, unknown := describe(err)
	if unknown {
		return fmt.Errorf("request %d of a stream: %w", sequence, err)
	}
	f.detail = fmt.Sprintf("Request %d of the stream was not published: %s", sequence, f.detail)
	return &f
}

// tooMany reports that the events of a batch make more deliveries than one may.
func tooMany(err error) bool {
	e, ok := errors.AsType[*turnout.Error](err)
	return ok && e.Code == turnout.CodeLimitExceeded
}

// publishPatiently is publish, and tries again while the server is too busy:
// the client is held back meanwhile.
func (p *publication) publishPatiently(ctx context.Context, draining <-chan struct{}) error {
	const pauseMax = time.Second
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, pauseMax) {
		err := p.publish(ctx)
		e, ok := errors.AsType[*turnout.Error](err)
		if !ok || e.Code != turnout.CodeThrottled {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-draining:
			timer.Stop()
			return errStopping
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// inbox holds what has been read of a stream and waits to be published.
type inbox struct {
	ready chan struct{} // has a token when there is something to take; one is enough
	space chan struct{} // has a token when something was taken; one is enough

	mu struct {
		sync.Mutex
		requests []*turnoutv1.PublishStreamRequest
		sizes    []int
		bytes    int
		end      error // why no more will come; io.EOF after all
	}
}

// fill reads until the stream ends.
func (in *inbox) fill(ctx context.Context, recv func() (*turnoutv1.PublishStreamRequest, error)) {
	for {
		r, err := recv()
		if err != nil {
			in.mu.Lock()
			in.mu.end = err
			in.mu.Unlock()
			signal(in.ready)
			return
		}
		size := proto.Size(r)
		in.mu.Lock()
		in.mu.requests, in.mu.sizes = append(in.mu.requests, r), append(in.mu.sizes, size)
		in.mu.bytes += size
		in.mu.Unlock()
		signal(in.ready)
		for in.full() {
			select {
			case <-in.space:
			case <-ctx.Done():
				return // the handler has seen it too
			}
		}
	}
}

func (in *inbox) full() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.mu.requests) >= queuedMax || in.mu.bytes >= queuedBytesMax
}

// take returns the requests to be published next, or nothing and why there
// will be no more, if that is so.
func (in *inbox) take() (requests []*turnoutv1.PublishStreamRequest, end error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	n, events, bytes := 0, 0, 0
	for n < len(in.mu.requests) {
		events += len(in.mu.requests[n].GetEvents())
		bytes += in.mu.sizes[n]
		if n > 0 && (events > gatherEventsMax || bytes > gatherBytesMax) {
			bytes -= in.mu.sizes[n]
			break
		}
		n++
	}
	if n == 0 {
		return nil, in.mu.end
	}
	requests = in.mu.requests[:n:n]
	if n == len(in.mu.requests) {
		in.mu.requests, in.mu.sizes = nil, in.mu.sizes[:0]
	} else {
		in.mu.requests, in.mu.sizes = in.mu.requests[n:], in.mu.sizes[n:]
	}
	in.mu.bytes -= bytes
	signal(in.space)
	return requests, nil
}

// signal leaves a token in c unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
