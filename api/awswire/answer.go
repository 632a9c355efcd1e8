package awswire

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// bufferKeep is the largest answer buffer that returns to the pool.
const bufferKeep = 64 << 10

func (x *exchange) encoder() *Encoder {
	e := x.h.buffers.Get().(*Encoder)
	e.buf, e.comma = e.buf[:0], false
	switch {
	case x.req.Protocol == ProtocolJSON:
		e.format = JSON
	case x.json:
		e.format = QueryJSON
	default:
		e.format = XML
	}
	return e
}

// answer writes the result of an operation.
func (x *exchange) answer(result Result) {
	e := x.encoder()
	if e.format == JSON {
		e.buf = append(e.buf, '{')
		if result != nil {
			result.EncodeTo(e)
		}
		e.buf = append(e.buf, '}')
	} else {
		x.queryEnvelope(e, result)
	}
	x.send(e, http.StatusOK, x.contentType(e.format))
}

// queryEnvelope writes <XResponse><XResult>…</XResult><ResponseMetadata>… in XML
// or JSON. The result element is there only when the operation has results, as on AWS.
func (x *exchange) queryEnvelope(e *Encoder, result Result) {
	response, member := x.req.Operation+"Response", x.req.Operation+"Result"
	if e.format == XML {
		e.buf = append(e.buf, `<?xml version="1.0"?>`+"\n<"...)
		e.buf = append(e.buf, response...)
		e.buf = append(e.buf, ` xmlns="`...)
		e.buf = append(e.buf, x.svc.XMLNamespace...)
		e.buf = append(e.buf, `">`...)
	} else {
		e.buf = append(e.buf, '{')
		e.Begin(response)
	}
	if result != nil {
		e.Begin(member)
		result.EncodeTo(e)
		e.End(member)
	}
	e.Begin("ResponseMetadata")
	e.String("RequestId", x.req.RequestID)
	e.End("ResponseMetadata")
	if e.format == XML {
		e.close(response)
		return
	}
	e.End(response)
	e.buf = append(e.buf, '}')
}

// answerError writes err in the request's protocol.
func (x *exchange) answerError(ctx context.Context, err error) {
	w := wireError(x.svc, x.req.Protocol, err)
	if w.Status == http.StatusInternalServerError { // a 503 is a refusal: counted, and too many to log
		x.h.cfg.Log.LogAttrs(ctx, slog.LevelError, "request failed",
			slog.String("request_id", x.req.RequestID), slog.String("operation", x.req.Operation), slog.Any("error", err))
	}
	x.call.ErrorCode = w.Shape
	e := x.encoder()
	switch {
	case errors.Is(err, errNoAction):
		e.format = XML // AWS ignores Accept here
		e.buf = append(e.buf, "<UnknownOperationException/>\n"...)
	case e.format == JSON:
		x.jsonError(e, &w)
	case e.format == QueryJSON:
		e.buf = append(e.buf, '{')
		e.Begin("Error")
		e.String("Code", w.queryCode())
		e.String("Message", w.Message)
		e.String("Type", w.fault())
		e.End("Error")
		e.String("RequestId", x.req.RequestID)
		e.buf = append(e.buf, '}')
	default:
		x.xmlError(e, &w)
	}
	x.send(e, w.Status, x.contentType(e.format))
}

func (x *exchange) jsonError(e *Encoder, w *WireError) {
	shape := w.Shape
	if x.svc != nil && x.svc.ShapeNamespace != "" {
		shape = x.svc.ShapeNamespace + "#" + shape
	}
	e.buf = append(e.buf, '{')
	e.String("__type", shape)
	e.String("message", w.Message)
	e.buf = append(e.buf, '}')
	// Clients that once spoke the query protocol to this service ask for its error codes too.
	if x.svc != nil && x.svc.QueryVersion != "" && headerValue(x.r.Header, "X-Amzn-Query-Mode") == "true" {
		x.w.Header()["X-Amzn-Query-Error"] = []string{w.queryCode() + ";" + w.fault()}
	}
}

func (x *exchange) xmlError(e *Encoder, w *WireError) {
	e.buf = append(e.buf, `<?xml version="1.0"?>`+"\n<ErrorResponse"...)
	if x.svc != nil {
		e.buf = append(e.buf, ` xmlns="`...)
		e.buf = append(e.buf, x.svc.XMLNamespace...)
		e.buf = append(e.buf, '"')
	}
	e.buf = append(e.buf, '>')
	e.Begin("Error")
	e.String("Type", w.fault())
	e.String("Code", w.queryCode())
	e.String("Message", w.Message)
	if x.svc == nil || !x.svc.PlainErrors {
		e.buf = append(e.buf, "<Detail/>"...)
	}
	e.End("Error")
	e.String("RequestId", x.req.RequestID)
	e.close("ErrorResponse")
}

func (x *exchange) contentType(f Format) []string {
	switch {
	case f == XML:
		return x.h.xmlType
	case f == QueryJSON:
		return x.h.queryJSONType
	case x.svc != nil && x.svc.JSONVersion != "":
		return x.h.jsonTypes[x.svc.JSONVersion]
	default:
		return x.h.jsonTypes["1.0"]
	}
}

// send writes the answer in one piece and gives the buffer back.
func (x *exchange) send(e *Encoder, status int, contentType []string) {
	header := x.w.Header()
	x.values = [...]string{strconv.Itoa(len(e.buf)), x.req.RequestID}
	header["Content-Type"] = contentType
	header["Content-Length"] = x.values[0:1:1]
	header["X-Amzn-Requestid"] = x.values[1:2:2]
	x.w.WriteHeader(status)
	// A failed write means that the client is gone; there is nobody left to tell.
	_, _ = x.w.Write(e.buf)
	x.call.Status, x.call.BytesOut = status, len(e.buf)
	if cap(e.buf) <= bufferKeep {
		x.h.buffers.Put(e)
	}
}
