package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/gate"
)

// clientConn is one client's connection. What is known of the client is worked
// out once, not with every request.
//
// It is also where requests are cut out of the bytes: fasthttp, which joins
// folded lines, takes a bare LF for a line end and reads a body before anybody
// has decided about it, never sees what the client sent. Its Read waits for the
// next head, keeps that, and gives fasthttp a short one in its place that has
// no body and asks for the same kind of answer. The body is read from here by
// the call itself.
type clientConn struct {
	net.Conn
	listener *listener
	client   *clientUse
	// ip is the client's address, IPv4 as IPv4, address its text; scheme is
	// "http" or "https".
	ip              netip.Addr
	address, scheme string

	// buf holds the bytes that came: the head of the present request first, its
	// end in head, and what is not read yet between r and w. Only the goroutine
	// that serves the connection uses what follows.
	buf       *buffer
	scan      gate.Head
	head      int
	r, w      int
	begun     bool // a first request has come
	refusal   *envelope.Sealed
	stand     []byte // what fasthttp has not read yet of the head's stand-in
	unserved  bool   // the handler has not seen the present head
	body      body.Reader
	bodyPace  pace
	readPace  pace // of the client's reading of its answer
	expectant bool // the client waits for "100 Continue"
	briefly   bool // a pause in the body is told after holdPause
	// upload reads the body beside the call, where it streams.
	upload *upload

	linger atomic.Bool
	// outlived is true where the upload went on behind the connection's last
	// call.
	outlived atomic.Bool
	once     sync.Once
	err      error
}

func newClientConn(c net.Conn, l *listener) *clientConn {
	cc := &clientConn{Conn: c, listener: l, scheme: "http", address: "unknown"}
	if port, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		cc.ip = port.Addr().Unmap().WithZone("")
		cc.address = cc.ip.String()
	}
	if isTLS(c) {
		cc.scheme = "https"
	}
	cc.body.Start(nil, 0, body.Limits{})
	return cc
}

func isTLS(c net.Conn) bool {
	_, ok := c.(interface{ ConnectionState() tls.ConnectionState })
	return ok
}

// tlsPiece is what is written to a TLS connection at once: it cannot go on
// behind a write that was cut off by its deadline.
const tlsPiece = 16 << 10

// Write writes p as long as the client gets on with reading.
func (c *clientConn) Write(p []byte) (written int, err error) {
	for {
		piece := p[written:]
		if c.scheme == "https" && len(piece) > tlsPiece {
			piece = piece[:tlsPiece]
		}
		start := time.Now()
		if err := c.Conn.SetWriteDeadline(start.Add(c.readPace.patience())); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		c.readPace.note(n, time.Since(start))
		written += n
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !(late && n > 0 && c.scheme == "http") || written == len(p) {
			return written, err
		}
	}
}

// SetDeadline never fails: fasthttp, which calls it, would leave a connection
// that is closed without having told who has hijacked it.
func (c *clientConn) SetDeadline(t time.Time) error {
	_ = c.Conn.SetDeadline(t)
	return nil
}

// Bounds of what is read from a client that is to be rid of, or whose body
// nobody wants.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// lingerOnClose makes Close read on for a moment. Closing a socket with unread
// data in it sends a reset, which takes the answer from a client that is still
// sending (pitfalls 2(a) 28).
func (c *clientConn) lingerOnClose() { c.linger.Store(true) }

// Close closes the connection, once.
func (c *clientConn) Close() error {
	c.once.Do(func() {
		if c.outlived.Load() {
			c.endUpload()
			c.dropBuffer()
		}
		if c.linger.Load() {
			drain(c.Conn, lingerTime)
		}
		c.err = c.Conn.Close()
		c.listener.forget(c)
	})
	return c.err
}

// drain says that nothing more will come and reads what the client still sends
// within a time.
func drain(c net.Conn, within time.Duration) {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(within))
	var buf [4 << 10]byte
	for left := lingerBytes; left > 0; {
		n, err := c.Read(buf[:])
		if err != nil {
			return
		}
		left -= n
	}
}

// rawAnswer is a refusal as it is on the wire, where there is no request to answer yet.
func rawAnswer(e *envelope.Sealed, date []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nContent-Type: %s\r\nDate: %s\r\nConnection: close\r\n\r\n%s",
		e.Status, http.StatusText(e.Status), len(e.Body), envelope.ContentType, date, e.Body)
}
