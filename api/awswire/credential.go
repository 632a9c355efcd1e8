package awswire

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/seed567880c8/turnout"
)

// What a request without a credential speaks for.
const (
	DefaultAccount = "000000000000"
	DefaultRegion  = "us-east-1"
)

// Credential is what a request's signature says about its sender. It proves
// nothing until an Authenticator has checked the signature.
type Credential struct {
	AccessKeyID string // "" when the request is not signed
	Date        string // of the scope: YYYYMMDD
	Region      string // of the scope
	Service     string // of the scope
	Presigned   bool   // the signature is in the URL, not in a header
}

// Identity is whom a request speaks for.
type Identity struct {
	Account string // twelve digits
	Region  string // of a request whose credential names none; "" is DefaultRegion
}

// Authenticator decides whom a request speaks for.
type Authenticator interface {
	// Authenticate checks the signature of r, whose body as sent is body, and
	// returns whom it speaks for. A refusal is a *WireError or a
	// *turnout.Error with CodeAccessDenied.
	Authenticate(r *http.Request, body []byte, c Credential) (Identity, error)
}

// ParseOnly is the Authenticator that believes everyone: an access key of
// twelve digits is the account, and every other is DefaultAccount.
type ParseOnly struct{}

// Authenticate never refuses.
func (ParseOnly) Authenticate(_ *http.Request, _ []byte, c Credential) (Identity, error) {
	if isAccount(c.AccessKeyID) {
		return Identity{Account: c.AccessKeyID}, nil
	}
	return Identity{Account: DefaultAccount}, nil
}

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

const (
	signV4  = "AWS4-HMAC-SHA256"
	signV4A = "AWS4-ECDSA-P256-SHA256" // no region in the scope; X-Amz-Region-Set holds it
)

// ParseCredential reads the credential scope of a request from its
// Authorization header or its presigned query parameters. A request without
// either, or with another scheme of authorization, has the zero Credential.
// A signature that cannot be read is an error (AWS: IncompleteSignature).
func ParseCredential(header http.Header, query string) (Credential, error) {
	if auth := header.Get("Authorization"); auth != "" {
		algorithm, rest, _ := strings.Cut(auth, " ")
		if algorithm != signV4 && algorithm != signV4A {
			return Credential{}, nil
		}
		for part := range strings.SplitSeq(rest, ",") {
			if scope, ok := strings.CutPrefix(strings.TrimSpace(part), "Credential="); ok {
				return parseScope(scope, algorithm, header.Get("X-Amz-Region-Set"))
			}
		}
		return Credential{}, incompleteSignature("Authorization header requires 'Credential' parameter.")
	}
	if !strings.Contains(query, "X-Amz-Credential=") {
		return Credential{}, nil
	}
	f, err := ParseForm(query)
	if err != nil {
		return Credential{}, err
	}
	scope, ok := f.Get("X-Amz-Credential")
	if !ok {
		return Credential{}, nil
	}
	algorithm, _ := f.Get("X-Amz-Algorithm")
	regions, _ := f.Get("X-Amz-Region-Set")
	c, err := parseScope(scope, algorithm, regions)
	c.Presigned = true
	return c, err
}

// parseScope reads AKID/YYYYMMDD/region/service/aws4_request; with signV4A the region is missing.
func parseScope(s, algorithm, regions string) (Credential, error) {
	var c Credential
	id, rest, ok := strings.Cut(s, "/")
	c.AccessKeyID = id
	c.Date, rest, _ = strings.Cut(rest, "/")
	if algorithm != signV4A {
		c.Region, rest, _ = strings.Cut(rest, "/")
	} else if c.Region, _, _ = strings.Cut(regions, ","); c.Region == "" || strings.Contains(c.Region, "*") {
		c.Region = DefaultRegion
	}
	c.Service, rest, _ = strings.Cut(rest, "/")
	if !ok || c.AccessKeyID == "" || rest != "aws4_request" {
		return Credential{}, incompleteSignature("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	if len(c.AccessKeyID) > 128 || !isRegion(c.Region) {
		return Credential{}, incompleteSignature("Credential should be scoped to a valid region.")
	}
	return c, nil
}

// isRegion reports whether s can be a region's name: 1–32 of a–z 0–9 -.
// Regions become part of ARNs and of stored keys.
func isRegion(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func incompleteSignature(message string) error {
	return &WireError{Shape: "IncompleteSignatureException", QueryCode: "IncompleteSignature", Status: http.StatusBadRequest, Message: message}
}

// scope says whose resources a request speaks of.
func (c Credential) scope(id Identity) turnout.Scope {
	return turnout.Scope{Account: id.Account, Region: cmp.Or(c.Region, id.Region, DefaultRegion)}
}
