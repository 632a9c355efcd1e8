package server

import (
	"context"
	"net/http"

	"github.com/seed567880c8/turnout/api/awswire"
)

// accountOf believes every request, as awswire.ParseOnly does, but has those
// whose access key is not an account speak for a configured one.
type accountOf struct{ fallback string }

// Authenticate never refuses.
func (a accountOf) Authenticate(r *http.Request, body []byte, c awswire.Credential) (awswire.Identity, error) {
	id, err := awswire.ParseOnly{}.Authenticate(r, body, c)
	if id.Account != c.AccessKeyID {
		id.Account = a.fallback
	}
	return id, err
}

// setRegion has requests without a credential, which names the region, speak
// of the given one.
func setRegion(services []*awswire.Service, region string) {
	if region == awswire.DefaultRegion {
		return
	}
	for _, s := range services {
		for name, operation := range s.Operations {
			s.Operations[name] = func(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
				if r.AccessKeyID == "" {
					r.Region = region
				}
				return operation(ctx, r)
			}
		}
	}
}
