package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// Do sends req and reads the answer into resp, without its hop-by-hop headers
// and trailers. It returns within the request's Timeout. An error is an *Error;
// what resp then holds is no answer.
//
// A GET or HEAD is sent a second time when a kept connection turns out closed
// before any byte of an answer: the server most likely closed it while it was
// idle. Nothing else is ever sent twice, nor what says Once.
func (s *Server) Do(req *Request, resp *fasthttp.Response) (retried bool, err error) {
	timeout := req.Timeout
	if timeout == 0 {
		timeout = s.cfg.Timeout
	}
	deadline := time.Now().Add(timeout)
	req.head = req.appendHead(req.head[:0], s.host, s.base)
	stale, err := s.attempt(req, resp, deadline)
	if !stale {
		return false, err
	}
	s.CloseIdle()
	if !req.repeatable() {
		return false, err
	}
	_, err = s.attempt(req, resp, deadline)
	return true, err
}

// attempt sends req once. stale is true when the error is that of a kept
// connection which the server had closed.
func (s *Server) attempt(req *Request, resp *fasthttp.Response, deadline time.Time) (stale bool, err error) {
	left := time.Until(deadline)
	if left <= 0 { // 0 would mean no limit to the pool
		return false, s.fail(fasthttp.ErrTimeout, Timeout)
	}
	cc, err := s.pool.AcquireConn(left, false)
	for err == nil && !s.usable(cc.Conn(), cc.LastUseTime()) {
		s.pool.CloseConn(cc)
		cc, err = s.pool.AcquireConn(left, false)
	}
	if err != nil {
		return false, s.fail(err, Connect)
	}
	keep := false
	defer func() { // also when something panics
		if keep {
			s.pool.ReleaseConn(cc)
		} else {
			s.pool.CloseConn(cc)
		}
	}()
	kept := !cc.LastUseTime().IsZero()
	c := cc.Conn().(*conn)
	if err := c.SetDeadline(deadline); err != nil {
		return kept, s.fail(err, Broken)
	}
	answered, keep, err := s.exchange(c, req, resp)
	if err != nil {
		e := s.fail(err, Broken)
		return kept && !answered && e.Reason == Broken, e
	}
	return false, nil
}

// exchange writes the request and reads the answer. answered is true from the
// first byte of the answer on, keep when the connection can serve another.
func (s *Server) exchange(c *conn, req *Request, resp *fasthttp.Response) (answered, keep bool, err error) {
	w := s.pool.AcquireWriter(c)
	_, _ = w.Write(req.head) // a bufio.Writer keeps its error for Flush
	for _, piece := range req.Body {
		_, _ = w.Write(piece)
	}
	sendErr := w.Flush()
	s.pool.ReleaseWriter(w)

	r := s.pool.AcquireReader(c)
	defer s.pool.ReleaseReader(r)
	// A server may refuse a large body in the middle and close: its answer can
	// be there although the request could not be sent to its end.
	if _, err := r.Peek(1); err != nil {
		if sendErr != nil {
			err = sendErr
		}
		return false, false, err
	}
	keep, err = s.receive(r, req, resp)
	// What is left belongs to no request: bytes behind the answer to a HEAD, or
	// a body where there can be none, would be the next client's answer.
	keep = keep && sendErr == nil && r.Buffered() == 0
	return true, keep, err
}

// maxInterim bounds the 1xx answers before the final one.
const maxInterim = 10

// receive reads one answer. keep is false when the server is going to close
// the connection.
func (s *Server) receive(r *bufio.Reader, req *Request, resp *fasthttp.Response) (keep bool, err error) {
	status := 100
	for n := 0; status < 200; n++ {
		if n > maxInterim {
			return false, fmt.Errorf("more than %d interim answers", maxInterim)
		}
		if err := resp.Header.Read(r); err != nil {
			return false, err
		}
		status = resp.StatusCode()
		// 101 was not asked for: Upgrade is never passed on.
		if status < 100 || status == 101 || status > 599 {
			return false, fmt.Errorf("status %d", status)
		}
	}
	if req.Method == "HEAD" || status == 204 || status == 304 {
		resp.SkipBody = true
	} else if err := s.receiveBody(r, resp); err != nil {
		return false, err
	}
	return s.strip(req, resp)
}

func (s *Server) receiveBody(r *bufio.Reader, resp *fasthttp.Response) error {
	if err := resp.ReadBody(r, s.cfg.MaxBody); err != nil {
		return err
	}
	if resp.Header.ContentLength() != -1 {
		return nil
	}
	// Trailers are dropped; fasthttp would merge them into the header.
	for left := s.cfg.MaxHeader; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return nil
		}
		if left -= len(line); left < 0 {
			return errors.New("trailers too large")
		}
	}
}
