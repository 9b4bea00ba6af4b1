package rewrite

import (
	"bytes"
	"sync"
)

// scratch is what one Append works with.
type scratch struct {
	// text is the path with its percent-encoding decoded. offsets says where in
	// the path each byte of text begins, and where its end is; it is empty
	// where nothing was encoded.
	text    []byte
	offsets []int32
	decoded []byte // keeps the memory of text
	// bounds are where the groups of a match begin and end in text, -1 where
	// a group took no part.
	bounds []int32
	// marks and jobs belong to the matcher.
	marks []uint64
	jobs  []job
}

// maxKept bounds what a scratch holds on to, in entries of its largest slice.
const maxKept = 1 << 15

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release gives s back, unless an outsize path has made it large.
func (s *scratch) release() {
	s.text = nil
	if max(cap(s.decoded), cap(s.offsets), cap(s.jobs)) <= maxKept {
		scratches.Put(s)
	}
}

// read decodes a path.
func (s *scratch) read(path []byte) {
	s.text, s.offsets = path, s.offsets[:0]
	if bytes.IndexByte(path, '%') < 0 {
		return
	}
	s.decoded = s.decoded[:0]
	for i := 0; i < len(path); i++ {
		s.offsets = append(s.offsets, int32(i))
		c := path[i]
		if decoded, ok := unhex(path[i:]); ok {
			c = decoded
			i += 2
		}
		s.decoded = append(s.decoded, c)
	}
	s.offsets = append(s.offsets, int32(len(path)))
	s.text = s.decoded
}

// group is what a group holds, as path spells it; nothing for group 0.
func (s *scratch) group(path []byte, n int) []byte {
	from, to := s.bounds[2*n], s.bounds[2*n+1]
	if from < 0 || n == 0 {
		return nil
	}
	if len(s.offsets) > 0 {
		from, to = s.offsets[from], s.offsets[to]
	}
	return path[from:to]
}
