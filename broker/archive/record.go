package archive

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// The records are JSON, declared apart from the nouns so that renaming a
// noun's field cannot change what is stored. Times are Unix ms, 0 for none.

type metaRecord struct {
	versioned
	Number uint32 `json:"number"` // the last that was given to an archive
}

type archiveRecord struct {
	versioned
	Number      uint32 `json:"number"`
	Bus         string `json:"bus"` // ARN
	Pattern     string `json:"pattern,omitempty"`
	Retention   int64  `json:"retention,omitempty"` // ms
	Description string `json:"description,omitempty"`
	KMSKeyID    string `json:"kms_key_id,omitempty"`
	CreatedAt   int64  `json:"created_at"`
}

func (a *archive) encode() []byte {
	return encode(archiveRecord{
		versioned:   versioned{recordVersion},
		Number:      a.number,
		Bus:         a.Bus.ARN(),
		Pattern:     a.Pattern,
		Retention:   a.Retention.Milliseconds(),
		Description: a.Description,
		KMSKeyID:    a.KMSKeyID,
		CreatedAt:   a.CreatedAt.UnixMilli(),
	})
}

func decodeArchive(key, value []byte) (*archive, error) {
	scope, name, err := splitName(key)
	if err != nil {
		return nil, err
	}
	r, err := decode[archiveRecord](key, value)
	if err != nil {
		return nil, err
	}
	bus, ok := turnout.ParseBusARN(r.Bus)
	if !ok {
		return nil, fmt.Errorf("%w: key %q", errRecord, key)
	}
	return &archive{number: r.Number, Archive: turnout.Archive{
		ArchiveName: turnout.ArchiveName{Scope: scope, Name: name},
		Bus:         bus,
		Pattern:     r.Pattern,
		Retention:   time.Duration(r.Retention) * time.Millisecond,
		Description: r.Description,
		KMSKeyID:    r.KMSKeyID,
		CreatedAt:   time.UnixMilli(r.CreatedAt).UTC(),
	}}, nil
}

type replayRecord struct {
	versioned
	Description   string   `json:"description,omitempty"`
	Source        string   `json:"source"` // ARN
	Archive       uint32   `json:"archive,omitempty"`
	From          int64    `json:"from"` // ns, as the others here that a user gives
	To            int64    `json:"to"`   // ns
	Bus           string   `json:"bus"`  // ARN
	FilterARNs    []string `json:"filter_arns,omitempty"`
	TargetID      string   `json:"target_id,omitempty"`
	Queue         string   `json:"queue,omitempty"` // ARN
	PerSecondMax  int      `json:"per_second_max,omitempty"`
	TimeLapse     float64  `json:"time_lapse,omitempty"`
	SkipDelivered bool     `json:"skip_delivered,omitempty"`

	State       string `json:"state"`
	StateReason string `json:"state_reason,omitempty"`
	StartedAt   int64  `json:"started_at"`
	EndedAt     int64  `json:"ended_at,omitempty"`
	LastEvent   int64  `json:"last_event,omitempty"`
	Events      int64  `json:"events,omitempty"`
	Delivered   int64  `json:"delivered,omitempty"`
	Skipped     int64  `json:"skipped,omitempty"`

	Next position `json:"next"`
}

func (r *replay) encode() []byte {
	record := replayRecord{
		versioned:     versioned{recordVersion},
		Description:   r.Description,
		Source:        r.SourceARN,
		Archive:       r.archive,
		From:          r.From.UnixNano(),
		To:            r.To.UnixNano(),
		Bus:           r.Bus.ARN(),
		FilterARNs:    r.FilterARNs,
		TargetID:      r.TargetID,
		PerSecondMax:  r.PerSecondMax,
		TimeLapse:     r.TimeLapse,
		SkipDelivered: r.SkipDelivered,
		State:         string(r.State),
		StateReason:   r.StateReason,
		StartedAt:     r.StartedAt.UnixMilli(),
		EndedAt:       unixMilli(r.EndedAt),
		LastEvent:     unixMilli(r.LastEvent),
		Events:        r.Events,
		Delivered:     r.Delivered,
		Skipped:       r.Skipped,
		Next:          r.next,
	}
	if r.Queue != nil {
		record.Queue = r.Queue.ARN()
	}
	return encode(record)
}

func decodeReplay(key, value []byte) (*replay, error) {
	scope, name, err := splitName(key)
	if err != nil {
		return nil, err
	}
	record, err := decode[replayRecord](key, value)
	if err != nil {
		return nil, err
	}
	r := newReplay(turnout.ReplaySpec{
		ReplayName:    turnout.ReplayName{Scope: scope, Name: name},
		Description:   record.Description,
		SourceARN:     record.Source,
		From:          time.Unix(0, record.From).UTC(),
		To:            time.Unix(0, record.To).UTC(),
		FilterARNs:    slices.Clip(record.FilterARNs),
		TargetID:      record.TargetID,
		PerSecondMax:  record.PerSecondMax,
		TimeLapse:     record.TimeLapse,
		SkipDelivered: record.SkipDelivered,
	})
	var ok bool
	if r.Bus, ok = turnout.ParseBusARN(record.Bus); !ok {
		return nil, fmt.Errorf("%w: key %q", errRecord, key)
	}
	if record.Queue != "" {
		queue, ok := turnout.ParseQueueARN(record.Queue)
		if !ok {
			return nil, fmt.Errorf("%w: key %q", errRecord, key)
		}
		r.Queue = &queue
	}
	r.archive, r.next = record.Archive, record.Next
	r.State, r.StateReason = turnout.ReplayState(record.State), record.StateReason
	r.StartedAt, r.EndedAt = time.UnixMilli(record.StartedAt).UTC(), timeOf(record.EndedAt)
	r.LastEvent, r.Events, r.Delivered, r.Skipped = timeOf(record.LastEvent), record.Events, record.Delivered, record.Skipped
	return r, nil
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

// load reads everything but the events.
func (a *Archives) load(r store.Reader) error {
	byNumber := make(map[uint32]*archive)
	for _, kind := range []struct {
		kind byte
		load func(key, value []byte) error
	}{
		{kindMeta, func(key, value []byte) error {
			m, err := decode[metaRecord](key, value)
			a.number = m.Number
			return err
		}},
		{kindArchive, func(key, value []byte) error {
			one, err := decodeArchive(key, value)
			if err != nil {
				return err
			}
			a.archives[one.ArchiveName], byNumber[one.number] = one, one
			return nil
		}},
		{kindBucket, func(key, value []byte) error {
			number, b, err := parseBucket(key, value)
			if err != nil {
				return err
			}
			one := byNumber[number]
			if one == nil {
				return fmt.Errorf("%w: bucket %x has no archive", errRecord, key)
			}
			one.buckets = append(one.buckets, b)
			one.events += b.events
			one.bytes += b.bytes
			return nil
		}},
		{kindReplay, func(key, value []byte) error {
			one, err := decodeReplay(key, value)
			if err != nil {
				return err
			}
			a.replays[one.ReplayName] = one
			return nil
		}},
	} {
		pairs, failed := r.Scan([]byte{prefix, kind.kind}, []byte{prefix, kind.kind + 1})
		for key, value := range pairs {
			if err := kind.load(key, value); err != nil {
				return err
			}
		}
		if err := failed(); err != nil {
			return err
		}
	}
	for _, one := range a.archives {
		if err := one.loadEnd(r); err != nil {
			return err
		}
	}
	return nil
}

// loadEnd finds the newest event of an archive, so that the next one gets a key of its own.
func (a *archive) loadEnd(r store.Reader) error {
	if len(a.buckets) == 0 {
		return nil
	}
	a.at = a.buckets[len(a.buckets)-1].last
	key, _, err := r.Last(appendEventKey(nil, a.number, a.at, 0), appendEventKey(nil, a.number, a.at+1, 0))
	if err != nil {
		return fmt.Errorf("find the newest event of archive %s: %w", a.Name, err)
	}
	_, n, err := parseEventKey(key)
	a.n = n + 1
	return err
}
