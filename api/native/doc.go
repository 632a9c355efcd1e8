// Package native serves Turnout's own API, protocol turnout.v1, over gRPC and
// as REST under /v1. It decodes, checks every field, calls an engine by an
// interface of its own making, and encodes; it knows neither storage nor how
// events are matched.
//
// The protocol is in proto/turnout/v1, the paths of REST in proto/http.yaml.
// A service is a file here that implements what was generated for it; a
// further one is registered in New. Services return *turnout.Error or a fault
// of check; status.go turns those into gRPC statuses, problem.go into problem documents.
//
// Start with API in api.go.
package native
