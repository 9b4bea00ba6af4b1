package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/header"
)

// Tunnel is a connection to a server that goes on with another protocol than
// HTTP. One goroutine may read while another writes.
type Tunnel struct {
	server *Server
	conn   *conn
	// rest is what the server has sent behind its answer.
	rest   []byte
	closed sync.Once
	// load is told when it is closed; it may be nil.
	load *atomic.Int64
}

// ownConn makes a connection for a request that may leave HTTP. As many as the
// pool may have are made beside it.
func (s *Server) ownConn(by time.Time) (*conn, error) {
	if s.switched.enter(time.Now().Add(s.cfg.ConnWait)) != nil {
		return nil, errBusy
	}
	c, err := s.dial(by)
	if err != nil {
		s.switched.leave()
		return nil, err
	}
	c.own = true
	return c, nil
}

func (s *Server) closeOwn(c *conn) {
	_ = c.Close()
	s.switched.leave()
}

// switchOver makes the connection the answer's, where the server has chosen one
// of the protocols that it was offered.
func (s *Server) switchOver(b *Body, req *Request, a *Answer) error {
	chosen, ok := a.head.fields.First(header.Upgrade)
	if !ok || !a.head.listed || !offers(req.Upgrade, chosen) {
		return fmt.Errorf("the answer switches to %q, which nobody asked for", chosen)
	}
	if err := b.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	a.pass(req)
	a.Add(connectionName, upgradeName)
	a.Add(upgradeName, chosen)
	t := &Tunnel{server: s, conn: b.conn}
	if n := b.r.Buffered(); n > 0 {
		rest, _ := b.r.Peek(n)
		t.rest = bytes.Clone(rest)
	}
	s.readers.put(b.r)
	*b = Body{}
	bodies.Put(b)
	a.Switched = t
	return nil
}

var connectionName, upgradeName = []byte("Connection"), []byte("Upgrade")

// offers reports whether a list of protocols has one.
func offers(list, protocol []byte) bool {
	token, rest, done := header.NextToken(list)
	for ; !done; token, rest, done = header.NextToken(rest) {
		if bytes.EqualFold(token, protocol) {
			return true
		}
	}
	return false
}

// Read reads what the server sends, first what came with its answer.
func (t *Tunnel) Read(p []byte) (int, error) {
	if len(t.rest) > 0 {
		n := copy(p, t.rest)
		t.rest = t.rest[n:]
		return n, nil
	}
	return t.conn.Read(p)
}

// Write sends p.
func (t *Tunnel) Write(p []byte) (int, error) { return t.conn.Write(p) }

// SetReadDeadline bounds the present Read and those to come.
func (t *Tunnel) SetReadDeadline(by time.Time) error { return t.conn.SetReadDeadline(by) }

// SetWriteDeadline bounds the present Write and those to come.
func (t *Tunnel) SetWriteDeadline(by time.Time) error { return t.conn.SetWriteDeadline(by) }

// CloseWrite tells the server that nothing more will come.
func (t *Tunnel) CloseWrite() error { return closeWrite(t.conn.Conn) }

// Close closes the connection. It may be called again, and beside a Read.
func (t *Tunnel) Close() error {
	t.closed.Do(func() {
		t.server.closeOwn(t.conn)
		if t.load != nil {
			t.load.Add(-1)
		}
	})
	return nil
}

var errNoHalf = errors.New("the connection cannot be closed in one direction")

func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errNoHalf
	}
	return half.CloseWrite()
}
