package pebblestore

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed567880c8/turnout/internal/store"
)

// Config says where a store is and how much memory it may use. The zero value
// of a field is its default.
type Config struct {
	// Dir is the data directory. It is created, readable by its owner alone,
	// if it is missing.
	Dir string
	// FS is the file system that holds Dir: nil is the operating system's, a
	// *Memory is one that loses power on request.
	FS vfs.FS
	// Log receives what an operator should see. Nil discards it.
	Log *slog.Logger
	// CacheBytes bounds the cache of uncompressed blocks. Default 128 MiB:
	// queues are read forwards and mostly while they are still in memory, so
	// more has shown no gain.
	CacheBytes int64
	// MemTableBytes is the size at which the table in memory is written out;
	// up to four of them exist at once. Default 32 MiB: between 16 and 64 MiB
	// no difference was measured, while 4 MiB doubles the bytes written.
	MemTableBytes uint64
	// Exit ends the process after a failure of the disk; see fatal.go. Nil is os.Exit.
	Exit func(code int)
}

const (
	defaultCacheBytes    = 128 << 20
	defaultMemTableBytes = 32 << 20
	// diskSlowAfter is when a single write or sync counts as slow: a hundred
	// times the p99 of a healthy disk.
	diskSlowAfter = time.Second
	// rangeDeleteFlush bounds how long space freed by a range deletion, such
	// as a purge, stays occupied on an otherwise idle server.
	rangeDeleteFlush = 30 * time.Second
)

func (c Config) withDefaults() Config {
	c.CacheBytes = cmp.Or(c.CacheBytes, defaultCacheBytes)
	c.MemTableBytes = cmp.Or(c.MemTableBytes, defaultMemTableBytes)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is a store.Store in a data directory.
//
// Every method but Commit and Close may be called from many goroutines at
// once; Commit is called by one at a time, and Close when nothing else runs.
type Store struct {
	db     *pebble.DB
	fs     *watchedFS
	dir    string
	log    *slog.Logger
	fatal  *fatalLogger
	events *events
	sync   *latency // of the log's fsync
	owned  closers
}

var _ store.Store = (*Store)(nil)

// closers are closed in reverse order.
type closers []io.Closer

// Close closes all of them and returns every error.
func (c closers) Close() error {
	var errs []error
	for _, closer := range slices.Backward(c) {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

// Open opens the data directory cfg.Dir, and creates it if it is missing or
// empty. It refuses a directory that is in use, is not Turnout's, was written
// by a newer version or is damaged; the error names the directory or the file
// and is meant for the operator.
func Open(cfg Config) (_ *Store, err error) {
	cfg = cfg.withDefaults()
	if cfg.Dir == "" {
		return nil, errors.New("open data directory: no directory given")
	}
	s := &Store{
		log:   cfg.Log,
		fatal: newFatalLogger(cfg.Log, cfg.Exit),
		sync:  new(latency),
	}
	s.events = &events{log: cfg.Log, fatal: s.fatal}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.owned.Close())
		}
	}()
	base := cfg.FS
	if base == nil {
		// One directory must have one name, or the lock below would not see
		// that this process holds it already under another.
		if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
			return nil, fmt.Errorf("open data directory %s: %w", cfg.Dir, err)
		}
		checked, stop := vfs.WithDiskHealthChecks(vfs.Default, diskSlowAfter, nil, s.events.diskSlow)
		base = checked
		s.owned = append(s.owned, stop)
	}
	s.dir, s.fs = cfg.Dir, &watchedFS{FS: base, sync: s.sync}

	d := directory{fs: s.fs, path: s.dir}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	s.owned = append(s.owned, d.lock)
	if err := s.openDB(cfg, d); err != nil {
		return nil, fmt.Errorf("open data directory %s: %w", s.dir, err)
	}
	s.log.Debug("data directory opened", slog.String("dir", s.dir), slog.Int("data_format", dataFormat))
	return s, nil
}

// openDB creates the database in a directory that has none yet, and opens it.
func (s *Store) openDB(cfg Config, d directory) error {
	path := s.fs.PathJoin(s.dir, databaseName)
	if d.fresh {
		if err := s.create(cfg, path); err != nil {
			return err
		}
		if err := d.complete(); err != nil {
			return err
		}
	}
	if err := checkFormat(path, s.fs); err != nil {
		return err
	}
	opts := s.options(cfg)
	opts.ErrorIfNotExists = true
	db, err := pebble.Open(path, opts)
	switch {
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return fmt.Errorf("the database in %s is missing although the directory was in use before: restore it from a backup", path)
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%s is damaged, as found in %s; restore it from a backup: %w", path, *s.fs.lastRead.Load(), err)
	case err != nil:
		return err
	}
	if got := db.FormatMajorVersion(); got != pebble.FormatNewest {
		return errors.Join(fmt.Errorf("%s has storage format %d, want %d", path, got, pebble.FormatNewest), db.Close())
	}
	s.db = db
	return nil
}

// create makes an empty database. Pebble writes the first log of a new
// database in its oldest format, in which a damaged record silently ends the
// replay; what is opened again afterwards has a log in the newest one.
func (s *Store) create(cfg Config, path string) error {
	// What an interrupted creation left behind was never handed to anyone.
	if err := s.fs.RemoveAll(path); err != nil {
		return err
	}
	opts := s.options(cfg)
	opts.ErrorIfExists = true
	db, err := pebble.Open(path, opts)
	if err != nil {
		return err
	}
	return db.Close()
}

// checkFormat refuses a database in a format whose log cannot tell a damaged
// record from its end, before anything is read from it. Newer ones than this
// Pebble knows are refused by Pebble itself, others are brought up to date.
func checkFormat(path string, fs vfs.FS) error {
	if _, err := fs.Stat(path); err != nil {
		return nil //nolint:nilerr // Open finds it missing and says so.
	}
	found, err := pebble.Peek(path, fs)
	if err != nil {
		return err
	}
	if v := found.FormatMajorVersion; found.Exists && v < pebble.FormatWALSyncChunks {
		return fmt.Errorf("%s has storage format %d, which cannot detect damage to its log; Turnout has never written it", path, v)
	}
	return nil
}

func (s *Store) options(cfg Config) *pebble.Options {
	opts := &pebble.Options{
		FS:                          s.fs,
		Logger:                      s.fatal,
		EventListener:               s.events.listener(),
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   cfg.CacheBytes,
		MemTableSize:                cfg.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		// The log is written in key order within each prefix, so most tables of
		// L0 do not overlap: left there longer, and split, many of them move down
		// without being written again.
		L0CompactionThreshold: 8,
		FlushSplitBytes:       4 << 20,
		// Twice Pebble's: a burst may outrun one compaction for a while, and
		// what it writes is mostly consumed and deleted before it is merged.
		L0StopWritesThreshold:      24,
		LBaseMaxBytes:              512 << 20,
		FlushDelayDeleteRange:      rangeDeleteFlush,
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 2 },
	}
	for i := range opts.Levels {
		opts.Levels[i].BlockSize = 16 << 10
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].FilterType = pebble.TableFilter
	}
	// Scans over queues are long by design; that they happen says nothing
	// about which tables deserve a compaction.
	opts.Experimental.ReadSamplingMultiplier = -1
	if _, ok := vfs.Root(s.fs).(*Memory); ok {
		// The default scheduler ticks ten times a second. In virtual time that
		// would be the whole cost of a test that lets two weeks go by.
		opts.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	}
	return opts
}

// Close waits for what Pebble does in the background and closes the store.
// Everything committed is durable before; an open snapshot or scan is an error.
func (s *Store) Close() error {
	if err := errors.Join(s.db.Close(), s.owned.Close()); err != nil {
		return fmt.Errorf("close data directory %s: %w", s.dir, err)
	}
	s.log.Debug("data directory closed", slog.String("dir", s.dir))
	return nil
}
