package eventbridge

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// bodyParametersBytesMax is the size that AWS allows the body parameters of a connection together.
const bodyParametersBytesMax = 64 << 10

// failure words the errors of operations on connections and API destinations,
// which on AWS begin with what failed.
type failure struct {
	verb, what string // for example describe, connection
}

func (f failure) invalid(parameter, reason string) error {
	return f.of(turnout.Errorf(turnout.CodeValidation, "Parameter %s is not valid. Reason: %s", parameter, reason))
}

// of puts AWS's beginning before an error that is the caller's to mend, in the
// place of the one that it may have.
func (f failure) of(err error) error {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case turnout.CodeNotFound, turnout.CodeAlreadyExists, turnout.CodeConflict, turnout.CodeLimitExceeded,
		turnout.CodeValidation, turnout.CodeInvalidParameter, turnout.CodeUnsupportedOperation:
	default:
		return err
	}
	reason := e.Message
	if strings.HasPrefix(reason, "Failed to ") {
		if _, rest, ok := strings.Cut(reason, "(s). "); ok {
			reason = rest
		}
	}
	return &turnout.Error{Code: e.Code, Message: "Failed to " + f.verb + " the " + f.what + "(s). " + reason, Err: e.Err}
}

// createConnection serves CreateConnection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateConnection.html
func (a *api) createConnection(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	fail := failure{"create", "connection"}
	c := turnout.Connection{ConnectionName: turnout.ConnectionName{Scope: r.Scope, Name: in.Str("Name")}}
	if err := a.changeConnection(fail, &c, in); err != nil {
		return nil, err
	}
	c, err := a.cfg.Connections.CreateConnection(ctx, c)
	if err != nil {
		return nil, fail.of(err)
	}
	return func(e *awswire.Encoder) { encodeConnectionState(e, &c) }, nil
}

// updateConnection serves UpdateConnection: what a request leaves out stays,
// but for the parameters of another authorization type.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateConnection.html
func (a *api) updateConnection(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	fail := failure{"update", "connection"}
	name := turnout.ConnectionName{Scope: r.Scope, Name: in.Str("Name")}
	c, err := a.cfg.Connections.UpdateConnection(ctx, name, func(c *turnout.Connection) error {
		return a.changeConnection(fail, c, in)
	})
	if err != nil {
		return nil, fail.of(err)
	}
	return connectionChanged(&c), nil
}

// changeConnection sets what a request has.
func (a *api) changeConnection(fail failure, c *turnout.Connection, in *shape.Value) error {
	auth := in.Field("AuthParameters")
	for _, private := range []*shape.Value{in.Field("InvocationConnectivityParameters"), auth.Field("ConnectivityParameters")} {
		// AWS lets an empty ARN say that there is none.
		if private.Field("ResourceParameters").Str("ResourceConfigurationArn") != "" {
			return fail.of(turnout.Errorf(turnout.CodeUnsupportedOperation,
				"Turnout does not support private connectivity: a connection must not have connectivity parameters."))
		}
	}
	if v := in.Field("Description"); v != nil {
		c.Description = v.Text
	}
	if v := in.Field("KmsKeyIdentifier"); v != nil {
		c.KMSKeyID = v.Text
	}
	if t := turnout.AuthorizationType(in.Str("AuthorizationType")); t != "" && t != c.Auth.Type {
		if !hasAuth(auth, t) {
			return fail.invalid("AuthParameters", authMember(t)+" must be specified in full for the authorization type "+string(t)+".")
		}
		c.Auth = turnout.ConnectionAuth{Type: t, Invocation: c.Auth.Invocation}
	}
	if auth == nil {
		return nil
	}
	return a.changeAuth(fail, &c.Auth, auth)
}

// authMember is the member of AuthParameters that belongs to an authorization type.
func authMember(t turnout.AuthorizationType) string {
	switch t {
	case turnout.AuthBasic:
		return "BasicAuthParameters"
	case turnout.AuthAPIKey:
		return "ApiKeyAuthParameters"
	default:
		return "OAuthParameters"
	}
}

// hasAuth reports whether AuthParameters hold all that an authorization type
// needs. The model of UpdateConnection does not ask for it, because a
// connection that keeps its type keeps the rest.
func hasAuth(in *shape.Value, t turnout.AuthorizationType) bool {
	p := in.Field(authMember(t))
	has := func(p *shape.Value, names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return p.Field(name) == nil })
	}
	switch t {
	case turnout.AuthBasic:
		return has(p, "Username", "Password")
	case turnout.AuthAPIKey:
		return has(p, "ApiKeyName", "ApiKeyValue")
	default:
		return has(p, "AuthorizationEndpoint", "HttpMethod") && has(p.Field("ClientParameters"), "ClientID", "ClientSecret")
	}
}

func (a *api) changeAuth(fail failure, auth *turnout.ConnectionAuth, in *shape.Value) error {
	for _, t := range []turnout.AuthorizationType{turnout.AuthBasic, turnout.AuthAPIKey, turnout.AuthOAuth} {
		if name := authMember(t); t != auth.Type && in.Field(name) != nil {
			return fail.invalid("AuthParameters", name+" must not be specified for the authorization type "+string(auth.Type)+".")
		}
	}
	basic, key, oauth := in.Field("BasicAuthParameters"), in.Field("ApiKeyAuthParameters"), in.Field("OAuthParameters")
	set(&auth.Username, basic, "Username")
	set(&auth.Password, basic, "Password")
	set(&auth.APIKeyName, key, "ApiKeyName")
	set(&auth.APIKeyValue, key, "ApiKeyValue")
	client := oauth.Field("ClientParameters")
	set(&auth.ClientID, client, "ClientID")
	set(&auth.ClientSecret, client, "ClientSecret")
	set(&auth.HTTPMethod, oauth, "HttpMethod")
	set(&auth.AuthorizationEndpoint, oauth, "AuthorizationEndpoint")
	if oauth.Field("AuthorizationEndpoint") != nil {
		if err := a.checkEndpoint(fail, "AuthorizationEndpoint", auth.AuthorizationEndpoint); err != nil {
			return err
		}
	}
	if err := setParameters(fail, &auth.OAuthParameters, oauth.Field("OAuthHttpParameters")); err != nil {
		return err
	}
	return setParameters(fail, &auth.Invocation, in.Field("InvocationHttpParameters"))
}

// set sets a text to the member of that name, if the request has it.
func set(text *string, in *shape.Value, name string) {
	if v := in.Field(name); v != nil {
		*text = v.Text
	}
}

// setParameters replaces the parameters by those of a request, if it has any.
func setParameters(fail failure, p *turnout.HTTPParameters, in *shape.Value) error {
	if in == nil {
		return nil
	}
	bodyBytes := 0
	for list, member := range parameterLists(p) {
		*list = nil
		for _, v := range in.List(member) {
			q := turnout.Parameter{Key: v.Str("Key"), Value: v.Str("Value"), Secret: v.Flag("IsValueSecret")}
			if q.Key == "" {
				return fail.invalid(member, "A parameter must have a Key.")
			}
			if list == &p.Body {
				bodyBytes += len(q.Key) + len(q.Value)
			}
			*list = append(*list, q)
		}
	}
	if bodyBytes > bodyParametersBytesMax {
		return fail.invalid("BodyParameters", "The parameters are larger than 64 KB.")
	}
	return nil
}

// parameterLists yields the lists of p and the names of their members, in the model's order.
func parameterLists(p *turnout.HTTPParameters) func(yield func(*[]turnout.Parameter, string) bool) {
	return func(yield func(*[]turnout.Parameter, string) bool) {
		_ = yield(&p.Header, "HeaderParameters") &&
			yield(&p.Query, "QueryStringParameters") &&
			yield(&p.Body, "BodyParameters")
	}
}

// deleteConnection serves DeleteConnection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteConnection.html
func (a *api) deleteConnection(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	c, err := a.cfg.Connections.DeleteConnection(ctx, turnout.ConnectionName{Scope: r.Scope, Name: in.Str("Name")})
	if err != nil {
		return nil, failure{"delete", "connection"}.of(err)
	}
	c.State = turnout.ConnectionDeleting // it is gone, but AWS has no word for that
	return connectionChanged(&c), nil
}

// deauthorizeConnection serves DeauthorizeConnection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeauthorizeConnection.html
func (a *api) deauthorizeConnection(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	c, err := a.cfg.Connections.DeauthorizeConnection(ctx, turnout.ConnectionName{Scope: r.Scope, Name: in.Str("Name")})
	if err != nil {
		return nil, failure{"deauthorize", "connection"}.of(err)
	}
	return connectionChanged(&c), nil
}

// connectionChanged is the answer to the operations that change a connection.
func connectionChanged(c *turnout.Connection) answer {
	return func(e *awswire.Encoder) {
		encodeConnectionState(e, c)
		optionalTime(e, "LastAuthorizedTime", c.AuthorizedAt)
	}
}

func encodeConnectionState(e *awswire.Encoder, c *turnout.Connection) {
	e.String("ConnectionArn", c.ARN())
	e.String("ConnectionState", string(c.State))
	e.Epoch("CreationTime", c.CreatedAt)
	e.Epoch("LastModifiedTime", c.ModifiedAt)
}

// describeConnection serves DescribeConnection. It shows no secret, whatever the connections hand out.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeConnection.html
func (a *api) describeConnection(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	c, err := a.cfg.Connections.Connection(ctx, turnout.ConnectionName{Scope: r.Scope, Name: in.Str("Name")})
	if err != nil {
		return nil, failure{"describe", "connection"}.of(err)
	}
	return func(e *awswire.Encoder) {
		encodeConnection(e, &c)
		e.Optional("Description", c.Description)
		e.Optional("KmsKeyIdentifier", c.KMSKeyID)
		e.Optional("SecretArn", c.SecretARN())
		encodeAuth(e, &c.Auth)
	}, nil
}

// encodeConnection writes what ListConnections and DescribeConnection have in common.
func encodeConnection(e *awswire.Encoder, c *turnout.Connection) {
	e.String("Name", c.Name)
	encodeConnectionState(e, c)
	e.Optional("StateReason", c.StateReason)
	e.String("AuthorizationType", string(c.Auth.Type))
	optionalTime(e, "LastAuthorizedTime", c.AuthorizedAt)
}

func encodeAuth(e *awswire.Encoder, auth *turnout.ConnectionAuth) {
	e.Begin("AuthParameters")
	member := authMember(auth.Type)
	e.Begin(member)
	switch auth.Type {
	case turnout.AuthBasic:
		e.Optional("Username", auth.Username)
	case turnout.AuthAPIKey:
		e.Optional("ApiKeyName", auth.APIKeyName)
	case turnout.AuthOAuth:
		e.Begin("ClientParameters")
		e.Optional("ClientID", auth.ClientID)
		e.End("ClientParameters")
		e.Optional("AuthorizationEndpoint", auth.AuthorizationEndpoint)
		e.Optional("HttpMethod", auth.HTTPMethod)
		encodeParameters(e, "OAuthHttpParameters", &auth.OAuthParameters)
	}
	e.End(member)
	encodeParameters(e, "InvocationHttpParameters", &auth.Invocation)
	e.End("AuthParameters")
}

func encodeParameters(e *awswire.Encoder, name string, p *turnout.HTTPParameters) {
	if len(p.Header)+len(p.Query)+len(p.Body) == 0 {
		return
	}
	e.Begin(name)
	for list, member := range parameterLists(p) {
		if len(*list) == 0 {
			continue
		}
		l := awswire.List{JSON: member}
		e.BeginList(l)
		for _, q := range *list {
			e.BeginItem(l)
			e.String("Key", q.Key)
			if !q.Secret {
				e.String("Value", q.Value)
			}
			e.Bool("IsValueSecret", q.Secret)
			e.EndItem(l)
		}
		e.EndList()
	}
	e.End(name)
}

// listConnections serves ListConnections.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListConnections.html
func (a *api) listConnections(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	connections, err := a.cfg.Connections.Connections(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	if state := in.Field("ConnectionState"); state != nil {
		connections = kept(connections, func(c *turnout.Connection) bool { return string(c.State) == state.Text })
	}
	key := func(c *turnout.Connection) string { return c.Name }
	connections, token, err := paging.Page(paging.WithPrefix(connections, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return listed("Connections", connections, token, encodeConnection), nil
}
