package native

import (
	"encoding/base64"
	"strings"
)

const (
	pageDefault = 100
	pageMax     = 1000
)

// page is what a list request asks for.
type page struct {
	size  int
	after string // the cursor of the last item before the page; "" is the first page
}

// page checks what a list request asks for. A token says which list it is for,
// and holds the cursor of the last item of its page; so what comes and goes
// between two pages neither repeats nor hides another item.
func (c *check) page(list string, size int32, token string) page {
	c.number("page_size", int64(size), 0, pageMax)
	p := page{size: int(size)}
	if size == 0 {
		p.size = pageDefault
	}
	if token == "" {
		return p
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	after, ok := strings.CutPrefix(string(text), list+"\x00")
	if err != nil || !ok || after == "" {
		c.add("page_token", "must be the next_page_token of an answer to the same method")
	}
	p.after = after
	return p
}

// take returns the items of a page, and the token of the next. All are in the
// order of their cursors.
func take[T any](all []T, p page, list string, cursor func(*T) string) (items []T, next string) {
	for i := range all {
		if cursor(&all[i]) <= p.after {
			continue
		}
		items = all[i:]
		break
	}
	if len(items) <= p.size {
		return items, ""
	}
	items = items[:p.size]
	return items, base64.RawURLEncoding.EncodeToString([]byte(list + "\x00" + cursor(&items[p.size-1])))
}
