package connections

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed567880c8/turnout"
)

// recordVersion is the version of every record here. A store with a newer one
// was written by a newer Turnout and is refused.
const recordVersion = 1

// The records are JSON: configuration is small, read once at start, and an
// operator may have to look at it. They are declared apart from the nouns so
// that renaming a noun's field cannot change what is stored.

type connectionRecord struct {
	Version      int        `json:"v"`
	ID           string     `json:"id"`
	Description  string     `json:"description,omitempty"`
	KMSKeyID     string     `json:"kms_key_id,omitempty"`
	Auth         authRecord `json:"auth"`
	Secrets      uint64     `json:"secrets"` // their version, to which the sealed form is bound
	State        string     `json:"state"`
	StateReason  string     `json:"state_reason,omitempty"`
	CreatedAt    int64      `json:"created_at"`              // Unix ms
	ModifiedAt   int64      `json:"modified_at"`             // Unix ms
	AuthorizedAt int64      `json:"authorized_at,omitempty"` // Unix ms; 0 is never
}

type authRecord struct {
	Type                  string           `json:"type"`
	Username              string           `json:"username,omitempty"`
	APIKeyName            string           `json:"api_key_name,omitempty"`
	ClientID              string           `json:"client_id,omitempty"`
	AuthorizationEndpoint string           `json:"authorization_endpoint,omitempty"`
	HTTPMethod            string           `json:"http_method,omitempty"`
	OAuth                 parametersRecord `json:"oauth,omitzero"`
	Invocation            parametersRecord `json:"invocation,omitzero"`
}

type parametersRecord struct {
	Header []parameterRecord `json:"header,omitempty"`
	Query  []parameterRecord `json:"query,omitempty"`
	Body   []parameterRecord `json:"body,omitempty"`
}

type parameterRecord struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"` // not of a secret one
	Secret bool   `json:"secret,omitempty"`
}

// secretsRecord is sealed before it is stored.
type secretsRecord struct {
	Version      int    `json:"v"`
	Password     string `json:"password,omitempty"`
	APIKeyValue  string `json:"api_key_value,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// Parameters are the values of the secret parameters, in the order in which
	// eachParameter meets them.
	Parameters []string `json:"parameters,omitempty"`
}

type destinationRecord struct {
	Version       int    `json:"v"`
	ID            string `json:"id"`
	Description   string `json:"description,omitempty"`
	ConnectionARN string `json:"connection_arn"`
	Endpoint      string `json:"endpoint"`
	HTTPMethod    string `json:"http_method"`
	PerSecondMax  int    `json:"per_second_max"`
	CreatedAt     int64  `json:"created_at"`  // Unix ms
	ModifiedAt    int64  `json:"modified_at"` // Unix ms
}

// encode returns a record as JSON. Text stays as it is, without HTML escapes.
func encode(record any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(record); err != nil {
		panic(fmt.Sprintf("connections: encode %T: %v", record, err)) // records hold nothing that JSON does not know
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

// decode reads a record. The version is checked first, so that a newer form is
// reported as that. The error does not quote the record: it may hold secrets.
func decode[T any](text []byte) (record T, err error) {
	var v struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return record, fmt.Errorf("the record is damaged")
	}
	if v.Version != recordVersion {
		return record, fmt.Errorf("the record has version %d; this Turnout knows version %d", v.Version, recordVersion)
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return record, fmt.Errorf("the record is damaged")
	}
	return record, nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func encodeConnection(c *connection) []byte {
	a := &c.Auth
	return encode(connectionRecord{
		Version:     recordVersion,
		ID:          c.ID,
		Description: c.Description,
		KMSKeyID:    c.KMSKeyID,
		Auth: authRecord{
			Type:                  string(a.Type),
			Username:              a.Username,
			APIKeyName:            a.APIKeyName,
			ClientID:              a.ClientID,
			AuthorizationEndpoint: a.AuthorizationEndpoint,
			HTTPMethod:            a.HTTPMethod,
			OAuth:                 recordOf(&a.OAuthParameters),
			Invocation:            recordOf(&a.Invocation),
		},
		Secrets:      c.version,
		State:        string(c.State),
		StateReason:  c.StateReason,
		CreatedAt:    millis(c.CreatedAt),
		ModifiedAt:   millis(c.ModifiedAt),
		AuthorizedAt: millis(c.AuthorizedAt),
	})
}

func (r *connectionRecord) connection(name turnout.ConnectionName) *connection {
	return &connection{
		Connection: turnout.Connection{
			ConnectionName: name,
			ID:             r.ID,
			Description:    r.Description,
			KMSKeyID:       r.KMSKeyID,
			Auth: turnout.ConnectionAuth{
				Type:                  turnout.AuthorizationType(r.Auth.Type),
				Username:              r.Auth.Username,
				APIKeyName:            r.Auth.APIKeyName,
				ClientID:              r.Auth.ClientID,
				AuthorizationEndpoint: r.Auth.AuthorizationEndpoint,
				HTTPMethod:            r.Auth.HTTPMethod,
				OAuthParameters:       r.Auth.OAuth.parameters(),
				Invocation:            r.Auth.Invocation.parameters(),
			},
			State:        turnout.ConnectionState(r.State),
			StateReason:  r.StateReason,
			CreatedAt:    timeOf(r.CreatedAt),
			ModifiedAt:   timeOf(r.ModifiedAt),
			AuthorizedAt: timeOf(r.AuthorizedAt),
		},
		version: r.Secrets,
	}
}

func recordOf(p *turnout.HTTPParameters) parametersRecord {
	list := func(all []turnout.Parameter) (out []parameterRecord) {
		for _, p := range all {
			out = append(out, parameterRecord{Key: p.Key, Value: p.Value, Secret: p.Secret})
		}
		return out
	}
	return parametersRecord{Header: list(p.Header), Query: list(p.Query), Body: list(p.Body)}
}

func (r *parametersRecord) parameters() turnout.HTTPParameters {
	list := func(all []parameterRecord) (out []turnout.Parameter) {
		for _, p := range all {
			out = append(out, turnout.Parameter{Key: p.Key, Value: p.Value, Secret: p.Secret})
		}
		return out
	}
	return turnout.HTTPParameters{Header: list(r.Header), Query: list(r.Query), Body: list(r.Body)}
}

func encodeDestination(d *turnout.APIDestination) []byte {
	return encode(destinationRecord{
		Version:       recordVersion,
		ID:            d.ID,
		Description:   d.Description,
		ConnectionARN: d.ConnectionARN,
		Endpoint:      d.Endpoint,
		HTTPMethod:    d.HTTPMethod,
		PerSecondMax:  d.PerSecondMax,
		CreatedAt:     millis(d.CreatedAt),
		ModifiedAt:    millis(d.ModifiedAt),
	})
}

func (r *destinationRecord) destination(name turnout.APIDestinationName) turnout.APIDestination {
	return turnout.APIDestination{
		APIDestinationName: name,
		ID:                 r.ID,
		Description:        r.Description,
		ConnectionARN:      r.ConnectionARN,
		Endpoint:           r.Endpoint,
		HTTPMethod:         r.HTTPMethod,
		PerSecondMax:       r.PerSecondMax,
		CreatedAt:          timeOf(r.CreatedAt),
		ModifiedAt:         timeOf(r.ModifiedAt),
	}
}
