package awswire

import (
	"strconv"

	"github.com/seed567880c8/turnout"
)

// Params gives an operation its parameters whichever protocol they came in. It
// is meant for the operations that are called now and then; those on the hot
// path read the JSON document or the form themselves.
//
// The first error sticks; check it once with Err.
type Params struct {
	form    *Form
	members map[string][]byte // JSON: raw values of the members that are not null
	err     error
}

// Params reads the parameters of r.
func (r *Request) Params() *Params {
	if r.Form != nil {
		return &Params{form: r.Form}
	}
	p := &Params{members: map[string][]byte{}}
	d := r.JSON()
	if d.Object() {
		for {
			key, ok := d.Key()
			if !ok {
				break
			}
			if raw := d.Raw(); raw != nil {
				p.members[string(key)] = raw
			}
		}
	}
	p.err = d.End()
	return p
}

// Err returns the first error, a *turnout.Error, or nil.
func (p *Params) Err() error { return p.err }

// read calls decode with a reader of a member, if the member is there.
func (p *Params) read(name string, decode func(*JSONReader)) {
	raw, ok := p.members[name]
	if !ok || p.err != nil {
		return
	}
	d := NewJSONReader(raw)
	decode(d)
	p.err = d.End()
}

// String returns a string parameter and whether it is present.
func (p *Params) String(name string) (v string, ok bool) {
	if p.form != nil {
		return p.form.Get(name)
	}
	p.read(name, func(d *JSONReader) {
		var text []byte
		text, ok = d.String()
		v = string(text)
	})
	return v, ok
}

// Int returns an integer parameter of 32 bits and whether it is present.
func (p *Params) Int(name string) (v int, ok bool) {
	if p.form == nil {
		p.read(name, func(d *JSONReader) { v, ok = d.Int() })
		return v, ok
	}
	text, ok := p.form.Get(name)
	if !ok || text == "" {
		return 0, false
	}
	v, err := ParseFormInt(text)
	if err != nil && p.err == nil {
		p.err = err
	}
	return v, err == nil
}

// ParseFormInt parses an integer parameter of the query protocol.
func ParseFormInt(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, turnout.Errorf(turnout.CodeMalformedRequest, "The value %q can not be converted to an Integer", text)
	}
	return int(n), nil
}

// Strings returns a list of strings, and whether it is present: member is its
// name in JSON, flat that of its elements in the query protocol, such as
// AttributeNames and AttributeName.
func (p *Params) Strings(member, flat string) (vs []string, ok bool) {
	if p.form != nil {
		for _, name := range p.form.Names(flat) {
			if v, present := p.form.Get(name); present {
				vs = append(vs, v)
			}
		}
		return vs, vs != nil
	}
	p.read(member, func(d *JSONReader) {
		if ok = d.Array(); !ok {
			return
		}
		for d.Elem() {
			if v, present := d.String(); present {
				vs = append(vs, string(v))
			}
		}
	})
	return vs, ok
}

// Map returns a map of strings, and whether it is present: m.JSON is its name
// in JSON, and m.XML, m.Key and m.Value are those of the query protocol, such
// as Attribute.1.Name and Attribute.1.Value.
func (p *Params) Map(m Map) (vs map[string]string, ok bool) {
	if p.form != nil {
		for _, name := range p.form.Names(m.XML) {
			key, hasKey := p.form.Get(name + "." + m.Key)
			value, _ := p.form.Get(name + "." + m.Value)
			if !hasKey {
				continue
			}
			if vs == nil {
				vs = map[string]string{}
			}
			vs[key] = value
		}
		return vs, vs != nil
	}
	p.read(m.JSON, func(d *JSONReader) {
		if ok = d.Object(); !ok {
			return
		}
		vs = map[string]string{}
		for {
			key, more := d.Key()
			if !more {
				return
			}
			if v, present := d.String(); present {
				vs[string(key)] = string(v)
			}
		}
	})
	return vs, ok
}

// Raw returns the JSON text of a member, or nil when it is absent, null or the
// request came in the query protocol.
func (p *Params) Raw(name string) []byte { return p.members[name] }
