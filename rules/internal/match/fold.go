package match

import (
	"unicode"
	"unicode/utf8"
)

// AppendFold appends text with every character replaced by one that stands for all characters that differ from it in
// case only, by Unicode's simple case folding: two texts are equal ignoring case if their folds are equal. Folding
// goes character by character, so ß is not ss.
func AppendFold(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		dst = utf8.AppendRune(dst, foldRune(r))
		i += n
	}
	return dst
}

// Fold returns text as [AppendFold] makes it.
func Fold(text string) string { return string(AppendFold(nil, text)) }

// foldRune returns the smallest character of r's orbit under simple folding, in lower case if that is an ASCII letter.
func foldRune(r rune) rune {
	smallest := r
	for s := unicode.SimpleFold(r); s != r; s = unicode.SimpleFold(s) {
		smallest = min(smallest, s)
	}
	if 'A' <= smallest && smallest <= 'Z' {
		smallest += 'a' - 'A'
	}
	return smallest
}
