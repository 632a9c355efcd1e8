package pebblestore_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/internal/store/storetest"
)

// smallTable makes the suite's few hundred kilobytes flush and compact.
const smallTable = 256 << 10

type memoryDisk struct{ fs *pebblestore.Memory }

func (d memoryDisk) Open() (store.Store, error) {
	return pebblestore.Open(pebblestore.Config{Dir: "/srv/data", FS: d.fs, MemTableBytes: smallTable})
}

func (d memoryDisk) PowerLoss(keepPercent int, rng *rand.Rand) storetest.Disk {
	return memoryDisk{d.fs.PowerLoss(keepPercent, rng)}
}

type realDisk struct{ dir string }

func (d realDisk) Open() (store.Store, error) {
	return pebblestore.Open(pebblestore.Config{Dir: d.dir, MemTableBytes: smallTable})
}

func TestConformance(t *testing.T) {
	t.Parallel()

	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(*testing.T) storetest.Disk { return memoryDisk{pebblestore.NewMemory()} })
	})
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) storetest.Disk {
			t.Helper()
			return realDisk{filepath.Join(t.TempDir(), "data")}
		})
	})
}
