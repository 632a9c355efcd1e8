package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/store"
)

// peer is a connection that only has an address and can be closed.
type peer struct {
	net.Conn

	from   net.Addr
	closed bool
}

func (p *peer) RemoteAddr() net.Addr { return p.from }
func (p *peer) Close() error         { p.closed = true; return nil }

func peerFrom(ip string) *peer { return &peer{from: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}} }

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()

	c := newConnLimit(4, 2, slog.New(slog.DiscardHandler))
	open := func(ip string) *peer {
		p := peerFrom(ip)
		c.Changed(p, http.StateNew)
		return p
	}
	a1, a2, a3 := open("192.0.2.1"), open("192.0.2.1"), open("::ffff:192.0.2.1")
	require.False(t, a1.closed)
	require.False(t, a2.closed)
	require.True(t, a3.closed, "the third connection from one address is refused")
	c.Changed(a3, http.StateClosed)
	require.Equal(t, 2, c.Open(), "a refused connection was never counted")
	require.EqualValues(t, 1, c.refused.Load())

	c.Changed(a1, http.StateClosed)
	require.False(t, open("192.0.2.1").closed, "its place is free again")
	require.False(t, open("127.0.0.1").closed)
	require.False(t, open("127.0.0.1").closed)
	require.True(t, open("127.0.0.1").closed, "the bound of all connections holds for loopback too")
	require.Equal(t, 4, c.Open())
}

func TestLoopbackIsNotCountedByAddress(t *testing.T) {
	t.Parallel()

	c := newConnLimit(100, 1, slog.New(slog.DiscardHandler))
	for range 50 {
		p := peerFrom("::1")
		c.Changed(p, http.StateNew)
		require.False(t, p.closed)
	}
}

func TestCloseUnused(t *testing.T) {
	t.Parallel()

	c := newConnLimit(10, 10, slog.New(slog.DiscardHandler))
	fresh, used := peerFrom("192.0.2.1"), peerFrom("192.0.2.1")
	for _, p := range []*peer{fresh, used} {
		c.Changed(p, http.StateNew)
	}
	c.Changed(used, http.StateActive)
	c.Changed(used, http.StateIdle)
	c.closeUnused()
	require.True(t, fresh.closed)
	require.False(t, used.closed, "a connection that carried a request is left to the server")
}

func TestAdmission(t *testing.T) {
	t.Parallel()

	a := newAdmission(100)
	require.NoError(t, a.enter(60))
	require.NoError(t, a.enter(40))
	err, ok := errors.AsType[*turnout.Error](a.enter(1))
	require.True(t, ok)
	require.Equal(t, turnout.CodeThrottled, err.Code, "more bodies than memory are shed")
	require.NoError(t, a.enter(0), "a request without a body is always admitted")
	a.leave(60)
	require.NoError(t, a.enter(60))
	require.Equal(t, load{requests: 3, bytes: 100, shed: 1}, a.load())

	idle := a.close()
	err, ok = errors.AsType[*turnout.Error](a.enter(0))
	require.True(t, ok)
	require.Equal(t, turnout.CodeUnavailable, err.Code)
	a.leave(40)
	a.leave(0)
	select {
	case <-idle:
		require.Fail(t, "a request is still running")
	default:
	}
	a.leave(60)
	<-idle
	<-a.close()
}

func TestDiskFloor(t *testing.T) {
	t.Parallel()

	const gib = 1 << 30
	floor := config.Disk{FreeMinBytes: gib, FreeMinPercent: 5}
	for _, tc := range []struct {
		name        string
		free, total uint64
		wasFull     bool
		full, low   bool
	}{
		{name: "plenty", free: 50 * gib, total: 100 * gib},
		{name: "getting low", free: 14 * gib, total: 100 * gib, low: true},
		{name: "below five percent", free: 5*gib - 101, total: 100 * gib, full: true, low: true},
		{name: "small volume, below one GiB", free: gib - 1, total: 2 * gib, full: true, low: true},
		{name: "at the floor after it was full", free: 5 * gib, total: 100 * gib, wasFull: true, full: true, low: true},
		{name: "an eighth above after it was full", free: 6 * gib, total: 100 * gib, wasFull: true, low: true},
		{name: "a volume without end", free: 1 << 60, total: 1 << 60},
	} {
		got := judgeDisk(floor, store.Usage{FreeBytes: tc.free, TotalBytes: tc.total}, tc.wasFull)
		require.Equal(t, tc.full, got.full, tc.name)
		require.Equal(t, tc.low, got.low, tc.name)
		require.Equal(t, tc.full, got.problem() != "", tc.name)
	}
}

func TestDiskWatchRefusesAndRecovers(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64 // 0: the look fails
		free.Store(1 << 40)
		answers := make(chan bool, 10)
		d := &diskWatch{
			usage: func() (store.Usage, error) {
				if free.Load() == 0 {
					return store.Usage{}, errors.New("unplugged")
				}
				return store.Usage{FreeBytes: free.Load(), TotalBytes: 1 << 40}, nil
			},
			floor:  config.Disk{FreeMinBytes: 1 << 20},
			refuse: func(on bool) { answers <- on },
			log:    slog.New(slog.DiscardHandler),
		}
		d.look()
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- d.Run(ctx) }()

		free.Store(1000)
		time.Sleep(diskLookMax)
		synctest.Wait()
		require.Len(t, answers, 1)
		require.True(t, <-answers, "sends are refused within one look")
		require.NotEmpty(t, d.state.Load().problem())

		free.Store(0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Empty(t, answers, "not knowing changes nothing")

		free.Store(1 << 30)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, answers, 1)
		require.False(t, <-answers, "it recovers by itself")
		require.Empty(t, d.state.Load().problem())
		cancel()
		require.NoError(t, <-done)
	})
}

func TestFullDiskIsReclaimedNowAndThen(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		reclaims := make(chan time.Time, 100)
		d := &diskWatch{
			usage:  func() (store.Usage, error) { return store.Usage{FreeBytes: free.Load(), TotalBytes: 1 << 40}, nil },
			floor:  config.Disk{FreeMinBytes: 1 << 20},
			refuse: func(bool) {},
			reclaim: func(ctx context.Context) error {
				reclaims <- time.Now()
				select { // a slow one, that ends with ctx
				case <-time.After(5 * time.Second):
				case <-ctx.Done():
				}
				if len(reclaims) == 3 {
					free.Store(1 << 30)
				}
				return nil
			},
			log: slog.New(slog.DiscardHandler),
		}
		d.look()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(time.Hour)
		require.Len(t, reclaims, 3, "there is nothing to reclaim once there is room")
		first := <-reclaims
		require.Equal(t, 5*time.Second+reclaimEvery, (<-reclaims).Sub(first))
		require.False(t, d.state.Load().full)

		free.Store(0)
		time.Sleep(diskLookMax + time.Second)
		cancel()
		require.NoError(t, <-done, "a stop does not wait for a reclaim")
	})
}

func TestDiskLooksMoreOftenWhenLittleIsLeft(t *testing.T) {
	t.Parallel()

	at := func(free uint64) time.Duration {
		s := judgeDisk(config.Disk{FreeMinBytes: 1 << 30}, store.Usage{FreeBytes: free, TotalBytes: 1 << 50}, false)
		return s.nextLook()
	}
	require.Equal(t, diskLookMax, at(1<<40))
	require.Equal(t, 3*time.Second, at(4<<30))
	require.Equal(t, diskLookMin, at(1<<30+1))
	require.Equal(t, time.Second, at(0))
}
