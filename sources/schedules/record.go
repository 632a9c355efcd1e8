package schedules

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// The keys. Names are joined by NUL, which none of them may contain.
//
//	'u' account region bus rule → record
const (
	prefix    = 'u'
	separator = "\x00"
)

// recordVersion is the version of every record here. A store with a newer one
// was written by a newer Turnout and is refused.
const recordVersion = 1

// record is what the store holds of a rule. It is JSON because there is one for
// a rule, and an operator may have to look at it.
type record struct {
	Version    int    `json:"v"`
	Expression string `json:"expression"`
	Anchor     int64  `json:"anchor"`  // Unix ms
	Settled    int64  `json:"settled"` // Unix ms
}

func recordKey(name turnout.RuleName) []byte {
	return []byte(string(prefix) + name.Bus.Account + separator + name.Bus.Region + separator + name.Bus.Name + separator + name.Name)
}

func encodeRecord(r *rule) []byte {
	text, err := json.Marshal(record{
		Version: recordVersion, Expression: r.expression, Anchor: r.anchor.UnixMilli(), Settled: r.settled.UnixMilli(),
	})
	if err != nil {
		panic(err) // it holds nothing that JSON cannot
	}
	return text
}

// readRecord reads a rule's record; found is false if there is none.
func readRecord(r store.Reader, name turnout.RuleName) (rec record, found bool, err error) {
	text, err := r.Get(nil, recordKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return record{}, false, nil
	}
	if err == nil {
		rec, err = decodeRecord(text)
	}
	if err != nil {
		return record{}, false, fmt.Errorf("schedules: read the record of %s: %w", name.ARN(), err)
	}
	return rec, true, nil
}

func decodeRecord(text []byte) (rec record, err error) {
	if err := json.Unmarshal(text, &rec); err != nil {
		return record{}, err
	}
	if rec.Version != recordVersion {
		return record{}, fmt.Errorf("version %d of the record is not known; it was written by another version of Turnout", rec.Version)
	}
	return rec, nil
}
