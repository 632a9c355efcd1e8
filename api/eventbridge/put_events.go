package eventbridge

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// Limits of PutEvents that the service model sets, as model.go has them.
const (
	entriesMax       = 10
	resourceCharsMax = 2048
	traceHeaderMax   = 500
)

// putEvents serves PutEvents. It is the hot path: the request is decoded in one
// pass without the model. Only when something may break a constraint is the
// request read again by the model, which alone words the errors.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
func (a *api) putEvents(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := publication{scope: r.Scope}
	if len(r.TraceHeader) <= traceHeaderMax {
		p.traceHeader = r.TraceHeader
	}
	if !p.decode(r.JSON()) {
		if _, err := shape.Decode(putEventsInput, r.Body); err != nil {
			return nil, err
		}
		return nil, errors.New("eventbridge: PutEvents refuses what the model allows")
	}
	if p.endpoint {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "Turnout does not support global endpoints: PutEvents must not have an EndpointId.")
	}
	bytesTotal := 0
	for i := range p.count {
		bytesTotal += turnout.EventSizeBytes(&p.entries[i].event)
	}
	if bytesTotal > a.cfg.EntriesBytesMax {
		return nil, turnout.Errorf(turnout.CodeValidation, "Total size of the entries in the request is over the limit.")
	}
	return p.publish(ctx, a.broker)
}

// publication is a PutEvents request while it is decoded.
type publication struct {
	scope       turnout.Scope
	traceHeader string // of the HTTP request, for entries without their own
	endpoint    bool   // an EndpointId is given
	entries     [entriesMax]publishEntry
	count       int

	busText []byte // the EventBusName decoded last: entries tend to share it
	bus     turnout.BusName
	busErr  error
}

type publishEntry struct {
	event  turnout.EventEntry
	busErr error // the bus cannot be published to
}

// decode reads the request. It returns false if the body is not what it should be
// or may break a constraint of the model.
func (p *publication) decode(r *awswire.JSONReader) bool {
	fine := true
	if r.Object() {
		for fine {
			key, ok := r.Key()
			if !ok {
				break
			}
			switch string(key) {
			case "Entries":
				fine = p.decodeEntries(r)
			case "EndpointId":
				var id []byte
				if id, p.endpoint = r.String(); p.endpoint {
					fine = shape.Holds(endpointID, string(id))
				}
			default:
				r.Skip()
			}
		}
	}
	return fine && r.End() == nil && p.count > 0
}

func (p *publication) decodeEntries(r *awswire.JSONReader) bool {
	if !r.Array() {
		return false
	}
	for r.Elem() {
		if p.count == entriesMax || !r.Object() {
			return false
		}
		p.count++
		if !p.decodeEntry(r, &p.entries[p.count-1]) {
			return false
		}
	}
	return true
}

// noResources is what an event without resources has; nobody changes it.
//
//nolint:gochecknoglobals // a constant
var noResources = []string{}

func (p *publication) decodeEntry(r *awswire.JSONReader, entry *publishEntry) bool {
	ev := &entry.event
	ev.Resources = noResources
	ev.TraceHeader = p.traceHeader
	ev.Bus, ev.Account = turnout.BusName{Scope: p.scope, Name: turnout.DefaultBus}, p.scope.Account
	fine := true
	for fine {
		key, ok := r.Key()
		if !ok {
			break
		}
		switch string(key) {
		case "Source":
			s, _ := r.String()
			ev.Source = string(s)
		case "DetailType":
			s, _ := r.String()
			ev.DetailType = string(s)
		case "Detail":
			ev.Detail, _ = r.String()
		case "Time":
			ev.Time, _ = shape.ReadTime(r)
		case "Resources":
			fine = decodeResources(r, ev)
		case "EventBusName":
			fine = p.decodeBus(r, entry)
		case "TraceHeader":
			if s, ok := r.String(); ok {
				ev.TraceHeader = string(s)
				fine = len(s) > 0 && (len(s) <= traceHeaderMax || utf8.RuneCount(s) <= traceHeaderMax)
			}
		default:
			r.Skip()
		}
	}
	return fine
}

func decodeResources(r *awswire.JSONReader, ev *turnout.EventEntry) bool {
	if !r.Array() {
		return true // null
	}
	resources := make([]string, 0, 4)
	for r.Elem() {
		s, ok := r.String()
		if !ok || len(s) > resourceCharsMax && utf8.RuneCount(s) > resourceCharsMax {
			return false
		}
		resources = append(resources, string(s))
	}
	ev.Resources = resources
	return true
}

func (p *publication) decodeBus(r *awswire.JSONReader, entry *publishEntry) bool {
	s, ok := r.String()
	if !ok {
		return true // null
	}
	if p.busText == nil || !bytes.Equal(s, p.busText) {
		name := string(s)
		if len(name) > publishBus.Max || !isName(name) && !publishBus.Pattern.Match(name) {
			return false
		}
		p.busText = s
		p.bus, p.busErr = busNamed(p.scope, name)
	}
	entry.event.Bus, entry.busErr = p.bus, p.busErr
	return true
}

// refusal returns why an entry is refused by itself, "" if it is not.
func (e *publishEntry) refusal() (code, message string) {
	switch {
	case e.event.Source == "":
		return "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."
	case e.event.DetailType == "":
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."
	case len(e.event.Detail) == 0:
		return "InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."
	case e.busErr != nil:
		return publishError(e.busErr)
	}
	return "", ""
}

// publishError is entryError for an entry of PutEvents, where AWS has names of
// its own for what is wrong with an entry.
func publishError(err error) (code, message string) {
	code, message = entryError(err)
	switch code {
	case "SerializationException":
		return "MalformedDetail", "Detail is malformed."
	case "ValidationException":
		return "InvalidArgument", message
	case "InternalException":
		return "InternalFailure", message
	}
	return code, message
}

// publish hands the entries that are not refused to the broker as one batch.
func (p *publication) publish(ctx context.Context, b Events) (awswire.Result, error) {
	out := &putEventsResult{entries: make([]publishedEntry, p.count)}
	accepted := make([]turnout.EventEntry, 0, p.count)
	for i := range out.entries {
		o := &out.entries[i]
		if o.code, o.message = p.entries[i].refusal(); o.code == "" {
			accepted = append(accepted, p.entries[i].event)
		}
	}
	if len(accepted) == 0 {
		return out, nil
	}
	published, err := b.Publish(ctx, accepted)
	if err != nil {
		return nil, err
	}
	for i := range out.entries {
		o := &out.entries[i]
		if o.code != "" {
			continue
		}
		if o.id = published[0].ID; published[0].Err != nil {
			o.code, o.message = publishError(published[0].Err)
		}
		published = published[1:]
	}
	return out, nil
}

// putEventsResult is the answer to PutEvents: one entry for each of the
// request's, in its order.
type putEventsResult struct {
	entries []publishedEntry
}

type publishedEntry struct {
	id            string
	code, message string // of a refused entry; then there is no id
}

// EncodeTo writes the members.
func (p *putEventsResult) EncodeTo(e *awswire.Encoder) {
	failed := 0
	l := awswire.List{JSON: "Entries"}
	e.BeginList(l)
	for i := range p.entries {
		o := &p.entries[i]
		e.BeginItem(l)
		if o.code == "" {
			e.String("EventId", o.id)
		} else {
			failed++
			e.String("ErrorCode", o.code)
			e.String("ErrorMessage", o.message)
		}
		e.EndItem(l)
	}
	e.EndList()
	e.Int("FailedEntryCount", int64(failed))
}
