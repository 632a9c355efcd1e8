package eventbridge

import (
	"context"
	"net/url"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// perSecondDefault is AWS's InvocationRateLimitPerSecond of a destination that was given none.
const perSecondDefault = 300

// createAPIDestination serves CreateApiDestination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
func (a *api) createAPIDestination(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	fail := failure{"create", "api-destination"}
	d := turnout.APIDestination{APIDestinationName: turnout.APIDestinationName{Scope: r.Scope, Name: in.Str("Name")}}
	if err := a.changeAPIDestination(fail, &d, in); err != nil {
		return nil, err
	}
	d, err := a.cfg.APIDestinations.CreateAPIDestination(ctx, d)
	if err != nil {
		return nil, fail.of(err)
	}
	return apiDestinationChanged(&d), nil
}

// updateAPIDestination serves UpdateApiDestination: what a request leaves out stays.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateApiDestination.html
func (a *api) updateAPIDestination(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	fail := failure{"update", "api-destination"}
	name := turnout.APIDestinationName{Scope: r.Scope, Name: in.Str("Name")}
	d, err := a.cfg.APIDestinations.UpdateAPIDestination(ctx, name, func(d *turnout.APIDestination) error {
		return a.changeAPIDestination(fail, d, in)
	})
	if err != nil {
		return nil, fail.of(err)
	}
	return apiDestinationChanged(&d), nil
}

// changeAPIDestination sets what a request has.
func (a *api) changeAPIDestination(fail failure, d *turnout.APIDestination, in *shape.Value) error {
	set(&d.Description, in, "Description")
	set(&d.ConnectionARN, in, "ConnectionArn")
	set(&d.HTTPMethod, in, "HttpMethod")
	if v := in.Field("InvocationRateLimitPerSecond"); v != nil {
		d.PerSecondMax = int(v.Number)
	}
	endpoint := in.Field("InvocationEndpoint")
	if endpoint == nil {
		return nil
	}
	d.Endpoint = endpoint.Text
	return a.checkEndpoint(fail, "InvocationEndpoint", endpoint.Text)
}

// checkEndpoint refuses what is not the URL of an HTTPS endpoint, or of an HTTP
// endpoint where those are allowed. Whether it may be reached is decided when it is.
func (a *api) checkEndpoint(fail failure, parameter, endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err == nil && u.User != nil: // not shown again
		return fail.invalid(parameter, "The endpoint must not contain credentials; they belong into the connection.")
	case err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && a.cfg.HTTPEndpoints):
		return nil
	}
	return fail.invalid(parameter, "Endpoint '"+endpoint+"' is invalid, please provide a valid HTTPS endpoint URL.")
}

// deleteAPIDestination serves DeleteApiDestination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteApiDestination.html
func (a *api) deleteAPIDestination(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	err := a.cfg.APIDestinations.DeleteAPIDestination(ctx, turnout.APIDestinationName{Scope: r.Scope, Name: in.Str("Name")})
	return nil, failure{"delete", "api-destination"}.of(err)
}

// apiDestinationChanged is the answer to CreateApiDestination and UpdateApiDestination.
func apiDestinationChanged(d *turnout.APIDestination) answer {
	return func(e *awswire.Encoder) { encodeAPIDestinationState(e, d) }
}

func encodeAPIDestinationState(e *awswire.Encoder, d *turnout.APIDestination) {
	e.String("ApiDestinationArn", d.ARN())
	e.String("ApiDestinationState", string(d.State))
	e.Epoch("CreationTime", d.CreatedAt)
	e.Epoch("LastModifiedTime", d.ModifiedAt)
}

// describeAPIDestination serves DescribeApiDestination.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeApiDestination.html
func (a *api) describeAPIDestination(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	d, err := a.cfg.APIDestinations.APIDestination(ctx, turnout.APIDestinationName{Scope: r.Scope, Name: in.Str("Name")})
	if err != nil {
		return nil, failure{"describe", "api-destination"}.of(err)
	}
	return func(e *awswire.Encoder) {
		encodeAPIDestination(e, &d)
		e.Optional("Description", d.Description)
	}, nil
}

// encodeAPIDestination writes what ListApiDestinations and DescribeApiDestination have in common.
func encodeAPIDestination(e *awswire.Encoder, d *turnout.APIDestination) {
	e.String("Name", d.Name)
	encodeAPIDestinationState(e, d)
	e.String("ConnectionArn", d.ConnectionARN)
	e.String("InvocationEndpoint", d.Endpoint)
	e.String("HttpMethod", d.HTTPMethod)
	perSecond := d.PerSecondMax
	if perSecond == 0 {
		perSecond = perSecondDefault
	}
	e.Int("InvocationRateLimitPerSecond", int64(perSecond))
}

// listAPIDestinations serves ListApiDestinations.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListApiDestinations.html
func (a *api) listAPIDestinations(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	destinations, err := a.cfg.APIDestinations.APIDestinations(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	if connection := in.Field("ConnectionArn"); connection != nil {
		destinations = kept(destinations, func(d *turnout.APIDestination) bool { return d.ConnectionARN == connection.Text })
	}
	key := func(d *turnout.APIDestination) string { return d.Name }
	destinations, token, err := paging.Page(paging.WithPrefix(destinations, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return listed("ApiDestinations", destinations, token, encodeAPIDestination), nil
}
