package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/store"
)

// diskWatch keeps the disk from filling up. The storage engine does not fail
// on a full disk, it waits for ever, so new data is refused before: below the
// floor sends and publishes get an error, while receives and deletes, which
// make room, go on. It recovers by itself.
type diskWatch struct {
	usage  func() (store.Usage, error)
	floor  config.Disk
	refuse func(bool) // called when the answer changes
	// reclaim gives back the space of what was deleted; nil: the store cannot.
	reclaim func(context.Context) error
	log     *slog.Logger
	state   atomic.Pointer[diskState]
}

// diskState is what a look at the volume found.
type diskState struct {
	usage store.Usage
	floor uint64 // bytes, as computed for the volume's size
	low   bool   // getting near: said once, changes nothing
	full  bool   // new data is refused
	err   error  // the look failed; usage is the one before
}

// A disk that writes this fast reaches the floor no sooner than the next look.
const (
	diskBytesPerSecond = 1 << 30
	diskLookMin        = 250 * time.Millisecond
	diskLookMax        = 5 * time.Second
)

// reclaimEvery is how often the store is asked to give space back while the
// disk stays full. Each time costs a look at every table.
const reclaimEvery = 15 * time.Second

// Run looks at the volume until ctx ends. Call look once before.
func (d *diskWatch) Run(ctx context.Context) error {
	timer := time.NewTimer(d.state.Load().nextLook())
	defer timer.Stop()
	var reclaiming sync.WaitGroup
	defer reclaiming.Wait()
	var reclaimed chan struct{} // nil: no reclaim runs
	var nextReclaim time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reclaimed:
			reclaimed, nextReclaim = nil, time.Now().Add(reclaimEvery)
		case <-timer.C:
		}
		d.look()
		timer.Reset(d.state.Load().nextLook())
		if d.state.Load().full && d.reclaim != nil && reclaimed == nil && !time.Now().Before(nextReclaim) {
			done := make(chan struct{})
			reclaimed = done
			reclaiming.Go(func() {
				defer close(done)
				d.reclaimSpace(ctx)
			})
		}
	}
}

// reclaimSpace makes the store give back what consumers have deleted. Without
// it the disk would stay full: the engine waits for more writes to do so, and
// there will be none.
func (d *diskWatch) reclaimSpace(ctx context.Context) {
	if err := d.reclaim(ctx); err != nil && ctx.Err() == nil {
		d.log.LogAttrs(ctx, slog.LevelWarn, "space of deleted data could not be given back", slog.Any("error", err))
	}
}

// look reads the free space and acts on it.
func (d *diskWatch) look() {
	before := d.state.Load()
	if before == nil {
		before = &diskState{}
	}
	usage, err := d.usage()
	if err != nil {
		after := *before
		after.err = err
		d.state.Store(&after)
		if before.err == nil {
			d.log.Warn("free space of the data directory is unknown", slog.Any("error", err))
		}
		return
	}
	after := judgeDisk(d.floor, usage, before.full)
	d.state.Store(&after)
	if after.full != before.full {
		d.refuse(after.full)
	}
	d.report(before, &after)
}

// judgeDisk says what a volume's state means. wasFull makes it ask for an
// eighth more than the floor before it lets data in again.
func judgeDisk(floor config.Disk, usage store.Usage, wasFull bool) diskState {
	// Dividing first cannot overflow and errs by less than 100 bytes.
	share := usage.TotalBytes / 100 * uint64(max(floor.FreeMinPercent, 0))
	least := max(share, uint64(max(floor.FreeMinBytes, 0)))
	enough := least
	if wasFull {
		enough += least / 8
	}
	return diskState{usage: usage, floor: least, full: usage.FreeBytes < enough, low: usage.FreeBytes/3 < least}
}

func (d *diskWatch) report(before, after *diskState) {
	space := slog.Group("bytes",
		slog.Uint64("free", after.usage.FreeBytes), slog.Uint64("floor", after.floor), slog.Uint64("total", after.usage.TotalBytes))
	switch {
	case after.full && !before.full:
		d.log.Error("disk is almost full: new messages and events are refused", space)
	case before.full && !after.full:
		d.log.Info("disk has room again: new messages and events are accepted", space)
	case after.low && !before.low:
		d.log.Warn("disk is getting full", space)
	}
}

// nextLook returns how long the state can be relied on.
func (s *diskState) nextLook() time.Duration {
	if s.full || s.err != nil || s.usage.FreeBytes < s.floor {
		return time.Second
	}
	seconds := (s.usage.FreeBytes - s.floor) / diskBytesPerSecond
	if seconds >= uint64(diskLookMax/time.Second) {
		return diskLookMax
	}
	return max(time.Duration(seconds)*time.Second, diskLookMin)
}

// problem says what is wrong, for the readiness page; "" is nothing.
func (s *diskState) problem() string {
	switch {
	case s.full:
		return fmt.Sprintf("%d bytes free, %d needed: new messages and events are refused", s.usage.FreeBytes, s.floor)
	case s.err != nil:
		return s.err.Error()
	}
	return ""
}
