package pebblestore

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	require.NoError(t, err)
	return s
}

// set commits one pair.
func set(t *testing.T, s *Store, key, value string) {
	t.Helper()
	b := s.NewBatch()
	b.Set([]byte(key), []byte(value))
	require.NoError(t, s.Commit(b))
	require.NoError(t, b.Close())
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// oldDatabase makes a database as Pebble does by default.
func oldDatabase(t *testing.T, dir string) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: newFatalLogger(Config{}.withDefaults().Log, nil)})
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// files lists every file below dir, but for locks, with its content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockName {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	}))
	return all
}

func TestRefusedDirectories(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string // DIR stands for the directory
	}{
		"someone else's files": {
			func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "notes.txt"), "mine") },
			`DIR is not a Turnout data directory: it holds "notes.txt" and no TURNOUT file; give an empty directory or one that does not exist yet`,
		},
		"another database": {
			oldDatabase,
			`DIR is not a Turnout data directory: it holds `,
		},
		"a newer version's": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, markerName), "turnout data format 2\n")
			},
			`data directory DIR was written by a newer Turnout: it has data format 2, this program reads up to 1; start the newer program on it, or restore a backup made by this one`,
		},
		"a damaged marker": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, markerName), "turnout data format \x00")
			},
			`DIR/TURNOUT is damaged (it reads "turnout data format \x00"): restore the data directory from a backup`,
		},
		"an empty marker": {
			func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, markerName), "") },
			`DIR/TURNOUT is damaged (it reads ""): restore the data directory from a backup`,
		},
		"a lost database": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, markerName), "turnout data format 1\n")
			},
			`open data directory DIR: the database in DIR/db is missing although the directory was in use before: restore it from a backup`,
		},
		"a format that hides damage": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, markerName), "turnout data format 1\n")
				oldDatabase(t, filepath.Join(dir, databaseName))
			},
			`open data directory DIR: DIR/db has storage format 13, which cannot detect damage to its log; Turnout has never written it`,
		},
		"a file": {
			func(t *testing.T, dir string) { writeFile(t, dir, "a file") },
			`create data directory DIR: it is a file`,
		},
		"below a file": {
			func(t *testing.T, dir string) { writeFile(t, filepath.Dir(dir), "a file") },
			`create data directory DIR: stat DIR: not a directory`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			root := t.TempDir()
			dir := filepath.Join(root, "parent", "data")
			c.prepare(t, dir)
			before := files(t, root)
			_, err := Open(Config{Dir: dir})
			require.ErrorContains(t, err, strings.ReplaceAll(c.want, "DIR", dir))
			require.Equal(t, before, files(t, root), "nothing in a refused directory changes")
		})
	}
}

func TestNoDirectoryGiven(t *testing.T) {
	t.Parallel()

	_, err := Open(Config{})
	require.EqualError(t, err, "open data directory: no directory given")
}

func TestAcceptedDirectories(t *testing.T) {
	t.Parallel()

	for name, prepare := range map[string]func(t *testing.T, dir string){
		"missing, its parents too": func(*testing.T, string) {},
		"empty": func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(dir, 0o755))
		},
		"the root of a volume": func(t *testing.T, dir string) {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, lostFoundName), 0o700))
		},
		"left by a creation that was interrupted": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, newMarkerName), "")
			writeFile(t, filepath.Join(dir, lockName), "")
			writeFile(t, filepath.Join(dir, databaseName, "MANIFEST-000001"), "torn")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := filepath.Join(t.TempDir(), "parent", "data")
			prepare(t, dir)
			s := mustOpen(t, Config{Dir: dir})
			set(t, s, "a", "1")
			require.NoError(t, s.Close())
			s = mustOpen(t, Config{Dir: dir})
			got, err := s.Get(nil, []byte("a"))
			require.NoError(t, err)
			require.Equal(t, "1", string(got))
			require.NoError(t, s.Close())
			marker, err := os.ReadFile(filepath.Join(dir, markerName))
			require.NoError(t, err)
			require.Equal(t, "turnout data format 1\n", string(marker))
		})
	}
}

func TestCreatedDirectoryIsPrivate(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, mustOpen(t, Config{Dir: dir}).Close())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "message bodies are for the owner's eyes")
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	_, err := Open(Config{Dir: dir})
	require.ErrorContains(t, err, "data directory "+dir+" is in use by another Turnout process")

	wd, err := os.Getwd()
	require.NoError(t, err)
	relative, err := filepath.Rel(wd, dir)
	require.NoError(t, err)
	_, err = Open(Config{Dir: relative})
	require.ErrorContains(t, err, "data directory "+dir+" is in use", "another name for it does not help")

	out := runChild(t, "open", dir)
	require.Equal(t, 1, out.code)
	require.Contains(t, out.stdout, "data directory "+dir+" is in use by another Turnout process", "nor does another process")

	set(t, s, "still", "here")
	require.NoError(t, s.Close())
	require.NoError(t, mustOpen(t, Config{Dir: dir}).Close(), "free again")
}

func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		op   errorfs.OpKind
		err  error
		want string
	}{
		"no right to create": {errorfs.OpMkdirAll, syscall.EACCES, "create data directory /srv/data: mkdir /srv/data: permission denied"},
		"read-only volume":   {errorfs.OpMkdirAll, syscall.EROFS, "create data directory /srv/data: mkdir /srv/data: read-only file system"},
		"no right to list":   {errorfs.OpList, syscall.EACCES, "read data directory /srv/data: "},
		"no right to write":  {errorfs.OpLock, syscall.EROFS, "lock data directory /srv/data: open /srv/data/LOCK: read-only file system"},
		"full volume":        {errorfs.OpFileWrite, syscall.ENOSPC, "write /srv/data/TURNOUT.new: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fsys := errorfs.Wrap(NewMemory(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind != c.op {
					return nil
				}
				verb := map[errorfs.OpKind]string{errorfs.OpMkdirAll: "mkdir", errorfs.OpList: "open", errorfs.OpLock: "open", errorfs.OpFileWrite: "write"}[op.Kind]
				return &fs.PathError{Op: verb, Path: op.Path, Err: c.err}
			}))
			_, err := Open(Config{Dir: "/srv/data", FS: fsys})
			require.ErrorContains(t, err, c.want)
			require.ErrorIs(t, err, c.err)
		})
	}
}

// TestPowerLossDuringOpen pulls the plug before every single operation of an
// Open and the Close that follows. Whatever is left must open, and hold what was there before.
func TestPowerLossDuringOpen(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ sessions, steps int }{
		"new directory":   {0, 100},
		"after a session": {1, 30},
		"after several":   {3, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rng := rand.New(rand.NewPCG(1, 2))
			start := NewMemory()
			for i := range c.sessions {
				s := mustOpen(t, Config{Dir: "/srv/data", FS: start})
				set(t, s, "session", strconv.Itoa(i+1))
				require.NoError(t, s.Close())
			}
			stride := 1
			if testing.Short() {
				stride = 7
			}
			for step := 1; ; step += stride {
				image := openAndLosePower(t, start.PowerLoss(0, rng), int64(step), rng)
				if image == nil {
					require.Greater(t, step, c.steps, "an Open has many steps")
					return
				}
				s, err := Open(Config{Dir: "/srv/data", FS: image})
				require.NoError(t, err, "power lost before operation %d", step)
				if c.sessions > 0 {
					got, err := s.Get(nil, []byte("session"))
					require.NoError(t, err, "power lost before operation %d", step)
					require.Equal(t, strconv.Itoa(c.sessions), string(got))
				}
				set(t, s, "and goes", "on")
				require.NoError(t, s.Close())
			}
		})
	}
}

// openAndLosePower opens a store and returns what a power loss before the
// given operation on its file system leaves; nil if there are not so many.
func openAndLosePower(t *testing.T, mem *Memory, step int64, rng *rand.Rand) *Memory {
	t.Helper()
	var image *Memory
	var n atomic.Int64
	fsys := errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
		if n.Add(1) == step {
			image = mem.PowerLoss([]int{0, 50, 90}[rng.IntN(3)], rng)
		}
		return nil
	}))
	require.NoError(t, mustOpen(t, Config{Dir: "/srv/data", FS: fsys}).Close())
	return image
}

func TestUsage(t *testing.T) {
	t.Parallel()

	mem := NewMemory()
	s := mustOpen(t, Config{Dir: "data", FS: mem})
	u, err := s.Usage()
	require.NoError(t, err)
	require.Equal(t, uint64(unlimited), u.FreeBytes, "memory has no size to run out of")
	mem.SetUsage(3<<20, 10<<20)
	u, err = s.Usage()
	require.NoError(t, err)
	require.Equal(t, uint64(3<<20), u.FreeBytes)
	require.Equal(t, uint64(10<<20), u.TotalBytes)
	require.NoError(t, s.Close())
}

func TestMarkerParser(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]int{
		"turnout data format 1\n":                  1,
		"turnout data format 1":                    1,
		"turnout data format 12\n":                 12,
		"turnout data format 0\n":                  0,
		"turnout data format +1\n":                 0,
		"turnout data format -1\n":                 0,
		"turnout data format \n":                   0,
		"turnout data format 1\n\n":                0,
		"turnout data format 1 \n":                 0,
		"data format 1\n":                          0,
		"turnout data format 99999999999999999999": 0,
		"": 0,
	} {
		got, ok := parseMarker(text)
		require.Equal(t, want > 0, ok, "%q", text)
		if ok {
			require.Equal(t, want, got, "%q", text)
		}
	}
}

func FuzzMarker(f *testing.F) {
	f.Add("turnout data format 1\n")
	f.Add("turnout data format 99999999999999999999")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, text string) {
		version, ok := parseMarker(text)
		if ok {
			require.Positive(t, version, "a version counts from 1")
		}
	})
}

// copyDir copies the files of a data directory, as a kill would leave them.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, rel))
		if err != nil {
			return err
		}
		defer out.Close()
		_, err = io.Copy(out, in)
		return err
	}))
	return to
}
