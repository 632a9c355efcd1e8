package awswire

import (
	"encoding/base64"
	"strconv"
	"time"
)

// Format is the shape of an answer's body.
type Format uint8

// The formats.
const (
	JSON      Format = iota // awsJson
	XML                     // the query protocol
	QueryJSON               // the query protocol with Accept: application/json
)

// Result is what an operation answers. It writes its members, and the Encoder
// gives them the form of the request's protocol.
type Result interface {
	EncodeTo(e *Encoder)
}

// List names a list member in each format: an array in JSON, and repeated
// elements of one name in XML.
type List struct {
	JSON      string // for example QueueUrls
	XML       string // for example QueueUrl
	QueryJSON string // for example queueUrls
}

// Map names a map member: an object in JSON, and repeated elements that hold a
// Name and a Value in XML.
type Map struct {
	JSON  string // for example Attributes
	XML   string // for example Attribute
	Key   string // for example Name
	Value string // for example Value
}

// Encoder appends the members of a Result to a buffer, without reflection.
// Begin and End calls must pair up; member names must not need escaping.
type Encoder struct {
	buf    []byte
	format Format
	comma  bool // a JSON element precedes in the same container
}

// Format returns the format of the answer, for members that only one has.
func (e *Encoder) Format() Format { return e.format }

func (e *Encoder) sep() {
	if e.comma {
		e.buf = append(e.buf, ',')
	}
	e.comma = true
}

func (e *Encoder) open(name string) {
	if e.format == XML {
		e.buf = append(e.buf, '<')
		e.buf = append(e.buf, name...)
		e.buf = append(e.buf, '>')
		return
	}
	e.sep()
	e.buf = append(e.buf, '"')
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, '"', ':')
}

func (e *Encoder) close(name string) {
	if e.format == XML {
		e.buf = append(e.buf, '<', '/')
		e.buf = append(e.buf, name...)
		e.buf = append(e.buf, '>')
	}
}

func (e *Encoder) text(v string) {
	if e.format == XML {
		e.buf = AppendXMLText(e.buf, v)
		return
	}
	e.buf = AppendJSONString(e.buf, v)
}

// String writes a string member.
func (e *Encoder) String(name, v string) {
	e.open(name)
	e.text(v)
	e.close(name)
}

// Text is String for text held as bytes.
func (e *Encoder) Text(name string, v []byte) {
	e.open(name)
	if e.format == XML {
		e.buf = AppendXMLText(e.buf, v)
	} else {
		e.buf = AppendJSONString(e.buf, v)
	}
	e.close(name)
}

// Optional writes a string member that is absent when empty. AWS's JSON answers
// of the query protocol say null then.
func (e *Encoder) Optional(name, v string) {
	switch {
	case v != "":
		e.String(name, v)
	case e.format == QueryJSON:
		e.open(name)
		e.buf = append(e.buf, "null"...)
	}
}

// Int writes an integer member.
func (e *Encoder) Int(name string, v int64) {
	e.open(name)
	e.buf = strconv.AppendInt(e.buf, v, 10)
	e.close(name)
}

// Bool writes a boolean member.
func (e *Encoder) Bool(name string, v bool) {
	e.open(name)
	e.buf = strconv.AppendBool(e.buf, v)
	e.close(name)
}

// Bytes writes a blob member, in base64.
func (e *Encoder) Bytes(name string, v []byte) {
	e.open(name)
	if e.format == XML {
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
	} else {
		e.buf = append(e.buf, '"')
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
		e.buf = append(e.buf, '"')
	}
	e.close(name)
}

// Hex writes bytes as lower-case hexadecimal text, as AWS writes digests.
func (e *Encoder) Hex(name string, v []byte) {
	const digits = "0123456789abcdef"
	e.open(name)
	if e.format != XML {
		e.buf = append(e.buf, '"')
	}
	for _, b := range v {
		e.buf = append(e.buf, digits[b>>4], digits[b&15])
	}
	if e.format != XML {
		e.buf = append(e.buf, '"')
	}
	e.close(name)
}

// Epoch writes a timestamp member: seconds since 1970 in JSON, with a fraction
// only when t has one (milliseconds), and RFC 3339 in XML.
func (e *Encoder) Epoch(name string, t time.Time) {
	e.open(name)
	if e.format == XML {
		e.buf = t.UTC().AppendFormat(e.buf, "2006-01-02T15:04:05.000Z")
	} else {
		e.buf = AppendEpoch(e.buf, t)
	}
	e.close(name)
}

// Raw writes a member whose value is JSON already. It is for JSON formats only.
func (e *Encoder) Raw(name string, v []byte) {
	e.open(name)
	e.buf = append(e.buf, v...)
}

// Begin opens a structure member.
func (e *Encoder) Begin(name string) {
	e.open(name)
	if e.format != XML {
		e.buf = append(e.buf, '{')
		e.comma = false
	}
}

// End closes what Begin opened.
func (e *Encoder) End(name string) {
	if e.format != XML {
		e.buf = append(e.buf, '}')
		e.comma = true
	}
	e.close(name)
}

// BeginList opens a list member.
func (e *Encoder) BeginList(l List) {
	switch e.format {
	case XML:
		return
	case QueryJSON:
		e.open(l.QueryJSON)
	default:
		e.open(l.JSON)
	}
	e.buf = append(e.buf, '[')
	e.comma = false
}

// EndList closes what BeginList opened.
func (e *Encoder) EndList() {
	if e.format != XML {
		e.buf = append(e.buf, ']')
		e.comma = true
	}
}

// BeginItem opens a structure in the list opened last.
func (e *Encoder) BeginItem(l List) {
	if e.format == XML {
		e.open(l.XML)
		return
	}
	e.sep()
	e.buf = append(e.buf, '{')
	e.comma = false
}

// EndItem closes what BeginItem opened.
func (e *Encoder) EndItem(l List) {
	if e.format == XML {
		e.close(l.XML)
		return
	}
	e.buf = append(e.buf, '}')
	e.comma = true
}

// Strings writes a list of strings. An empty list is written in JSON too; leave
// the call out where AWS leaves the member out.
func (e *Encoder) Strings(l List, vs []string) {
	e.BeginList(l)
	for _, v := range vs {
		if e.format == XML {
			e.String(l.XML, v)
			continue
		}
		e.sep()
		e.buf = AppendJSONString(e.buf, v)
	}
	e.EndList()
}

// BeginMap opens a map member.
func (e *Encoder) BeginMap(m Map) {
	if e.format == XML {
		return
	}
	e.open(m.JSON)
	if e.format == QueryJSON {
		e.buf = append(e.buf, '[')
	} else {
		e.buf = append(e.buf, '{')
	}
	e.comma = false
}

// EndMap closes what BeginMap opened.
func (e *Encoder) EndMap() {
	switch e.format {
	case XML:
		return
	case QueryJSON:
		e.buf = append(e.buf, ']')
	default:
		e.buf = append(e.buf, '}')
	}
	e.comma = true
}

// Entry writes a string entry of the map opened last.
func (e *Encoder) Entry(m Map, key, value string) {
	if e.format == JSON {
		e.sep()
		e.buf = AppendJSONString(e.buf, key)
		e.buf = append(e.buf, ':')
		e.buf = AppendJSONString(e.buf, value)
		return
	}
	e.beginPair(m)
	e.String(m.Key, key)
	e.String(m.Value, value)
	e.endPair(m)
}

// EntryInt is Entry for a number that AWS carries as a string.
func (e *Encoder) EntryInt(m Map, key string, value int64) {
	var digits [20]byte
	e.Entry(m, key, string(strconv.AppendInt(digits[:0], value, 10)))
}

// BeginEntry opens a structure entry of the map opened last.
func (e *Encoder) BeginEntry(m Map, key string) {
	if e.format == JSON {
		e.sep()
		e.buf = AppendJSONString(e.buf, key)
		e.buf = append(e.buf, ':', '{')
		e.comma = false
		return
	}
	e.beginPair(m)
	e.String(m.Key, key)
	e.Begin(m.Value)
}

// EndEntry closes what BeginEntry opened.
func (e *Encoder) EndEntry(m Map) {
	if e.format == JSON {
		e.buf = append(e.buf, '}')
		e.comma = true
		return
	}
	e.End(m.Value)
	e.endPair(m)
}

func (e *Encoder) beginPair(m Map) {
	if e.format == XML {
		e.open(m.XML)
		return
	}
	e.sep()
	e.buf = append(e.buf, '{')
	e.comma = false
}

func (e *Encoder) endPair(m Map) {
	if e.format == XML {
		e.close(m.XML)
		return
	}
	e.buf = append(e.buf, '}')
	e.comma = true
}

// AppendEpoch appends t as the AWS JSON protocols write timestamps: seconds
// since 1970, with milliseconds only when there are any.
func AppendEpoch(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(dst, ms/1000, 10)
	}
	return strconv.AppendFloat(dst, float64(ms)/1000, 'f', 3, 64)
}
