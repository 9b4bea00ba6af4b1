package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// Do sends req and reads the answer into a, without its hop-by-hop headers and
// trailers. A body of up to Config.BodyBuffer bytes is there when Do returns;
// one that is longer, or that pauses before its length is known, is a.Coming,
// unless req wants it whole. An error is an *Error, or a *SourceError where the
// request's own body failed; what a then holds is no answer.
//
// A request's body that is still coming is sent as it comes. An answer that
// comes before its end is passed on; when that has ended, so has the request.
//
// A GET or HEAD is sent a second time when a kept connection turns out closed
// before any byte of an answer: the server most likely closed it while it was
// idle. Nothing else is ever sent twice, nor what says Once.
func (s *Server) Do(req *Request, a *Answer) (retried bool, err error) {
	return s.do(req, a, req.deadline(&s.cfg), true)
}

// do is Do by a deadline; without again nothing is sent a second time.
func (s *Server) do(req *Request, a *Answer, deadline time.Time, again bool) (retried bool, err error) {
	a.Make(0, nil)
	req.head = req.appendHead(req.head[:0], s.host, s.base)
	streams := req.Coming != nil
	if streams {
		if err := s.uploads.enter(deadline); err != nil {
			return false, s.unsent(err, Busy)
		}
		defer func() { // the one who sends it leaves by itself
			if req.Coming != nil {
				s.uploads.leave()
			}
		}()
	}
	stale, err := s.attempt(req, a, deadline)
	for err == errSpoiled { // each time with another connection
		stale, err = s.attempt(req, a, deadline)
	}
	if !stale {
		return false, err
	}
	s.CloseIdle()
	if !again || !req.repeatable(streams) {
		return false, err
	}
	if _, err = s.attempt(req, a, deadline); err == errSpoiled {
		err = s.fail(err, Broken) // a connection was put back just now
	}
	return true, err
}

// attempt sends req once. stale is true when the error is that of a kept
// connection which the server had closed.
func (s *Server) attempt(req *Request, a *Answer, deadline time.Time) (stale bool, err error) {
	c, err := s.acquire(req, deadline)
	if err != nil {
		return false, s.unsent(err, Connect)
	}
	kept := c.used
	b := bodies.Get().(*Body)
	b.server, b.conn, b.r, b.pause = s, c, s.readers.get(c), s.cfg.Timeout
	if req.Timeout > 0 {
		b.by = deadline
	}
	open := true
	defer func() { // also when something panics
		if open {
			_ = b.Close()
		}
	}()
	if err := c.SetDeadline(deadline); err != nil {
		return kept, s.fail(err, Broken)
	}
	answered, err := s.exchange(b, req, a)
	if kept && errors.Is(err, errSpoiled) {
		return false, errSpoiled
	}
	if err != nil {
		a.DropBody()
		if b.upload != nil {
			if cut := b.upload.cut(); cut != nil {
				return false, cut
			}
		}
		e := s.fail(err, Broken)
		return kept && !answered && e.Reason == Broken, e
	}
	open = a.Coming == nil && a.Switched == nil
	return false, nil
}

// acquire gives a connection for a request.
func (s *Server) acquire(req *Request, deadline time.Time) (*conn, error) {
	if len(req.Upgrade) > 0 {
		return s.ownConn(deadline)
	}
	return s.pool.acquire(deadline)
}

// exchange writes the request and reads the answer. answered is true from the
// first byte of the answer on.
func (s *Server) exchange(b *Body, req *Request, a *Answer) (answered bool, err error) {
	var sendErr error
	switch whole := req.inOnePiece(); {
	case whole != nil && b.conn.later(whole): // it goes out below
	case b.conn.used && !b.conn.silent():
		return false, errSpoiled
	case req.Coming != nil:
		if err := b.conn.SetDeadline(time.Time{}); err != nil {
			return false, err
		}
		b.upload = s.begin(b.conn, req)
	default:
		sendErr = req.writeTo(b.conn)
	}
	// A server may refuse a large body in the middle and close: its answer can
	// be there although the request could not be sent to its end.
	if _, err := b.r.Peek(1); err != nil {
		if b.upload != nil {
			b.upload.stop()
			sendErr = b.upload.sendErr
		}
		if sendErr != nil {
			err = sendErr
		}
		return false, err
	}
	if b.upload != nil {
		if err := b.upload.answerBegun(); err != nil {
			return true, err
		}
	}
	if err := receiveHead(b.r, req, a); err != nil {
		return true, err
	}
	h := &a.head
	b.keep = !h.closes && !h.old && sendErr == nil
	if a.Status == 101 {
		return true, s.switchOver(b, req, a)
	}
	a.pass(req)
	switch {
	case a.Bodiless:
		// A body that should not be there may come at any time: it would be the
		// next client's answer.
		b.framing, b.left, b.keep = fixed, 0, false
		return true, nil
	case h.chunked:
		b.framing = chunked
	case h.length >= 0:
		b.framing, b.left = fixed, h.length
	default:
		b.framing = untilClose
	}
	return true, s.receiveBody(b, req, a)
}

// maxInterim bounds the 1xx answers before the final one.
const maxInterim = 10

// receiveHead reads the head of an answer, past the interim ones.
func receiveHead(r *bufio.Reader, req *Request, a *Answer) error {
	for range maxInterim + 1 {
		text, err := readHead(r)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := a.take(text); err != nil {
			return err
		}
		_, _ = r.Discard(len(text)) // it is in the buffer
		switch {
		case a.Status == 101 && len(req.Upgrade) == 0:
			return errors.New("the answer's status is 101, which nobody asked for")
		case a.Status >= 200 || a.Status == 101:
			return nil
		case a.Status == 103 && req.Interim != nil:
			req.Interim.EarlyHints(a.head.endToEnd(false, len(req.ID) > 0))
		}
	}
	return fmt.Errorf("more than %d interim answers", maxInterim)
}

// receiveBody holds a body or leaves it as a.Coming.
func (s *Server) receiveBody(b *Body, req *Request, a *Answer) error {
	limit := s.cfg.BodyBuffer
	if req.Whole {
		limit = s.cfg.MaxBody
	}
	known := b.framing == fixed
	if known && b.left > int64(limit) {
		if req.Whole {
			return s.tooLarge()
		}
		return s.stream(b, a, nil)
	}
	if !known && !req.Whole {
		b.hold = time.Now().Add(s.cfg.Hold)
	}
	h, err := s.collect(b, a, limit)
	held := !b.hold.IsZero()
	b.hold = time.Time{}
	switch {
	case err == io.EOF:
		a.Held = h
		return nil
	case err == nil && req.Whole:
		err = s.tooLarge()
	case err == nil || isTimeout(err) && held:
		return s.stream(b, a, h)
	}
	if h != nil {
		_ = h.Close()
	}
	return err
}

// collect reads until the end of the body, io.EOF, or until there are more than
// limit bytes, nil. What has come is in a.Body or, when that is too small, in
// the Held.
func (s *Server) collect(b *Body, a *Answer, limit int) (h *Held, err error) {
	if a.small == nil {
		a.small = make([]byte, 0, freeBytes+1) // one more, so that the end shows
	}
	into := a.small[:0]
	for {
		if b.framing == fixed && b.left == 0 {
			err = io.EOF
		} else if len(into) == cap(into) || h != nil && len(into) > limit {
			if len(into) > limit {
				break
			}
			// At the least one byte more than may be held, so that it shows.
			room := limit + 1
			if b.framing == fixed {
				room = len(into) + int(b.left)
			} else {
				room = min(room, 4*len(into))
			}
			if h == nil {
				h = s.hold(into)
			}
			if err = h.grow(room); err == nil {
				into = h.bytes
				continue
			}
		} else {
			var n int
			end := min(cap(into), limit+1)
			n, err = b.read(into[len(into):end])
			into = into[:len(into)+n]
		}
		if h != nil {
			h.bytes = into
		}
		if err != nil {
			break
		}
	}
	if h == nil {
		a.Body, a.Lasting = into, false
	}
	return h, err
}

// stream leaves the rest of a body to whoever writes it out, behind what has
// been collected.
func (s *Server) stream(b *Body, a *Answer, h *Held) error {
	share := b.r.Size() + Piece
	if err := s.take(share); err != nil {
		if h != nil {
			_ = h.Close()
		}
		return err
	}
	b.share = share
	if h == nil && len(a.Body) > 0 {
		h = s.hold(a.Body)
	}
	a.Body, b.begun, a.Coming = nil, h, b
	return nil
}

func (s *Server) tooLarge() error {
	return &Error{Reason: TooLarge, Err: fmt.Errorf("the answer's body is larger than %d bytes", s.cfg.MaxBody)}
}
