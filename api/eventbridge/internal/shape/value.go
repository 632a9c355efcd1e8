package shape

import (
	"strconv"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// Value is a decoded value of a shape. A nil *Value is an absent or null member.
type Value struct {
	Text   string   // texts; times as given
	Number int64    // integers; times in milliseconds since 1970
	Truth  bool     // booleans
	Items  []*Value // lists; maps: the values, nil where the request has null
	Keys   []string // maps

	shape  *Shape
	fields []*Value // structures: one per member of the shape
}

// Field returns a member of a structure, nil if the request leaves it out. A
// name that is not in the model is a mistake of the caller: it panics.
func (v *Value) Field(name string) *Value {
	if v == nil {
		return nil
	}
	i := v.shape.index(name)
	if i < 0 {
		panic("shape: " + v.shape.Name + " has no member " + name)
	}
	return v.fields[i]
}

// Str returns a text member, "" if it is absent.
func (v *Value) Str(name string) string {
	if f := v.Field(name); f != nil {
		return f.Text
	}
	return ""
}

// StrPtr returns a text member, nil if it is absent.
func (v *Value) StrPtr(name string) *string {
	if f := v.Field(name); f != nil {
		return new(f.Text)
	}
	return nil
}

// Flag returns a boolean member, false if it is absent.
func (v *Value) Flag(name string) bool {
	f := v.Field(name)
	return f != nil && f.Truth
}

// List returns the elements of a list member.
func (v *Value) List(name string) []*Value {
	if f := v.Field(name); f != nil {
		return f.Items
	}
	return nil
}

// Time returns a timestamp member, the zero time if it is absent.
func (v *Value) Time(name string) time.Time {
	if f := v.Field(name); f != nil {
		return time.UnixMilli(f.Number).UTC()
	}
	return time.Time{}
}

// Parts returns the members of a structure that the request has, in the model's order.
func (v *Value) Parts(yield func(name string, part *Value) bool) {
	for i, f := range v.fields {
		if f != nil && !yield(v.shape.Members[i].Name, f) {
			return
		}
	}
}

// valuesMax bounds the values of one request: many times what the largest
// request that AWS accepts holds, and little memory.
const valuesMax = 50_000

// Decode reads body as a structure of shape s and checks it against the
// model's constraints. The error has CodeMalformedRequest for what is not JSON
// or of the wrong type, CodeValidation for what breaks a constraint.
func Decode(s *Shape, body []byte) (*Value, error) {
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
func parse(s *Shape, body []byte) (*Value, error) {
	d := decoder{r: awswire.NewJSONReader(body)}
	v := d.value(s)
	if err := d.r.End(); err != nil {
		return nil, err
	}
	if v == nil { // the document null
		v = &Value{shape: s, fields: make([]*Value, len(s.Members))}
	}
	return v, nil
}

type decoder struct {
	r      *awswire.JSONReader
	values int
}

// value reads the next value as one of shape s; it returns nil for null and after an error.
func (d *decoder) value(s *Shape) *Value {
	if d.values++; d.values > valuesMax {
		d.r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "The request holds more than %d values.", valuesMax))
		return nil
	}
	v := &Value{shape: s}
	ok := false
	switch s.Kind {
	case KindText:
		var b []byte
		b, ok = d.r.String()
		v.Text = string(b)
	case KindInteger:
		var n int
		n, ok = d.r.Int()
		v.Number = int64(n)
	case KindBoolean:
		v.Truth, ok = d.r.Bool()
	case KindTime:
		ok = d.time(v)
	case KindStructure:
		ok = d.structure(v)
	case KindList:
		if ok = d.r.Array(); ok {
			for d.r.Elem() {
				v.Items = append(v.Items, d.value(s.Element))
			}
		}
	case KindMap:
		ok = d.mapping(v)
	}
	if !ok {
		return nil
	}
	return v
}

func (d *decoder) structure(v *Value) bool {
	if !d.r.Object() {
		return false
	}
	v.fields = make([]*Value, len(v.shape.Members))
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
		v.fields[i] = d.value(v.shape.Members[i].Shape)
	}
}

func (d *decoder) mapping(v *Value) bool {
	if !d.r.Object() {
		return false
	}
	for {
		key, ok := d.r.Key()
		if !ok {
			return true
		}
		v.Keys = append(v.Keys, string(key))
		v.Items = append(v.Items, d.value(v.shape.Element))
	}
}

func (d *decoder) time(v *Value) bool {
	t, ok := ReadTime(d.r)
	v.Number, v.Text = t.UnixMilli(), t.UTC().Format(time.RFC3339)
	return ok
}

// timeMaxSeconds is the first second of the year 10000, which RFC 3339 cannot write.
const timeMaxSeconds = 253402300800

// ReadTime reads a timestamp: seconds since 1970, whole or not, as the AWS SDKs
// send it, or the same or an RFC 3339 time in a string. ok is false for null
// and after an error.
func ReadTime(r *awswire.JSONReader) (t time.Time, ok bool) {
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

// AppendJSON appends v as JSON: members in the model's order, those that the
// request leaves out left out, and None that the model does not have.
func (v *Value) AppendJSON(dst []byte) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	switch v.shape.Kind {
	case KindText, KindTime:
		return awswire.AppendJSONString(dst, v.Text)
	case KindInteger:
		return strconv.AppendInt(dst, v.Number, 10)
	case KindBoolean:
		return strconv.AppendBool(dst, v.Truth)
	case KindList:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.AppendJSON(dst)
		}
		return append(dst, ']')
	case KindMap:
		dst = append(dst, '{')
		for i, item := range v.Items {
			dst = item.AppendJSON(AppendKey(dst, v.Keys[i]))
		}
		return append(dst, '}')
	default:
		dst = append(dst, '{')
		for i, f := range v.fields {
			if f != nil {
				dst = f.AppendJSON(AppendKey(dst, v.shape.Members[i].Name))
			}
		}
		return append(dst, '}')
	}
}

// AppendKey appends a key of the object that dst ends in, after a comma unless it is the first.
func AppendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(awswire.AppendJSONString(dst, key), ':')
}
