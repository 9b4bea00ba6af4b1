package proxy

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/envelope"
)

// listener gives fasthttp connections only as it can serve them. fasthttp
// itself stops serving for good when there are no file descriptors left
// (pitfalls 2(a) 41), and turns connections away in plain text.
type listener struct {
	net.Listener
	proxy       *Proxy
	log         *slog.Logger
	connections prometheus.Gauge
	pauses      prometheus.Counter

	done chan struct{} // closed by Close
	// away are the connections that are being turned away, as many as leaving
	// has room for.
	away    sync.WaitGroup
	leaving chan struct{}

	mu     sync.Mutex
	conns  map[*clientConn]struct{}
	closed bool
	warned time.Time
}

func newListener(ln net.Listener, p *Proxy) *listener {
	return &listener{
		Listener: ln, proxy: p, log: p.log,
		connections: p.metrics.connections, pauses: p.metrics.acceptPause,
		done: make(chan struct{}), leaving: make(chan struct{}, maxLeaving), conns: make(map[*clientConn]struct{}),
	}
}

// Pauses after which accepting is tried again.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Accept waits for a connection. It returns an error only when the listener is
// closed or broken for good.
func (l *listener) Accept() (net.Conn, error) {
	pause := firstPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			if cc := l.admit(c); cc != nil {
				return cc, nil
			}
			continue
		case errors.Is(err, syscall.ECONNABORTED): // the client has left again
			continue
		case !isExhaustion(err):
			return nil, err
		}
		l.pauses.Inc()
		l.warn("accepting no clients for a moment; raise the limit of open files or lower --max-conns", keyError, err, keyMaxConns, l.proxy.cfg.MaxConns)
		select {
		case <-l.done:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// isExhaustion reports whether an error will pass when something is released.
func isExhaustion(err error) bool {
	for _, e := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// admit counts a connection in, or turns it away and returns nil.
func (l *listener) admit(c net.Conn) *clientConn {
	cc := newClientConn(c, l)
	who, refused := l.proxy.clients.enter(cc.ip)
	if who == nil {
		l.turnAway(cc, refused)
		return nil
	}
	cc.client = who
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.proxy.clients.leave(who)
		_ = c.Close()
		return nil
	}
	l.conns[cc] = struct{}{}
	l.connections.Inc()
	return cc
}

// maxLeaving bounds how many connections are told at the same time why they
// cannot stay; more than those are closed without a word.
const maxLeaving = 64

// turnAway answers a connection that may not come in, without its request. It
// holds nobody up: that what was sent is read a little keeps the answer from
// being lost, and a TLS client has its handshake first.
func (l *listener) turnAway(c *clientConn, reason string) {
	l.proxy.metrics.turnedAway.WithLabelValues(reason).Inc()
	say := fullAnswer
	if reason == reasonClient {
		say = tooManyAnswer
		l.warn("turning a client away: it has as many connections as --max-conns-per-client allows", keyAddress, c.address, keyMaxEach, l.proxy.cfg.MaxConnsPerClient)
	} else {
		l.warn("turning clients away: as many connections are open as --max-conns allows", keyMaxConns, l.proxy.cfg.MaxConns)
	}
	select {
	case l.leaving <- struct{}{}:
	default:
		_ = c.Conn.Close()
		return
	}
	l.away.Go(func() {
		defer func() { <-l.leaving }()
		defer c.Conn.Close()
		_ = c.Conn.SetDeadline(time.Now().Add(lingerTime))
		if _, err := c.Conn.Write(say); err == nil {
			drain(c.Conn)
		}
	})
}

// warn logs at most once a minute: what it is about comes in floods.
func (l *listener) warn(msg string, args ...any) {
	l.mu.Lock()
	quiet := time.Since(l.warned) < time.Minute
	if !quiet {
		l.warned = time.Now()
	}
	l.mu.Unlock()
	if !quiet {
		l.log.Warn(msg, args...)
	}
}

func (l *listener) forget(c *clientConn) {
	l.mu.Lock()
	_, ok := l.conns[c]
	delete(l.conns, c)
	l.mu.Unlock()
	if ok {
		l.connections.Dec()
		l.proxy.clients.leave(c.client)
	}
}

// Close stops accepting.
func (l *listener) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if !first {
		return nil
	}
	close(l.done)
	if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// closeConns closes what is still connected, whatever it is doing.
func (l *listener) closeConns() {
	l.mu.Lock()
	conns := make([]*clientConn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		_ = c.Conn.Close()
		l.forget(c)
	}
}

// These are sent as they are: there is no request to answer yet.
var (
	fullAnswer    = rawAnswer(envelope.Full)
	tooManyAnswer = rawAnswer(envelope.TooManyConns)
)
