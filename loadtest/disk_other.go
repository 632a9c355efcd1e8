//go:build !linux

package main

// onMemory reports whether dir is on a file system where a sync costs nothing.
// Only on Linux can it tell.
func onMemory(string) bool { return false }
