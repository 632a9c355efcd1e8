package awswire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/seed567880c8/turnout"
)

// bodyStep is how much is allocated at first for a body, whatever length it
// announces: a client must send what it wants memory for.
const bodyStep = 64 << 10

// readBody reads the body of r as sent. It may be longer than limit only to find that out.
func (x *exchange) readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if n := int(r.ContentLength); n > 0 && n <= bodyStep {
		x.memory = x.h.bodyMemory(2 * n)
		buf := x.memory[:n:n]
		x.req.arena = x.memory[n:n]
		_, err := io.ReadFull(r.Body, buf)
		return buf, bodyError(err, limit)
	}
	first := int64(bodyStep)
	if r.ContentLength < 0 {
		first = bytes.MinRead * 8
	}
	return readCapped(r.Body, first, limit)
}

// bodyMemory returns memory for a body and what is decoded of it, used before if possible.
func (h *Handler) bodyMemory(n int) []byte {
	if b, ok := h.bodies.Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:n]
	}
	// Rounded up, so that the bodies of one kind of request fit each other's memory.
	const step = 4 << 10
	return make([]byte, (n+step-1)/step*step)
}

// releaseBody gives the memory of the body back if the operation keeps nothing of it.
func (x *exchange) releaseBody() {
	if x.memory != nil && x.svc != nil && x.svc.KeepsNothing[x.req.Operation] {
		x.h.bodies.Put(&x.memory)
	}
}

// readCapped reads everything from src, growing the buffer as data arrives.
func readCapped(src io.Reader, first, limit int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, first))
	_, err := buf.ReadFrom(io.LimitReader(src, limit+1))
	if err == nil && int64(buf.Len()) > limit {
		return nil, tooLarge(limit)
	}
	return buf.Bytes(), bodyError(err, limit)
}

func bodyError(err error, limit int64) error {
	switch {
	case err == nil:
		return nil
	case isMaxBytes(err):
		return tooLarge(limit)
	default:
		return &turnout.Error{Code: turnout.CodeMalformedRequest, Message: "The request body could not be read to its end.", Err: err}
	}
}

func isMaxBytes(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func tooLarge(limit int64) error {
	return turnout.Errorf(turnout.CodeRequestTooLarge, "The request body is larger than %d bytes.", limit)
}

// inflate undoes the Content-Encoding of r. Only gzip is known.
func inflate(r *http.Request, sent []byte, limit int64) ([]byte, error) {
	encoding := strings.ToLower(strings.TrimSpace(headerValue(r.Header, "Content-Encoding")))
	switch encoding {
	case "", "identity":
		return sent, nil
	case "gzip":
	default:
		return nil, &WireError{
			Shape: "UnsupportedMediaTypeException", Status: http.StatusUnsupportedMediaType,
			Message: "The content encoding " + quoted(encoding) + " is not supported; send gzip or none.",
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, turnout.Errorf(turnout.CodeMalformedRequest, "The request body is not valid gzip.")
	}
	body, err := readCapped(z, int64(len(sent)), limit)
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeMalformedRequest {
		return nil, turnout.Errorf(turnout.CodeMalformedRequest, "The request body is not valid gzip.")
	}
	return body, err
}
