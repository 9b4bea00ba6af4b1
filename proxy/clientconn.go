package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
)

// clientConn is one client's connection. What is known of the client is worked
// out once, not with every request.
type clientConn struct {
	net.Conn
	listener *listener
	// ip is the client's address, IPv4 as IPv4, address its text; scheme is
	// "http" or "https".
	ip              netip.Addr
	address, scheme string

	linger atomic.Bool
	once   sync.Once
	err    error
}

func newClientConn(c net.Conn, l *listener) *clientConn {
	cc := &clientConn{Conn: c, listener: l, scheme: "http", address: "unknown"}
	if port, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		cc.ip = port.Addr().Unmap().WithZone("")
		cc.address = cc.ip.String()
	}
	if _, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok {
		cc.scheme = "https"
	}
	return cc
}

// Bounds of what is read from a client that is to be rid of.
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
		if c.linger.Load() {
			c.drain()
		}
		c.err = c.Conn.Close()
		c.listener.forget(c)
	})
	return c.err
}

func (c *clientConn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	var buf [4 << 10]byte
	for left := lingerBytes; left > 0; {
		n, err := c.Conn.Read(buf[:])
		if err != nil {
			return
		}
		left -= n
	}
}

// rawAnswer is a refusal as it is on the wire.
func rawAnswer(e *envelope.Sealed) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		e.Status, http.StatusText(e.Status), envelope.ContentType, len(e.Body), e.Body)
}
