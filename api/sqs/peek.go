package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// PeekPath is where PeekHandler belongs, with and without what may follow it.
const PeekPath = "/_aws/sqs/messages"

const (
	peekMax = 1_000 // messages that one answer shows
	// peekHandle stands where a received message has its receipt handle; no queue takes it.
	peekHandle = "SQS/BACKDOOR/ACCESS"
)

// PeekHandler returns the developer endpoint that lists the messages of a
// queue without receiving them, as other emulators offer it:
//
//	GET PeekPath?QueueUrl=http://host/account/name
//	GET PeekPath?account=…&region=…&name=…
//	GET PeekPath/region/account/name
//
// It answers as ReceiveMessage does, in XML, or with Accept: application/json
// in the JSON that the XML turns into, and shows at most 1,000 messages, those
// in flight or delayed included. ReceiveMessage of an AWS SDK works too, with
// the endpoint as the client's endpoint URL. wire gives authentication and limits.
func (a *API) PeekHandler(wire awswire.Config) http.Handler {
	service := a.Service()
	for name := range service.Operations {
		service.Operations[name] = func(context.Context, *awswire.Request) (awswire.Result, error) {
			return nil, &awswire.WireError{Shape: "InvalidRequest", Status: http.StatusBadRequest, Message: "This endpoint only accepts ReceiveMessage calls"}
		}
	}
	service.Operations["ReceiveMessage"] = a.peek
	wire.Services = []*awswire.Service{service}
	inner := awswire.New(wire)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			inner.ServeHTTP(w, r)
			return
		}
		wantsJSON := strings.Contains(r.Header.Get("Accept"), "application/json")
		r = r.Clone(r.Context())
		r.Header.Del("Accept")
		if !r.URL.Query().Has("Action") {
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&Action=ReceiveMessage", "&")
		}
		if !wantsJSON {
			inner.ServeHTTP(w, r)
			return
		}
		xmlToJSON(w, func(w http.ResponseWriter) { inner.ServeHTTP(w, r) })
	})
}

// peek is ReceiveMessage without its effects.
func (a *API) peek(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := peekedQueue(r)
	if err != nil {
		return nil, err
	}
	messages, err := a.engine.Peek(ctx, name, peekMax)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		messages[i].ReceiptHandle = peekHandle
	}
	return &received{messages: messages, show: selection{system: showAllSystem, all: true}}, nil
}

// peekedQueue returns the queue that a request for the endpoint names.
func peekedQueue(r *awswire.Request) (turnout.QueueName, error) {
	p := r.Params()
	address, _ := p.String("QueueUrl")
	name := turnout.QueueName{Scope: r.Scope}
	given := func(parameter string, field *string) {
		if v, ok := p.String(parameter); ok {
			*field = v
		}
	}
	given("region", &name.Region)
	given("account", &name.Account)
	given("name", &name.Name)
	if err := p.Err(); err != nil {
		return name, err
	}
	rest := strings.Trim(strings.TrimPrefix(r.Path, PeekPath), "/")
	switch parts := strings.Split(rest, "/"); {
	case address != "":
		if !strings.Contains(address, "/") {
			return name, errInvalidAddress(address)
		}
		region := name.Region
		name, err := queueFromURL(r, address)
		name.Region = region
		return name, err
	case len(parts) == 3:
		return turnout.QueueName{Scope: turnout.Scope{Region: parts[0], Account: parts[1]}, Name: parts[2]}, nil
	case rest != "":
		return name, errInvalidAddress(r.Path)
	case name.Name == "":
		return name, turnout.Errorf(turnout.CodeQueueNotFound, "The specified queue does not exist.")
	}
	return name, nil
}

// xmlToJSON answers with the JSON of the XML that serve writes.
func xmlToJSON(w http.ResponseWriter, serve func(http.ResponseWriter)) {
	b := &bufferedAnswer{header: w.Header(), status: http.StatusOK}
	serve(b)
	body, err := jsonOfXML(xml.NewDecoder(&b.body))
	if err != nil {
		http.Error(w, "The answer could not be turned into JSON.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(b.status)
	_, _ = w.Write(body) // the client may be gone
}

// bufferedAnswer keeps an answer for a second look.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer that this one becomes.
func (b *bufferedAnswer) Header() http.Header { return b.header }

// WriteHeader keeps the status.
func (b *bufferedAnswer) WriteHeader(status int) { b.status = status }

// Write keeps the body.
func (b *bufferedAnswer) Write(p []byte) (int, error) { return b.body.Write(p) }

// jsonOfXML turns a document into JSON: an element with elements in it becomes
// an object, one with text a string, an empty one null, and an element that
// repeats an array. Namespaces become a member @xmlns, as the peers write it.
func jsonOfXML(d *xml.Decoder) ([]byte, error) {
	document, err := objectOfXML(d)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(document)
	return b.Bytes(), err
}

// objectOfXML reads up to the end of the element that d is in.
func objectOfXML(d *xml.Decoder) (any, error) {
	var text strings.Builder
	var members map[string]any
	for {
		token, err := d.Token()
		if err != nil && err != io.EOF { //nolint:errorlint // io.EOF is never wrapped here
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			value, err := objectOfXML(d)
			if err != nil {
				return nil, err
			}
			if members == nil {
				members = map[string]any{}
			}
			if object, ok := value.(map[string]any); ok && len(t.Attr) > 0 {
				object["@"+t.Attr[0].Name.Local] = t.Attr[0].Value
			}
			addMember(members, t.Name.Local, value)
		case xml.CharData:
			text.Write(t)
		case xml.EndElement, nil: // nil at the end of the document
			switch {
			case members != nil:
				return members, nil
			case text.Len() > 0:
				return text.String(), nil
			}
			return nil, nil
		}
	}
}

func addMember(members map[string]any, name string, value any) {
	earlier, ok := members[name]
	if !ok {
		members[name] = value
		return
	}
	if list, ok := earlier.([]any); ok {
		members[name] = append(list, value)
		return
	}
	members[name] = []any{earlier, value}
}
