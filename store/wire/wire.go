// Package wire is how everything is encoded that the nodes store and send each
// other: numbers as uvarints, and strings as their length and their bytes.
//
// Every value has one encoding, so that equal states have equal bytes: a number
// that takes more bytes than it must is refused.
package wire

import (
	"encoding/binary"
	"fmt"
)

// AppendUints appends numbers.
func AppendUints(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// Zigzag has small numbers of either sign be small ones.
func Zigzag(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }

// Unzigzag is the inverse of Zigzag.
func Unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// AppendString appends a string.
func AppendString[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Reader reads an encoding from the front. After the first error it reads zeros;
// the error says where it stopped.
type Reader struct {
	b        []byte
	at       int
	err      error
	overlong bool
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// NewOldReader reads b, which may have numbers in more bytes than they must have:
// some entries of the log were once read so, and must be for ever.
func NewOldReader(b []byte) *Reader { return &Reader{b: b, overlong: true} }

// Fail ends the reading, unless it has failed already.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("byte %d: "+format, append([]any{r.at}, args...)...)
	}
}

// Err is the first error, nil if there was none.
func (r *Reader) Err() error { return r.err }

// Done is the error of a reading that must have come to the end.
func (r *Reader) Done() error {
	if r.err == nil && r.at != len(r.b) {
		r.Fail("%d bytes too many", len(r.b)-r.at)
	}
	return r.err
}

// Left reports whether there is more to read.
func (r *Reader) Left() bool { return r.err == nil && r.at < len(r.b) }

// Rest is what is not read yet. It is not copied.
func (r *Reader) Rest() []byte {
	if r.err != nil {
		return nil
	}
	rest := r.b[r.at:]
	r.at = len(r.b)
	return rest
}

// Next reports whether the next byte is c, and if so goes past it.
func (r *Reader) Next(c byte) bool {
	if !r.Left() || r.b[r.at] != c {
		return false
	}
	r.at++
	return true
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.err == nil && r.at == len(r.b) {
		r.Fail("truncated")
	}
	if r.err != nil {
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// Uint reads a number of least to most.
func (r *Reader) Uint(what string, least, most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	switch {
	case n == 0:
		r.Fail("truncated %s", what)
	case n < 0 || n > 1 && r.b[r.at+n-1] == 0 && !r.overlong:
		r.Fail("%s is not in its shortest encoding", what)
	case v < least || v > most:
		r.Fail("%s is %d, must be %d to %d", what, v, least, most)
	default:
		r.at += n
		return v
	}
	return 0
}

// Bytes reads a string of least to most bytes without copying it.
func (r *Reader) Bytes(what string, least, most int) []byte {
	n := int(r.Uint(what+" length", uint64(least), uint64(most)))
	return r.Fixed(what, n)
}

// Fixed reads n bytes without copying them; nil if there are fewer.
func (r *Reader) Fixed(what string, n int) []byte {
	if r.err == nil && n > len(r.b)-r.at {
		r.Fail("truncated %s", what)
	}
	if r.err != nil {
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

// String reads a string of least to most bytes.
func (r *Reader) String(what string, least, most int) string {
	return string(r.Bytes(what, least, most))
}

// roomAtOnce bounds what is allocated by the word of an encoding alone, in elements.
const roomAtOnce = 1024

// List reads a number of at most most, and that many elements.
func List[T any](r *Reader, what string, most uint64, element func() T) []T {
	n := r.Uint("number of "+what, 0, most)
	if n == 0 {
		return nil
	}
	l := make([]T, 0, min(n, uint64(len(r.b)-r.at), roomAtOnce)) // each has a byte at least
	for range n {
		if r.err != nil {
			return nil
		}
		l = append(l, element())
	}
	return l
}
