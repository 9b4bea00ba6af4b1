package proxy

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
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

	// admitted are the connections on their way to fasthttp.
	admitted chan *clientConn
	// done is closed by Close, ending by end, and ended when nothing is accepted
	// any more; err is why.
	done, ending, ended chan struct{}
	endOnce             sync.Once
	err                 error
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
		admitted: make(chan *clientConn), done: make(chan struct{}), ending: make(chan struct{}), ended: make(chan struct{}),
		leaving: make(chan struct{}, maxLeaving), conns: make(map[*clientConn]struct{}),
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
	select {
	case c := <-l.admitted:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-l.ended:
		return nil, l.err
	}
}

// run takes connections until the port is closed: end does that, later than
// Close, so that who comes while the last calls are finished is answered.
func (l *listener) run() {
	defer close(l.ended)
	pause := firstPause
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			if cc := l.admit(c); cc != nil {
				l.pass(cc)
			}
			continue
		case errors.Is(err, syscall.ECONNABORTED): // the client has left again
			continue
		case !isExhaustion(err):
			l.err = err
			return
		}
		l.pauses.Inc()
		l.warn("accepting no clients for a moment; raise the limit of open files or lower --max-conns", keyError, err, keyMaxConns, l.proxy.cfg.MaxConns)
		select {
		case <-l.ending:
			l.err = net.ErrClosed
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// pass gives fasthttp a connection, which no longer takes any once it stops.
func (l *listener) pass(c *clientConn) {
	select {
	case l.admitted <- c:
	case <-l.done:
		l.forget(c)
		l.turnAway(c, reasonStopping)
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
	cc.prepare()
	select {
	case <-l.done:
		l.turnAway(cc, reasonStopping)
		return nil
	default:
	}
	who, refused := l.proxy.clients.enter(cc.ip, cc.trusted)
	if who == nil {
		l.turnAway(cc, refused)
		return nil
	}
	cc.client = who
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[cc] = struct{}{}
	l.connections.Inc()
	return cc
}

// maxLeaving bounds how many connections are told at the same time why they
// cannot stay; more than those are closed without a word.
const maxLeaving = 64

// stoppingLinger is lingerTime for those that come while the node stops.
const stoppingLinger = 100 * time.Millisecond

// turnAway answers a connection that may not come in, without its request. It
// holds nobody up: that what was sent is read a little keeps the answer from
// being lost, and a TLS client has its handshake first, behind the PROXY header
// of whoever sends one.
func (l *listener) turnAway(c *clientConn, reason string) {
	l.proxy.metrics.turnedAway.WithLabelValues(reason).Inc()
	say, linger := envelope.Full, lingerTime
	switch reason {
	case reasonStopping: // a stop waits for it
		say, linger = envelope.NotReady, stoppingLinger
	case reasonClient:
		say = envelope.TooManyConns
		l.warnOfClient(c)
	default:
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
		_ = c.Conn.SetDeadline(time.Now().Add(linger))
		if c.paced != nil {
			defer c.paced.endHandshake()
		}
		if c.proxied != nil {
			if _, err := c.proxied.readHeader(); err != nil {
				return
			}
		}
		if l.proxy.tell(c, c.Conn, say) == nil {
			drain(c.Conn, linger)
		}
	})
}

// rename counts a connection over to the client that a PROXY header names. It
// returns false when that one has as many as it may have.
func (l *listener) rename(c *clientConn, ip netip.Addr) bool {
	trusted := l.proxy.trusted.Contains(ip)
	l.mu.Lock()
	_, open := l.conns[c]
	ok := true
	if open { // else nobody counts it any more
		c.client, ok = l.proxy.clients.move(c.client, ip, trusted)
	}
	l.mu.Unlock()
	c.trusted = trusted
	c.setAddress(ip)
	if !ok {
		l.proxy.metrics.turnedAway.WithLabelValues(reasonClient).Inc()
		l.warnOfClient(c)
	}
	return ok
}

func (l *listener) warnOfClient(c *clientConn) {
	l.warn("turning a client away: it has as many connections as --max-conns-per-client allows", keyAddress, string(c.address), keyMaxEach, l.proxy.cfg.MaxConnsPerClient)
}

// failed notes a connection that came to nothing before its first request. That
// a trusted proxy sends no PROXY header is a mistake in somebody's settings.
func (l *listener) failed(c *clientConn, step string, err error) {
	l.proxy.metrics.unbegun.WithLabelValues(step).Inc()
	if errors.Is(err, errNoHeader) {
		l.warn("closing a connection of a trusted proxy", keyAddress, string(c.address), keyError, err)
		return
	}
	l.log.Debug("a connection failed before its first request", keyAddress, string(c.address), keyReason, step, keyError, err)
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

// Close keeps connections from fasthttp: they are answered 50301 from now on.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	return nil
}

// end closes the port. It may be called again.
func (l *listener) end() error {
	_ = l.Close() // never fails
	l.endOnce.Do(func() { close(l.ending) })
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
