package topics

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/seed567880c8/turnout"
)

// recordVersion is the version of every JSON record here. A store with a newer
// one was written by a newer Turnout and is refused.
const recordVersion = 1

// The records are JSON: configuration is small, read once at start, and an
// operator may have to look at it. They are declared apart from the nouns so
// that renaming a noun's field cannot change what is stored.

type metaRecord struct {
	Version int    `json:"v"`
	NextID  uint32 `json:"next_id"` // the number of the next topic
}

type topicRecord struct {
	Version      int               `json:"v"`
	ARN          string            `json:"arn"`
	CreatedAt    int64             `json:"created_at"` // Unix ms
	Deleted      int               `json:"deleted,omitempty"`
	ArchiveSince int64             `json:"archive_since,omitempty"` // Unix ms
	FIFO         bool              `json:"fifo,omitempty"`
	ContentDedup bool              `json:"content_based_deduplication,omitempty"`
	Throughput   string            `json:"fifo_throughput_scope,omitempty"`
	DisplayName  string            `json:"display_name,omitempty"`
	Policy       string            `json:"policy,omitempty"`
	Delivery     string            `json:"delivery_policy,omitempty"`
	Archive      string            `json:"archive_policy,omitempty"`
	Protection   string            `json:"data_protection_policy,omitempty"`
	KMSKeyID     string            `json:"kms_key_id,omitempty"`
	Tracing      string            `json:"tracing_config,omitempty"`
	Signature    string            `json:"signature_version,omitempty"`
	Feedback     map[string]string `json:"feedback,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
}

type subscriptionRecord struct {
	Version       int    `json:"v"`
	TopicARN      string `json:"topic_arn"`
	Protocol      string `json:"protocol"`
	Endpoint      string `json:"endpoint"`
	Owner         string `json:"owner,omitempty"`
	CreatedAt     int64  `json:"created_at"` // Unix ms
	State         string `json:"state"`
	Until         int64  `json:"until,omitempty"` // Unix ms
	Authenticated bool   `json:"confirmed_with_credentials,omitempty"`
	Guarded       bool   `json:"authenticate_on_unsubscribe,omitempty"`
	Raw           bool   `json:"raw,omitempty"`
	Filter        string `json:"filter_policy,omitempty"`
	FilterScope   string `json:"filter_policy_scope,omitempty"`
	Delivery      string `json:"delivery_policy,omitempty"`
	Redrive       string `json:"redrive_policy,omitempty"`
	Replay        string `json:"replay_policy,omitempty"`
	RoleARN       string `json:"role_arn,omitempty"`
}

type ghostRecord struct {
	Version int   `json:"v"`
	Until   int64 `json:"until"` // Unix ms
}

// replayRecord is a replay's progress. Positions are those in the archive.
type replayRecord struct {
	Version int    `json:"v"`
	Status  string `json:"status"` // in AWS's words; "" with a replay that was called off
	NextAt  int64  `json:"next_at,omitempty"`
	NextSeq uint64 `json:"next_seq,omitempty"`
	EndAt   int64  `json:"end_at,omitempty"`
	LiveAt  int64  `json:"live_at,omitempty"`
	LiveSeq uint64 `json:"live_seq,omitempty"`
}

// encode returns a record as JSON. Text stays as it is, without HTML escapes.
func encode(record any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(record); err != nil {
		panic(fmt.Sprintf("topics: encode %T: %v", record, err)) // the records hold nothing that can fail
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
		return record, fmt.Errorf("topics: record of key %q is damaged: %w", key, err)
	}
	if v.Version != recordVersion {
		return record, fmt.Errorf("topics: record of key %q has version %d; this Turnout knows version %d", key, v.Version, recordVersion)
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return record, fmt.Errorf("topics: record of key %q is damaged: %w", key, err)
	}
	return record, nil
}

func (t *topic) encode() []byte {
	v := t.view.Load()
	a := &v.settings.Attributes
	r := topicRecord{
		Version: recordVersion, ARN: v.arn, CreatedAt: t.createdAt.UnixMilli(), Deleted: v.deleted,
		FIFO: a.FIFO, ContentDedup: a.ContentBasedDeduplication, Throughput: a.FIFOThroughputScope,
		DisplayName: a.DisplayName, Policy: a.Policy, Delivery: a.DeliveryPolicy, Archive: a.ArchivePolicy,
		Protection: a.DataProtectionPolicy, KMSKeyID: a.KMSKeyID, Tracing: a.TracingConfig,
		Signature: a.SignatureVersion, Feedback: a.Feedback, Tags: v.settings.Tags, ArchiveSince: v.archiveSince,
	}
	return encode(r)
}

func (r *topicRecord) settings() turnout.TopicSettings {
	return turnout.TopicSettings{
		Attributes: turnout.TopicAttributes{
			FIFO: r.FIFO, ContentBasedDeduplication: r.ContentDedup, FIFOThroughputScope: r.Throughput,
			DisplayName: r.DisplayName, Policy: r.Policy, DeliveryPolicy: r.Delivery, ArchivePolicy: r.Archive,
			DataProtectionPolicy: r.Protection, KMSKeyID: r.KMSKeyID, TracingConfig: r.Tracing,
			SignatureVersion: r.Signature, Feedback: r.Feedback,
		},
		Tags: r.Tags,
	}
}

func (s *subscription) encode() []byte {
	a := &s.Attributes
	return encode(subscriptionRecord{
		Version: recordVersion, TopicARN: s.Topic.ARN(), Protocol: s.Protocol, Endpoint: s.Endpoint, Owner: s.Owner,
		CreatedAt: s.CreatedAt.UnixMilli(), State: string(s.state), Until: millis(s.until),
		Authenticated: s.ConfirmedWithCredentials, Guarded: s.AuthenticateOnUnsubscribe,
		Raw: a.RawMessageDelivery, Filter: a.FilterPolicy, FilterScope: string(a.FilterPolicyScope),
		Delivery: a.DeliveryPolicy, Redrive: a.RedrivePolicy, Replay: a.ReplayPolicy, RoleARN: a.RoleARN,
	})
}

// subscription returns what the record says, and in what state.
func (r *subscriptionRecord) subscription(id string) (s turnout.Subscription, st state, err error) {
	topic, ok := turnout.ParseTopicARN(r.TopicARN)
	if !ok {
		return s, "", fmt.Errorf("topics: subscription %s has the topic %q", id, r.TopicARN)
	}
	switch st = state(r.State); st {
	case live, pending, removed:
	default:
		return s, "", fmt.Errorf("topics: subscription %s has the state %q", id, r.State)
	}
	return turnout.Subscription{
		SubscriptionName: turnout.SubscriptionName{Topic: topic, ID: id},
		Attributes: turnout.SubscriptionAttributes{
			RawMessageDelivery: r.Raw, FilterPolicy: r.Filter, FilterPolicyScope: turnout.FilterScope(r.FilterScope),
			DeliveryPolicy: r.Delivery, RedrivePolicy: r.Redrive, ReplayPolicy: r.Replay, RoleARN: r.RoleARN,
		},
		Owner: r.Owner, Protocol: r.Protocol, Endpoint: r.Endpoint, CreatedAt: fromMillis(r.CreatedAt),
		Pending:                  st == pending,
		ConfirmedWithCredentials: r.Authenticated, AuthenticateOnUnsubscribe: r.Guarded,
	}, st, nil
}
