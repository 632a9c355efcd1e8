package native

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Described is how an error looks in both protocols.
func Described(err error) (code codes.Code, httpStatus int, name string) {
	f, _ := describe(err)
	return f.grpc, f.kind.status, f.name
}

// StatusOf is an error as a gRPC client sees it.
func StatusOf(err error) *status.Status {
	f, _ := describe(err)
	return f.grpcStatus()
}

// KindsOfErrors is how many kinds of errors the table has.
func KindsOfErrors() int { return len(kinds) }
