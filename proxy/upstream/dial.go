package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
)

// nextAfter is how long an address may be silent before the next one is tried
// beside it (RFC 8305 5).
const nextAfter = 250 * time.Millisecond

// errTimeout is a call whose time is over.
var errTimeout = os.ErrDeadlineExceeded

// dial is the pool's way to a new connection.
func (s *Server) dial(by time.Time) (*conn, error) {
	if latest := time.Now().Add(s.cfg.ConnectTimeout); latest.Before(by) {
		by = latest
	}
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	return s.dialContext(ctx)
}

// dialContext makes a connection to one of the server's addresses.
func (s *Server) dialContext(ctx context.Context) (*conn, error) {
	list, err := s.names.current(ctx)
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return s.connect(ctx, list[0])
	}
	return s.race(ctx, s.names.order(list))
}

// attempt is what came of one address.
type attempt struct {
	addr netip.Addr
	c    *conn
	err  error
}

// race connects to the first address that answers. The next one is tried when
// the one before has failed, or has been silent for a moment.
func (s *Server) race(ctx context.Context, list []netip.Addr) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan attempt, len(list)) // so that nobody waits to tell
	started, ended := 0, 0
	begin := func() {
		addr := list[started]
		started++
		go func() {
			c, err := s.connect(ctx, addr)
			ends <- attempt{addr, c, err}
		}()
	}
	timer := time.NewTimer(nextAfter)
	defer timer.Stop()
	begin()
	var first error
	for ended < started {
		select {
		case <-timer.C:
			s.names.note(list[started-1], true)
			if started < len(list) {
				begin()
				timer.Reset(nextAfter)
			}
		case e := <-ends:
			ended++
			if e.err == nil {
				s.names.note(e.addr, false)
				go closeRest(ends, started-ended)
				return e.c, nil
			}
			s.names.note(e.addr, true)
			if first == nil {
				first = e.err
			}
			if started < len(list) {
				begin()
				timer.Reset(nextAfter)
			}
		}
	}
	return nil, first
}

// closeRest closes the connections that came too late. Their context has
// ended, so they end soon.
func closeRest(ends <-chan attempt, n int) {
	for range n {
		if e := <-ends; e.c != nil {
			_ = e.c.Close()
		}
	}
}

// connect makes a connection to one address, with its TLS handshake.
func (s *Server) connect(ctx context.Context, addr netip.Addr) (*conn, error) {
	plain, err := s.cfg.Network.DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), strconv.Itoa(s.port)))
	if err != nil {
		return nil, err
	}
	c := newConn(plain, addr)
	if s.tls != nil {
		secure := tls.Client(plain, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, err
		}
		c.Conn, c.secure = secure, true
	}
	return c, nil
}
