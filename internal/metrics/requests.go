package metrics

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Request is one answered request of the AWS APIs. Service and Operation are
// empty unless they exist, Error is from the API's own list: none of them
// holds what a client made up.
type Request struct {
	Service, Operation string
	Status             int    // HTTP status
	Error              string // the error's name, "" on success
	BytesIn, BytesOut  int    // of the bodies
	Duration           time.Duration
}

// Observe counts a request. It may be called from many goroutines; it takes no
// lock and allocates nothing once a kind of request has been seen.
func (r *Registry) Observe(q Request) { r.requests.observe(q) }

// requests counts requests by service, operation, status and error.
//
// A snapshot of the map is read without a lock and replaced as a whole when a
// new kind comes up, which soon stops: the kinds are a few hundred at most.
type requests struct {
	series atomic.Pointer[map[requestKind]*requestSeries]
	mu     sync.Mutex // held to replace series

	count, errors, bytesIn, bytesOut, duration *Family
}

type requestKind struct {
	service, operation, errorName string
	status                        int
}

// requestSeries is the counters of one kind. The buckets are not cumulative;
// the last is beyond all bounds.
type requestSeries struct {
	nanos, bytesIn, bytesOut atomic.Uint64
	buckets                  [len(durationBounds) + 1]atomic.Uint64
}

// durationBounds reach from an operation in memory to a long poll of 20 seconds.
var durationBounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 5 * time.Second, 25 * time.Second,
}

func newRequests() *requests {
	r := &requests{
		count:    Counter("turnout_http_requests_total", "Requests of the AWS APIs that were answered, by HTTP status.", "service", "operation", "code"),
		errors:   Counter("turnout_http_request_errors_total", "Requests that were answered with an error, by the error's name.", "service", "operation", "error"),
		bytesIn:  Counter("turnout_http_request_bytes_total", "Bytes of the requests' bodies.", "service", "operation"),
		bytesOut: Counter("turnout_http_response_bytes_total", "Bytes of the answers' bodies.", "service", "operation"),
		duration: Histogram("turnout_http_request_duration_seconds", "Time from a request's header to its answer, the wait of a long poll included.", "service", "operation"),
	}
	r.series.Store(&map[requestKind]*requestSeries{})
	return r
}

func (r *requests) observe(q Request) {
	s := r.of(requestKind{q.Service, q.Operation, q.Error, q.Status})
	i, _ := slices.BinarySearch(durationBounds[:], q.Duration)
	s.buckets[i].Add(1)
	s.nanos.Add(uint64(max(q.Duration, 0)))
	s.bytesIn.Add(uint64(q.BytesIn))
	s.bytesOut.Add(uint64(q.BytesOut))
}

func (r *requests) of(k requestKind) *requestSeries {
	if s := (*r.series.Load())[k]; s != nil {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.series.Load()
	if s := old[k]; s != nil {
		return s
	}
	grown := maps.Clone(old)
	s := &requestSeries{}
	grown[k] = s
	r.series.Store(&grown)
	return s
}

// Describe names the families.
func (r *requests) Describe(out chan<- *prometheus.Desc) {
	for _, f := range []*Family{r.count, r.errors, r.bytesIn, r.bytesOut, r.duration} {
		out <- f.desc
	}
}

// Collect adds up the kinds for each family's labels.
func (r *requests) Collect(out chan<- prometheus.Metric) {
	type operation struct{ service, name string }
	type totals struct {
		bytesIn, bytesOut uint64
		nanos             uint64
		buckets           [len(durationBounds) + 1]uint64
	}
	byOperation := map[operation]*totals{}
	byStatus := map[requestKind]uint64{} // without errorName
	byError := map[requestKind]uint64{}  // without status
	for k, s := range *r.series.Load() {
		t := byOperation[operation{k.service, k.operation}]
		if t == nil {
			t = &totals{}
			byOperation[operation{k.service, k.operation}] = t
		}
		t.bytesIn += s.bytesIn.Load()
		t.bytesOut += s.bytesOut.Load()
		t.nanos += s.nanos.Load()
		n := uint64(0)
		for i := range s.buckets {
			in := s.buckets[i].Load()
			t.buckets[i] += in
			n += in
		}
		byStatus[requestKind{service: k.service, operation: k.operation, status: k.status}] += n
		if k.errorName != "" {
			byError[requestKind{service: k.service, operation: k.operation, errorName: k.errorName}] += n
		}
	}
	e := Emitter{out}
	bounds := secondsOf(durationBounds[:])
	for op, t := range byOperation {
		e.Value(r.bytesIn, float64(t.bytesIn), op.service, op.name)
		e.Value(r.bytesOut, float64(t.bytesOut), op.service, op.name)
		count, cumulative := accumulate(t.buckets[:])
		e.Histogram(r.duration, count, time.Duration(t.nanos).Seconds(), bounds, cumulative, op.service, op.name)
	}
	for k, n := range byStatus {
		e.Value(r.count, float64(n), k.service, k.operation, strconv.Itoa(k.status))
	}
	for k, n := range byError {
		e.Value(r.errors, float64(n), k.service, k.operation, k.errorName)
	}
}

// accumulate returns the sum of all buckets and the running sums of all but the last.
func accumulate(buckets []uint64) (count uint64, cumulative []uint64) {
	cumulative = make([]uint64, 0, len(buckets))
	for _, n := range buckets {
		count += n
		cumulative = append(cumulative, count)
	}
	return count, cumulative[:len(cumulative)-1]
}

func secondsOf(durations []time.Duration) []float64 {
	out := make([]float64, len(durations))
	for i, d := range durations {
		out[i] = d.Seconds()
	}
	return out
}
