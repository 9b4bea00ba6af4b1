package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A connection between nodes begins with a greeting: who dials says what for
// and which cluster it belongs to; who accepts answers with one byte.
//
//	greeting  "TGT1" purpose:byte length:byte clusterID
//	answer    0 welcome | 1 belongs to another cluster | 2 not invited
//
// So Raft and RPC share one port, and two clusters cannot mix even where an
// address has changed hands. A node that belongs to no cluster yet is welcome
// everywhere and welcomes everybody, but for Raft: only once a leader that is
// about to make it a member has invited it. One that has lost its state, and
// with it what it voted, thus does not vote again under its old name.
const greetingMagic = "TGT1"

const (
	forRaft byte = 'R'
	forRPC  byte = 'G'
	forJoin byte = 'J' // invites, and is closed
)

const (
	answerWelcome byte = iota
	answerForeign
	answerUninvited
)

// greetingTimeout bounds a greeting, TLS included.
const greetingTimeout = 3 * time.Second

var (
	// errForeign: the other end belongs to another cluster.
	errForeign = errors.New("it belongs to another cluster")
	// errUninvited: the other end takes no part in Raft yet.
	errUninvited = errors.New("it has no state and was not asked to join")
)

// Network is how a node reaches the network; tests cut nodes off with it.
type Network interface {
	Listen(addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// TCP is the ordinary Network.
type TCP struct{}

// Listen implements Network.
func (TCP) Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// Dial implements Network.
func (TCP) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// Transport is the node's cluster port, and the way to those of others.
type Transport struct {
	network Network
	ln      net.Listener
	tls     *tls.Config
	logger  *slog.Logger

	mu       sync.Mutex
	self     Identity
	greeting map[net.Conn]struct{}
	closed   bool
	invited  atomic.Bool

	raft, rpc *acceptQueue
	wg        sync.WaitGroup
}

// Listen opens the cluster port. With a token, connections are TLS with a key
// that only holders of the token have.
func Listen(network Network, addr, token string, logger *slog.Logger) (*Transport, error) {
	t := &Transport{network: network, logger: logger, greeting: map[net.Conn]struct{}{}}
	if token != "" {
		var err error
		if t.tls, err = tokenTLS(token); err != nil {
			return nil, err
		}
	}
	ln, err := network.Listen(addr)
	if err != nil {
		return nil, err
	}
	t.ln = ln
	t.raft, t.rpc = newAcceptQueue(ln.Addr()), newAcceptQueue(ln.Addr())
	return t, nil
}

// Addr is the address the port really has.
func (t *Transport) Addr() string { return t.ln.Addr().String() }

// Identity is what a node is to others.
type Identity interface {
	// ClusterID is the cluster the node belongs to; empty while it does not
	// know of any.
	ClusterID() string
	// Fresh reports whether the node has no state at all.
	Fresh() bool
}

// Serve starts to accept connections.
func (t *Transport) Serve(self Identity) {
	t.self = self
	t.wg.Go(t.accept)
}

// Raft is the part of the transport that carries Raft.
func (t *Transport) Raft() RaftNetwork { return RaftNetwork{t.raft, t} }

// Close closes the port and all that is waiting in it.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	for c := range t.greeting {
		c.Close()
	}
	t.mu.Unlock()
	err := errors.Join(t.ln.Close(), t.raft.Close(), t.rpc.Close())
	t.wg.Wait()
	return err
}

// accept takes connections until the port closes. Running out of files is a
// state that passes.
func (t *Transport) accept() {
	for {
		c, err := t.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.logger.Warn("cluster port: cannot accept", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		t.mu.Lock()
		if t.closed {
			c.Close()
		} else {
			t.greeting[c] = struct{}{}
			t.wg.Go(func() { t.welcome(c) })
		}
		t.mu.Unlock()
	}
}

// welcome reads the greeting and passes the connection on.
func (t *Transport) welcome(c net.Conn) {
	conn, purpose, err := t.readGreeting(c)
	t.mu.Lock()
	delete(t.greeting, c)
	t.mu.Unlock()
	if err != nil {
		t.logger.Debug("cluster port: connection refused", "from", c.RemoteAddr(), "error", err)
		c.Close()
		return
	}
	switch purpose {
	case forRaft:
		t.raft.put(conn)
	case forRPC:
		t.rpc.put(conn)
	default:
		c.Close()
	}
}

func (t *Transport) readGreeting(c net.Conn) (net.Conn, byte, error) {
	if err := c.SetDeadline(time.Now().Add(greetingTimeout)); err != nil {
		return nil, 0, err
	}
	if t.tls != nil {
		c = tls.Server(c, t.tls)
	}
	head := make([]byte, len(greetingMagic)+2)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, 0, err
	}
	if string(head[:len(greetingMagic)]) != greetingMagic {
		return nil, 0, errors.New("not a Tollgate node")
	}
	theirs := make([]byte, head[len(head)-1])
	if _, err := io.ReadFull(c, theirs); err != nil {
		return nil, 0, err
	}
	purpose, answer := head[len(greetingMagic)], answerWelcome
	switch ours := t.self.ClusterID(); {
	case len(theirs) > 0 && ours != "" && string(theirs) != ours:
		answer = answerForeign
	case purpose == forJoin:
		t.invited.Store(true)
	case purpose == forRaft && t.self.Fresh() && !t.invited.Load():
		answer = answerUninvited
	}
	if _, err := c.Write([]byte{answer}); err != nil {
		return nil, 0, err
	}
	if err := answerError(answer); err != nil {
		return nil, 0, err
	}
	return c, purpose, c.SetDeadline(time.Time{})
}

func answerError(answer byte) error {
	switch answer {
	case answerWelcome:
		return nil
	case answerForeign:
		return errForeign
	case answerUninvited:
		return errUninvited
	}
	return errors.New("no Tollgate node answers there")
}

// dial connects to another node's cluster port.
func (t *Transport) dial(ctx context.Context, addr string, purpose byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetingTimeout)
	defer cancel()
	c, err := t.network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	conn, err := t.greet(ctx, c, purpose)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("node at %s: %w", addr, err)
	}
	return conn, nil
}

func (t *Transport) greet(ctx context.Context, c net.Conn, purpose byte) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if t.tls != nil {
		c = tls.Client(c, t.tls)
	}
	id := t.self.ClusterID()
	hello := append([]byte(greetingMagic), purpose, byte(len(id)))
	var answer [1]byte
	_, err := c.Write(append(hello, id...))
	if err == nil {
		_, err = io.ReadFull(c, answer[:])
	}
	if err != nil {
		return nil, fmt.Errorf("no Tollgate node answers there, or one with another token: %w", err)
	}
	if err := answerError(answer[0]); err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Time{})
}

// RaftNetwork implements store.Network.
type RaftNetwork struct {
	net.Listener
	t *Transport
}

// Dial implements store.Network.
func (n RaftNetwork) Dial(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return n.t.dial(ctx, addr, forRaft)
}

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
