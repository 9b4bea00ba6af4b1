package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Body is the body of an answer that is still coming. It holds the connection
// that it comes on, until its end or Close. What is cut off never reads as
// ended: Read then fails.
type Body struct {
	server *Server
	conn   *conn
	r      *bufio.Reader
	// load is told when the call is over; it may be nil.
	load *atomic.Int64
	// upload sends the request, where its body was still coming.
	upload *upload

	// pause bounds the wait for the next byte; by bounds the body as a whole,
	// and hold the time for which it is held, unless they are zero.
	pause    time.Duration
	by, hold time.Time

	framing framing
	left    int64 // of a body of known length, or of the chunk
	behind  bool  // of a chunk: CR LF comes next
	trailer int   // how many bytes of trailers may still come; 0: there are chunks
	keep    bool  // the connection can serve another request

	// begun is what was held before it was known to be more than is held.
	begun *Held
	sent  int // of begun
	share int // of the memory, taken for the buffers
	ended bool
	err   error
}

// Piece is how many bytes of a Body whoever writes it out should read at once;
// the memory for that is taken with the Body's own.
const Piece = 16 << 10

// framing is how the end of a body is known.
type framing uint8

const (
	fixed framing = iota
	chunked
	untilClose
)

var bodies = sync.Pool{New: func() any { return new(Body) }}

// Length is how many bytes are still to be read, -1 where only the end will
// tell.
func (b *Body) Length() int64 {
	if b.framing != fixed {
		return -1
	}
	n := b.left
	if b.begun != nil {
		n += int64(len(b.begun.bytes) - b.sent)
	}
	return n
}

// Read gives what has come, at least one byte, and waits only when nothing has.
// Its errors are those of Do, but for io.EOF.
func (b *Body) Read(p []byte) (n int, err error) {
	if b.begun != nil {
		n = copy(p, b.begun.bytes[b.sent:])
		if b.sent += n; b.sent == len(b.begun.bytes) {
			b.begun.Close()
			b.begun = nil
		}
		return n, nil
	}
	n, err = b.read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if b.upload != nil {
		if cut := b.upload.cut(); cut != nil {
			return n, cut
		}
	}
	return n, b.server.fail(err, Broken)
}

// read is Read behind what was held, with plain errors.
func (b *Body) read(p []byte) (n int, err error) {
	if b.err != nil || b.ended || len(p) == 0 {
		return 0, b.status()
	}
	for n < len(p) && err == nil && (n == 0 || b.ready()) {
		var m int
		m, err = b.step(p[n:])
		n += m
	}
	switch {
	case err == io.EOF:
		b.ended = true
	case isTimeout(err):
		// Not the end: who reads may have waited for less than it will.
		if n > 0 {
			err = nil
		}
		return n, err
	default:
		b.err = err
	}
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (b *Body) status() error {
	if b.ended {
		return io.EOF
	}
	return b.err
}

// ready reports whether the next step will not wait.
func (b *Body) ready() bool {
	n := b.r.Buffered()
	if n == 0 || b.framing != chunked {
		return false // one piece is what the buffer had
	}
	if b.left > 0 {
		return true
	}
	have, _ := b.r.Peek(n)
	return bytes.IndexByte(have, '\n') >= 0
}

// step reads some bytes of the body, or what stands between them. Its io.EOF is
// the body's end; that of the connection is none, but for untilClose.
func (b *Body) step(p []byte) (n int, err error) {
	if b.framing == chunked && b.left == 0 {
		return 0, b.nextChunk()
	}
	if b.framing == fixed && b.left == 0 {
		return 0, io.EOF
	}
	if b.framing != untilClose && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if b.r.Buffered() == 0 {
		if err := b.conn.SetReadDeadline(b.deadline()); err != nil {
			return 0, err
		}
	}
	n, err = b.r.Read(p)
	switch {
	case b.framing == untilClose:
		return n, err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	b.left -= int64(n)
	b.behind = b.framing == chunked && b.left == 0
	return n, err
}

// nextChunk takes one of the lines between two chunks, or behind the last one;
// after the last of those it is io.EOF. Where it waits in vain, it can be called
// again.
func (b *Body) nextChunk() error {
	switch {
	case b.behind:
		return b.endChunk()
	case b.trailer > 0:
		return b.nextTrailer()
	}
	line, err := b.line(maxChunkLine)
	if errors.Is(err, errLongLine) {
		return errExtension
	}
	if err != nil {
		return err
	}
	if b.left, err = parseChunkLine(line); err != nil {
		return err
	}
	b.take(line)
	if b.left == 0 {
		b.trailer = b.r.Size()
	}
	return nil
}

func (b *Body) endChunk() error {
	line, err := b.line(len("\r\n"))
	if errors.Is(err, errLongLine) || err == nil && string(line) != "\r\n" {
		return errChunkEnd
	}
	if err == nil {
		b.take(line)
		b.behind = false
	}
	return err
}

func (b *Body) nextTrailer() error {
	line, err := b.line(b.trailer)
	if errors.Is(err, errLongLine) {
		return errTrailers
	}
	if err != nil {
		return err
	}
	last, err := checkTrailer(line)
	if err != nil {
		return err
	}
	b.take(line)
	if last {
		return io.EOF
	}
	if b.trailer -= len(line); b.trailer <= 0 {
		return errTrailers
	}
	return nil
}

func (b *Body) take(line []byte) { _, _ = b.r.Discard(len(line)) } // they are in the buffer

var errLongLine = errors.New("a line is too long")

// line waits for a line and leaves it in the buffer. One that has control
// characters before its end is refused as soon as they come.
func (b *Body) line(longest int) ([]byte, error) {
	for seen := 0; ; {
		have, _ := b.r.Peek(b.r.Buffered())
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			if seen += i + 1; seen > longest {
				return nil, errLongLine
			}
			return have[:seen], nil
		}
		if seen = len(have); seen >= longest {
			return nil, errLongLine
		}
		if err := b.conn.SetReadDeadline(b.deadline()); err != nil {
			return nil, err
		}
		if _, err := b.r.Peek(seen + 1); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
}

func (b *Body) deadline() time.Time {
	next := time.Now().Add(b.pause)
	for _, other := range [...]time.Time{b.by, b.hold} {
		if !other.IsZero() && other.Before(next) {
			next = other
		}
	}
	return next
}

// Close lets the connection go: into the pool when the body has been read to
// its end and the server has said nothing more. It must be called once.
func (b *Body) Close() error {
	s, c := b.server, b.conn
	complete := b.ended || b.framing == fixed && b.left == 0 && b.err == nil && b.begun == nil
	keep := complete && b.keep && b.r.Buffered() == 0
	if b.upload != nil && !b.upload.finish() {
		keep = false
	}
	s.readers.put(b.r)
	if b.begun != nil {
		b.begun.Close()
	}
	if b.share > 0 {
		s.give(b.share)
	}
	if b.load != nil {
		b.load.Add(-1)
	}
	*b = Body{}
	bodies.Put(b)
	switch {
	case c.own:
		s.closeOwn(c)
	case keep:
		s.pool.release(c)
	default:
		s.pool.discard(c)
	}
	return nil
}

func isTimeout(err error) bool {
	if err == nil { // what errors.As needs is allocated
		return false
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
