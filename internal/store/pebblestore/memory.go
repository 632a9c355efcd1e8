package pebblestore

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory is a file system in memory that tells synced data from unsynced, so
// that a test can have a power loss at any instant. Use it as Config.FS.
type Memory struct{ *vfs.MemFS }

// NewMemory returns an empty file system in memory.
func NewMemory() *Memory { return &Memory{vfs.NewCrashableMem()} }

// PowerLoss returns a copy of the file system as a power loss now might leave
// it: everything synced, and of each 4 KiB block and directory entry that is
// not, with a probability of keepPercent, the unsynced state. The original
// goes on. It may be called while the file system is in use.
func (m *Memory) PowerLoss(keepPercent int, rng *rand.Rand) *Memory {
	return &Memory{m.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keepPercent, RNG: rng})}
}

// SetUsage makes the file system report so many bytes free of so many in all.
// Until it is called the file system has room without end.
func (m *Memory) SetUsage(free, total uint64) {
	m.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: total, UsedBytes: total - min(free, total)})
}

// ReuseForWrite replaces a file instead of recycling it: MemFS takes a lock
// twice there and can deadlock against PowerLoss.
func (m *Memory) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := m.Remove(oldname); err != nil {
		return nil, err
	}
	return m.Create(newname, category)
}
