package broker

import (
	"bytes"
	"cmp"
	"time"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
)

// idAt is where an event's id begins in its text.
const idAt = len(`{"version":"0","id":"`)

// appendEvent appends the event as rules and targets see it: AWS's keys in
// AWS's order, compact. detail has been scanned. The text differs between copies
// of an event only in the id.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func appendEvent(dst []byte, id string, at time.Time, e *turnout.EventEntry) []byte {
	dst = append(dst, `{"version":"0","id":"`...)
	dst = append(dst, id...)
	dst = append(dst, `","detail-type":`...)
	dst = appendQuoted(dst, e.DetailType)
	dst = append(dst, `,"source":`...)
	dst = appendQuoted(dst, e.Source)
	dst = append(dst, `,"account":`...)
	dst = appendQuoted(dst, cmp.Or(e.Account, e.Bus.Account))
	dst = append(dst, `,"time":"`...)
	dst = at.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	dst = append(dst, `","region":`...)
	dst = appendQuoted(dst, e.Bus.Region)
	dst = append(dst, `,"resources":[`...)
	for i, r := range e.Resources {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, r)
	}
	dst = append(dst, `],"detail":`...)
	dst = appendCompact(dst, e.Detail)
	return append(dst, '}')
}

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, c)
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
}

// appendCompact appends JSON without the white space between its tokens. src
// has been scanned: every string in it ends.
func appendCompact(dst, src []byte) []byte {
	from := 0
	for i := 0; i < len(src); {
		switch src[i] {
		case '"':
			i = stringEnd(src, i+1)
		case ' ', '\n', '\r', '\t':
			dst = append(dst, src[from:i]...)
			i++
			from = i
		default:
			i++
		}
	}
	return append(dst, src[from:]...)
}

// stringEnd returns the index behind the string whose text begins at i. Most of
// an event is text, so it is passed over at the speed of memory; each byte is
// looked at twice at most, however many escapes there are.
func stringEnd(src []byte, i int) int {
	quote := -1
	for {
		if quote < i {
			n := bytes.IndexByte(src[i:], '"')
			if n < 0 {
				return len(src)
			}
			quote = i + n
		}
		escape := bytes.IndexByte(src[i:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		i += escape + 2
		if i > len(src) {
			return len(src)
		}
	}
}
