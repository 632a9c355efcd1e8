package pebblestore

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// logEvery bounds how often one kind of event is logged. A full disk fails
// every attempt of a flush, and Pebble tries without pause; the counters have
// them all.
const logEvery = time.Second

// events tells the operator of what Pebble notices, in log and counters.
type events struct {
	log   *slog.Logger
	fatal *fatalLogger

	backgroundErrors, slowOps, stalls atomic.Uint64
	stallNanos                        atomic.Int64
	stallBegan                        atomic.Int64 // UnixNano, 0 = not stalled
	errorLogged, slowLogged           atomic.Int64 // UnixNano of the last line
}

func (e *events) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: e.backgroundError,
		DataCorruption:  e.corruption,
		DiskSlow:        e.diskSlow,
		WriteStallBegin: e.stallBegin,
		WriteStallEnd:   e.stallEnd,
	}
}

func (e *events) backgroundError(err error) {
	e.backgroundErrors.Add(1)
	if due(&e.errorLogged) {
		e.log.Error("storage could not flush or compact, trying again", slog.Any("error", err))
	}
}

// corruption ends the process: what was read may be wrong in ways that no checksum covers.
func (e *events) corruption(info pebble.DataCorruptionInfo) {
	e.fatal.Fatalf("%s is damaged: %v", info.Path, info.Details)
}

// diskSlow is called while the operation still waits. Logging here may wait
// for the same disk; then only further reports are late.
func (e *events) diskSlow(info vfs.DiskSlowInfo) {
	e.slowOps.Add(1)
	if due(&e.slowLogged) {
		e.log.Warn("disk is slow", slog.String("file", info.Path), slog.String("operation", info.OpType.String()),
			slog.Int("bytes", info.WriteSize), slog.Duration("so_far", info.Duration))
	}
}

func (e *events) stallBegin(info pebble.WriteStallBeginInfo) {
	e.stalls.Add(1)
	e.stallBegan.Store(time.Now().UnixNano())
	e.log.Warn("writes wait for flush or compaction", slog.String("reason", info.Reason))
}

func (e *events) stallEnd() {
	took := time.Duration(time.Now().UnixNano() - e.stallBegan.Swap(0))
	e.stallNanos.Add(int64(took))
	e.log.Info("writes go on", slog.Duration("waited", took))
}

// due reports whether the event may be logged again.
func due(last *atomic.Int64) bool {
	now, before := time.Now().UnixNano(), last.Load()
	return now-before >= int64(logEvery) && last.CompareAndSwap(before, now)
}
