package apidestination

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// endpointBytesMax is AWS's limit for InvocationEndpoint and AuthorizationEndpoint.
const endpointBytesMax = 2048

// Endpoint is the URL of an API destination: each * in its path is a wildcard
// that a target's path parameter takes the place of.
type Endpoint struct {
	origin string   // scheme://host:port
	path   []string // the escaped path, cut at the wildcards: one more than there are of them
	query  []pair
	http   bool
}

// pair is one parameter of a query, as it stands in a URL.
type pair struct{ key, text string }

// ParseEndpoint parses the URL of an API destination. The error says what is
// wrong with it, for people.
func ParseEndpoint(raw string) (*Endpoint, error) {
	if len(raw) > endpointBytesMax {
		return nil, fmt.Errorf("the URL is longer than %d bytes", endpointBytesMax)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		// The error of url.Parse quotes the URL, which may be long and is known to the reader.
		return nil, errors.New("the URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL must begin with https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	case strings.Contains(u.Host, "*"):
		return nil, errors.New("the host of the URL cannot hold a wildcard")
	case u.User != nil:
		return nil, errors.New("the URL must not hold a user name or password: a connection holds them")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, errors.New("the URL must not have a fragment")
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if hasDotSegment(path) {
		return nil, errors.New("the path of the URL must not hold . or .. as a segment")
	}
	e := &Endpoint{origin: u.Scheme + "://" + u.Host, path: strings.Split(path, "*"), http: u.Scheme == "http"}
	for text := range strings.SplitSeq(u.RawQuery, "&") {
		if text == "" {
			continue
		}
		key, _, _ := strings.Cut(text, "=")
		if key, err = url.QueryUnescape(key); err != nil {
			return nil, errors.New("the query of the URL cannot be parsed")
		}
		e.query = append(e.query, pair{key: key, text: text})
	}
	return e, nil
}

// PlainHTTP reports whether the endpoint is reached without TLS.
func (e *Endpoint) PlainHTTP() bool { return e.http }

// Wildcards returns how many path parameters the endpoint takes.
func (e *Endpoint) Wildcards() int { return len(e.path) - 1 }

// url returns the URL with a value in place of each wildcard, one after
// another, and the parameters added to the query, where they replace those of
// the same name that the endpoint has. Values beyond the last wildcard are not used.
func (e *Endpoint) url(values []string, query []parameter) (string, error) {
	if len(values) < e.Wildcards() {
		return "", fmt.Errorf("the endpoint has %d path wildcards, but the target gives %d PathParameterValues", e.Wildcards(), len(values))
	}
	var b strings.Builder
	b.WriteString(e.path[0])
	for i, rest := range e.path[1:] {
		if strings.TrimSpace(values[i]) == "" {
			return "", fmt.Errorf("PathParameterValues[%d] is blank", i)
		}
		b.WriteString(url.PathEscape(values[i]))
		b.WriteString(rest)
	}
	path := b.String()
	if e.Wildcards() > 0 && hasDotSegment(path) {
		return "", errors.New("a path parameter makes . or .. a segment of the path")
	}
	return e.origin + path + joinQuery(e.query, query), nil
}

// joinQuery returns a query with its question mark, or nothing.
func joinQuery(own []pair, added []parameter) string {
	var b strings.Builder
	separate := func() {
		if b.Len() == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
	}
	for _, p := range own {
		if !slices.ContainsFunc(added, func(a parameter) bool { return a.key == p.key }) {
			separate()
			b.WriteString(p.text)
		}
	}
	for _, a := range added {
		separate()
		b.WriteString(queryEscape(a.key))
		b.WriteByte('=')
		b.WriteString(queryEscape(a.value.Reveal()))
	}
	return b.String()
}

// queryEscape escapes a space as %20: + means a space in forms only, and not to every server.
func queryEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// hasDotSegment reports whether an escaped path holds a segment that means
// this folder or the one above. A server or proxy that resolves it would be
// asked for another path than the one that was configured.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if len(segment) > len("%2e%2e") {
			continue
		}
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}
