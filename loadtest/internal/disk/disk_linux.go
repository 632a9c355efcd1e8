package disk

import "syscall"

// OnMemory reports whether dir is on a file system where a sync costs nothing.
func OnMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && (s.Type == tmpfs || s.Type == ramfs)
}
