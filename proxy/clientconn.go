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
	"github.com/tollgate/tollgate/proxy/subnet"
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
	// ip is the client's address, or that of a proxy before it: IPv4 as IPv4,
	// address its text; scheme is "http" or "https".
	ip      netip.Addr
	address []byte
	scheme  string
	// trusted is true where the other end is a trusted proxy.
	trusted bool
	// entering is true until what comes before the first request has been read:
	// a PROXY header, and the TLS handshake. proxied and secure are where that
	// is done, nil where it is not; secure is Conn, and paced is below it.
	entering bool
	proxied  *proxied
	paced    *paced
	secure   *tls.Conn

	// buf holds the bytes that came: the head of the present request first, its
	// end in head, and what is not read yet between r and w. Only the goroutine
	// that serves the connection uses what follows.
	buf       *buffer
	idle      idle
	scan      gate.Head
	head      int
	r, w      int
	begun     bool // a first request has come
	refusal   *envelope.Sealed
	stand     []byte // what fasthttp has not read yet of the head's stand-in
	unserved  bool   // the handler has not seen the present head
	body      body.Reader
	bodyPace  pace
	readPace  pace      // of the client's reading of its answer
	expectant bool      // the client waits for "100 Continue"
	hold      time.Time // then a pause in the body is told; zero: never
	// upload reads the body beside the call, where it streams.
	upload *upload

	ending ending

	linger atomic.Bool
	// outlived is true where the upload went on behind the connection's last
	// call.
	outlived atomic.Bool
	once     sync.Once
	err      error
}

func newClientConn(c net.Conn, l *listener) *clientConn {
	cc := &clientConn{Conn: c, listener: l, scheme: "http", address: unknownAddress}
	if port, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		cc.setAddress(subnet.Plain(port.Addr()))
	}
	cc.body.Start(nil, 0, body.Limits{})
	return cc
}

var unknownAddress = []byte("unknown")

func (c *clientConn) setAddress(ip netip.Addr) {
	c.ip, c.address = ip, ip.AppendTo(nil)
}

// Write writes p as long as the client gets on with reading.
func (c *clientConn) Write(p []byte) (written int, err error) {
	if c.secure != nil {
		return c.secure.Write(p) // on a paced one
	}
	return c.writePaced(c.Conn, p)
}

// writePaced writes p to a socket as long as the client gets on with reading.
func (c *clientConn) writePaced(to net.Conn, p []byte) (written int, err error) {
	for {
		start := time.Now()
		if err := to.SetWriteDeadline(start.Add(c.readPace.patience())); err != nil {
			return written, c.ending.unsent(len(p)-written, err)
		}
		n, err := to.Write(p[written:])
		c.readPace.note(n, time.Since(start))
		written += n
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !(late && n > 0) || written == len(p) {
			return written, c.ending.unsent(len(p)-written, err)
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
		}
		c.finish()
		if c.outlived.Load() {
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
	if closeWrite(c) != nil {
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
func rawAnswer(e *envelope.Sealed, id, date []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nContent-Type: %s\r\nX-Request-Id: %s\r\nDate: %s\r\nConnection: close\r\n\r\n%s",
		e.Status, http.StatusText(e.Status), len(e.Body), envelope.ContentType, id, date, e.Body)
}
