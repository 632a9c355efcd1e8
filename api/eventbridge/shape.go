package eventbridge

import (
	"strconv"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// kind is the JSON form of a value.
type kind uint8

const (
	kindText kind = iota
	kindInteger
	kindBoolean
	kindTime
	kindStructure
	kindList
	kindMap
)

// none says that the model gives no bound.
const none = -1

// shape is one shape of AWS's service model: the form of a value and its
// constraints. The tables in model.go are made of shapes; decoding, checking
// and writing back all follow them, so a request is understood in one place.
type shape struct {
	kind    kind
	name    string   // structures: the name that AWS prints
	members []member // structures, in the model's order
	hidden  []string // structures: further members that AWS prints, as null
	element *shape   // lists: the elements; maps: the values
	key     *shape   // maps
	min     int      // shortest text, list or map, or smallest integer; none
	max     int      // longest or largest; none
	pattern *pattern // texts
	enum    []string // texts, in the model's order
}

// member is one member of a structure.
type member struct {
	name     string // as on the wire
	shape    *shape
	required bool
}

func text(shortest, longest int, p *pattern) *shape {
	return &shape{kind: kindText, min: shortest, max: longest, pattern: p}
}

func oneOf(values ...string) *shape {
	return &shape{kind: kindText, min: none, max: none, enum: values}
}

func integer(smallest, largest int) *shape {
	return &shape{kind: kindInteger, min: smallest, max: largest}
}

func list(element *shape, shortest, longest int) *shape {
	return &shape{kind: kindList, element: element, min: shortest, max: longest}
}

func mapping(key, element *shape, longest int) *shape {
	return &shape{kind: kindMap, key: key, element: element, min: none, max: longest}
}

func structure(name string, members ...member) *shape {
	return &shape{kind: kindStructure, name: name, members: members, min: none, max: none}
}

func need(name string, s *shape) member { return member{name: name, shape: s, required: true} }

func may(name string, s *shape) member { return member{name: name, shape: s} }

// path is the name of a member as AWS's validation messages spell it: the
// wire's name with its first letter in lower case.
func (m *member) path() string {
	c := m.name[0]
	if c < 'A' || c > 'Z' {
		return m.name
	}
	return string(c+'a'-'A') + m.name[1:]
}

// index returns the position of a member, or -1 for a name that is not in the model.
func (s *shape) index(name string) int {
	for i := range s.members {
		if s.members[i].name == name {
			return i
		}
	}
	return -1
}

// value is a decoded value of a shape. A nil *value is an absent or null member.
type value struct {
	shape  *shape
	text   string   // texts; times as given
	number int64    // integers; times in milliseconds since 1970
	truth  bool     // booleans
	fields []*value // structures: one per member of the shape
	items  []*value // lists; maps: the values, nil where the request has null
	keys   []string // maps
}

// field returns a member of a structure, nil if the request leaves it out. A
// name that is not in the model is a mistake in this package.
func (v *value) field(name string) *value {
	if v == nil {
		return nil
	}
	i := v.shape.index(name)
	if i < 0 {
		panic("eventbridge: " + v.shape.name + " has no member " + name)
	}
	return v.fields[i]
}

// str returns a text member, "" if it is absent.
func (v *value) str(name string) string {
	if f := v.field(name); f != nil {
		return f.text
	}
	return ""
}

// strPtr returns a text member, nil if it is absent.
func (v *value) strPtr(name string) *string {
	if f := v.field(name); f != nil {
		return new(f.text)
	}
	return nil
}

// flag returns a boolean member, false if it is absent.
func (v *value) flag(name string) bool {
	f := v.field(name)
	return f != nil && f.truth
}

// list returns the elements of a list member.
func (v *value) list(name string) []*value {
	if f := v.field(name); f != nil {
		return f.items
	}
	return nil
}

// valuesMax bounds the values of one request: many times what the largest
// request that AWS accepts holds, and little memory.
const valuesMax = 50_000

// decode reads body as a structure of shape s and checks it against the
// model's constraints. The error has CodeMalformedRequest for what is not JSON
// or of the wrong type, CodeValidation for what breaks a constraint.
func decode(s *shape, body []byte) (*value, error) {
	v, err := parse(s, body)
	if err != nil {
		return nil, err
	}
	var vs violations
	vs.check(v, "")
	if err := vs.err(); err != nil {
		return nil, err
	}
	return v, nil
}

// parse reads body without checking constraints.
func parse(s *shape, body []byte) (*value, error) {
	d := decoder{r: awswire.NewJSONReader(body)}
	v := d.value(s)
	if err := d.r.End(); err != nil {
		return nil, err
	}
	if v == nil { // the document null
		v = &value{shape: s, fields: make([]*value, len(s.members))}
	}
	return v, nil
}

type decoder struct {
	r      *awswire.JSONReader
	values int
}

// value reads the next value as one of shape s; it returns nil for null and after an error.
func (d *decoder) value(s *shape) *value {
	if d.values++; d.values > valuesMax {
		d.r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "The request holds more than %d values.", valuesMax))
		return nil
	}
	v := &value{shape: s}
	ok := false
	switch s.kind {
	case kindText:
		var b []byte
		b, ok = d.r.String()
		v.text = string(b)
	case kindInteger:
		var n int
		n, ok = d.r.Int()
		v.number = int64(n)
	case kindBoolean:
		v.truth, ok = d.r.Bool()
	case kindTime:
		ok = d.time(v)
	case kindStructure:
		ok = d.structure(v)
	case kindList:
		if ok = d.r.Array(); ok {
			for d.r.Elem() {
				v.items = append(v.items, d.value(s.element))
			}
		}
	case kindMap:
		ok = d.mapping(v)
	}
	if !ok {
		return nil
	}
	return v
}

func (d *decoder) structure(v *value) bool {
	if !d.r.Object() {
		return false
	}
	v.fields = make([]*value, len(v.shape.members))
	for {
		key, ok := d.r.Key()
		if !ok {
			return true
		}
		i := v.shape.index(string(key))
		if i < 0 { // AWS ignores members that it does not know
			d.r.Skip()
			continue
		}
		v.fields[i] = d.value(v.shape.members[i].shape)
	}
}

func (d *decoder) mapping(v *value) bool {
	if !d.r.Object() {
		return false
	}
	for {
		key, ok := d.r.Key()
		if !ok {
			return true
		}
		v.keys = append(v.keys, string(key))
		v.items = append(v.items, d.value(v.shape.element))
	}
}

func (d *decoder) time(v *value) bool {
	t, ok := readTime(d.r)
	v.number, v.text = t.UnixMilli(), t.UTC().Format(time.RFC3339)
	return ok
}

// timeMaxSeconds is the first second of the year 10000, which RFC 3339 cannot write.
const timeMaxSeconds = 253402300800

// readTime reads a timestamp: seconds since 1970, whole or not, as the AWS SDKs
// send it, or the same or an RFC 3339 time in a string. ok is false for null
// and after an error.
func readTime(r *awswire.JSONReader) (t time.Time, ok bool) {
	raw := r.Raw()
	if len(raw) == 0 {
		return time.Time{}, false
	}
	if raw[0] == '"' {
		s, _ := awswire.NewJSONReader(raw).String()
		if t, err := time.Parse(time.RFC3339, string(s)); err == nil && t.Unix() >= 0 && t.Unix() < timeMaxSeconds {
			return t.UTC(), true
		}
		raw = s
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	// The comparison is false for NaN, which ParseFloat accepts.
	if err != nil || !(seconds >= 0 && seconds < timeMaxSeconds) {
		r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "A timestamp must be seconds since 1970 or an RFC 3339 time between the years 1970 and 9999."))
		return time.Time{}, false
	}
	whole := int64(seconds)
	return time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC().Round(time.Millisecond), true
}

// appendJSON appends v as JSON: members in the model's order, those that the
// request leaves out left out, and none that the model does not have.
func (v *value) appendJSON(dst []byte) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	switch v.shape.kind {
	case kindText, kindTime:
		return awswire.AppendJSONString(dst, v.text)
	case kindInteger:
		return strconv.AppendInt(dst, v.number, 10)
	case kindBoolean:
		return strconv.AppendBool(dst, v.truth)
	case kindList:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst)
		}
		return append(dst, ']')
	case kindMap:
		dst = append(dst, '{')
		for i, item := range v.items {
			dst = item.appendJSON(appendKey(dst, v.keys[i]))
		}
		return append(dst, '}')
	default:
		dst = append(dst, '{')
		for i, f := range v.fields {
			if f != nil {
				dst = f.appendJSON(appendKey(dst, v.shape.members[i].name))
			}
		}
		return append(dst, '}')
	}
}

// appendKey appends a key of the object that dst ends in, after a comma unless it is the first.
func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(awswire.AppendJSONString(dst, key), ':')
}
