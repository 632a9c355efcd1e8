package pebblestore

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walCategory is how Pebble labels the files of its log.
const walCategory vfs.DiskWriteCategory = "pebble-wal"

// watchedFS is what Pebble sees of the file system. It
//   - measures the syncs of the log;
//   - remembers which file was opened for reading last, because Pebble's errors
//     do not say which log is damaged;
//   - keeps the order of directory entries where Pebble relies on it: a marker
//     must not outlive a power loss without the manifest that it names, nor the
//     old marker be gone without the new one. Journaling file systems keep that
//     order by themselves; nothing says that all do.
type watchedFS struct {
	vfs.FS

	sync     *latency
	lastRead atomic.Pointer[string]
}

// Unwrap returns the file system underneath.
func (w *watchedFS) Unwrap() vfs.FS { return w.FS }

// Open opens a file for reading.
func (w *watchedFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	w.lastRead.Store(&name)
	return w.FS.Open(name, opts...)
}

// Create creates a file, a marker only when all that was created before it is durable.
func (w *watchedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := w.beforeMarker(name); err != nil {
		return nil, err
	}
	f, err := w.FS.Create(name, category)
	return w.timed(f, category), err
}

// Remove removes a file, a marker only when its successor is durable.
func (w *watchedFS) Remove(name string) error {
	if err := w.beforeMarker(name); err != nil {
		return err
	}
	return w.FS.Remove(name)
}

// beforeMarker makes the entries of the directory durable if name is a marker's.
func (w *watchedFS) beforeMarker(name string) error {
	if !strings.HasPrefix(w.FS.PathBase(name), "marker.") {
		return nil
	}
	return syncDir(w.FS, w.FS.PathDir(name))
}

// ReuseForWrite recycles a file.
func (w *watchedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.ReuseForWrite(oldname, newname, category)
	return w.timed(f, category), err
}

func (w *watchedFS) timed(f vfs.File, category vfs.DiskWriteCategory) vfs.File {
	if f == nil || category != walCategory {
		return f
	}
	return &timedFile{File: f, sync: w.sync}
}

type timedFile struct {
	vfs.File

	sync *latency
}

// Sync flushes the file to the disk.
func (f *timedFile) Sync() error { return f.time(f.File.Sync) }

// SyncData flushes the file's data to the disk.
func (f *timedFile) SyncData() error { return f.time(f.File.SyncData) }

func (f *timedFile) time(sync func() error) error {
	began := time.Now()
	err := sync()
	f.sync.add(time.Since(began))
	return err
}
