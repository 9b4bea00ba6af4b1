package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
)

// What a connection can fail at before its first request.
const (
	failedTLS   = "tls"
	failedProxy = "proxyProtocol"
)

// prepare tells whether a connection is one of a trusted proxy, and puts under
// it what comes before its first request. It reads and writes nothing yet.
func (c *clientConn) prepare() {
	p := c.listener.proxy
	c.trusted = p.trusted.Contains(c.ip)
	if p.cfg.ProxyProtocol && c.trusted {
		c.proxied = &proxied{Conn: c.Conn}
		c.Conn, c.entering = c.proxied, true
	}
	if p.cfg.ClientTLS != nil {
		c.secure = tls.Server(&paced{Conn: c.Conn, client: c}, p.cfg.ClientTLS())
		c.Conn, c.scheme, c.entering = c.secure, "https", true
	}
}

// enter reads what comes before the first request: the PROXY header of a
// trusted proxy, then the TLS handshake. It has the time of a header for that,
// and is called by the goroutine that serves the connection: a stranger who
// takes that time holds up nobody else. It returns false when the connection
// is to be closed without an answer.
func (c *clientConn) enter() bool {
	if c.Conn.SetDeadline(time.Now().Add(c.listener.proxy.cfg.HeaderTimeout)) != nil {
		return false
	}
	if c.proxied != nil {
		addr, err := c.proxied.readHeader()
		if err != nil {
			c.listener.failed(c, failedProxy, err)
			return false
		}
		if addr.IsValid() && !c.listener.rename(c, addr) {
			c.refusal = envelope.TooManyConns
		}
	}
	if c.secure != nil {
		if err := c.secure.Handshake(); err != nil {
			c.listener.failed(c, failedTLS, err)
			c.answerPlain(err)
			return false
		}
	}
	return c.Conn.SetDeadline(time.Time{}) == nil
}

// answerPlain tells a client that speaks HTTP without TLS what is wanted.
func (c *clientConn) answerPlain(err error) {
	var plain tls.RecordHeaderError
	if !errors.As(err, &plain) || plain.Conn == nil || !beginsRequest(plain.RecordHeader[:]) {
		return
	}
	if _, err := plain.Conn.Write(rawAnswer(envelope.HTTPSRequired, c.listener.proxy.clock.date(time.Now()))); err == nil {
		drain(plain.Conn, lingerTime)
	}
}

// beginsRequest tells a request line from other bytes that are no TLS.
func beginsRequest(b []byte) bool {
	for _, c := range b {
		if c == ' ' {
			return true
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// paced is a socket below TLS. A TLS connection cannot go on behind a write
// that was cut off by its deadline, so the client is waited for here, where it
// shows that it gets on with reading in the middle of a record.
type paced struct {
	net.Conn
	client *clientConn
	// bounded is true while somebody has set a deadline, which then holds.
	bounded atomic.Bool
}

// Write implements net.Conn.
func (p *paced) Write(b []byte) (int, error) {
	if p.bounded.Load() {
		return p.Conn.Write(b)
	}
	return p.client.writePaced(p.Conn, b)
}

// SetWriteDeadline implements net.Conn.
func (p *paced) SetWriteDeadline(t time.Time) error {
	p.bounded.Store(!t.IsZero())
	return p.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (p *paced) SetDeadline(t time.Time) error {
	p.bounded.Store(!t.IsZero())
	return p.Conn.SetDeadline(t)
}

// NetConn is the connection below.
func (p *paced) NetConn() net.Conn { return p.Conn }

// CloseWrite says that nothing more will come.
func (p *paced) CloseWrite() error { return closeWrite(p.Conn) }

func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// socket is the connection at the bottom of one.
func socket(c net.Conn) net.Conn {
	for {
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = above.NetConn()
	}
}
