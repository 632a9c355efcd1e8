package eventbridge

import (
	"context"
	"slices"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// policyBytesMax is the size that AWS allows a bus's policy.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
const policyBytesMax = 10_240

// putPermission serves PutPermission: either one statement, which is added or
// takes the place of the one with its id, or a whole policy.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
func (a *api) putPermission(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	bus, err := busNamed(r.Scope, in.Str("EventBusName"))
	if err != nil {
		return nil, err
	}
	given := in.Str("Policy")
	if err := checkPermission(in, given != ""); err != nil {
		return nil, err
	}
	_, err = a.broker.UpdateBus(ctx, bus, func(b *turnout.Bus) error {
		policy := given
		if policy == "" {
			p, err := parsePolicy(b.Policy)
			if err != nil {
				return err
			}
			p.put(in.Str("StatementId"), statementOf(in, bus))
			policy = p.String()
		}
		if len(policy) > policyBytesMax {
			return turnout.Errorf(turnout.CodePolicyTooLong, "The policy of event bus %s would be longer than %d bytes.", bus.Name, policyBytesMax)
		}
		b.Policy = policy
		return nil
	})
	return nil, err
}

// checkPermission checks how the parameters fit together.
func checkPermission(in *shape.Value, wholePolicy bool) error {
	statement := []string{"Action", "Principal", "StatementId"}
	if wholePolicy {
		for _, name := range append(statement, "Condition") {
			if in.Field(name) != nil {
				return turnout.Errorf(turnout.CodeValidation, "Parameter %s must not be specified together with Policy.", name)
			}
		}
		_, err := parsePolicy(in.Str("Policy"))
		return err
	}
	for _, name := range statement {
		if in.Field(name) == nil {
			return turnout.Errorf(turnout.CodeValidation, "Parameter(s) %s must be specified.", name)
		}
	}
	if in.Str("Action") != "events:PutEvents" {
		return turnout.Errorf(turnout.CodeValidation, "Provided value in parameter 'action' is not supported.")
	}
	// The only condition that AWS documents: the organization of the caller.
	if c := in.Field("Condition"); c != nil && (c.Str("Type") != "StringEquals" || c.Str("Key") != "aws:PrincipalOrgID") {
		return turnout.Errorf(turnout.CodeValidation, "Provided value in parameter 'condition' is not supported.")
	}
	return nil
}

// statementOf returns the policy statement that a request describes.
func statementOf(in *shape.Value, bus turnout.BusName) []byte {
	member := func(dst []byte, key, s string) []byte {
		return awswire.AppendJSONString(shape.AppendKey(dst, key), s)
	}
	s := member([]byte{'{'}, "Sid", in.Str("StatementId"))
	s = member(s, "Effect", "Allow")
	if principal := in.Str("Principal"); principal == "*" {
		s = member(s, "Principal", principal)
	} else {
		s = append(shape.AppendKey(s, "Principal"), '{')
		s = append(member(s, "AWS", "arn:aws:iam::"+principal+":root"), '}')
	}
	s = member(s, "Action", in.Str("Action"))
	s = member(s, "Resource", bus.ARN())
	if c := in.Field("Condition"); c != nil {
		s = append(shape.AppendKey(s, "Condition"), '{')
		s = append(shape.AppendKey(s, c.Str("Type")), '{')
		s = append(member(s, c.Str("Key"), c.Str("Value")), '}', '}')
	}
	return append(s, '}')
}

// removePermission serves RemovePermission.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemovePermission.html
func (a *api) removePermission(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	bus, err := busNamed(r.Scope, in.Str("EventBusName"))
	if err != nil {
		return nil, err
	}
	all := in.Flag("RemoveAllPermissions")
	if !all && in.Field("StatementId") == nil {
		return nil, turnout.Errorf(turnout.CodeValidation, "Parameter(s) StatementId or RemoveAllPermissions must be specified.")
	}
	_, err = a.broker.UpdateBus(ctx, bus, func(b *turnout.Bus) error {
		if all {
			b.Policy = ""
			return nil
		}
		p, err := parsePolicy(b.Policy)
		if err != nil {
			return err
		}
		if !p.remove(in.Str("StatementId")) {
			return turnout.Errorf(turnout.CodeNotFound, "Statement with the provided id does not exist.")
		}
		b.Policy = p.String()
		return nil
	})
	return nil, err
}

// policy is a resource policy, taken apart as far as its statements.
type policy struct {
	version    []byte // JSON; nil is absent
	id         []byte // JSON; nil is absent
	statements []statement
}

type statement struct {
	sid  string
	json []byte
}

// parsePolicy reads a policy document; "" is one without statements. The
// error has CodeValidation.
func parsePolicy(document string) (*policy, error) {
	if document == "" {
		return &policy{version: []byte(`"2012-10-17"`)}, nil
	}
	p := &policy{}
	statements, ok := p.parseMembers([]byte(document))
	if !ok || !p.parseStatements(statements) {
		return nil, turnout.Errorf(turnout.CodeValidation, "This policy contains invalid Json")
	}
	if len(p.statements) == 0 {
		return nil, turnout.Errorf(turnout.CodeValidation, "Could not parse the policy: Statement is empty!")
	}
	return p, nil
}

// parseMembers reads the members of a document and returns the statements as they are.
func (p *policy) parseMembers(document []byte) (statements []byte, ok bool) {
	r := awswire.NewJSONReader(document)
	if !r.Object() {
		return nil, false
	}
	for {
		key, ok := r.Key()
		if !ok {
			return statements, r.End() == nil && statements != nil
		}
		switch string(key) {
		case "Version":
			p.version = r.Raw()
		case "Id":
			p.id = r.Raw()
		case "Statement":
			statements = r.Raw()
		default:
			return nil, false
		}
	}
}

// parseStatements reads the statements: a list, or a single one without a list.
func (p *policy) parseStatements(statements []byte) bool {
	if statements[0] == '{' {
		s, ok := parseStatement(statements)
		p.statements = []statement{s}
		return ok
	}
	r := awswire.NewJSONReader(statements)
	if !r.Array() {
		return false
	}
	for r.Elem() {
		s, ok := parseStatement(r.Raw())
		if !ok {
			return false
		}
		p.statements = append(p.statements, s)
	}
	return true
}

func parseStatement(raw []byte) (s statement, ok bool) {
	s.json = raw
	r := awswire.NewJSONReader(raw)
	if !r.Object() {
		return s, false
	}
	for {
		key, ok := r.Key()
		if !ok {
			return s, r.End() == nil
		}
		if string(key) == "Sid" {
			sid, _ := r.String()
			s.sid = string(sid)
			continue
		}
		r.Skip()
	}
}

// put adds a statement, in the place of the one with its id if there is one.
func (p *policy) put(sid string, json []byte) {
	i := slices.IndexFunc(p.statements, func(s statement) bool { return s.sid == sid })
	if i >= 0 {
		p.statements[i].json = json
		return
	}
	p.statements = append(p.statements, statement{sid: sid, json: json})
}

// remove removes a statement and reports whether there was one.
func (p *policy) remove(sid string) bool {
	before := len(p.statements)
	p.statements = slices.DeleteFunc(p.statements, func(s statement) bool { return s.sid == sid })
	return len(p.statements) < before
}

// String returns the document, "" for a policy without statements.
func (p *policy) String() string {
	if len(p.statements) == 0 {
		return ""
	}
	dst := []byte{'{'}
	if p.version != nil {
		dst = append(shape.AppendKey(dst, "Version"), p.version...)
	}
	if p.id != nil {
		dst = append(shape.AppendKey(dst, "Id"), p.id...)
	}
	dst = append(shape.AppendKey(dst, "Statement"), '[')
	for i, s := range p.statements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, s.json...)
	}
	return string(append(dst, ']', '}'))
}
