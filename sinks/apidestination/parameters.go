package apidestination

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout/internal/secret"
)

// parameter is a header, a query parameter or a body member. Its value may be
// a secret, so all are treated as one.
type parameter struct {
	key   string
	value secret.Text
}

// targetParameters are the HttpParameters of a rule's target.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_HttpParameters.html
type targetParameters struct {
	path          []string
	header, query []parameter
}

// parseTarget reads the HttpParameters of a target, JSON; nil is none.
func parseTarget(text []byte) (targetParameters, error) {
	if len(text) == 0 {
		return targetParameters{}, nil
	}
	var in struct {
		PathParameterValues   []string
		HeaderParameters      map[string]string
		QueryStringParameters map[string]string
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return targetParameters{}, errors.New("the HttpParameters of the target are no JSON of the form that AWS documents")
	}
	p := targetParameters{path: in.PathParameterValues}
	for _, key := range slices.Sorted(maps.Keys(in.HeaderParameters)) {
		value := in.HeaderParameters[key]
		if !validHeader(key, value) {
			return targetParameters{}, fmt.Errorf("the target's header %q is not valid in HTTP", key)
		}
		p.header = append(p.header, parameter{key: key, value: secret.NewText(value)})
	}
	for _, key := range slices.Sorted(maps.Keys(in.QueryStringParameters)) {
		p.query = append(p.query, parameter{key: key, value: secret.NewText(in.QueryStringParameters[key])})
	}
	return p, nil
}

// overlay returns the parameters of base that over does not have, then those of
// over: those of a connection win over those of a target. Header names are the
// same whatever their case.
func overlay(base, over []parameter, header bool) []parameter {
	if len(base) == 0 {
		return over
	}
	same := func(a, b string) bool { return a == b || header && strings.EqualFold(a, b) }
	all := make([]parameter, 0, len(base)+len(over))
	for _, p := range base {
		if !slices.ContainsFunc(over, func(o parameter) bool { return same(o.key, p.key) }) {
			all = append(all, p)
		}
	}
	return append(all, over...)
}

// isFixedHeader reports whether a header is not for parameters to set: AWS
// removes it from requests to API destinations, or sets it itself.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
func isFixedHeader(key string) bool {
	switch textproto.CanonicalMIMEHeaderKey(key) {
	case "A-Im", "Accept-Charset", "Accept-Datetime", "Accept-Encoding", "Cache-Control", "Connection",
		"Content-Encoding", "Content-Length", "Content-Md5", "Date", "Expect", "Forwarded", "From", "Host",
		"Http2-Settings", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
		"Max-Forwards", "Origin", "Pragma", "Proxy-Authorization", "Range", "Referer", "Te", "Trailer",
		"Transfer-Encoding", "User-Agent", "Upgrade", "Via", "Warning":
		return true
	}
	return false
}

// validHeader reports whether a name and a value can stand in a header: RFC 9110, section 5.
func validHeader(key, value string) bool {
	if key == "" {
		return false
	}
	for i := range len(key) {
		if !isTokenByte(key[i]) {
			return false
		}
	}
	return validHeaderValue(value)
}

func validHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
