package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/proxy/envelope"
)

// bodySource is a clientConn as the source of its present request's body.
type bodySource clientConn

// directRead is from how many bytes on a read goes past the buffer.
const directRead = 2 << 10

// beginBody makes the present request's body ready to be read.
func (c *clientConn) beginBody(length int64, expectant bool) {
	cfg := &c.listener.proxy.cfg
	// A client that has begun to send does not wait for leave.
	c.expectant = expectant && c.r == c.w
	c.bodyPace = pace{timeout: cfg.BodyTimeout}
	c.body.Start((*bodySource)(c), length, body.Limits{Body: cfg.maxBody(), Trailers: cfg.MaxHeader})
}

// Buffered implements body.Source.
func (s *bodySource) Buffered() []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf.b[s.r:s.w]
}

// Discard implements body.Source.
func (s *bodySource) Discard(n int) { s.r += n }

// Fill implements body.Source.
func (s *bodySource) Fill() error {
	if s.r == s.w {
		s.r, s.w = s.head, s.head
	}
	n, err := s.receive(s.buf.b[s.w:])
	s.w += n
	return err
}

// Read implements body.Source.
func (s *bodySource) Read(p []byte) (int, error) {
	if s.r == s.w {
		if len(p) >= directRead {
			return s.receive(p)
		}
		if err := s.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.buf.b[s.r:s.w])
	s.r += n
	return n, nil
}

var continueAnswer = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// receive waits for bytes of the body. Without an error there are some.
func (s *bodySource) receive(p []byte) (int, error) {
	if s.expectant {
		s.expectant = false
		if _, err := (*clientConn)(s).Write(continueAnswer); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	patience := s.bodyPace.patience()
	brief := false
	if !s.hold.IsZero() {
		if left := s.hold.Sub(start); left < patience {
			patience, brief = left, true
		}
	}
	if err := s.Conn.SetReadDeadline(start.Add(patience)); err != nil {
		return 0, err
	}
	if s.upload != nil && s.upload.stopped.Load() { // its deadline may have been there before
		return 0, errStopped
	}
	n, err := s.Conn.Read(p)
	if n > 0 || brief && isLate(err) {
		s.bodyPace.note(n, time.Since(start))
	}
	switch {
	case n > 0:
		return n, nil
	case brief && isLate(err):
		s.hold = time.Now().Add(holdTime)
		return 0, body.ErrPause
	}
	return 0, err
}

// holdTime is how long the end of a body that may stream is waited for, before
// what has come of it goes on: the endpoint server may be waiting for it.
const holdTime = 100 * time.Millisecond

// bodyRoom is how long a body can be and still stand in the buffer.
func (c *clientConn) bodyRoom() int64 {
	if c.r == c.w {
		return int64(len(c.buf.b) - c.head)
	}
	return int64(len(c.buf.b) - c.r)
}

// isLate reports whether an error is that of a deadline.
func isLate(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

var cutBody = envelope.Malformed("the connection ended in the body")

// bodyRefusal is the answer to a body that could not be read.
func bodyRefusal(err error) *envelope.Sealed {
	switch {
	case errors.Is(err, body.ErrTooLarge):
		return envelope.BodyTooLarge
	case errors.Is(err, body.ErrTrailers):
		return envelope.HeaderTooLarge
	case errors.Is(err, body.ErrNoMemory):
		return envelope.NoMemory
	case isLate(err):
		return envelope.BodyLate
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cutBody
	}
	var m body.Malformed
	if errors.As(err, &m) {
		return malformedBodies[m]
	}
	return cutBody // reset: nobody reads it
}

// malformedBodies are the answers to what body.Malformed says.
var malformedBodies = func() map[body.Malformed]*envelope.Sealed {
	m := make(map[body.Malformed]*envelope.Sealed)
	for _, what := range body.AllMalformed {
		m[what] = envelope.Malformed(string(what))
	}
	return m
}()
