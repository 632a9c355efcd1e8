package native

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// OpenAPIPath is where the OpenAPI document is.
const OpenAPIPath = "/v1/openapi.json"

// openAPI is generated from the protocol.
//
//go:embed openapi.swagger.json
var openAPI []byte

// newMux returns a gateway without services. It calls the services directly.
func newMux() *runtime.ServeMux {
	return runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &codec{runtime.JSONPb{
			MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true},
		}}),
		runtime.WithIncomingHeaderMatcher(func(key string) (string, bool) {
			key = strings.ToLower(key)
			return key, key == accountKey || key == regionKey
		}),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMiddlewares(checkQuery),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
			restError(ctx, w, r, err)
		}),
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, httpStatus int) {
			routeError(w, r, httpStatus)
		}),
		runtime.WithDisablePathLengthFallback(),
	)
}

type apiKey struct{}

// restError answers with an error of a service, or of the gateway.
func restError(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) {
	if s, ok := status.FromError(err); ok && s.Code() == codes.InvalidArgument {
		if _, ours := errors.AsType[*failure](err); !ours { // the gateway could not read the request
			err = turnout.Errorf(turnout.CodeMalformedRequest, "%s", stable(s.Message()))
		}
	}
	a, _ := r.Context().Value(apiKey{}).(*API)
	if a == nil {
		f, _ := describe(err)
		f.write(w)
		return
	}
	f := a.describe(ctx, r.Method+" "+r.URL.Path, err)
	f.write(w)
}

// stable takes out of an error of the protobuf module what it puts in to
// keep programs from relying on its texts.
func stable(text string) string {
	text = strings.ReplaceAll(text, "\u00a0", " ")
	return strings.TrimSpace(strings.TrimPrefix(text, "proto: "))
}

func routeError(w http.ResponseWriter, r *http.Request, httpStatus int) {
	f := failure{kind: kinds[turnout.CodeInvalidAction], detail: fmt.Sprintf("There is nothing at %s; %s lists what there is.", r.URL.Path, OpenAPIPath)}
	switch httpStatus {
	case http.StatusMethodNotAllowed:
		f = failure{kind: methodKind, detail: fmt.Sprintf("%s does not answer to %s; %s lists what there is.", r.URL.Path, r.Method, OpenAPIPath)}
	case http.StatusBadRequest:
		f = failure{kind: kinds[turnout.CodeMalformedRequest], detail: "The path is not valid."}
	}
	f.write(w)
}

// wrap puts what every REST request must pass before the gateway.
func (a *API) wrap(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == OpenAPIPath {
			serveOpenAPI(w, r)
			return
		}
		if f := a.readBody(r); f != nil {
			f.write(w)
			return
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), apiKey{}, a), a.cfg.CallWithin)
		defer cancel()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

// readBody reads the whole body, so that one too large or in another form is told apart.
func (a *API) readBody(r *http.Request) *failure {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &failure{kind: mediaKind, detail: "Content-Encoding must be absent: a body is sent as it is."}
	}
	if t := r.Header.Get("Content-Type"); t != "" && r.Method != http.MethodGet {
		media, _, err := mime.ParseMediaType(t)
		if err != nil || media != "application/json" && media != "application/x-www-form-urlencoded" {
			return &failure{kind: mediaKind, detail: "Content-Type must be application/json."}
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(a.cfg.BodyBytesMax)+1))
	switch {
	case err != nil:
		return &failure{kind: kinds[turnout.CodeMalformedRequest], detail: "The body ended early."}
	case len(body) > a.cfg.BodyBytesMax:
		return &failure{kind: kinds[turnout.CodeRequestTooLarge], detail: fmt.Sprintf("The body must have at most %s bytes.", thousands(int64(a.cfg.BodyBytesMax)))}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	return nil
}

func serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		routeError(w, r, http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // a client that is gone needs no answer
}

// codec is JSON as the gateway speaks it, but that the body must be one value and nothing more.
type codec struct {
	runtime.JSONPb
}

// NewDecoder returns a decoder of one value.
func (c *codec) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		message, ok := v.(proto.Message)
		if !ok {
			return c.Unmarshal(body, v)
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return nil // a request without fields
		}
		return c.UnmarshalOptions.Unmarshal(body, message)
	})
}

// queries are the requests that are read from the query of a URL, by path.
var queries = map[string]proto.Message{
	"/v1/replays":                      &turnoutv1.ListReplaysRequest{},
	"/v1/replays/{name=*}":             &turnoutv1.GetReplayRequest{},
	"/v1/endpoints":                    &turnoutv1.ListEndpointsRequest{},
	"/v1/events/{event_id=*}/attempts": &turnoutv1.ListAttemptsRequest{},
}

// checkQuery refuses what is no field in the query of a URL, which the gateway
// would pass over. A request with a body has no query.
func checkQuery(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			f := failure{kind: kinds[turnout.CodeMalformedRequest], detail: "The query of the URL cannot be read."}
			f.write(w)
			return
		}
		pattern, _ := runtime.HTTPPattern(r.Context())
		request := queries[pattern.String()]
		if r.Method != http.MethodGet {
			request = nil
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !hasField(request, name, path) {
				f := failure{kind: kinds[turnout.CodeMalformedRequest], detail: fmt.Sprintf("The query has %q, which is no field of this request.", name)}
				f.write(w)
				return
			}
		}
		next(w, r, path)
	}
}

// hasField reports whether a request has a field that is not in its path already.
func hasField(request proto.Message, name string, path map[string]string) bool {
	if request == nil {
		return false
	}
	fields := request.ProtoReflect().Descriptor().Fields()
	f := fields.ByName(protoreflect.Name(name))
	if f == nil {
		f = fields.ByJSONName(name)
	}
	if f == nil {
		return false
	}
	_, inPath := path[string(f.Name())]
	return !inPath
}
