package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// A template is a parsed InputTemplate: literal texts with values between them.
type template struct {
	lines     bool // quoted lines, not JSON
	pieces    []piece
	variables []variable
}

// A piece is a literal text and the value behind it.
type piece struct {
	literal  string
	variable int  // of template.variables; -1 for none
	quoted   bool // the value stands inside a string
}

// A variable is a value a template uses, fetched once for each event.
type variable struct {
	name string
	path *Path // nil for the predefined ones
}

// The predefined variables.
const (
	ruleARN       = "aws.events.rule-arn"
	ruleName      = "aws.events.rule-name"
	ingestionTime = "aws.events.event.ingestion-time"
	eventEnvelope = "aws.events.event"
	eventJSON     = "aws.events.event.json"
)

const (
	mostPaths   = 100
	longestName = 256
)

func parseTransformer(target string, s *InputTransformer) (*template, error) {
	paths, err := parsePaths(target, s.InputPathsMap)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(s.InputTemplate); n > longestInput {
		return nil, tooLong("InputTemplate", target, n)
	}
	p := templateParser{
		text:    s.InputTemplate,
		checked: []byte(s.InputTemplate),
		target:  target,
		paths:   paths,
		numbers: map[string]int{},
	}
	p.lines = strings.HasPrefix(strings.TrimLeft(p.text, " \t\r\n"), `"`)
	if err := p.parse(); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &p.template, nil
}

func parsePaths(target string, m map[string]string) (map[string]*Path, error) {
	if len(m) > mostPaths {
		return nil, &Error{fmt.Sprintf("InputPathsMap for target %s has %d entries, at most %d are allowed", target, len(m), mostPaths)}
	}
	paths := make(map[string]*Path, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !validName(name) {
			return nil, &Error{fmt.Sprintf("InputPathsMap for target %s is not valid. Reason: "+
				"the key %q is not 1 to %d letters, digits, _ and -.", target, name, longestName)}
		}
		p, err := ParsePath(m[name])
		if err != nil {
			return nil, &Error{fmt.Sprintf("InputPathsMap for target %s is not valid. Reason: %s: %s.", target, name, err)}
		}
		paths[name] = &p
	}
	return paths, nil
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return name != "" && len(name) <= longestName
}

// templateParser takes a template apart. In checked, every value outside strings becomes a JSON value of the same
// length, so that what remains can be checked and complaints are about the right places.
type templateParser struct {
	template
	text    string
	checked []byte
	target  string
	paths   map[string]*Path
	numbers map[string]int // of the variables, by name
}

func (p *templateParser) parse() error {
	literal, quoted := 0, false
	for i := 0; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++ // in a string: whatever it escapes is not special; elsewhere check complains
		case '<':
			name, ok := nameAt(p.text[i:])
			if !ok {
				continue
			}
			n, err := p.variable(name)
			if err != nil {
				return err
			}
			end := i + len(name) + 2
			p.pieces = append(p.pieces, piece{p.text[literal:i], n, quoted})
			if !quoted {
				copy(p.checked[i:end], "[]")
				for k := i + 2; k < end; k++ {
					p.checked[k] = ' '
				}
			}
			literal, i = end, end-1
		}
	}
	p.pieces = append(p.pieces, piece{p.text[literal:], -1, false})
	return nil
}

// nameAt returns what stands between the < with which text begins and the next >, if that is on the same line.
func nameAt(text string) (string, bool) {
	end := strings.IndexAny(text, ">\n")
	if end < 2 || text[end] == '\n' {
		return "", false
	}
	return text[1:end], true
}

// variable returns the number of the variable of that name.
func (p *templateParser) variable(name string) (int, error) {
	if n, ok := p.numbers[name]; ok {
		return n, nil
	}
	v := variable{name: name, path: p.paths[name]}
	switch name {
	case ruleARN, ruleName, ingestionTime, eventEnvelope, eventJSON:
	default:
		if v.path == nil {
			return 0, &Error{fmt.Sprintf("InputTemplate for target %s contains invalid placeholder %s.", p.target, name)}
		}
	}
	n := len(p.variables)
	p.numbers[name] = n
	p.variables = append(p.variables, v)
	return n, nil
}

// check reports whether the template is what it has to be once the values are in it.
func (p *templateParser) check() error {
	for _, piece := range p.pieces {
		if p.lines && piece.variable >= 0 && !piece.quoted {
			return p.invalid(&rawjson.SyntaxError{Offset: strings.Index(p.text, "<"+p.variables[piece.variable].name+">")})
		}
	}
	if p.lines {
		return p.checkLines()
	}
	tokens := rawjson.NewTokens(p.checked, maxDepth)
	for first := true; ; first = false {
		kind, err := tokens.Next()
		switch {
		case err != nil:
			return p.invalid(err)
		case kind == rawjson.End && first:
			return p.invalid(&rawjson.SyntaxError{Offset: len(p.text)})
		case kind == rawjson.End:
			return nil
		case kind == rawjson.Name && p.hasVariable(tokens.Text()):
			return &Error{fmt.Sprintf("InputTemplate for target %s has a placeholder in an object key.", p.target)}
		}
	}
}

func (p *templateParser) hasVariable(key string) bool {
	at := strings.IndexByte(key, '<')
	if at < 0 {
		return false
	}
	name, ok := nameAt(key[at:])
	_, is := p.numbers[name]
	return ok && is
}

// checkLines reports whether the template is quoted strings with nothing but white space between them.
func (p *templateParser) checkLines() error {
	rest := 0
	for {
		rest = rawjson.SkipSpace(p.checked, rest)
		if rest == len(p.checked) {
			return nil
		}
		if p.checked[rest] != '"' {
			return p.invalid(&rawjson.SyntaxError{Offset: rest})
		}
		end, _ := rawjson.StringEnd(p.checked, rest+1)
		if end < 0 {
			return p.invalid(&rawjson.SyntaxError{Offset: len(p.checked)})
		}
		if err := checkJSON(p.checked[rest : end+1]); err != nil {
			if s, ok := errors.AsType[*rawjson.SyntaxError](err); ok {
				s.Offset += rest
			}
			return p.invalid(err)
		}
		rest = end + 1
	}
}

func (p *templateParser) invalid(err error) error {
	return &Error{fmt.Sprintf("Invalid InputTemplate for target %s : %s.", p.target, note([]byte(p.text), err))}
}

// apply appends the template with the values of an event in it.
func (t *template) apply(dst, event []byte, c Context) ([]byte, error) {
	values := make([][]byte, len(t.variables))
	for i, v := range t.variables {
		values[i] = v.value(event, c)
	}
	from := len(dst)
	suspect := ""
	for _, p := range t.pieces {
		if len(dst)-from > OutputBytesMax {
			return dst[:from], ErrTooLarge
		}
		dst = append(dst, p.literal...)
		if p.variable < 0 {
			continue
		}
		value := values[p.variable]
		switch {
		case t.lines:
			dst = appendText(dst, value)
		case p.quoted:
			if isContainer(value) {
				suspect = t.variables[p.variable].name
			}
			dst = append(dst, unquoted(value)...)
		case value == nil:
			dst = append(dst, `""`...)
		default:
			dst = append(dst, value...)
		}
	}
	if len(dst)-from > OutputBytesMax {
		return dst[:from], ErrTooLarge
	}
	if suspect != "" && !json.Valid(dst[from:]) {
		return dst[:from], fmt.Errorf("%w: <%s> is an object or array and stands inside a string", ErrNotJSON, suspect)
	}
	return dst, nil
}

// value returns the JSON of the variable's value, nil if there is none.
func (v *variable) value(event []byte, c Context) []byte {
	if v.path != nil {
		value, _, _ := v.path.Extract(event)
		return value
	}
	switch v.name {
	case ruleARN:
		return rawjson.AppendQuoted(nil, c.RuleARN)
	case ruleName:
		return rawjson.AppendQuoted(nil, c.RuleName)
	case ingestionTime:
		return quotedTime(c.IngestionTime)
	case eventEnvelope:
		return envelope(event, c)
	default:
		whole, _, _ := Path{}.Extract(event)
		return whole
	}
}

func quotedTime(t time.Time) []byte {
	return rawjson.AppendQuoted(nil, t.UTC().Format("2006-01-02T15:04:05Z"))
}

// envelope returns the event as <aws.events.event> shows it: without its detail, with the key detailType, and with the
// time at which it was accepted.
func envelope(event []byte, c Context) []byte {
	dst := []byte{'{'}
	for _, key := range []struct{ shown, key string }{
		{"id", "id"},
		{"account", "account"},
		{"detailType", "detail-type"},
		{"time", "time"},
		{"source", "source"},
		{"region", "region"},
		{"resources", "resources"},
		{"version", "version"},
	} {
		value, _, ok := Path{steps: []step{{key: key.key}}}.Extract(event)
		if key.key == "time" {
			value, ok = quotedTime(c.IngestionTime), true
		}
		if !ok {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendQuoted(dst, key.shown), ':')
		dst = append(dst, value...)
	}
	return append(dst, '}')
}

func isContainer(value []byte) bool { return len(value) > 0 && (value[0] == '{' || value[0] == '[') }

// unquoted returns the JSON of a value without the quotation marks of a string.
func unquoted(value []byte) []byte {
	if len(value) > 0 && value[0] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// appendText appends a value as it appears in a quoted line: without any quotation marks, and without white space
// between its parts. Escapes in strings stay, so that the line remains a JSON string.
func appendText(dst, value []byte) []byte {
	if !isContainer(value) {
		return append(dst, unquoted(value)...)
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end, _ := rawjson.StringEnd(value, i+1)
			dst = append(dst, value[i+1:end]...)
			i = end
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
