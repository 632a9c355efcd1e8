//go:build !purego

package rawjson

import "golang.org/x/sys/cpu"

// skipBlocks is skipBlocksPortable for the n bytes at p, with AVX2 for the masks and a product without carries for the
// inside of strings.
//
//go:noescape
func skipBlocks(p *byte, n int, state *skipState) int

// hasVectors reports whether the processor has all instructions of skipBlocks.
func hasVectors() bool {
	x := &cpu.X86
	return x.HasAVX2 && x.HasPCLMULQDQ && x.HasPOPCNT && x.HasBMI1 && x.HasBMI2
}

func skipOpen(b []byte, i int) int {
	if !hasVectors() {
		return skipOpenPortable(b, i)
	}
	state := skipState{depth: 1}
	if len(b)-i >= 64 {
		if end := skipBlocks(&b[i], len(b)-i, &state); end >= 0 {
			return i + end
		}
	}
	return skipRest(b, i, &state)
}
