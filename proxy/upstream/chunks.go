package upstream

import (
	"bytes"
	"errors"
)

// Bounds of what stands beside the bytes of a chunked body. A size of 15
// digits cannot overflow.
const (
	maxExtension  = 256
	maxSizeDigits = 15
	maxChunkLine  = maxSizeDigits + maxExtension + len("\r\n")
)

var (
	errChunkLine = errors.New("a chunk of the answer does not begin with its size in a line of its own")
	errExtension = errors.New("a chunk extension of the answer has more than 256 bytes or control characters")
	errChunkEnd  = errors.New("a chunk of the answer does not end with CR LF")
	errTrailers  = errors.New("the answer's trailers are too large")
)

// parseChunkLine reads the line before a chunk, its CR LF included (RFC 9112
// 7.1). Nothing may stand between the size and its extensions: readers differ
// on white space there.
func parseChunkLine(line []byte) (size int64, err error) {
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return 0, errChunkLine
	}
	digits := line
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		digits = line[:i]
		if extension := line[i:]; len(extension) > maxExtension || !isText(extension) {
			return 0, errExtension
		}
	}
	if len(digits) == 0 || len(digits) > maxSizeDigits {
		return 0, errChunkLine
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errChunkLine
		}
		size = size<<4 | int64(c)
	}
	return size, nil
}

// checkTrailer checks a line of trailers, its CR LF included; last is true for
// the empty one. Trailers are dropped (pitfalls 2(a) 17), but only what is one.
func checkTrailer(line []byte) (last bool, err error) {
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return false, errBareLF
	}
	if len(line) == 0 {
		return true, nil
	}
	_, err = readField(line)
	return false, err
}
