package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// An Error says what is wrong with a pattern or an event. The messages about patterns are AWS's, without the words
// "Event pattern is not valid. Reason: " that the service puts before them.
type Error struct {
	// Message is the complaint.
	Message string
	// Offset is where it was noticed: the number of bytes before the place. For patterns it is the place AWS gives,
	// behind the offending token as a rule.
	Offset int
	// Line and Column are the place counted from 1, Column in characters. They are 0 when AWS gives no place.
	Line, Column int
}

// Error returns the message and the place.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d, column %d)", e.Message, e.Line, e.Column)
}

// WithSource returns the message as AWS words it for the text the error is about: followed, if it has a place, by a
// second line with the beginning of the text and the place.
func (e *Error) WithSource(text []byte) string {
	if e.Line == 0 {
		return e.Message
	}
	return e.Message + "\n at " + rawjson.SourceNote(text, e.Line, e.Column)
}

// located fills in the line and column of an offset into text.
func (e *Error) located(text []byte) *Error {
	e.Line, e.Column = rawjson.Place(text, e.Offset)
	return e
}

// fromSyntax turns an error of package rawjson into an Error about text.
func fromSyntax(err error, text []byte) error {
	s, ok := errors.AsType[*rawjson.SyntaxError](err)
	if !ok {
		return err
	}
	e := &Error{Message: strings.ToValidUTF8(s.Reason, "\uFFFD"), Offset: s.Offset}
	return e.located(text)
}
