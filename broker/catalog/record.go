package catalog

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

type metaRecord struct {
	Version   int   `json:"v"`
	CreatedAt int64 `json:"created_at"` // Unix ms
	// TargetNumber is the last number that was given to a target.
	TargetNumber uint64 `json:"target_number,omitempty"`
}

type busRecord struct {
	Version       int               `json:"v"`
	Description   string            `json:"description,omitempty"`
	Policy        string            `json:"policy,omitempty"`
	KMSKeyID      string            `json:"kms_key_id,omitempty"`
	DeadLetterARN string            `json:"dead_letter_arn,omitempty"`
	LogConfig     json.RawMessage   `json:"log_config,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	CreatedAt     int64             `json:"created_at"`  // Unix ms
	ModifiedAt    int64             `json:"modified_at"` // Unix ms
}

type ruleRecord struct {
	Version     int               `json:"v"`
	Pattern     string            `json:"pattern,omitempty"`
	Schedule    string            `json:"schedule,omitempty"`
	State       string            `json:"state"`
	Description string            `json:"description,omitempty"`
	RoleARN     string            `json:"role_arn,omitempty"`
	CreatedBy   string            `json:"created_by,omitempty"`
	ManagedBy   string            `json:"managed_by,omitempty"`
	CreatedAt   int64             `json:"created_at,omitempty"` // Unix ms
	Tags        map[string]string `json:"tags,omitempty"`
}

type targetRecord struct {
	Version          int                `json:"v"`
	Order            uint64             `json:"order"` // targets of a rule are listed by it
	Number           uint64             `json:"number,omitempty"`
	ARN              string             `json:"arn"`
	RoleARN          string             `json:"role_arn,omitempty"`
	Input            *string            `json:"input,omitempty"`
	InputPath        *string            `json:"input_path,omitempty"`
	InputTransformer *transformerRecord `json:"input_transformer,omitempty"`
	MessageGroupID   string             `json:"message_group_id,omitempty"`
	DeadLetterARN    string             `json:"dead_letter_arn,omitempty"`
	Retry            *retryRecord       `json:"retry,omitempty"`
	Other            json.RawMessage    `json:"other,omitempty"`
}

type transformerRecord struct {
	Paths    map[string]string `json:"paths,omitempty"`
	Template string            `json:"template"`
}

type retryRecord struct {
	MaximumAttempts *int   `json:"maximum_attempts,omitempty"`
	MaximumAge      *int64 `json:"maximum_age,omitempty"` // ms
}

// encode returns a record as JSON. Text stays as it is, without HTML escapes.
func encode(record any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(record); err != nil {
		panic(fmt.Sprintf("catalog: encode %T: %v", record, err)) // only a RawMessage that is no JSON, which CheckRaw refused
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

// decode reads a record. The version is checked first, so that a newer form is
// reported as that.
func decode[T any](key, value []byte) (record T, err error) {
	var v struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return record, fmt.Errorf("catalog: record of key %q is damaged: %w", key, err)
	}
	if v.Version != recordVersion {
		return record, fmt.Errorf("catalog: record of key %q has version %d; this Turnout knows version %d", key, v.Version, recordVersion)
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return record, fmt.Errorf("catalog: record of key %q is damaged: %w", key, err)
	}
	return record, nil
}

func encodeBus(b *turnout.Bus) []byte {
	return encode(busRecord{
		Version:       recordVersion,
		Description:   b.Description,
		Policy:        b.Policy,
		KMSKeyID:      b.KMSKeyID,
		DeadLetterARN: b.DeadLetterARN,
		LogConfig:     b.LogConfig,
		Tags:          b.Tags,
		CreatedAt:     b.CreatedAt.UnixMilli(),
		ModifiedAt:    b.ModifiedAt.UnixMilli(),
	})
}

func (r *busRecord) bus(name turnout.BusName) turnout.Bus {
	return turnout.Bus{
		BusName:       name,
		Description:   r.Description,
		Policy:        r.Policy,
		KMSKeyID:      r.KMSKeyID,
		DeadLetterARN: r.DeadLetterARN,
		LogConfig:     r.LogConfig,
		Tags:          r.Tags,
		CreatedAt:     time.UnixMilli(r.CreatedAt).UTC(),
		ModifiedAt:    time.UnixMilli(r.ModifiedAt).UTC(),
	}
}

func encodeRule(r *turnout.Rule) []byte {
	return encode(ruleRecord{
		Version:     recordVersion,
		Pattern:     r.Pattern,
		Schedule:    r.Schedule,
		State:       string(r.State),
		Description: r.Description,
		RoleARN:     r.RoleARN,
		CreatedBy:   r.CreatedBy,
		ManagedBy:   r.ManagedBy,
		CreatedAt:   unixMilli(r.CreatedAt),
		Tags:        r.Tags,
	})
}

func (r *ruleRecord) rule(name turnout.RuleName) turnout.Rule {
	return turnout.Rule{
		RuleName:    name,
		Pattern:     r.Pattern,
		Schedule:    r.Schedule,
		State:       turnout.RuleState(r.State),
		Description: r.Description,
		RoleARN:     r.RoleARN,
		CreatedBy:   r.CreatedBy,
		ManagedBy:   r.ManagedBy,
		CreatedAt:   timeOf(r.CreatedAt),
		Tags:        r.Tags,
	}
}

// unixMilli is 0 for the zero time, and timeOf its inverse.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(unixMilli int64) time.Time {
	if unixMilli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(unixMilli).UTC()
}

func encodeTarget(t *Target) []byte {
	r := targetRecord{
		Version:        recordVersion,
		Order:          t.order,
		Number:         t.Number,
		ARN:            t.ARN,
		RoleARN:        t.RoleARN,
		Input:          t.Input,
		InputPath:      t.InputPath,
		MessageGroupID: t.MessageGroupID,
		DeadLetterARN:  t.DeadLetterARN,
		Other:          t.Other,
	}
	if in := t.InputTransformer; in != nil {
		r.InputTransformer = &transformerRecord{Paths: in.Paths, Template: in.Template}
	}
	if p := t.Retry; p != nil {
		r.Retry = &retryRecord{MaximumAttempts: p.MaximumRetryAttempts}
		if p.MaximumEventAge != nil {
			r.Retry.MaximumAge = new(p.MaximumEventAge.Milliseconds())
		}
	}
	return encode(r)
}

func (r *targetRecord) target(id string) turnout.Target {
	t := turnout.Target{
		ID:             id,
		ARN:            r.ARN,
		RoleARN:        r.RoleARN,
		Input:          r.Input,
		InputPath:      r.InputPath,
		MessageGroupID: r.MessageGroupID,
		DeadLetterARN:  r.DeadLetterARN,
		Other:          r.Other,
	}
	if in := r.InputTransformer; in != nil {
		t.InputTransformer = &turnout.InputTransformer{Paths: in.Paths, Template: in.Template}
	}
	if p := r.Retry; p != nil {
		t.Retry = &turnout.RetryPolicy{MaximumRetryAttempts: p.MaximumAttempts}
		if p.MaximumAge != nil {
			t.Retry.MaximumEventAge = new(time.Duration(*p.MaximumAge) * time.Millisecond)
		}
	}
	return t
}
