package shape

import "regexp"

// Kind is the JSON form of a value.
type Kind uint8

// The kinds.
const (
	KindText Kind = iota
	KindInteger
	KindBoolean
	KindTime
	KindStructure
	KindList
	KindMap
)

// None says that the model gives no bound.
const None = -1

// Shape is one shape of AWS's service model: the form of a value and its
// constraints. A model is a table of shapes; decoding, checking and writing
// back all follow it, so a request is understood in one place. A Shape never
// changes once it is in a table.
type Shape struct {
	Kind    Kind
	Name    string   // structures: the name that AWS prints
	Members []Member // structures, in the model's order
	Element *Shape   // lists: the elements; maps: the values
	Key     *Shape   // maps
	Min     int      // shortest text, list or map, or smallest integer; None
	Max     int      // longest or largest; None
	Pattern *Pattern // texts; nil is none
	Enum    []string // texts, in the model's order; nil is none

	hidden []string // structures: further members that AWS prints, as null
	secret bool     // AWS marks it sensitive: messages never show a value of it
}

// Member is one member of a structure.
type Member struct {
	Name     string // as on the wire
	Shape    *Shape
	Required bool
}

// Pattern is a regular expression of the model. Text is AWS's spelling, which
// validation messages repeat; Match tells whether all of a text matches.
type Pattern struct {
	Text  string
	Match func(string) bool
}

// Regular returns the pattern of an expression that Go's regular expressions
// understand. It panics if they do not.
func Regular(expression string) *Pattern {
	re := regexp.MustCompile(`\A(?:` + expression + `)\z`)
	return &Pattern{Text: expression, Match: re.MatchString}
}

// Text returns the shape of a text, bounded in characters; p may be nil.
func Text(shortest, longest int, p *Pattern) *Shape {
	return &Shape{Kind: KindText, Min: shortest, Max: longest, Pattern: p}
}

// OneOf returns the shape of a text that is one of the values.
func OneOf(values ...string) *Shape {
	return &Shape{Kind: KindText, Min: None, Max: None, Enum: values}
}

// Integer returns the shape of an integer.
func Integer(smallest, largest int) *Shape {
	return &Shape{Kind: KindInteger, Min: smallest, Max: largest}
}

// Boolean returns the shape of a boolean.
func Boolean() *Shape { return &Shape{Kind: KindBoolean, Min: None, Max: None} }

// Time returns the shape of a timestamp.
func Time() *Shape { return &Shape{Kind: KindTime, Min: None, Max: None} }

// List returns the shape of a list, bounded in elements.
func List(element *Shape, shortest, longest int) *Shape {
	return &Shape{Kind: KindList, Element: element, Min: shortest, Max: longest}
}

// Map returns the shape of a map of at most longest entries.
func Map(key, element *Shape, longest int) *Shape {
	return &Shape{Kind: KindMap, Key: key, Element: element, Min: None, Max: longest}
}

// Structure returns the shape of a structure.
func Structure(name string, members ...Member) *Shape {
	return &Shape{Kind: KindStructure, Name: name, Members: members, Min: None, Max: None}
}

// Need returns a member that a request must have.
func Need(name string, s *Shape) Member { return Member{Name: name, Shape: s, Required: true} }

// May returns a member that a request may leave out.
func May(name string, s *Shape) Member { return Member{Name: name, Shape: s} }

// PrintedAs adds members that AWS's messages print and requests do not have.
func PrintedAs(s *Shape, hidden ...string) *Shape {
	s.hidden = hidden
	return s
}

// Secret marks s as sensitive: no message shows a value of it.
func Secret(s *Shape) *Shape {
	s.secret = true
	return s
}

// path is the name of a member as AWS's validation messages spell it: the
// wire's name with its first letter in lower case.
func (m *Member) path() string {
	c := m.Name[0]
	if c < 'A' || c > 'Z' {
		return m.Name
	}
	return string(c+'a'-'A') + m.Name[1:]
}

// index returns the position of a member, or -1 for a name that is not in the model.
func (s *Shape) index(name string) int {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return i
		}
	}
	return -1
}
