package topics

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/seed567880c8/turnout/internal/partition"
)

// archive is what a FIFO topic keeps of its messages, while it has an archive
// policy. It belongs to the loop.
type archive struct {
	retention time.Duration // 0: nothing is kept
	last      position      // of the newest message; zero if none was kept
	pruned    int64         // Unix ms: nothing from before is left
	ticking   bool          // a Tick will prune
}

// pruneEvery is how often what is too old is removed: often enough for
// retentions of days, seldom enough for few tombstones.
const pruneEvery = time.Hour

// parseArchive returns the retention of an ArchivePolicy, 0 for none: 1 to 365 days.
// https://docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-topic-owner.html
func parseArchive(policy string) (time.Duration, error) {
	if policy == "" {
		return 0, nil
	}
	var p struct {
		Days json.RawMessage `json:"MessageRetentionPeriod"`
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return 0, invalid("ArchivePolicy: failed to parse JSON. %s", err.Error())
	}
	if p.Days == nil {
		return 0, nil // {} is how AWS's console removes one
	}
	days, err := strconv.Atoi(string(bytes.Trim(p.Days, `"`)))
	if err != nil || days < 1 || days > 365 {
		return 0, invalid("ArchivePolicy: MessageRetentionPeriod must be between 1 and 365 days")
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// setArchive makes what v says of the archive hold. Without a policy nothing is
// kept, also not what was.
func (t *Topics) setArchive(tx *partition.Tx, p *topic, v *View, retention time.Duration) {
	a := &p.fifo.archive
	switch {
	case retention == 0 && a.retention != 0:
		tx.Batch.DeleteRange(topicRange(kindArchived, p.id))
		*a = archive{}
		v.archiveSince = 0
	case retention != 0 && a.retention == 0:
		v.archiveSince = tx.Now.UnixMilli()
	}
	a.retention = retention
	if retention == 0 {
		v.settings.Attributes.ArchivePolicy = ""
	}
}

// keep puts a message into the archive.
func (t *Topics) keep(tx *partition.Tx, p *topic, at position, stored []byte) {
	a := &p.fifo.archive
	t.key = appendArchivedKey(t.key[:0], p.id, at)
	tx.Batch.Set(t.key, stored)
	a.last = at
	t.tickArchive(a, tx.Now)
}

func (t *Topics) tickArchive(a *archive, now time.Time) {
	if !a.ticking {
		a.ticking = true
		t.dueAt(now.Add(pruneEvery))
	}
}

// prune removes from the archive what is older than its retention, unless a
// replay has still to read it.
func (t *Topics) prune(tx *partition.Tx, p *topic) {
	a := &p.fifo.archive
	a.ticking = false
	if a.retention == 0 || a.last == (position{}) {
		return
	}
	cutoff := tx.Now.Add(-a.retention).UnixMilli()
	for _, r := range t.replays {
		if r.topic == p && r.active() {
			cutoff = min(cutoff, r.next.at)
		}
	}
	if cutoff > a.pruned {
		tx.Batch.DeleteRange(appendArchivedKey(nil, p.id, position{at: a.pruned}), appendArchivedKey(nil, p.id, position{at: cutoff}))
		a.pruned = cutoff
	}
	if a.last.at >= cutoff {
		t.tickArchive(a, tx.Now)
	}
}

// archiveBegins returns the time of the oldest message in the archive, or when
// there is none that of the archive policy.
func (t *Topics) archiveBegins(p *topic) (time.Time, error) {
	begins := fromMillis(p.view.Load().archiveSince)
	pairs, failed := t.store.Scan(topicRange(kindArchived, p.id))
	for key := range pairs {
		at, err := parseArchivedKey(key)
		if err != nil {
			return time.Time{}, err
		}
		begins = fromMillis(at.at)
		break
	}
	return begins, failed()
}
