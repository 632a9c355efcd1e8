package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// CloudEventsMode says how an event is put into an HTTP request.
type CloudEventsMode string

// The modes. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
const (
	// CloudEventsOff sends the body as it is.
	CloudEventsOff CloudEventsMode = ""
	// CloudEventsStructured sends one JSON document with attributes and data.
	CloudEventsStructured CloudEventsMode = "structured"
	// CloudEventsBinary sends the attributes as headers and the data as body.
	CloudEventsBinary CloudEventsMode = "binary"
)

// cloudEventHeaderBytesMax bounds the headers of binary mode: servers refuse
// more, and then no attempt succeeds.
const cloudEventHeaderBytesMax = 16 << 10

// attribute is a context attribute and the member of the event's envelope that
// it comes from.
//
//	EventBridge        CloudEvents
//	id                 id
//	source             source, percent-encoded where it is no URI reference
//	detail-type        type
//	time               time
//	account            awsaccount
//	region             awsregion
//	resources          awsresources, the array as JSON text; absent if empty
//	replay-name        awsreplayname
//	version, always 0  specversion 1.0
//	detail             data, with datacontenttype application/json
//
// There is no subject: nothing in an envelope says what it would be.
type attribute struct {
	name, member string
}

// requiredAttributes are the first ones, which every event has.
const requiredAttributes = 4

// attributes are those with a text, in the order in which they are written.
var attributes = []attribute{
	{"id", "id"},
	{"source", "source"},
	{"type", "detail-type"},
	{"time", "time"},
	{"awsaccount", "account"},
	{"awsregion", "region"},
	{"awsreplayname", "replay-name"},
}

// CloudEvent returns an event – EventBridge's envelope as JSON – as the headers
// and the body of an HTTP request that carries it as a CloudEvent 1.0. Nothing
// of the envelope is lost: it can be made again of the result. The error does
// not quote the event.
func CloudEvent(mode CloudEventsMode, event []byte) (http.Header, []byte, error) {
	members, err := envelope(event)
	if err != nil {
		return nil, nil, err
	}
	switch mode {
	case CloudEventsStructured:
		h := http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}
		return h, structured(members), nil
	case CloudEventsBinary:
		h, err := binaryHeader(members)
		return h, members.detail, err
	case CloudEventsOff:
	}
	return nil, nil, fmt.Errorf("mode %q is not structured or binary", mode)
}

// members are those of an envelope.
type members struct {
	text      []string // of each of attributes; "" is absent
	resources []byte   // JSON; nil if there are none
	detail    []byte   // JSON
}

func envelope(event []byte) (*members, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(event, &all); err != nil || all == nil {
		return nil, errors.New("it is not a JSON object")
	}
	m := &members{}
	if err := m.setTexts(all); err != nil {
		return nil, err
	}
	if m.detail = all["detail"]; len(m.detail) == 0 || m.detail[0] != '{' {
		return nil, errors.New("it has no detail, a JSON object")
	}
	if err := m.setResources(all["resources"]); err != nil {
		return nil, err
	}
	if version, ok := all["version"]; ok && string(version) != `"0"` {
		return nil, errors.New("its version is not 0")
	}
	for _, member := range []string{"detail", "resources", "version"} {
		delete(all, member)
	}
	if len(all) > 0 {
		return nil, errors.New("it has members that an event does not have")
	}
	return m, nil
}

// setTexts takes the members with a text out of all.
func (m *members) setTexts(all map[string]json.RawMessage) error {
	m.text = make([]string, len(attributes))
	for i, a := range attributes {
		raw, ok := all[a.member]
		if ok && (raw[0] != '"' || json.Unmarshal(raw, &m.text[i]) != nil) {
			return fmt.Errorf("its %s is not a string", a.member)
		}
		if m.text[i] == "" && i < requiredAttributes {
			return fmt.Errorf("it has no %s", a.member)
		}
		delete(all, a.member)
	}
	return nil
}

func (m *members) setResources(raw []byte) error {
	if raw == nil {
		return nil
	}
	var resources []string
	if err := json.Unmarshal(raw, &resources); err != nil {
		return errors.New("its resources are not an array of strings")
	}
	if len(resources) > 0 {
		m.resources = raw
	}
	return nil
}

// structured returns the event in JSON format.
func structured(m *members) []byte {
	var b bytes.Buffer
	b.Grow(len(m.detail) + len(m.resources) + 512)
	b.WriteString(`{"specversion":"1.0"`)
	for i, a := range attributes {
		if m.text[i] != "" {
			writeMember(&b, a.name, a.encode(m.text[i]))
		}
	}
	if m.resources != nil {
		writeMember(&b, "awsresources", string(m.resources))
	}
	b.WriteString(`,"datacontenttype":"application/json","data":`)
	b.Write(m.detail)
	b.WriteByte('}')
	return b.Bytes()
}

func writeMember(b *bytes.Buffer, name, value string) {
	b.WriteString(`,"` + name + `":`)
	text, _ := json.Marshal(value) // a string always can be
	b.Write(text)
}

// binaryHeader returns the attributes as headers.
func binaryHeader(m *members) (http.Header, error) {
	h := http.Header{"Ce-Specversion": {"1.0"}, "Content-Type": {"application/json"}}
	size := 0
	add := func(name, value string) {
		value = headerValue(value)
		size += len(name) + len(value) + 7
		h["Ce-"+strings.ToUpper(name[:1])+name[1:]] = []string{value}
	}
	for i, a := range attributes {
		if m.text[i] != "" {
			add(a.name, a.encode(m.text[i]))
		}
	}
	if m.resources != nil {
		add("awsresources", string(m.resources))
	}
	if size > cloudEventHeaderBytesMax {
		return nil, fmt.Errorf("its attributes have more than %d bytes as headers; structured mode takes them", cloudEventHeaderBytesMax)
	}
	return h, nil
}

// encode returns the attribute's value for the envelope's.
func (a attribute) encode(value string) string {
	if a.name != "source" {
		return value
	}
	// A URI reference is a colon after a scheme or none in the first segment;
	// a name such as aws.s3 or my:app is kept, as everyone does.
	return percentEncode(value, func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-._~:/?#[]@!$&'()*+,;=", c) >= 0
	})
}

// headerValue encodes a value as section 3.1.3.2 of the HTTP binding says:
// everything but printable ASCII, and space, double quote and percent sign.
func headerValue(value string) string {
	return percentEncode(value, func(c byte) bool {
		return c > ' ' && c < 0x7f && c != '"' && c != '%'
	})
}

// percentEncode writes each byte that is not plain as % and two digits.
func percentEncode(value string, plain func(byte) bool) string {
	n := 0
	for i := range len(value) {
		if !plain(value[i]) {
			n++
		}
	}
	if n == 0 {
		return value
	}
	b := make([]byte, 0, len(value)+2*n)
	for i := range len(value) {
		if c := value[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%')
			if c < 0x10 {
				b = append(b, '0')
			}
			b = append(b, strings.ToUpper(strconv.FormatUint(uint64(c), 16))...)
		}
	}
	return string(b)
}
