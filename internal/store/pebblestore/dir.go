package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A data directory holds
//
//	TURNOUT   says that the directory is Turnout's, and the version of its data format
//	LOCK      is locked while a process uses the directory
//	db/       is the database
//
// TURNOUT comes to be last: until then the file is called TURNOUT.new. So a
// directory with TURNOUT and no database has lost it, which is reported, and
// never mistaken for one that is being created.
const (
	markerName    = "TURNOUT"
	newMarkerName = "TURNOUT.new"
	lockName      = "LOCK"
	databaseName  = "db"
	lostFoundName = "lost+found" // every ext4 volume has it at its root

	// dataFormat is the version of the keys and values that this program
	// writes. It is raised by a change that an older program would misread.
	dataFormat   = 1
	markerPrefix = "turnout data format "
)

// directory is a data directory on its way to being opened.
type directory struct {
	fs   vfs.FS
	path string

	lock  io.Closer
	fresh bool // holds no database yet
}

// acquire locks the directory, having created it if need be, and checks that
// it is Turnout's. A directory that is not is left as it was found.
func (d *directory) acquire() error {
	if err := d.make(); err != nil {
		return fmt.Errorf("create data directory %s: %w", d.path, err)
	}
	if err := d.checkOurs(); err != nil {
		return err
	}
	lock, err := d.fs.Lock(d.fs.PathJoin(d.path, lockName))
	if err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); ok {
			return fmt.Errorf("lock data directory %s: %w", d.path, err)
		}
		return fmt.Errorf("data directory %s is in use by another Turnout process (%w): stop that one first, or give this one a directory of its own", d.path, err)
	}
	d.lock = lock
	if err := d.checkMarker(); err != nil {
		return errors.Join(err, lock.Close())
	}
	return nil
}

func (d *directory) make() error {
	info, err := d.fs.Stat(d.path)
	switch {
	case err == nil && !info.IsDir():
		return errors.New("it is a file")
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// Each new directory is durable once its parent is synced.
	var parents []string
	for path := d.path; errors.Is(err, fs.ErrNotExist); _, err = d.fs.Stat(path) {
		path = d.fs.PathDir(path)
		parents = append(parents, path)
	}
	if err := d.fs.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	for _, path := range parents {
		if err := syncDir(d.fs, path); err != nil {
			return err
		}
	}
	return nil
}

// checkOurs refuses a directory that holds something and is not Turnout's.
func (d *directory) checkOurs() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return fmt.Errorf("read data directory %s: %w", d.path, err)
	}
	if slices.Contains(names, markerName) || slices.Contains(names, newMarkerName) {
		return nil
	}
	for _, name := range names {
		if name != lockName && name != lostFoundName {
			return fmt.Errorf("%s is not a Turnout data directory: it holds %q and no %s file; give an empty directory or one that does not exist yet", d.path, name, markerName)
		}
	}
	return nil
}

// checkMarker reads the version of the data, and begins the creation of a
// directory that has none.
func (d *directory) checkMarker() error {
	path := d.fs.PathJoin(d.path, markerName)
	text, err := readFile(d.fs, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.fresh = true
		return d.begin()
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	}
	version, ok := parseMarker(text)
	switch {
	case !ok:
		return fmt.Errorf("%s is damaged (it reads %.60q): restore the data directory from a backup", path, text)
	case version > dataFormat:
		return fmt.Errorf("data directory %s was written by a newer Turnout: it has data format %d, this program reads up to %d; start the newer program on it, or restore a backup made by this one", d.path, version, dataFormat)
	}
	return nil
}

func parseMarker(text string) (version int, ok bool) {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), markerPrefix)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 10, 31)
	return int(v), err == nil && v > 0
}

// begin writes the marker under its first name.
func (d *directory) begin() error {
	path := d.fs.PathJoin(d.path, newMarkerName)
	f, err := d.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = f.Write([]byte(markerPrefix + strconv.Itoa(dataFormat) + "\n"))
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(d.fs, d.path)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// complete says that the database exists.
func (d *directory) complete() error {
	from, to := d.fs.PathJoin(d.path, newMarkerName), d.fs.PathJoin(d.path, markerName)
	if err := d.fs.Rename(from, to); err != nil {
		return err
	}
	return syncDir(d.fs, d.path)
}

func syncDir(fsys vfs.FS, path string) error {
	f, err := fsys.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readFile returns the head of a small file.
func readFile(fsys vfs.FS, path string) (string, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, 256))
	return string(text), errors.Join(err, f.Close())
}
