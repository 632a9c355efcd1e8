//go:build !amd64 || purego

package rawjson

func skipOpen(b []byte, i int) int { return skipOpenPortable(b, i) }
