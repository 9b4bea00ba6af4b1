// Package body reads the bodies of requests off a connection, strictly, and
// holds them in memory that is bounded for all clients together and for each.
package body

import (
	"errors"
	"math"

	"github.com/tollgate/tollgate/proxy/header"
)

// Chunked is the length of a body that comes in chunks.
const Chunked = -1

// The reasons for which a body is not read to its end; Malformed has a text for
// each thing that can be.
var (
	// ErrTooLarge: the body is longer than Limits.Body.
	ErrTooLarge = errors.New("the body is too large")
	// ErrTrailers: the trailers are longer than Limits.Trailers.
	ErrTrailers = errors.New("the trailers are too large")
)

// Malformed is the error of chunks that can be read in two ways, or in none.
type Malformed string

func (m Malformed) Error() string { return string(m) }

const (
	badSize      = Malformed("chunk size is not a hexadecimal number")
	hugeSize     = Malformed("chunk size is larger than any number of bytes")
	badLineEnd   = Malformed("chunk or trailer line without CR LF at its end")
	badExtension = Malformed("control character in a chunk extension")
	longExt      = Malformed("chunk extensions of more than 256 bytes")
	badChunkEnd  = Malformed("no CR LF behind a chunk")
	badTrailer   = Malformed("trailer name is not a token")
	badValue     = Malformed("control character in a trailer")
	wasteful     = Malformed("the chunks are mostly lines and hardly data")
)

// AllMalformed is every Malformed that a Reader can say.
var AllMalformed = []Malformed{badSize, hugeSize, badLineEnd, badExtension, longExt, badChunkEnd, badTrailer, badValue, wasteful}

// Limits of one body, in bytes.
type Limits struct {
	// Body is what all its chunks may have together.
	Body int64
	// Trailers is what its trailer section may have.
	Trailers int
}

const (
	maxExtension = 256
	maxDigits    = 16
	// A chunk may have so many bytes around it, and the waste of small chunks
	// that have more may add up to maxWaste.
	usualLine = 16
	maxWaste  = 16 << 10
)

// state is what the next byte of a framing is.
type state uint8

const (
	inSize state = iota
	inExtension
	sizeLF // the line feed of a chunk's line is due
	inData
	dataCR
	dataLF
	trailerStart
	inName
	inValue
	valueLF
	endLF
	ended
)

// framing knows where a body's data are and where it ends. It reads one byte
// after the other, so a line may come in any number of pieces.
type framing struct {
	limits Limits
	state  state
	// left is the data to come, of the body or of the chunk.
	left int64
	// total is the data of all chunks so far, the present one included, or the
	// length of the body.
	total int64

	chunked        bool
	digits         int
	line, trailers int
	waste          int64
}

// start begins a body of a length, or Chunked.
func (f *framing) start(length int64, limits Limits) {
	*f = framing{limits: limits}
	switch {
	case length == Chunked:
		f.chunked = true
	case length > 0:
		f.state, f.left, f.total = inData, length, length
	default:
		f.state = ended
	}
}

// took notes that data was taken, at most left bytes.
func (f *framing) took(n int) {
	if f.left -= int64(n); f.left == 0 {
		f.state = ended
		if f.chunked {
			f.state = dataCR
		}
	}
}

// parse reads what stands between data, up to the next data or the end, and
// returns how many of b's bytes that was.
func (f *framing) parse(b []byte) (n int, err error) {
	for n < len(b) && f.state != inData && f.state != ended {
		if err := f.step(b[n]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (f *framing) step(c byte) error {
	switch {
	case f.state <= sizeLF:
		f.line++
		return f.stepSize(c)
	case f.state >= trailerStart:
		if f.trailers++; f.trailers > f.limits.Trailers {
			return ErrTrailers
		}
		return f.stepTrailer(c)
	case f.state == dataCR && c == '\r':
		f.state = dataLF
	case f.state == dataLF && c == '\n':
		f.state, f.digits, f.line = inSize, 0, 0
	default:
		return badChunkEnd
	}
	return nil
}

// stepSize reads a chunk's line: size, perhaps extensions, CR LF.
func (f *framing) stepSize(c byte) error {
	switch f.state {
	case inSize:
		switch v := hexValue(c); {
		case v >= 0:
			if f.left > math.MaxInt64>>4 || f.digits == maxDigits {
				return hugeSize
			}
			f.left, f.digits = f.left<<4|int64(v), f.digits+1
		case f.digits == 0:
			return badSize
		case c == ';':
			f.state = inExtension
		case c == '\r':
			f.state = sizeLF
		case c == '\n':
			return badLineEnd
		default:
			return badSize
		}
	case inExtension:
		switch {
		case c == '\r':
			f.state = sizeLF
		case c == '\n':
			return badLineEnd
		case c < ' ' || c == 0x7f:
			return badExtension
		case f.line-f.digits > maxExtension:
			return longExt
		}
	default:
		if c != '\n' {
			return badLineEnd
		}
		return f.beginChunk()
	}
	return nil
}

// beginChunk is at the end of a chunk's line; left is its size.
func (f *framing) beginChunk() error {
	if f.left == 0 {
		f.state = trailerStart
		return nil
	}
	if f.left > f.limits.Body-f.total {
		return ErrTooLarge
	}
	f.total += f.left
	f.waste = max(0, f.waste+int64(f.line)-usualLine-2*f.left)
	if f.waste > maxWaste {
		return wasteful
	}
	f.state = inData
	return nil
}

// stepTrailer reads the trailers, of which nothing is kept, and the empty line.
func (f *framing) stepTrailer(c byte) error {
	switch f.state {
	case trailerStart:
		if c == '\r' {
			f.state = endLF
			return nil
		}
		f.state = inName
		return checkName(c)
	case inName:
		if c == ':' {
			f.state = inValue
			return nil
		}
		return checkName(c)
	case inValue:
		switch {
		case c == '\r':
			f.state = valueLF
		case c == '\n':
			return badLineEnd
		case c < ' ' && c != '\t' || c == 0x7f:
			return badValue
		}
		return nil
	}
	if c != '\n' {
		return badLineEnd
	}
	if f.state == endLF {
		f.state = ended
	} else {
		f.state = trailerStart
	}
	return nil
}

func checkName(c byte) error {
	name := [1]byte{c}
	switch {
	case c == '\n':
		return badLineEnd
	case !header.IsToken(name[:]):
		return badTrailer
	}
	return nil
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
