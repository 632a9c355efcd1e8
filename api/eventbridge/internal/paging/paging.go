package paging

import (
	"encoding/base64"
	"sort"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// pageMax is the size of a page when a request gives no Limit, and the largest
// Limit that AWS allows.
const pageMax = 100

// WithPrefix returns the items whose key begins with prefix; items stays
// as it is.
func WithPrefix[T any](items []T, key func(*T) string, prefix string) []T {
	if prefix == "" {
		return items
	}
	var kept []T
	for i := range items {
		if strings.HasPrefix(key(&items[i]), prefix) {
			kept = append(kept, items[i])
		}
	}
	return kept
}

// Page returns the items of the page that in (NextToken, Limit) asks for, and
// the token of the next page, "" after the last. Items are in the order of
// their keys, which are distinct. A token holds the key of the last item seen,
// so items that come and go between two pages hide and repeat none that stays.
// The error is a *turnout.Error with CodeValidation.
func Page[T any](items []T, key func(*T) string, in *shape.Value) ([]T, string, error) {
	if token := in.Field("NextToken"); token != nil {
		last, err := parseToken(token.Text)
		if err != nil {
			return nil, "", err
		}
		items = items[sort.Search(len(items), func(i int) bool { return key(&items[i]) > last }):]
	}
	size := pageMax
	if limit := in.Field("Limit"); limit != nil {
		size = int(limit.Number)
	}
	if len(items) <= size {
		return items, "", nil
	}
	return items[:size], formatToken(key(&items[size-1])), nil
}

// tokenVersion begins every token, so that its form may change.
const tokenVersion = 1

func formatToken(last string) string {
	return base64.StdEncoding.EncodeToString(append([]byte{tokenVersion}, last...))
}

func parseToken(token string) (last string, err error) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) < 2 || b[0] != tokenVersion {
		return "", turnout.Errorf(turnout.CodeValidation, "Parameter NextToken is not valid.")
	}
	return string(b[1:]), nil
}
