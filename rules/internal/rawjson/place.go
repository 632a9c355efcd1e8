package rawjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Place returns the line and column, in characters, of an offset into text, both counted from 1.
func Place(text []byte, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}

// SourceNote returns the note with which Jackson, the parser behind EventBridge, says what text it speaks of, and
// where: [Source: (String)"…"; line: 1, column: 5]. Of long texts it has the beginning.
func SourceNote(text []byte, line, column int) string {
	const longest = 500 // characters
	shown, left := string(text), ""
	if n := utf8.RuneCount(text); n > longest {
		shown = string([]rune(shown)[:longest])
		left = fmt.Sprintf("[truncated %d chars]", n-longest)
	}
	return fmt.Sprintf("[Source: (String)\"%s\"%s; line: %d, column: %d]", shown, left, line, column)
}
