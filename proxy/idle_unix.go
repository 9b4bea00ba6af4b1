//go:build unix

package proxy

import (
	"io"
	"net"
	"syscall"
)

// idle is how a connection waits for its next request without a buffer: most
// connections do nothing but that. Above TLS it cannot be had.
type idle struct {
	raw  syscall.RawConn // nil: it waits like any other
	pull func(fd uintptr) bool
	n    int
	err  error
}

// idleAt prepares a connection for that.
func (c *clientConn) idleAt(conn net.Conn) {
	sock, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return
	}
	c.idle = idle{raw: raw, pull: c.tryRead}
}

// tryRead reads what there is into a fresh buffer; false: there is nothing yet.
func (c *clientConn) tryRead(fd uintptr) bool {
	c.buf = c.listener.proxy.buffers.small.Get().(*buffer)
	i := &c.idle
	for {
		if i.n, i.err = syscall.Read(int(fd), c.buf.b); i.err != syscall.EINTR {
			break
		}
	}
	switch {
	case i.err == syscall.EAGAIN:
		c.dropBuffer()
		return false
	case i.err != nil:
		i.n = 0
	case i.n == 0:
		i.err = io.EOF
	}
	return true
}

// await waits for the first bytes of a head.
func (c *clientConn) await() (int, error) {
	i := &c.idle
	if i.raw == nil {
		return c.Conn.Read(c.buf.b)
	}
	c.dropBuffer()
	if err := i.raw.Read(i.pull); err != nil {
		return 0, err
	}
	return i.n, i.err
}
