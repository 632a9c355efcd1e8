package match

import "strings"

// A Glob is a text with wildcards: each stands for any run of characters, an empty one too.
type Glob struct {
	// Parts are the literal texts between the wildcards, in order, the first and last possibly empty: one part means
	// no wildcard, and only the text itself matches.
	Parts []string
}

// Match reports whether the whole of text fits. Taking the first place where each part fits is enough, since a later
// one leaves less text for the parts behind it; so the cost is that of searching text once for each part.
func (g Glob) Match(text string) bool {
	last := len(g.Parts) - 1
	if last == 0 {
		return text == g.Parts[0]
	}
	text, ok := strings.CutPrefix(text, g.Parts[0])
	if !ok {
		return false
	}
	for _, part := range g.Parts[1:last] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, g.Parts[last])
}
