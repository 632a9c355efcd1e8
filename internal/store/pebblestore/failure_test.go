package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/store"
)

// childEnv makes the test binary do one thing to a store and exit, so that
// the end of the process can be seen from outside.
const childEnv = "TURNOUT_PEBBLESTORE_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		what, dir, _ := strings.Cut(task, " ")
		os.Exit(child(what, dir))
	}
	os.Exit(m.Run())
}

func child(task, dir string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg := Config{Dir: dir, Log: log}
	var broken atomic.Bool
	if fault, ok := faults[task]; ok {
		cfg.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && fault.hits(op) {
				return &fs.PathError{Op: "inject", Path: op.Path, Err: fault.err}
			}
			return nil
		}))
	}
	s, err := Open(cfg)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if task == "scan" {
		pairs, failed := s.Scan(nil, []byte{0xff})
		n := 0
		for range pairs {
			n++
		}
		fmt.Println("pairs", n)
		if failed() != nil {
			return 2
		}
		return 0
	}
	for i := range uint64(200) {
		if i == 100 {
			broken.Store(true)
		}
		b := s.NewBatch()
		b.Set(number(i), make([]byte, 100))
		if err := s.Commit(b); err != nil {
			fmt.Println("refused", i, err)
			return 3
		}
		fmt.Println("acknowledged", i)
	}
	return 0
}

func number(i uint64) []byte { return appendNumber(nil, i) }

func appendNumber(dst []byte, i uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 'n'), i)
}

type output struct {
	code           int
	stdout, stderr string
}

func runChild(t *testing.T, task, dir string) output {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+task+" "+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil {
		_, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok, "the child runs: %v", err)
	}
	return output{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

type fault struct {
	kinds []errorfs.OpKind
	err   error
}

func (f fault) hits(op errorfs.Op) bool {
	for _, k := range f.kinds {
		if op.Kind == k && strings.HasSuffix(op.Path, ".log") {
			return true
		}
	}
	return false
}

var faults = map[string]fault{
	"sync-eio":     {[]errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}, syscall.EIO},
	"write-eio":    {[]errorfs.OpKind{errorfs.OpFileWrite}, syscall.EIO},
	"write-enospc": {[]errorfs.OpKind{errorfs.OpFileWrite}, syscall.ENOSPC},
}

// TestLogFailureEndsTheProcess breaks the disk under the log of a running
// process. Had Fatalf returned, Pebble would acknowledge all that follows.
func TestLogFailureEndsTheProcess(t *testing.T) {
	t.Parallel()

	for task, fault := range faults {
		t.Run(task, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			out := runChild(t, task, dir)
			require.Equal(t, ExitStorageFailed, out.code, "the process ends: %s", out.stderr)
			require.Contains(t, out.stderr, "storage failed, ending the process")
			require.Contains(t, out.stderr, fault.err.Error())
			require.Contains(t, out.stdout, "acknowledged 99\n")
			require.NotContains(t, out.stdout, "acknowledged 100\n", "nothing is acknowledged after the fault")
			require.NotContains(t, out.stdout, "refused", "the outcome of the commit is unknown, so it is not reported as failed")

			s := mustOpen(t, Config{Dir: dir})
			for i := range uint64(100) {
				_, err := s.Get(nil, number(i))
				require.NoError(t, err, "what was acknowledged is there")
			}
			require.NoError(t, s.Close())
		})
	}
}

func TestExitIsCalledWhenTheLogFails(t *testing.T) {
	t.Parallel()

	var broken atomic.Bool
	fsys := errorfs.Wrap(NewMemory(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && faults["sync-eio"].hits(op) {
			return syscall.EIO
		}
		return nil
	}))
	exited, committed := make(chan int, 1), make(chan error, 1)
	s := mustOpen(t, Config{Dir: "data", FS: fsys, Exit: func(code int) { exited <- code }})
	broken.Store(true)
	b := s.NewBatch()
	b.Set([]byte("a"), nil)
	go func() { committed <- s.Commit(b) }() // blocks for ever: the process would have ended
	require.Equal(t, ExitStorageFailed, <-exited)
	require.Empty(t, committed, "the commit does not return")
}

// mutations damage a file without changing its length.
var mutations = map[string]func(rng *rand.Rand, text []byte){
	"bit flipped": func(rng *rand.Rand, text []byte) { text[rng.IntN(len(text))] ^= 1 << rng.IntN(8) },
	"block zeroed": func(rng *rand.Rand, text []byte) {
		at := rng.IntN(len(text)) &^ 4095
		clear(text[at:min(at+4096, len(text))])
	},
}

// newest returns the last of the files in a data directory that end so.
func newest(t *testing.T, dir, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, databaseName, "*"+suffix))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found[len(found)-1]
}

// TestDamagedLogIsRefused flips a bit or zeroes a block in front of synced
// records. An engine in its default format would open and have lost them.
func TestDamagedLogIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ reopened bool }{
		"first log of a new directory": {},
		"log after a restart":          {reopened: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			s := mustOpen(t, Config{Dir: dir})
			if c.reopened {
				set(t, s, "before", "the restart")
				require.NoError(t, s.Close())
				s = mustOpen(t, Config{Dir: dir})
			}
			rng := rand.New(rand.NewPCG(1, 1))
			const records = 200
			noise := make([]byte, 400)
			for i := range uint64(records) {
				for j := range noise {
					noise[j] = byte(rng.Uint32())
				}
				b := s.NewBatch()
				b.Set(number(i), noise)
				require.NoError(t, s.Commit(b))
				require.NoError(t, b.Close())
			}
			killed := copyDir(t, dir)
			require.NoError(t, s.Close())

			for how, damage := range mutations {
				for range 5 {
					damaged := copyDir(t, killed)
					log := newest(t, damaged, ".log")
					text, err := os.ReadFile(log)
					require.NoError(t, err)
					text = text[:len(bytes.TrimRight(text, "\x00"))]
					// The last record may be damaged like one that was being written: leave it alone.
					damage(rng, text[:len(text)*3/4])
					require.NoError(t, os.WriteFile(log, text, 0o600))

					_, err = Open(Config{Dir: damaged})
					require.Error(t, err, "%s: a damaged log is refused", how)
					require.Contains(t, err.Error(), filepath.Join(damaged, databaseName)+" is damaged, as found in "+log+"; restore it from a backup",
						"%s: the log is named", how)
				}
			}
			s = mustOpen(t, Config{Dir: killed})
			requireRecords(t, s, records)
			require.NoError(t, s.Close())
		})
	}
}

func requireRecords(t *testing.T, r store.Reader, want int) {
	t.Helper()
	pairs, failed := r.Scan(number(0), []byte{'n' + 1})
	n := 0
	for range pairs {
		n++
	}
	require.NoError(t, failed())
	require.Equal(t, want, n)
}

// TestDamagedTableEndsTheProcess damages what a flush has written: reading it
// must not yield anything but the truth.
func TestDamagedTableEndsTheProcess(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range uint64(300) {
		set(t, s, string(number(i)), fmt.Sprintf("%x", rng.Uint64()))
	}
	require.NoError(t, s.Close())
	require.NoError(t, mustOpen(t, Config{Dir: dir}).Close(), "replaying the log writes a table")

	whole := runChild(t, "scan", copyDir(t, dir))
	require.Equal(t, output{stdout: "pairs 300\n"}, whole)
	for range 4 {
		damaged := copyDir(t, dir)
		table := newest(t, damaged, ".sst")
		text, err := os.ReadFile(table)
		require.NoError(t, err)
		text[rng.IntN(len(text)/2)] ^= 1 << rng.IntN(8)
		require.NoError(t, os.WriteFile(table, text, 0o600))

		out := runChild(t, "scan", damaged)
		require.NotZero(t, out.code, "never a wrong answer")
		require.NotContains(t, out.stdout, "pairs 300")
		require.Contains(t, out.stdout+out.stderr, strings.TrimSuffix(filepath.Base(table), ".sst"), "the table is named")
	}
}
