package native

import (
	"context"
	"errors"
	"strconv"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// events serves EventService.
type events struct {
	turnoutv1.UnimplementedEventServiceServer

	api *API
}

// Limits of one request.
const (
	eventsMax        = 1000
	resourcesMax     = 100
	resourceCharsMax = 2048
	traceHeaderMax   = 500
)

// Publish publishes one event.
func (e *events) Publish(ctx context.Context, r *turnoutv1.PublishRequest) (*turnoutv1.PublishResponse, error) {
	scope, err := e.api.scope(ctx)
	if err != nil {
		return nil, err
	}
	var c check
	if !c.required("event", r.GetEvent() != nil) {
		return nil, c.err()
	}
	entry := c.event(scope, r.GetEvent(), func(name string) string { return "event." + name })
	if size := turnout.EventSizeBytes(&entry); size > e.api.cfg.EventsBytesMax {
		c.add("event", "must have at most %s bytes, but has %s", thousands(int64(e.api.cfg.EventsBytesMax)), thousands(int64(size)))
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if !e.api.cfg.Events.HasBus(entry.Bus) {
		return nil, e.noBus(ctx, entry.Bus)
	}
	published, err := e.api.cfg.Events.Publish(ctx, []turnout.EventEntry{entry})
	if err != nil {
		return nil, err
	}
	if err := published[0].Err; err != nil {
		return nil, refusal(err, "event.detail")
	}
	return &turnoutv1.PublishResponse{EventId: published[0].ID}, nil
}

// PublishBatch publishes several events.
func (e *events) PublishBatch(ctx context.Context, r *turnoutv1.PublishBatchRequest) (*turnoutv1.PublishBatchResponse, error) {
	scope, err := e.api.scope(ctx)
	if err != nil {
		return nil, err
	}
	p := e.newPublication(scope)
	if err := p.add(r.GetEvents()); err != nil {
		return nil, err
	}
	if err := p.publish(ctx); err != nil {
		return nil, err
	}
	out := &turnoutv1.PublishBatchResponse{Results: p.results}
	for _, result := range p.results {
		if result.GetError() != nil {
			out.Refused++
		}
	}
	return out, nil
}

// event checks an event; path makes the path of one of its fields.
func (c *check) event(scope turnout.Scope, ev *turnoutv1.Event, path func(field string) string) turnout.EventEntry {
	entry := turnout.EventEntry{
		Bus:     turnout.BusName{Scope: scope, Name: turnout.DefaultBus},
		Account: scope.Account, Source: ev.GetSource(), DetailType: ev.GetDetailType(),
		Detail: []byte(ev.GetDetail()), Resources: ev.GetResources(), TraceHeader: ev.GetTraceHeader(),
	}
	if entry.Resources == nil {
		entry.Resources = []string{}
	}
	if n := len(entry.Source); n == 0 || n > 256 {
		c.text(path("source"), entry.Source, 1, 256)
	}
	if n := len(entry.DetailType); n == 0 || n > 128 {
		c.text(path("detail_type"), entry.DetailType, 1, 128)
	}
	if len(entry.Detail) == 0 {
		c.required(path("detail"), false)
	}
	if name := ev.GetBus(); name != "" && name != turnout.DefaultBus {
		c.busName(path("bus"), name)
		entry.Bus.Name = name
	}
	if n := len(entry.Resources); n > resourcesMax {
		c.add(path("resources"), "must have at most %d items, but has %s", resourcesMax, thousands(int64(n)))
	}
	for i, r := range entry.Resources {
		if len(r) > resourceCharsMax {
			c.text(path("resources["+strconv.Itoa(i)+"]"), r, 0, resourceCharsMax)
		}
	}
	if n := len(entry.TraceHeader); n > traceHeaderMax {
		c.add(path("trace_header"), "must have at most %d bytes, but has %s", traceHeaderMax, thousands(int64(n)))
	}
	if ev.GetTime() != nil {
		entry.Time = c.time(path("time"), ev.GetTime())
	}
	return entry
}

// noBus is the error of a bus that does not exist; it says which do.
func (e *events) noBus(ctx context.Context, name turnout.BusName) error {
	all, err := e.api.cfg.Events.Buses(ctx, name.Scope)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return turnout.Errorf(turnout.CodeNotFound, "Event bus %s does not exist. %s", name.Name, oneOf("buses", names))
}

// refusal gives the error of a refused event the field that it is about.
func refusal(err error, detail string) error {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok || e.Code != turnout.CodeMalformedRequest {
		return err
	}
	reason := "must be a JSON object"
	if e.Err != nil {
		reason += ": " + e.Err.Error()
	}
	return faults{{field: detail, reason: reason}}
}

// publication is the events of one request, or of several in a stream.
type publication struct {
	events  *events
	scope   turnout.Scope
	entries []turnout.EventEntry       // accepted so far
	at      []place                    // of each entry
	results []*turnoutv1.PublishResult // one for each event
	noBus   map[string]error           // buses that do not exist
}

// place is where an entry came from.
type place struct {
	result int // index in results
	event  int // index in its request
}

func (e *events) newPublication(scope turnout.Scope) *publication {
	return &publication{events: e, scope: scope}
}

// add adds the events of a request. What is wrong with one of them is in its
// result; the error is for the request, of which then nothing is added.
func (p *publication) add(all []*turnoutv1.Event) error {
	var c check
	if n := len(all); n < 1 || n > eventsMax {
		c.add("events", "must have 1–%s items, but has %s", thousands(eventsMax), thousands(int64(n)))
		return c.err()
	}
	entries, at, results := len(p.entries), len(p.at), len(p.results)
	size := 0
	for i, ev := range all {
		var c check
		entry := c.event(p.scope, ev, func(name string) string { return "events[" + strconv.Itoa(i) + "]." + name })
		size += turnout.EventSizeBytes(&entry)
		result := &turnoutv1.PublishResult{}
		p.results = append(p.results, result)
		if len(c.faults) > 0 {
			result.Outcome = refused(c.faults[:1])
			continue
		}
		p.entries, p.at = append(p.entries, entry), append(p.at, place{result: len(p.results) - 1, event: i})
	}
	if limit := p.events.api.cfg.EventsBytesMax; size > limit {
		p.entries, p.at, p.results = p.entries[:entries], p.at[:at], p.results[:results]
		c.add("events", "must have at most %s bytes together, but have %s", thousands(int64(limit)), thousands(int64(size)))
		return c.err()
	}
	return nil
}

// publish publishes what was added, as one batch, and completes the results.
func (p *publication) publish(ctx context.Context) error {
	if err := p.checkBuses(ctx); err != nil {
		return err
	}
	if len(p.entries) == 0 {
		return nil
	}
	published, err := p.events.api.cfg.Events.Publish(ctx, p.entries)
	if err != nil {
		return err
	}
	for i := range published {
		result := p.results[p.at[i].result]
		if err := published[i].Err; err != nil {
			result.Outcome = refused(refusal(err, "events["+strconv.Itoa(p.at[i].event)+"].detail"))
			continue
		}
		result.Outcome = &turnoutv1.PublishResult_EventId{EventId: published[i].ID}
	}
	return nil
}

// checkBuses refuses the entries whose bus does not exist.
func (p *publication) checkBuses(ctx context.Context) error {
	kept := 0
	for i := range p.entries {
		bus := p.entries[i].Bus
		if bus.Name != turnout.DefaultBus && !p.events.api.cfg.Events.HasBus(bus) {
			err := p.noBus[bus.Name]
			if err == nil {
				err = p.events.noBus(ctx, bus)
				if e, ok := errors.AsType[*turnout.Error](err); !ok || e.Code != turnout.CodeNotFound {
					return err
				}
				if p.noBus == nil {
					p.noBus = map[string]error{}
				}
				p.noBus[bus.Name] = err
			}
			p.results[p.at[i].result].Outcome = refused(err)
			continue
		}
		p.entries[kept], p.at[kept] = p.entries[i], p.at[i]
		kept++
	}
	p.entries, p.at = p.entries[:kept], p.at[:kept]
	return nil
}

// refused tells why an event was.
func refused(err error) *turnoutv1.PublishResult_Error {
	f, _ := describe(err)
	out := &turnoutv1.PublishError{Code: f.name, Message: f.detail}
	if len(f.fields) > 0 {
		out.Field = f.fields[0].field
	}
	return &turnoutv1.PublishResult_Error{Error: out}
}
