package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/engine"
	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// EventLimits bounds what an event may be. The zero value of each field stands for its default.
type EventLimits struct {
	// Depth is the number of arrays and objects that may be open at once. Default 100, maximum 1000.
	Depth int
	// Keys is the number of object keys in the event. Default 10,000.
	Keys int
	// Digits is the number of digits of one number, those of the exponent included. Default 64.
	Digits int
}

// Scan reports whether value is well-formed JSON within the default limits; see [EventLimits.Scan].
func Scan(value []byte) error { return EventLimits{}.Scan(value) }

// Scan reports whether value is one JSON value by RFC 8259 and nothing else, in valid UTF-8, with no key twice in one
// object, within the limits. Nothing else may look into bytes that come from outside before they have passed it: two
// readers that pick different ones of two equal keys disagree about what an event says. The error is an *[Error].
//
// Scan makes one pass in time linear in the length of value, without recursion.
func (l EventLimits) Scan(value []byte) error {
	if err := rawjson.Scan(value, l.withDefaults()); err != nil {
		return fromSyntax(err, value)
	}
	return nil
}

func (l EventLimits) withDefaults() rawjson.Limits {
	return rawjson.Limits{
		Depth:  min(orDefault(l.Depth, 100), flatten.MaxDepth),
		Keys:   orDefault(l.Keys, 10_000),
		Digits: orDefault(l.Digits, 64),
	}
}

// IsObject reports whether a value that has passed [Scan] is an object.
func IsObject(value []byte) bool {
	i := rawjson.SkipSpace(value, 0)
	return i < len(value) && value[i] == '{'
}

// Match appends the IDs of the rules that the event matches to dst, each rule's once, in the order in which the rules
// were given to [Compile] and [Set.With]. The event must be an object that has passed [Scan]; for other bytes the result
// is an error or has no meaning. The error is an *[Error]. In the long run Match does not allocate, except to grow dst.
func (s *Set) Match(dst []ID, event []byte) ([]ID, error) {
	if len(s.layers) == 0 {
		return dst, nil
	}
	r := s.reader()
	defer s.readers.Put(r)
	if err := r.Read(event); err != nil {
		return dst, &Error{Message: err.Error()}
	}
	return s.match(dst, r), nil
}

// ScanMatch is [EventLimits.Scan] and [Set.Match] in one pass over the event: what Scan refuses matches nothing, and
// the error is Scan's; so does what is well-formed but no object.
func (s *Set) ScanMatch(dst []ID, event []byte, limits EventLimits) ([]ID, error) {
	if len(s.layers) == 0 {
		return dst, limits.Scan(event)
	}
	r := s.reader()
	defer s.readers.Put(r)
	if r.ReadChecked(event, limits.withDefaults()) {
		return s.match(dst, r), nil
	}
	if err := limits.Scan(event); err != nil {
		return dst, err
	}
	if err := r.Read(event); err != nil {
		return dst, &Error{Message: err.Error()}
	}
	return s.match(dst, r), nil
}

// reader returns a reader for the set's fields.
func (s *Set) reader() *reader {
	if r, ok := s.readers.Get().(*reader); ok {
		r.Use(s.tree)
		return r
	}
	return &reader{Reader: flatten.NewReader(s.tree)}
}

// match appends the IDs of the rules that the event in the reader matches.
func (s *Set) match(dst []ID, r *reader) []ID {
	for i := range s.layers {
		l := &s.layers[i]
		var m *engine.Matcher
		if i == 0 {
			m = r.bottom(l.compiled)
		} else {
			m = l.matcher()
		}
		for _, rule := range m.Match(r.Reader, &r.scratch) {
			if !l.isDead(rule) {
				dst = append(dst, l.ids[rule])
			}
		}
		if i > 0 {
			l.matchers.Put(m)
		}
	}
	return dst
}

// bottom returns a matcher for the lowest layer, the one that nearly all rules are in. The reader keeps it.
func (r *reader) bottom(c *compiled) *engine.Matcher {
	if r.layer != c {
		if r.layer != nil {
			r.layer.matchers.Put(r.matcher)
		}
		r.layer, r.matcher = c, c.matcher()
	}
	return r.matcher
}

func (c *compiled) matcher() *engine.Matcher {
	if m, ok := c.matchers.Get().(*engine.Matcher); ok {
		return m
	}
	return engine.NewMatcher(c.engine)
}
