package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/endpoint"
	"github.com/seed567880c8/turnout/loadtest/internal/histogram"
)

// course is a server of its own that delivers to endpoints of ours.
type course struct {
	*target
	endpoints *endpoint.Endpoints
	detail    string // filler of the events' details
}

// secretKey encrypts the secrets of connections, which a server needs to have any.
const secretKey = "TURNOUT_SECRET_KEY=5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"

// course starts a server that may deliver to loopback, with a bus and a
// connection. seen is told of every delivery.
func (l *lab) course(ctx context.Context, data string, seen func(number int, body []byte)) (_ *course, err error) {
	if l.endpoint != "" {
		return nil, errors.New("this scenario starts a server that may deliver to loopback; leave out -endpoint")
	}
	server, err := l.ownServer(ctx, data, "--webhook-allow", "127.0.0.0/8", "--webhook-allow-http")
	if err != nil {
		return nil, err
	}
	c := &course{target: &target{process: server, settings: l.settings}, detail: text(max(l.payload-80, 1), 1)}
	fail := func(err error) (*course, error) { return nil, errors.Join(err, c.close()) }
	if c.endpoints, err = endpoint.Listen(ctx, seen); err != nil {
		return fail(err)
	}
	if err := c.connect(ctx, l.concurrency); err != nil {
		return fail(err)
	}
	if err := c.event(c.conns[0], "CreateEventBus", map[string]any{"Name": loadBus}); err != nil {
		return fail(err)
	}
	return c, nil
}

func (c *course) close() error {
	c.hangUp()
	err := c.stop()
	if c.endpoints != nil {
		err = errors.Join(err, c.endpoints.Close())
	}
	return err
}

// loadConnection is the connection of all API destinations.
const loadConnection = "loadtest"

// authorize makes the connection and returns its ARN.
func (c *course) authorize() (arn string, err error) {
	var out struct {
		ConnectionArn string
	}
	err = c.conns[0].call(c.host, eventsAPI(), "CreateConnection", map[string]any{
		"Name": loadConnection, "AuthorizationType": "API_KEY",
		"AuthParameters": map[string]any{"ApiKeyAuthParameters": map[string]any{"ApiKeyName": "x-api-key", "ApiKeyValue": "loadtest"}},
	}, &out)
	return out.ConnectionArn, err
}

// noLimit is an InvocationRateLimitPerSecond that nothing here reaches; AWS's default is 300.
const noLimit = 1_000_000

// deliverTo makes one rule with one API destination: that of an endpoint.
// Events in the same group come one after another, if group names one.
func (c *course) deliverTo(conn *conn, connectionARN string, number int, pattern, group string) error {
	name := fmt.Sprintf("endpoint-%d", number)
	var out struct {
		APIDestinationARN string `json:"ApiDestinationArn"`
	}
	err := conn.call(c.host, eventsAPI(), "CreateApiDestination", map[string]any{
		"Name": name, "ConnectionArn": connectionARN, "InvocationEndpoint": c.endpoints.URL(number), "HttpMethod": "POST",
		"InvocationRateLimitPerSecond": noLimit,
	}, &out)
	if err != nil {
		return err
	}
	if err := c.event(conn, "PutRule", map[string]any{"Name": name, "EventBusName": loadBus, "EventPattern": pattern}); err != nil {
		return err
	}
	to := map[string]any{"Id": "1", "Arn": out.APIDestinationARN, "RoleArn": "arn:aws:iam::000000000000:role/loadtest"}
	if group != "" {
		to["SqsParameters"] = map[string]any{"MessageGroupId": group}
	}
	return c.event(conn, "PutTargets", map[string]any{"Rule": name, "EventBusName": loadBus, "Targets": []any{to}})
}

// everyEvent is the pattern of a rule that gets all of the load.
const everyEvent = `{"source":["loadtest"]}`

// mark is what an event's detail says about it.
type mark struct {
	seq   int64
	at    int64 // when it was published, in nanoseconds
	to    int   // the endpoint that it is for
	group int
}

// publish publishes events in one request.
func (c *course) publish(conn *conn, marks ...mark) error {
	list := entries(len(marks), func(i int) string {
		m := marks[i]
		return fmt.Sprintf(`{"Detail":"{\"seq\":%d,\"at\":%d,\"to\":%d,\"group\":\"g%d\",\"text\":\"%s\"}","DetailType":"load","EventBusName":%q,"Source":"loadtest"}`,
			m.seq, m.at, m.to, m.group, c.detail, loadBus)
	})
	body, err := conn.do(eventsAPI().request(c.host, "PutEvents", fmt.Appendf(nil, `{"Entries":%s}`, list)))
	if err == nil && !bytes.Contains(body, []byte(`"FailedEntryCount":0`)) {
		err = fmt.Errorf("%w: %.300s", errFailedEntries, body)
	}
	return err
}

// readMark finds in a delivery what its event says.
func readMark(body []byte) (m mark) {
	m.seq = numberField(body, `"seq":`)
	m.at = numberField(body, `"at":`)
	m.to = int(numberField(body, `"to":`))
	m.group = int(numberField(body, `"group":"g`))
	return m
}

// numberField returns the digits after a text; -1 if it is not there.
func numberField(body []byte, after string) int64 {
	i := bytes.Index(body, []byte(after))
	if i < 0 {
		return -1
	}
	rest := body[i+len(after):]
	end := 0
	for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// waitingMax bounds how far publishers run ahead of the deliveries in scenario webhooks.
const waitingMax = 4000

// runWebhooks publishes as fast as one API destination takes it, in turns with
// a bare client that posts the same bytes to the same endpoint.
func runWebhooks(ctx context.Context, l *lab) (_ *result, err error) {
	var published, delivered atomic.Int64
	sample := make(chan []byte, 1) // one delivery, for the bare client to repeat
	c, err := l.course(ctx, "webhooks", func(number int, body []byte) {
		if number != 0 {
			return // the bare client's
		}
		delivered.Add(1)
		select {
		case sample <- bytes.Clone(body):
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	arn, err := c.authorize()
	if err == nil {
		err = c.deliverTo(c.conns[0], arn, 0, everyEvent, "")
	}
	if err != nil {
		return nil, err
	}
	if err := c.flood(ctx, time.Second, &published, &delivered); err != nil { // warms up
		return nil, err
	}
	body := <-sample
	bare := newBareClient(l.concurrency)
	defer bare.CloseIdleConnections()
	var got, best measurement
	var ratios []float64
	for range l.rounds {
		b, err := post(ctx, bare, l.concurrency, c.endpoints.URL(1), body, l.duration/time.Duration(l.rounds))
		if err != nil {
			return nil, err
		}
		before, from, began := c.usageBefore(ctx), delivered.Load(), time.Now()
		if err := c.flood(ctx, l.duration/time.Duration(l.rounds), &published, &delivered); err != nil {
			return nil, err
		}
		m := &measurement{ops: delivered.Load() - from, elapsed: time.Since(began), used: c.usageAfter(ctx).since(before)}
		ratios = append(ratios, m.rate()/b.rate())
		best.add(b)
		got.add(m)
	}
	slices.Sort(ratios)
	r := &result{}
	r.set("deliveries_per_s", got.rate())
	r.set("bare_requests_per_s", best.rate())
	r.latency("bare_", &best.latency)
	r.set("ratio", ratios[len(ratios)/2])
	r.set("cpu_us_per_delivery", float64(got.used.cpu.Microseconds())/float64(got.ops))
	r.set("logged_bytes_per_delivery", got.used.logged/float64(got.ops))
	now, peak := c.memory()
	r.set("rss_mib", float64(now)/(1<<20))
	r.set("rss_peak_mib", float64(peak)/(1<<20))
	return r, nil
}

// flood publishes for d, ten events a request, as fast as they are delivered,
// and waits until all are.
func (c *course) flood(ctx context.Context, d time.Duration, published, delivered *atomic.Int64) error {
	ctx, cancel := context.WithTimeout(ctx, d+deliveredWithin)
	defer cancel()
	deadline := time.Now().Add(d)
	errs := make([]error, min(len(c.conns), 8)) // enough to keep the queue filled
	var publishers sync.WaitGroup
	for i := range errs {
		publishers.Go(func() {
			for time.Now().Before(deadline) && errs[i] == nil {
				if published.Load()-delivered.Load() > waitingMax {
					errs[i] = sleep(ctx, time.Millisecond)
					continue
				}
				published.Add(10)
				errs[i] = c.publish(c.conns[i], make([]mark, 10)...)
			}
		})
	}
	publishers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.settle(ctx, func() int64 { return published.Load() - delivered.Load() })
}

// deliveredWithin bounds the wait for the last deliveries.
const deliveredWithin = 2 * time.Minute

// settle waits until nothing is missing.
func (c *course) settle(ctx context.Context, missing func() int64) error {
	for missing() > 0 {
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return fmt.Errorf("%d events were not delivered: %w", missing(), err)
		}
	}
	return nil
}

// newBareClient is Go's HTTP client with so many connections kept alive.
func newBareClient(conns int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: conns, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}, Timeout: requestTimeout}
}

// post repeats one request for d on so many goroutines.
func post(ctx context.Context, client *http.Client, workers int, url string, body []byte, d time.Duration) (*measurement, error) {
	parts := make([]measurement, workers)
	errs := make([]error, workers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			errs[i] = repeat(ctx, nil, func(*conn) error { return postOnce(ctx, client, url, body) }, began.Add(d), &parts[i])
		})
	}
	wg.Wait()
	total := &measurement{elapsed: time.Since(began)}
	for i := range parts {
		total.ops += parts[i].ops
		total.latency.Merge(&parts[i].latency)
	}
	return total, errors.Join(errors.Join(errs...), context.Cause(ctx))
}

func postOnce(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return err
}

// hangingPercent of the endpoints hang in scenario hanging.
const hangingPercent = 10

// hangingCourse is the course of scenario hanging.
type hangingCourse struct {
	*course
	sick int // endpoints that may hang: those with the lowest numbers

	mu    sync.Mutex
	times *histogram.Histogram // of the deliveries to the others; nil: not now
}

func (h *hangingCourse) seen(number int, body []byte) {
	took := time.Duration(time.Now().UnixNano() - readMark(body).at)
	h.mu.Lock()
	defer h.mu.Unlock()
	if number >= h.sick && h.times != nil {
		h.times.Add(took)
	}
}

func (h *hangingCourse) record(into *histogram.Histogram) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.times = into
}

// phase publishes for d at the steady rate and times the deliveries.
func (h *hangingCourse) phase(ctx context.Context, d time.Duration, into *histogram.Histogram) error {
	h.record(into)
	defer h.record(nil)
	err := h.paced(ctx, h.conns, float64(h.eventRate), d, func(seq int64) mark {
		return mark{seq: seq, to: h.webhooks - 1 - int(seq*7919)%h.webhooks} // round all of them, far apart
	})
	if err != nil {
		return err
	}
	return sleep(ctx, min(d, time.Second)) // for the last of them
}

// runHanging publishes at a steady rate, each event for one of many endpoints,
// and times the deliveries to the healthy ones: while some of the others hang,
// and before and after, so that a disturbance of the machine meets both.
func runHanging(ctx context.Context, l *lab) (_ *result, err error) {
	h := &hangingCourse{sick: l.webhooks * hangingPercent / 100}
	if h.course, err = l.course(ctx, "hanging", h.seen); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.deliverToEach(ctx, l.webhooks); err != nil {
		return nil, err
	}
	var none, some histogram.Histogram
	if err := h.phase(ctx, min(l.duration, 5*time.Second), nil); err != nil { // opens the connections
		return nil, err
	}
	r := &result{}
	r.set("webhooks", float64(l.webhooks))
	r.set("hanging", float64(h.sick))
	r.set("events_per_s", float64(l.eventRate))
	if err := h.phase(ctx, l.duration/2, &none); err != nil {
		return nil, err
	}
	now, _ := h.memory()
	r.set("none_hanging_rss_mib", float64(now)/(1<<20))
	h.endpoints.Hang(h.sick)
	if err := h.phase(ctx, l.duration, &some); err != nil {
		return nil, err
	}
	now, _ = h.memory()
	r.set("hanging_rss_mib", float64(now)/(1<<20))
	r.set("hanging_requests", float64(h.endpoints.Hung()))
	h.endpoints.Hang(0)
	if err := sleep(ctx, min(l.duration, 2*time.Second)); err != nil { // until what hung is done with
		return nil, err
	}
	if err := h.phase(ctx, l.duration/2, &none); err != nil {
		return nil, err
	}
	r.set("none_hanging_deliveries", float64(none.N()))
	r.set("hanging_deliveries", float64(some.N()))
	r.latency("none_hanging_", &none)
	r.latency("hanging_", &some)
	r.set("p50_ratio", float64(some.Quantile(0.5))/float64(none.Quantile(0.5)))
	r.set("p99_ratio", float64(some.Quantile(0.99))/float64(none.Quantile(0.99)))
	return r, nil
}

// deliverToEach makes a rule and an API destination for each of n endpoints.
func (c *course) deliverToEach(ctx context.Context, n int) error {
	arn, err := c.authorize()
	if err != nil {
		return err
	}
	errs := make([]error, len(c.conns))
	var next atomic.Int64
	var wg sync.WaitGroup
	for i, conn := range c.conns {
		wg.Go(func() {
			for number := int(next.Add(1)) - 1; number < n && errs[i] == nil && ctx.Err() == nil; number = int(next.Add(1)) - 1 {
				errs[i] = c.deliverTo(conn, arn, number, fmt.Sprintf(`{"source":["loadtest"],"detail":{"to":[%d]}}`, number), "")
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), context.Cause(ctx))
}

// paced publishes events at a steady rate for d, whatever becomes of them: one
// in a request, or up to ten if it has fallen behind. Each is stamped with the
// instant at which it was to be published, so that a publish that is slow
// counts as what it is.
func (c *course) paced(ctx context.Context, conns []*conn, perSecond float64, d time.Duration, event func(seq int64) mark) error {
	p := &pacer{began: time.Now(), each: time.Duration(float64(time.Second) / perSecond), event: event}
	p.end = int64(d / p.each)
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			for errs[i] == nil {
				marks, ok := p.take(time.Time{}, 1)
				if !ok {
					return
				}
				if errs[i] = sleep(ctx, time.Until(time.Unix(0, marks[0].at))); errs[i] == nil {
					more, _ := p.take(time.Now(), 9)
					errs[i] = c.publish(conn, append(marks, more...)...)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// pacer says which events are to be published when.
type pacer struct {
	began time.Time
	each  time.Duration
	end   int64
	event func(seq int64) mark

	mu   sync.Mutex
	next int64
}

// take returns the next events, at most so many, that are due at now; the zero
// time is the end of days. It reports false when there are none left.
func (p *pacer) take(now time.Time, most int) ([]mark, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var marks []mark
	for len(marks) < most && p.next < p.end {
		at := p.began.Add(time.Duration(p.next) * p.each)
		if !now.IsZero() && at.After(now) {
			break
		}
		m := p.event(p.next)
		m.at = at.UnixNano()
		marks = append(marks, m)
		p.next++
	}
	return marks, len(marks) > 0
}
