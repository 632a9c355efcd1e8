package rawjson

// A Kind is what a token or a value is.
type Kind uint8

// The kinds. End is the end of the text; Name is the key of an object's member, a String in any other place is a value.
const (
	End Kind = iota
	ObjectStart
	ObjectEnd
	ArrayStart
	ArrayEnd
	Name
	String
	Number
	True
	False
	Null
)

// KindOf returns the kind of the value that begins with the byte c; End when no value does.
func KindOf(c byte) Kind {
	switch c {
	case '{':
		return ObjectStart
	case '[':
		return ArrayStart
	case '"':
		return String
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	}
	if c == '-' || isDigit(c) {
		return Number
	}
	return End
}

// Skip returns the index behind the value that begins at b[i]. It trusts that b has passed [Scan] and looks only for
// the value's end; on a text that has not, it returns -1 or an index within b, of no meaning.
func Skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch KindOf(b[i]) {
	case String:
		end, _ := StringEnd(b, i+1)
		if end < 0 {
			return -1
		}
		return end + 1
	case ObjectStart, ArrayStart:
		return skipOpen(b, i)
	case Number:
		return NumberEnd(b, i)
	case True, Null:
		return within(b, i+4)
	case False:
		return within(b, i+5)
	default:
		return -1
	}
}

func within(b []byte, i int) int {
	if i > len(b) {
		return -1
	}
	return i
}

// NumberEnd returns the index behind the number at b[i], in a text that has passed [Scan].
func NumberEnd(b []byte, i int) int {
	for i < len(b) {
		c := b[i]
		if !isDigit(c) && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			break
		}
		i++
	}
	return i
}

// skipOpen steps over an array or object by counting brackets outside strings; in a checked text they pair up.
func skipOpen(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			end, _ := StringEnd(b, i+1)
			if end < 0 {
				return -1
			}
			i = end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
