package filterpolicy

import (
	"sync"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules"
)

// Set is many policies, compiled so that a message is not tried against one
// after another. It is immutable and may be used by any number of goroutines.
type Set struct {
	attributes, body *rules.Set // nil: no policy has this scope
	scratch          sync.Pool  // of *scratch
}

type scratch struct {
	event []byte
	ids   []rules.ID
}

// NewSet compiles policies. In a Set a policy is known by its index here.
func NewSet(policies []*Policy) *Set {
	var attributes, body []rules.Rule
	for i, p := range policies {
		r := rules.Rule{ID: rules.ID(i), Pattern: p.pattern}
		if p.scope == turnout.FilterBody {
			body = append(body, r)
		} else {
			attributes = append(attributes, r)
		}
	}
	s := &Set{}
	if len(attributes) > 0 {
		s.attributes = rules.Compile(attributes)
	}
	if len(body) > 0 {
		s.body = rules.Compile(body)
	}
	s.scratch.New = func() any { return &scratch{} }
	return s
}

// Match appends to dst the indexes of the policies that accept a message: of
// those for attributes in rising order, then of those for bodies.
func (s *Set) Match(dst []int, attributes []turnout.MessageAttribute, message []byte) []int {
	t := s.scratch.Get().(*scratch) //nolint:forcetypeassert // the pool holds nothing else
	defer s.scratch.Put(t)
	if s.attributes != nil {
		t.event = appendAttributes(t.event[:0], attributes)
		dst = t.match(dst, s.attributes, t.event)
	}
	if s.body != nil && isEvent(message) {
		dst = t.match(dst, s.body, message)
	}
	return dst
}

func (t *scratch) match(dst []int, s *rules.Set, event []byte) []int {
	ids, err := s.Match(t.ids[:0], event)
	if err != nil {
		return dst // it is not an event, and matches nothing
	}
	for _, id := range ids {
		dst = append(dst, int(id))
	}
	t.ids = ids
	return dst
}
