//go:build !linux

package body

// moreMemory appends a piece of fresh memory: the garbage collector's, because
// what madvise does differs among the other systems.
func moreMemory(pieces [][]byte, size int) [][]byte { return append(pieces, make([]byte, size)) }

// cool leaves a free piece to the garbage collector.
func cool([]byte) bool { return false }
