package demo

import (
	"fmt"
	"sync"
)

// faultsKept bounds the faults that are told one by one; the rest is counted.
const faultsKept = 30

// faults gathers the differences between what happened and what should have.
type faults struct {
	mu    sync.Mutex
	kept  []string
	total int
}

func (f *faults) addf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	if len(f.kept) < faultsKept {
		f.kept = append(f.kept, fmt.Sprintf(format, args...))
	}
}
