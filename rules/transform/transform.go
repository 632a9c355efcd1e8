package transform

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// An Error says what is wrong with a specification, where AWS's wording is known in AWS's words. The service answers
// it as a ValidationException.
type Error struct{ Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// ErrNoValue is what [Transform.Apply] returns, wrapped, when the path of an InputPath selects nothing in the event.
var ErrNoValue = errors.New("input path selects nothing in the event")

// ErrNotJSON is what [Transform.Apply] returns, wrapped, when an InputTemplate that promises JSON makes something else
// of the event: an object or array was put into a quoted string.
var ErrNotJSON = errors.New("input template does not make JSON of the event")

// A Spec says what a target gets instead of the event: at most one of the three may be given. With none of them it
// gets the event.
type Spec struct {
	// TargetID is the target's id, for messages.
	TargetID string
	// Input is a constant, a JSON text of at most 8,192 characters.
	Input string
	// InputPath is the path of a part of the event; see [Path].
	InputPath string
	// InputTransformer is a text with parts of the event in it.
	InputTransformer *InputTransformer
}

// An InputTransformer is a template and the paths of what is put into it.
type InputTransformer struct {
	// InputPathsMap has, for each name used in the template, the path of the value. At most 100, names of 1–256
	// letters, digits, _ and -.
	InputPathsMap map[string]string
	// InputTemplate is the template, of 1–8,192 characters. <name> stands for a value, and so do <aws.events.rule-arn>,
	// <aws.events.rule-name>, <aws.events.event.ingestion-time>, <aws.events.event> (the event without its detail) and
	// <aws.events.event.json> (the event).
	//
	// A template that begins with a quotation mark is one or more quoted lines: the values' text goes in, without
	// quotation marks, and the marks of the template stay. Any other template is JSON once <name> is replaced by the
	// JSON of the value, or by its text where <name> stands inside a string.
	InputTemplate string
}

// A Context is what a transformation knows besides the event.
type Context struct {
	RuleARN  string
	RuleName string
	// IngestionTime is when the event was accepted.
	IngestionTime time.Time
}

// A Transform is a checked specification. It is immutable and may be used by any number of goroutines.
type Transform struct {
	constant []byte
	path     *Path
	template *template
}

// longestInput is AWS's limit on the length of inputs and templates, in characters.
const longestInput = 8192

// Parse checks a specification. The error is an *[Error].
func Parse(s Spec) (*Transform, error) {
	given := 0
	for _, is := range []bool{s.Input != "", s.InputPath != "", s.InputTransformer != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, &Error{"Only one of Input, InputPath, or InputTransformer must be provided for target " + s.TargetID + "."}
	case s.Input != "":
		return parseInput(s)
	case s.InputPath != "":
		p, err := ParsePath(s.InputPath)
		if err != nil {
			return nil, &Error{fmt.Sprintf("InputPath for target %s is not valid. Reason: %s.", s.TargetID, err)}
		}
		return &Transform{path: &p}, nil
	case s.InputTransformer != nil:
		t, err := parseTransformer(s.TargetID, s.InputTransformer)
		return &Transform{template: t}, err
	}
	return &Transform{}, nil
}

func parseInput(s Spec) (*Transform, error) {
	if n := utf8.RuneCountInString(s.Input); n > longestInput {
		return nil, tooLong("Input", s.TargetID, n)
	}
	text := []byte(s.Input)
	if err := checkJSON(text); err != nil {
		return nil, &Error{fmt.Sprintf("JSON syntax error in input for target %s: %s", s.TargetID, note(text, err))}
	}
	return &Transform{constant: text}, nil
}

func tooLong(what, target string, n int) error {
	return &Error{fmt.Sprintf("%s for target %s has %d characters, at most %d are allowed", what, target, n, longestInput)}
}

// maxDepth is how deep constants and templates may nest.
const maxDepth = 1000

// checkJSON reports whether text is one JSON value.
func checkJSON(text []byte) error {
	tokens := rawjson.NewTokens(text, maxDepth)
	first := true
	for {
		kind, err := tokens.Next()
		if err != nil {
			return err
		}
		if kind == rawjson.End {
			if first {
				return &rawjson.SyntaxError{Reason: "no value", Offset: len(text)}
			}
			return nil
		}
		first = false
	}
}

// note says where a text breaks the rules, as AWS does.
func note(text []byte, err error) string {
	offset := 0
	if s, ok := errors.AsType[*rawjson.SyntaxError](err); ok {
		offset = s.Offset
	}
	line, column := rawjson.Place(text, offset)
	return rawjson.SourceNote(text, line, column)
}

// OutputBytesMax bounds what a template makes of an event: larger than anything
// a queue takes, and small enough that a template that repeats a placeholder
// hundreds of times cannot exhaust memory on a large event.
const OutputBytesMax = 4 << 20

// ErrTooLarge says that a template made more than OutputBytesMax bytes of an event.
var ErrTooLarge = fmt.Errorf("the input that the template makes of the event is larger than %d bytes", OutputBytesMax)

// Apply appends what the target gets for an event to dst. On an error, which wraps [ErrNoValue], [ErrNotJSON] or [ErrTooLarge] and
// means that the delivery has failed for good, dst is returned as it was.
//
// The event must have passed rules.Scan.
func (t *Transform) Apply(dst, event []byte, c Context) ([]byte, error) {
	switch {
	case t.constant != nil:
		return append(dst, t.constant...), nil
	case t.path != nil:
		value, _, ok := t.path.Extract(event)
		if !ok {
			return dst, fmt.Errorf("%w: %s", ErrNoValue, t.path)
		}
		return append(dst, value...), nil
	case t.template != nil:
		return t.template.apply(dst, event, c)
	}
	return append(dst, event...), nil
}

// Identity reports whether the target gets the event as it is.
func (t *Transform) Identity() bool {
	return t.constant == nil && t.template == nil && (t.path == nil || len(t.path.steps) == 0)
}
