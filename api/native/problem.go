package native

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// problem is an error over REST: RFC 9457, with the fields at fault.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Errors []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

const (
	problemPrefix = "urn:turnout:problem:"
	problemType   = "application/problem+json"
)

// write answers with the failure.
func (f *failure) write(w http.ResponseWriter) {
	p := problem{Type: problemPrefix + f.name, Title: f.title, Status: f.status, Detail: f.detail}
	for _, one := range f.fields {
		p.Errors = append(p.Errors, problemField{Field: one.field, Detail: one.reason})
	}
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, p.Title, p.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if f.retry {
		h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	w.WriteHeader(f.status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}
