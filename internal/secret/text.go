package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every way of printing a Text shows.
const redacted = "[redacted]"

// Text is a secret in memory. Every way of printing it shows that there is
// one, never what it is: fmt with any verb, log/slog, encoding/json. Only
// Reveal hands it out, so a search for Reveal finds each place that uses a
// secret.
//
// The zero value is the empty secret. Two Texts are compared by Equal, not by ==.
type Text struct {
	// A pointer, because fmt does not call the methods of unexported fields:
	// inside another struct it would print a string, but prints an address.
	text *string
}

// NewText returns a Text that holds s.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{text: &s}
}

// Reveal returns the secret itself.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsEmpty reports whether there is no secret.
func (t Text) IsEmpty() bool { return t.text == nil }

// Equal reports whether two secrets are the same, in a time that depends on their lengths only.
func (t Text) Equal(u Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(u.Reveal())) == 1
}

// String returns a mark in place of the secret, or "" if it is empty.
func (t Text) String() string {
	if t.text == nil {
		return ""
	}
	return redacted
}

// Format writes what String returns, whatever the verb.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue returns what String returns.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns what String returns, so that JSON and other encodings show no more.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
