package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// Store is what archives are read from.
type Store interface {
	store.Reader
	Snapshot() store.Snapshot
}

// Config configures Archives. The zero value of a field is its default.
type Config struct {
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// ArchivesMax bounds the archives of an account and region. Default 1,000.
	ArchivesMax int
	// ReplaysMax bounds the replays of an account and region that are under way
	// at once. Default 10, which is AWS's quota.
	ReplaysMax int
	// DryRunEventsMax is where a dry run stops counting. Default 1,000,000.
	DryRunEventsMax int
}

func (c Config) withDefaults() Config {
	c.ArchivesMax = cmp.Or(c.ArchivesMax, 1000)
	c.ReplaysMax = cmp.Or(c.ReplaysMax, 10)
	c.DryRunEventsMax = cmp.Or(c.DryRunEventsMax, 1_000_000)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Archives are the archives of a partition and the replays.
//
// What is archived is a copy of the event under a key of the archive and the
// time of its publish, not a reference to the event log: an archive keeps
// events for months, and one reference keeps the 4,096 events around it. By
// its time an event is found with one seek, and what is too old goes as one
// range.
//
// Counts and sizes are kept by bucket, a stretch of time that goes as a whole:
// an hour to a day, depending on the retention. A bucket's record is written
// once for each batch that adds to it.
//
// All fields belong to the partition's loop, except those set by New and Use
// and the channel started.
type Archives struct {
	cfg     Config
	loop    *partition.Partition
	store   Store
	history *history.Log
	broker  Broker

	number   uint32 // the last that was given to an archive
	archives map[turnout.ArchiveName]*archive
	dirty    []*archive // have new events in the batch
	replays  map[turnout.ReplayName]*replay

	due     time.Time // when to look for what is too old: then, or earlier than needed
	started chan *replay

	unfinished []*replay // found under way by New, for Run
	stats      counters

	key, value []byte // scratch
}

// archive is one archive. Times are Unix ms.
type archive struct {
	turnout.Archive
	number        uint32
	buckets       []bucket // oldest first; the last takes new events
	events, bytes int64    // of all buckets

	at    int64  // of the newest event
	n     uint32 // the next event's number in that millisecond
	dirty bool   // is in Archives.dirty
	gone  bool   // deleted
}

// bucket sums up the events of a stretch of time.
type bucket struct {
	from, last    int64 // of its first and last event
	events, bytes int64
}

// New returns the archives and replays that s holds. It must be a part of the
// loop, which must not run yet; its time will not begin before that of the
// newest archived event. Use must be called before anything else.
func New(loop *partition.Partition, s Store, h *history.Log, cfg Config) (*Archives, error) {
	a := &Archives{
		cfg: cfg.withDefaults(), loop: loop, store: s, history: h,
		archives: make(map[turnout.ArchiveName]*archive),
		replays:  make(map[turnout.ReplayName]*replay),
		started:  make(chan *replay, runningMax), // one slot for each replay that may run
	}
	if err := a.load(s); err != nil {
		return nil, fmt.Errorf("load archives and replays: %w", err)
	}
	for _, one := range a.archives {
		loop.NotBefore(time.UnixMilli(one.at))
	}
	for _, r := range a.replays {
		if !r.ended() {
			loop.NotBefore(r.StartedAt)
			a.unfinished = append(a.unfinished, r)
		}
	}
	a.due = a.nextDue()
	a.updateStats()
	return a, nil
}

// Use sets the broker. It is apart from New because the broker needs the
// archives to be made before it.
func (a *Archives) Use(b Broker) { a.broker = b }

// The errors have AWS's texts.
func errArchiveNotFound(name turnout.ArchiveName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Archive %s does not exist.", name.Name)
}

func errLimit() error {
	return turnout.Errorf(turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")
}

// errStale says that what was prepared outside the loop is out of date.
var errStale = errors.New("archive: the archive changed meanwhile")

// staleMax is how often a change is prepared again before it is given up.
const staleMax = 10

// CreateArchive creates an archive and the managed rule that feeds it: every
// event that is published when it has returned is in the archive if it
// matches. It is CodeAlreadyExists for a name that is taken, CodeNotFound for a
// bus that does not exist, CodeInvalidEventPattern with AWS's message for the
// pattern, CodeLimitExceeded beyond Config.ArchivesMax.
func (a *Archives) CreateArchive(_ context.Context, wanted turnout.Archive) (turnout.Archive, error) {
	if !validName(wanted.Name) {
		return turnout.Archive{}, turnout.Errorf(turnout.CodeValidation, "Parameter ArchiveName is not valid.")
	}
	put, err := a.prepareRule(&wanted)
	if err != nil {
		return turnout.Archive{}, err
	}
	err = a.loop.Do(func(tx *partition.Tx) error {
		if a.archives[wanted.ArchiveName] != nil {
			return turnout.Errorf(turnout.CodeAlreadyExists, "Archive %s already exists.", wanted.Name)
		}
		if a.archiveCount(wanted.Scope) >= a.cfg.ArchivesMax {
			return errLimit()
		}
		if err := put(tx); err != nil {
			return err
		}
		a.number++
		tx.Batch.Set([]byte{prefix, kindMeta}, encode(metaRecord{versioned{recordVersion}, a.number}))
		wanted.CreatedAt = tx.Now
		one := &archive{Archive: wanted, number: a.number}
		a.archives[one.ArchiveName] = one
		tx.Batch.Set(archiveKey(one.ArchiveName), one.encode())
		a.stats.archives.Store(int64(len(a.archives)))
		return nil
	})
	return wanted, err
}

func (a *Archives) archiveCount(scope turnout.Scope) (n int) {
	for name := range a.archives {
		if name.Scope == scope {
			n++
		}
	}
	return n
}

// prepareRule compiles the rule that feeds an archive. The pattern is checked
// by itself first, so that an error is about what the caller wrote.
func (a *Archives) prepareRule(one *turnout.Archive) (put func(*partition.Tx) error, err error) {
	if one.Pattern != "" {
		if _, err := catalog.ParsePattern([]byte(one.Pattern)); err != nil {
			return nil, err
		}
	}
	return a.broker.PrepareArchiveRule(one.ArchiveName, one.Bus, joinPattern(one.Pattern))
}

// notReplayed is what AWS joins to the pattern of every archive.
const notReplayed = `"replay-name":[{"exists":false}]`

// joinPattern returns a pattern, which is valid or empty, joined with
// notReplayed. One that says something about replay-name itself stays as it
// is; the broker does not archive what is replayed, whatever the pattern.
func joinPattern(pattern string) string {
	var fields map[string]json.RawMessage
	if pattern != "" {
		if err := json.Unmarshal([]byte(pattern), &fields); err != nil {
			return pattern // the rule's own check says what is wrong
		}
	}
	if len(fields) == 0 {
		return "{" + notReplayed + "}"
	}
	if _, ok := fields["replay-name"]; ok {
		return pattern
	}
	return "{" + notReplayed + "," + pattern[strings.IndexByte(pattern, '{')+1:]
}

// UpdateArchive changes an archive's pattern, retention, description or key.
// change gets a copy; it is called again if the archive changed at the same
// time, and its error leaves everything as it was. It is CodeNotFound, or
// CodeInvalidEventPattern with AWS's message.
func (a *Archives) UpdateArchive(_ context.Context, name turnout.ArchiveName, change func(*turnout.Archive) error) (turnout.Archive, error) {
	for range staleMax {
		updated, err := a.tryUpdate(name, change)
		if !errors.Is(err, errStale) {
			return updated, err
		}
	}
	return turnout.Archive{}, turnout.Errorf(turnout.CodeConflict, "There is concurrent modification on archive %s.", name.Name)
}

func (a *Archives) tryUpdate(name turnout.ArchiveName, change func(*turnout.Archive) error) (turnout.Archive, error) {
	prior, err := a.archive(name)
	if err != nil {
		return turnout.Archive{}, err
	}
	next := prior.Archive
	if err := change(&next); err != nil {
		return turnout.Archive{}, err
	}
	next.ArchiveName, next.Bus, next.CreatedAt = prior.ArchiveName, prior.Bus, prior.CreatedAt
	put := func(*partition.Tx) error { return nil }
	if next.Pattern != prior.Pattern {
		if put, err = a.prepareRule(&next); err != nil {
			return turnout.Archive{}, err
		}
	}
	return next, a.loop.Do(func(tx *partition.Tx) error {
		one := a.archives[name]
		if one == nil {
			return errArchiveNotFound(name)
		}
		if one.Archive != prior.Archive {
			return errStale
		}
		if err := put(tx); err != nil {
			return err
		}
		one.Archive = next
		tx.Batch.Set(archiveKey(name), one.encode())
		a.due = a.nextDue()
		return nil
	})
}

// archive returns an archive as it is.
func (a *Archives) archive(name turnout.ArchiveName) (info turnout.ArchiveInfo, err error) {
	err = a.loop.Do(func(*partition.Tx) error {
		one := a.archives[name]
		if one == nil {
			return errArchiveNotFound(name)
		}
		info = one.info()
		return nil
	})
	return info, err
}

func (a *archive) info() turnout.ArchiveInfo {
	return turnout.ArchiveInfo{Archive: a.Archive, EventCount: a.events, SizeBytes: a.bytes}
}

// DeleteArchive deletes an archive, its events and its rule. Replays from it
// that are under way fail. It is CodeNotFound.
func (a *Archives) DeleteArchive(_ context.Context, name turnout.ArchiveName) error {
	return a.loop.Do(func(tx *partition.Tx) error {
		one := a.archives[name]
		if one == nil {
			return errArchiveNotFound(name)
		}
		a.broker.DeleteArchiveRule(tx, name, one.Bus)
		one.gone = true
		delete(a.archives, name)
		tx.Batch.Delete(archiveKey(name))
		for _, kind := range []byte{kindBucket, kindEvent} {
			tx.Batch.DeleteRange(appendNumber(nil, kind, one.number), appendNumber(nil, kind, one.number+1))
		}
		a.stats.archives.Store(int64(len(a.archives)))
		return nil
	})
}

// Archive describes an archive, or is CodeNotFound. Its counts are exact.
func (a *Archives) Archive(_ context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error) {
	return a.archive(name)
}

// Archives returns the archives of a scope in the order of their names.
func (a *Archives) Archives(_ context.Context, scope turnout.Scope) ([]turnout.ArchiveInfo, error) {
	var all []turnout.ArchiveInfo
	err := a.loop.Do(func(*partition.Tx) error {
		for name, one := range a.archives {
			if name.Scope == scope {
				all = append(all, one.info())
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b turnout.ArchiveInfo) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Reset removes every archive and replay. The broker's own reset removes their rules.
func (a *Archives) Reset(context.Context) error {
	return a.loop.Do(func(tx *partition.Tx) error {
		tx.Batch.DeleteRange([]byte{prefix}, []byte{prefix + 1})
		tx.Batch.Set([]byte{prefix, kindMeta}, encode(metaRecord{versioned{recordVersion}, a.number})) // numbers are not given again
		for _, one := range a.archives {
			one.gone = true
		}
		for _, r := range a.replays {
			r.gone = true
			r.wake()
		}
		clear(a.archives)
		clear(a.replays)
		a.due = time.Time{}
		a.updateStats()
		return nil
	})
}
