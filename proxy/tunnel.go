package proxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proxy/upstream"
)

// tunnel is a client's connection that goes on with another protocol, such as
// WebSocket: bytes pass in both directions, and nobody looks at them.
type tunnel struct {
	client *clientConn
	server *upstream.Tunnel
	domain *domain
	head   []byte // of the answer
	early  []byte // what the client has sent behind its request
	idle   time.Duration
	// active is when a byte has passed last, in nanoseconds of Unix time.
	active atomic.Int64
}

// tunnels are those that are open. Its methods may be called at the same time.
type tunnels struct {
	mu     sync.Mutex
	open   map[*tunnel]struct{}
	closed bool
	wg     sync.WaitGroup
}

// add takes a tunnel in, unless the time of all is over.
func (s *tunnels) add(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open == nil {
		s.open = make(map[*tunnel]struct{})
	}
	s.open[t] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *tunnels) remove(t *tunnel) {
	s.mu.Lock()
	delete(s.open, t)
	s.mu.Unlock()
	s.wg.Done()
}

// cut ends the tunnels of a domain, or all.
func (s *tunnels) cut(key string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.open {
		if all || t.domain.key == key {
			t.cut()
		}
	}
}

// wait waits until all have ended, which they must when ctx has.
func (s *tunnels) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cut("", true)
	<-ended
	return ctx.Err()
}

// tunnel goes on with the protocol that client and endpoint server have agreed
// upon, when the handler has returned.
func (c *call) tunnel(server *upstream.Tunnel) {
	t := &tunnel{client: c.conn, server: server, domain: c.domain, head: c.ownHead(), idle: c.proxy.cfg.IdleTimeout}
	t.early = append(t.early, (*bodySource)(c.conn).Buffered()...)
	t.domain.hold()
	c.Ctx.HijackSetNoResponse(true)
	p := c.proxy
	// A stop waits for the handlers first and then for the tunnels: it finds this
	// one. So does whoever takes the domain out from here on.
	added := p.tunnels.add(t)
	c.Ctx.Hijack(func(net.Conn) {
		t.client.dropBuffer()
		defer t.domain.release()
		defer t.cut()
		if !added {
			return
		}
		defer p.tunnels.remove(t)
		t.domain.metrics.tunnels.Inc()
		defer t.domain.metrics.tunnels.Dec()
		if p.table.Load().domains[t.domain.key] != nil {
			t.run()
		}
	})
}

// run passes bytes until both sides have ended, one has failed, or nothing has
// passed for the idle time.
func (t *tunnel) run() {
	t.active.Store(time.Now().UnixNano())
	if _, err := t.client.Write(t.head); err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { t.pass(t.client.Conn, t.server) })
	if len(t.early) > 0 && t.write(t.server, t.early) != nil {
		t.cut()
		return
	}
	t.pass(t.server, t.client.Conn)
}

// side is one of a tunnel's two connections.
type side interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// A pass begins with little memory, because most tunnels are silent most of the
// time, and takes more while pieces are large.
const tunnelPiece = 2 << 10

// pass copies one direction to its end, which it passes on.
func (t *tunnel) pass(to, from side) {
	small := make([]byte, tunnelPiece)
	for {
		n, err := t.read(from, small)
		if n > 0 && t.write(to, small[:n]) != nil {
			t.cut()
			return
		}
		if n == len(small) && err == nil {
			err = t.passLarge(to, from)
		}
		if err == nil {
			continue
		}
		half, ok := to.(interface{ CloseWrite() error })
		if err != io.EOF || !ok || half.CloseWrite() != nil {
			t.cut()
		}
		return
	}
}

// passLarge copies for as long as pieces fill at least what a small one can hold.
func (t *tunnel) passLarge(to, from side) error {
	buf := pieces.Get().(*[upstream.Piece]byte)
	defer pieces.Put(buf)
	for {
		n, err := t.read(from, buf[:])
		if n > 0 {
			if err := t.write(to, buf[:n]); err != nil {
				return err
			}
		}
		if err != nil || n < tunnelPiece {
			return err
		}
	}
}

func (t *tunnel) read(from side, p []byte) (int, error) {
	for {
		last := time.Unix(0, t.active.Load())
		if err := from.SetReadDeadline(last.Add(t.idle)); err != nil {
			return 0, err
		}
		n, err := from.Read(p)
		if n > 0 {
			t.active.Store(time.Now().UnixNano())
			return n, nil
		}
		// Bytes of the other direction count as well.
		if isLate(err) && t.active.Load() > last.UnixNano() {
			continue
		}
		return 0, err
	}
}

func (t *tunnel) write(to side, p []byte) error {
	if err := to.SetWriteDeadline(time.Now().Add(t.idle)); err != nil {
		return err
	}
	n, err := to.Write(p)
	// Each direction is one goroutine's.
	if e := &t.client.ending; to == side(t.server) {
		e.in += int64(n)
	} else {
		e.out += int64(n)
	}
	t.active.Store(time.Now().UnixNano())
	return err
}

// cut ends a tunnel where it is.
func (t *tunnel) cut() {
	_ = t.server.Close()
	_ = t.client.Conn.Close()
}
