package sinktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attemptBytesMax is what one attempt may allocate, whatever its endpoint does.
const attemptBytesMax = 1 << 20

// Allocations shows that no attempt at a hostile endpoint allocates more than
// 1 MiB. It measures the whole process, so the test that calls it must not run
// in parallel with others.
func Allocations(t *testing.T, cfg Config) {
	cfg = withDefaults(cfg)
	for name, handle := range hostiles() {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			cfg.allocations(t, Endpoint{URL: "http://" + serve(t, handle)})
		})
	}
	t.Run("endless_handshake", func(t *testing.T) {
		cfg.allocations(t, Endpoint{URL: "https://" + serve(t, func(c net.Conn, _ <-chan struct{}) { endlessHandshake(c) })})
	})
}

func (c *Config) allocations(t *testing.T, e Endpoint) {
	t.Helper()
	sink := c.New(t, e)
	// The least of three: what others allocate meanwhile can only add to one.
	least := uint64(1 << 62)
	for n := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sink.Attempt(ctx, c.delivery("d", n+1))
		runtime.ReadMemStats(&after)
		cancel()
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	t.Logf("%d KiB", least>>10)
	require.LessOrEqual(t, least, uint64(attemptBytesMax), "bytes that an attempt allocates")
}

// headers floods with headers that are all different and as short as can be:
// the most memory for their length.
func headers(head string) func(net.Conn, <-chan struct{}) {
	var all bytes.Buffer
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, a := range letters {
		for _, b := range letters {
			for _, c := range letters {
				all.WriteString(string([]rune{a, b, c}) + ":\n")
			}
		}
	}
	return flood(head, all.String())
}

// bomb is a piece of gzip that unpacks to a thousand times its length.
func bomb() string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, 1<<20)) // memory does not fail
	_ = w.Close()
	return b.String()
}

// endlessHandshake answers a TLS hello with handshake messages that are well
// framed and never end.
func endlessHandshake(c net.Conn) {
	if _, err := c.Read(make([]byte, 4<<10)); err != nil {
		return
	}
	// A record of 16 KiB of handshake, the first of which begins a message of
	// the greatest length that a certificate may have.
	record := append([]byte{22, 3, 3, 0x40, 0}, make([]byte, 16<<10)...)
	copy(record[5:], []byte{11, 0x03, 0xff, 0xff})
	for range 1024 {
		if _, err := c.Write(record); err != nil {
			return
		}
	}
}
