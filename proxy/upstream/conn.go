package upstream

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// conn is one connection to the server.
type conn struct {
	net.Conn
	// addr is where it goes, the zero Addr when that is not known.
	addr netip.Addr
	// born is when it was made, lastUse when it was put back into the pool.
	born, lastUse time.Time
	used          bool
	// own is true for one that is not the pool's.
	own bool
	// raw is the socket, nil when there is none (tests).
	raw syscall.RawConn
	// secure is true where TLS is above it.
	secure bool
	conversing

	probe func(fd uintptr)
	quiet bool // what probe found
}

func newConn(plain net.Conn, addr netip.Addr) *conn {
	c := &conn{Conn: plain, addr: addr, born: time.Now()}
	c.probe = func(fd uintptr) { c.quiet = quiet(fd) }
	if sock, ok := plain.(syscall.Conn); ok {
		c.raw, _ = sock.SyscallConn()
	}
	return c
}

// errSpoiled: a kept connection was closed, or holds bytes that nobody asked for.
// Nothing was sent on it.
var errSpoiled = errors.New("the server has closed the connection, or sent what nobody asked for, before the request")

// silent reports whether a kept connection can carry a request. If the server
// has closed it, even a POST can still go to a fresh one, since nothing was
// sent; if there are bytes, nobody asked for them, and they would become the
// answer to this request.
func (c *conn) silent() bool {
	return c.raw == nil || c.raw.Control(c.probe) == nil && c.quiet
}

// readers are the buffers that answers are read through.
type readers struct {
	size int
	pool sync.Pool
}

func (p *readers) get(c net.Conn) *bufio.Reader {
	if r, ok := p.pool.Get().(*bufio.Reader); ok {
		r.Reset(c)
		return r
	}
	return bufio.NewReaderSize(c, p.size)
}

func (p *readers) put(r *bufio.Reader) {
	r.Reset(nil)
	p.pool.Put(r)
}
