package apidestination

import (
	"bytes"
	"strings"

	"github.com/seed567880c8/turnout/internal/secret"
)

// revealingBytesMin is the length from which a piece of a secret is worth hiding:
// shorter ones are found in any text.
const revealingBytesMin = 6

// redact hides secrets in the beginning of an answer, which is recorded with
// the attempt. Endpoints that repeat the request they got are common in tests
// and in error pages.
func redact(excerpt []byte, secrets ...secret.Text) []byte {
	for _, s := range secrets {
		text := []byte(s.Reveal())
		if len(text) < revealingBytesMin {
			continue
		}
		excerpt = bytes.ReplaceAll(excerpt, text, []byte(secret.NewText("x").String()))
		// The excerpt may end within the secret.
		for n := min(len(text)-1, len(excerpt)); n >= revealingBytesMin; n-- {
			if bytes.HasSuffix(excerpt, text[:n]) {
				excerpt = excerpt[:len(excerpt)-n]
				break
			}
		}
	}
	return excerpt
}

// credentialsOf returns an Authorization header without its scheme.
func credentialsOf(header string) secret.Text {
	_, credentials, _ := strings.Cut(header, " ")
	return secret.NewText(credentials)
}
