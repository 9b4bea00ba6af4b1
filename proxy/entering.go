package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
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
	if p.cfg.ClientTLS == nil && !(p.cfg.ProxyProtocol && c.trusted) {
		c.idleAt(c.Conn)
	}
	if p.cfg.ProxyProtocol && c.trusted {
		c.proxied = &proxied{Conn: c.Conn}
		c.Conn, c.entering = c.proxied, true
	}
	if p.cfg.ClientTLS != nil {
		c.paced = &paced{Conn: c.Conn, client: c}
		c.paced.handshaking.Store(true)
		c.secure = tls.Server(c.paced, p.cfg.ClientTLS())
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
		err := c.secure.Handshake()
		c.paced.endHandshake()
		if err != nil {
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
	if c.listener.proxy.tell(c, plain.Conn, envelope.HTTPSRequired) == nil {
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
	// handshaking is true until endHandshake, working while it holds one of the
	// proxy's handshakes; mu guards that, for Close writes a goodbye at any time.
	handshaking atomic.Bool
	mu          sync.Mutex
	working     bool
}

// work takes or gives back the right to work on a handshake. It is held while
// nothing is waited for: however many strangers come at once, only few of their
// handshakes are worked on at once, and calls get the rest of the processors.
func (p *paced) work(on bool) {
	if p.handshaking.Load() {
		p.change(on, true)
	}
}

// endHandshake is to be called once the handshake is over, however it ended.
func (p *paced) endHandshake() { p.change(false, false) }

func (p *paced) change(working, handshaking bool) {
	p.mu.Lock()
	changed := p.handshaking.Load() && p.working != working
	if p.handshaking.Load() { // else it is over, for good
		p.working = working
		p.handshaking.Store(handshaking)
	}
	p.mu.Unlock()
	if !changed {
		return
	}
	if handshakes := p.client.listener.proxy.handshakes; working {
		handshakes <- struct{}{}
	} else {
		<-handshakes
	}
}

// Read implements net.Conn.
func (p *paced) Read(b []byte) (int, error) {
	p.work(false)
	n, err := p.Conn.Read(b)
	p.work(true)
	return n, err
}

// Write implements net.Conn.
func (p *paced) Write(b []byte) (int, error) {
	if p.handshaking.Load() {
		p.work(false)
		defer p.work(true)
	}
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
