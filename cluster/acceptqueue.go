package cluster

import (
	"net"
	"sync"
)

// acceptQueue is a net.Listener of connections that were accepted elsewhere.
type acceptQueue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newAcceptQueue(addr net.Addr) *acceptQueue {
	return &acceptQueue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (q *acceptQueue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (q *acceptQueue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *acceptQueue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *acceptQueue) Addr() net.Addr { return q.addr }
