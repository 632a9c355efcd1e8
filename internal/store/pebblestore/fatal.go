package pebblestore

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// ExitStorageFailed is the exit code of a process whose storage failed, the
// EX_IOERR of sysexits.h.
const ExitStorageFailed = 74

// fatalLogger is Pebble's logger.
//
// Its Fatalf must not return. Pebble calls it when a write or a sync of the
// log fails, and if it comes back, Pebble goes on to report success: of a
// hundred commits acknowledged after such a fault not one survived a power
// loss. A failed fsync cannot be retried either, as the kernel may have
// dropped the pages. So the process ends, and the next one replays the log.
type fatalLogger struct {
	log    *slog.Logger
	exit   func(code int)
	failed atomic.Bool
}

func newFatalLogger(log *slog.Logger, exit func(int)) *fatalLogger {
	if exit == nil {
		exit = os.Exit //nolint:forbidigo // An acknowledgement after this point would be a lie; see above.
	}
	return &fatalLogger{log: log, exit: exit}
}

// Infof logs Pebble's account of its work, for who asks to debug it.
func (l *fatalLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", slog.Any("message", lazy{format, args}))
}

// Errorf logs a fault that Pebble could deal with.
func (l *fatalLogger) Errorf(format string, args ...any) {
	l.log.Error("storage engine reports a fault", slog.Any("message", lazy{format, args}))
}

// Fatalf logs the reason and ends the process. It does not return, whatever exit does.
func (l *fatalLogger) Fatalf(format string, args ...any) {
	l.failed.Store(true)
	l.log.Error("storage failed, ending the process", slog.Any("message", lazy{format, args}))
	l.exit(ExitStorageFailed)
	select {} // only in a test, where exit is a note that it was called
}

// guard blocks for ever once the storage has failed, in whatever goroutine:
// the caller is about to acknowledge something.
func (l *fatalLogger) guard() {
	if l.failed.Load() {
		select {}
	}
}

// lazy formats a message if a handler wants it.
type lazy struct {
	format string
	args   []any
}

// LogValue returns the formatted message.
func (m lazy) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(m.format, m.args...)) }
