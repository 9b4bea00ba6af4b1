package body

import "golang.org/x/sys/unix"

// slab is what is asked of the system at once. Only what is written to costs
// memory.
const slab = 4 << 20

// moreMemory appends pieces of fresh memory.
func moreMemory(pieces [][]byte, size int) [][]byte {
	b, err := unix.Mmap(-1, 0, slab, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil { // no room among the addresses: the heap has what there is
		return append(pieces, make([]byte, size))
	}
	// A huge page would be taken whole for the first byte of a piece.
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE)
	for ; len(b) >= size; b = b[size:] {
		pieces = append(pieces, b[:size:size])
	}
	return pieces
}

// cool gives a free piece's memory back to the system. It returns false where
// the piece must then not be used again.
func cool(p []byte) bool { return unix.Madvise(p, unix.MADV_DONTNEED) == nil }
