package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// conn is one connection to the server.
type conn struct {
	net.Conn
	// raw is the socket, nil when there is none (tests).
	raw   syscall.RawConn
	probe func(fd uintptr)
	quiet bool // what probe found
}

// dial is the pool's way to a new connection; timeout is what the call has
// left, 0 when the pool dials for several.
func (s *Server) dial(_ string, timeout time.Duration) (net.Conn, error) {
	if timeout <= 0 || timeout > s.cfg.ConnectTimeout {
		timeout = s.cfg.ConnectTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: plain}
	c.probe = func(fd uintptr) { c.quiet = quiet(fd) }
	if sock, ok := plain.(syscall.Conn); ok {
		c.raw, err = sock.SyscallConn()
	}
	if err == nil && s.tls != nil {
		secure := tls.Client(plain, s.tls)
		c.Conn, err = secure, secure.HandshakeContext(ctx)
	}
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	return c, nil
}

// usable reports whether a connection from the pool may carry a request. One
// that was used before must be silent: if the server has closed it, even a
// POST can still go to a fresh one, since nothing was sent; if there are bytes,
// nobody asked for them, and they would become the answer to this request.
func (s *Server) usable(nc net.Conn, lastUse time.Time) bool {
	if lastUse.IsZero() {
		return true
	}
	if time.Since(lastUse) > s.cfg.IdleTimeout {
		return false
	}
	c := nc.(*conn)
	if c.raw == nil {
		return true
	}
	return c.raw.Control(c.probe) == nil && c.quiet
}
