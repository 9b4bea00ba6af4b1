//go:build unix

package upstream

import (
	"io"
	"syscall"
)

// conversing is the sending of a request and the waiting for its answer as one
// step, where a socket is below. One look at the socket, which has to find
// nothing, does for two: that nobody has sent what was not asked for, and the
// read that would come too early anyway.
type conversing struct {
	request []byte // what is to be sent, nil: nothing
	into    []byte // where the answer goes
	step    func(fd uintptr) bool
	n       int
	err     error
}

// later leaves a request to be sent by the next Read. It returns false where
// that cannot be had.
func (c *conn) later(request []byte) bool {
	if c.raw == nil || c.secure {
		return false
	}
	if c.conversing.step == nil {
		c.conversing.step = c.converse
	}
	c.conversing.request = request
	return true
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	t := &c.conversing
	if t.request == nil {
		return c.Conn.Read(p)
	}
	t.into, t.n, t.err = p, 0, nil
	err := c.raw.Read(t.step)
	rest := t.request
	t.request, t.into = nil, nil
	switch {
	case err != nil:
		return 0, err
	case t.err != nil || t.n > 0:
		return t.n, t.err
	}
	// The system did not take all of it at once.
	if _, err := c.Conn.Write(rest); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// converse is called at once, and then whenever there may be something to read,
// until it returns true.
func (c *conn) converse(fd uintptr) bool {
	t := &c.conversing
	n, err := retried(syscall.Read, fd, t.into)
	if len(t.request) == 0 { // it is sent
		if err == syscall.EAGAIN {
			return false
		}
		if t.n, t.err = max(n, 0), err; n == 0 && err == nil {
			t.err = io.EOF
		}
		return true
	}
	if err != syscall.EAGAIN {
		t.err = errSpoiled
		return true
	}
	for len(t.request) > 0 {
		n, err := retried(syscall.Write, fd, t.request)
		if err == syscall.EAGAIN {
			return true
		}
		if err != nil {
			t.err = err
			return true
		}
		t.request = t.request[n:]
	}
	return false
}

func retried(call func(int, []byte) (int, error), fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = call(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}
