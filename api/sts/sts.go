package sts

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// Service describes the API to the wire. AWS speaks the query protocol here;
// awsJson is offered beside it because it costs nothing.
func Service() *awswire.Service {
	return &awswire.Service{
		Name:         "sts",
		TargetPrefix: "AWSSecurityTokenServiceV20110615",
		JSONVersion:  "1.1",
		QueryVersion: "2011-06-15",
		XMLNamespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		ErrorOf:      awswire.CommonError,
		Operations: map[string]awswire.Operation{
			"GetCallerIdentity": getCallerIdentity,

			"AssumeRole":                 refuse,
			"AssumeRoleWithSAML":         refuse,
			"AssumeRoleWithWebIdentity":  refuse,
			"AssumeRoot":                 refuse,
			"DecodeAuthorizationMessage": refuse,
			"GetAccessKeyInfo":           refuse,
			"GetFederationToken":         refuse,
			"GetSessionToken":            refuse,
		},
	}
}

// refuse answers the operations of STS that Turnout does not have: it issues no credentials.
func refuse(_ context.Context, r *awswire.Request) (awswire.Result, error) {
	return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "The operation %s is not supported: this server issues no credentials.", r.Operation)
}

// identity is the answer to GetCallerIdentity.
type identity struct{ account, accessKeyID string }

// EncodeTo writes the identity: the root user of the caller's account.
func (i *identity) EncodeTo(e *awswire.Encoder) {
	e.String("Arn", "arn:aws:iam::"+i.account+":root")
	e.String("UserId", i.accessKeyID)
	e.String("Account", i.account)
}

func getCallerIdentity(_ context.Context, r *awswire.Request) (awswire.Result, error) {
	id := &identity{account: r.Account, accessKeyID: r.AccessKeyID}
	if id.accessKeyID == "" {
		id.accessKeyID = r.Account // AWS shows the account's number as the root user's id
	}
	return id, nil
}
