package upstream

import (
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Source is a request's body that is still coming. One goroutine calls Next and
// Close; Stop may be called at the same time.
type Source interface {
	// Next waits for more of the body and returns it; the bytes are good until
	// the next call. io.EOF comes with the last bytes, or alone behind them.
	Next() ([]byte, error)
	// Stop makes Next fail without waiting, now and from then on.
	Stop()
	// Close is called once, when Next will not be called again.
	Close()
}

// SourceError is the error of a call whose request could not be sent because
// its Source failed. The server has seen a request that was cut off.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return "reading the request's body: " + e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// upload sends a request whose body is still coming, in a goroutine of its own:
// the server may answer before it has all of it.
type upload struct {
	server  *Server
	conn    *conn
	src     Source
	head    []byte // until it is sent
	chunked bool
	pieces  net.Buffers

	// last is true once the whole body is known; what is not sent of it yet is
	// in hand.
	last atomic.Bool
	done chan struct{}

	mu sync.Mutex
	// answered is true from the first byte of the answer on, stopped when
	// nobody wants the rest of the body.
	answered, stopped bool
	srcErr, sendErr   error
}

// lastWait bounds how long a connection may take to send the last bytes of a
// body although its answer has ended; it is closed then.
const lastWait = time.Second

// begin takes the request's body over and sends it.
func (s *Server) begin(c *conn, req *Request) *upload {
	u := &upload{
		server: s, conn: c, src: req.Coming, head: append([]byte(nil), req.head...),
		chunked: req.Length < 0, done: make(chan struct{}),
	}
	req.Coming = nil
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	defer u.server.uploads.leave()
	defer u.src.Close()
	var sendErr error
	for sendErr == nil && !u.last.Load() {
		data, err := u.src.Next()
		if err != nil && err != io.EOF {
			u.broken(err)
			return
		}
		u.last.Store(err == io.EOF)
		sendErr = u.send(data, err == io.EOF)
	}
	u.sent(sendErr)
}

// send writes some of the body, behind the head if that is not sent yet.
func (u *upload) send(data []byte, last bool) error {
	p := u.pieces[:0]
	if u.head != nil {
		p = append(p, u.head)
		u.head = nil
	}
	var line [18]byte
	switch {
	case len(data) > 0 && u.chunked:
		size := append(strconv.AppendInt(line[:0], int64(len(data)), 16), "\r\n"...)
		p = append(p, size, data, crlf)
	case len(data) > 0:
		p = append(p, data)
	}
	if last && u.chunked {
		p = append(p, lastChunk)
	}
	u.pieces = p // its array is used again
	for len(p) > 0 {
		if err := u.conn.SetWriteDeadline(time.Now().Add(u.server.cfg.Timeout)); err != nil {
			return err
		}
		n, err := p.WriteTo(u.conn.Conn)
		// TLS cannot go on behind a write that was cut off by its deadline.
		if err != nil && !(isTimeout(err) && n > 0 && u.server.tls == nil) {
			return err
		}
	}
	return nil
}

var (
	crlf      = []byte("\r\n")
	lastChunk = []byte("0\r\n\r\n")
)

// broken ends a request that will not become whole: the server must not take
// what it has for all.
func (u *upload) broken(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.stopped {
		u.srcErr = err
	}
	_ = u.conn.Close()
}

// sent bounds the time to the answer: from here on nothing but the server's own
// work is waited for.
func (u *upload) sent(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sendErr = err
	if u.answered {
		return
	}
	by := time.Now()
	if !isTimeout(err) { // that was waited for already
		by = by.Add(u.server.cfg.Timeout)
	}
	_ = u.conn.SetReadDeadline(by) // a connection that is closed fails anyway
}

// answerBegun bounds the time to the rest of the answer's head.
func (u *upload) answerBegun() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answered = true
	return u.conn.SetReadDeadline(time.Now().Add(u.server.cfg.Timeout))
}

// finish waits for the end of the upload, which it brings about unless the
// whole body is known. It reports whether the request was sent whole.
func (u *upload) finish() bool {
	select {
	case <-u.done:
	default:
		if u.last.Load() {
			timer := time.NewTimer(lastWait)
			defer timer.Stop()
			select {
			case <-u.done:
			case <-timer.C:
			}
		}
		u.stop()
	}
	return u.srcErr == nil && u.sendErr == nil && u.last.Load()
}

// stop ends the upload where it is, with the connection, and waits for that.
func (u *upload) stop() {
	select {
	case <-u.done:
		return
	default:
	}
	u.mu.Lock()
	u.stopped = u.srcErr == nil
	u.mu.Unlock()
	u.src.Stop()
	_ = u.conn.Close()
	<-u.done
}

// cut is the error of a call whose Source has failed, nil where it has not.
func (u *upload) cut() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.srcErr == nil {
		return nil
	}
	return &SourceError{u.srcErr}
}

// places bounds how many uploads a server may have at the same time.
type places chan struct{}

// enter waits for a place.
func (p places) enter(by time.Time) error {
	select {
	case p <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case p <- struct{}{}:
		return nil
	case <-timer.C:
		return errManyUploads
	}
}

func (p places) leave() { <-p }
