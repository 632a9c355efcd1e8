package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// exists matches any value of the field: a string, number, true, false or null. Objects and arrays are not values, so
// an empty one leaves the field absent.
type exists struct{}

func (exists) matches(*match.Value, *match.Scratch) bool { return true }
func (exists) index(x *match.Index, p match.Posting)     { x.Any(p) }
func (exists) odds(int) float64                          { return 0.95 }
func (exists) appendTo(dst []byte) []byte                { return append(dst, `{"exists":true}`...) }

// absent is satisfied by a field without any value. No value matches it: what makes it hold is decided where the
// fields of a combination are put together (condition.optional).
type absent struct{}

func (absent) matches(*match.Value, *match.Scratch) bool { return false }
func (absent) index(*match.Index, match.Posting)         {}
func (absent) odds(int) float64                          { return 0 }
func (absent) appendTo(dst []byte) []byte                { return append(dst, `{"exists":false}`...) }

func parseExists(p *parser) (alternative, error) {
	kind, err := p.tokens.Next()
	if err != nil {
		return nil, err
	}
	switch kind {
	case rawjson.True:
		return exists{}, p.endOfExpression()
	case rawjson.False:
		return absent{}, p.endOfExpression()
	default:
		return nil, p.fail("exists match pattern must be either true or false.")
	}
}
