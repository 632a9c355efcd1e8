package native

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/seed567880c8/turnout"
)

// The metadata, or headers of REST, that say for which account and region a
// request speaks, like the credentials of an AWS request.
const (
	accountKey = "turnout-account"
	regionKey  = "turnout-region"
)

// scope returns whom the request of ctx speaks for.
func (a *API) scope(ctx context.Context) (turnout.Scope, error) {
	s := a.cfg.Scope
	md, _ := metadata.FromIncomingContext(ctx)
	var c check
	if v := md.Get(accountKey); len(v) > 0 {
		s.Account = v[0]
		if len(v) > 1 || len(s.Account) != 12 || strings.Trim(s.Account, "0123456789") != "" {
			c.add("metadata."+accountKey, "must be twelve digits, once")
		}
	}
	if v := md.Get(regionKey); len(v) > 0 {
		s.Region = v[0]
		if len(v) > 1 || !isRegion(s.Region) {
			c.add("metadata."+regionKey, "must be the name of a region such as us-east-1, once")
		}
	}
	return s, c.err()
}

func isRegion(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

// sees reports whether a scope may see the resource that an ARN names.
func sees(scope turnout.Scope, arn string) bool {
	a, ok := turnout.ParseARN(arn)
	return ok && a.Scope() == scope
}
