package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/cluster/pki"
	"github.com/tollgate/tollgate/store"
)

// greetingTimeout bounds a greeting, TLS included.
const greetingTimeout = 3 * time.Second

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
	id      string
	// certificates is nil without a cluster key.
	certificates *certificates
	logger       *slog.Logger
	claims       claims
	moved        moved
	// later is a later generation of this node's cluster; nil if it has heard of none.
	later atomic.Pointer[string]
	// stranger says where a member should be and something else answers; nil once a
	// member has answered.
	stranger atomic.Pointer[string]

	mu       sync.Mutex
	self     Identity
	greeting map[net.Conn]struct{}
	closed   bool
	invited  atomic.Bool

	raft, rpc *acceptQueue
	wg        sync.WaitGroup
}

// Listen opens the cluster port of the node id. With the authority of a cluster
// key, connections are TLS, and both ends must show a certificate of it.
func Listen(network Network, addr, id string, authority *pki.Authority, logger *slog.Logger) (*Transport, error) {
	t := &Transport{network: network, id: id, logger: logger, greeting: map[net.Conn]struct{}{}}
	if authority != nil {
		t.certificates = &certificates{authority: authority, id: id}
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
	// Identity names the cluster the node belongs to, and its generation; empty
	// while it does not know of any.
	Identity() string
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
	conn, purpose, err := t.receive(c)
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

// receive answers a greeting. An error means that the connection is refused.
func (t *Transport) receive(c net.Conn) (net.Conn, byte, error) {
	if err := c.SetDeadline(time.Now().Add(greetingTimeout)); err != nil {
		return nil, 0, err
	}
	cluster := t.self.Identity()
	if t.certificates != nil {
		cfg, err := t.certificates.config(cluster)
		if err != nil {
			return nil, 0, err
		}
		c = tls.Server(c, cfg)
	}
	g, err := readGreeting(c)
	if err != nil {
		return nil, 0, err
	}
	if t.certificates != nil {
		if err := t.certificates.check(c, g.cluster, g.from); err != nil {
			return nil, 0, err
		}
	}
	a := greetingAnswer{t.judge(g, cluster), cluster, t.id}
	if err := a.writeTo(c); err != nil {
		return nil, 0, err
	}
	if err := a.err(); err != nil {
		return nil, 0, fmt.Errorf("%s of cluster %q asks for %s: %w", g.from, g.cluster, g.to, err)
	}
	return peer{c, g.from}, g.purpose, c.SetDeadline(time.Time{})
}

// peer is a connection from a node that has told its ID.
type peer struct {
	net.Conn
	id string
}

// Peer implements store.Peer.
func (p peer) Peer() string { return p.id }

// judge says what to answer to a greeting, for a node of the given cluster.
func (t *Transport) judge(g greeting, cluster string) byte {
	foreign := g.cluster != "" && cluster != "" && g.cluster != cluster
	t.hearOf(g.cluster, cluster)
	uninvited := g.purpose == forRaft && t.self.Fresh() && !t.invited.Load()
	switch {
	case g.to != t.id && foreign:
		return answerForeign
	case g.to != t.id:
		return answerOther
	case g.purpose == forJoin && !foreign:
		t.invited.Store(true)
		return answerWelcome
	}
	// A dialler that neither makes this node a member nor is of the same cluster takes
	// it for a member that it misses.
	if g.purpose != forJoin && g.cluster != "" && g.cluster != cluster && !t.invited.Load() {
		t.claims.add(g.cluster, g.from)
	}
	switch {
	case foreign:
		return answerForeign
	case uninvited:
		return answerUninvited
	}
	return answerWelcome
}

// hearOf notes that a later generation of this node's cluster is there.
func (t *Transport) hearOf(other, own string) {
	if store.Supersedes(other, own) {
		t.later.Store(&other)
	}
}

// Superseded is the later generation of this node's cluster that it has heard of: the
// cluster was recovered without it. It is empty if there is none.
func (t *Transport) Superseded() string {
	later := t.later.Load()
	if later == nil || !store.Supersedes(*later, t.self.Identity()) {
		return ""
	}
	return *later
}

// dial connects to the cluster port of the node id, which is at addr unless it
// has moved.
func (t *Transport) dial(ctx context.Context, id, addr string, purpose byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetingTimeout)
	defer cancel()
	at := t.moved.at(id, addr)
	conn, err := t.dialAt(ctx, id, at, purpose)
	if err != nil && at != addr {
		t.moved.forget(id) // it may be back
	}
	if err == nil {
		t.stranger.Store(nil)
	} else if errors.Is(err, errStranger) {
		why := fmt.Sprintf("%s is not at %s: %v", id, at, errStranger)
		t.stranger.Store(&why)
	}
	return conn, err
}

// Stranger says where this node looked for a member and something else answered, such as
// a node with another cluster key. It is empty once a member has answered.
func (t *Transport) Stranger() string {
	if why := t.stranger.Load(); why != nil {
		return *why
	}
	return ""
}

// dialAt connects to the node id at addr and nowhere else.
func (t *Transport) dialAt(ctx context.Context, id, addr string, purpose byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetingTimeout)
	defer cancel()
	c, err := t.network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	conn, err := t.greet(ctx, c, id, purpose)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("node at %s: %w", addr, err)
	}
	return conn, nil
}

func (t *Transport) greet(ctx context.Context, c net.Conn, id string, purpose byte) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	cluster := t.self.Identity()
	if t.certificates != nil {
		cfg, err := t.certificates.config(cluster)
		if err != nil {
			return nil, err
		}
		c = tls.Client(c, cfg)
	}
	err := greeting{purpose, cluster, t.id, id}.writeTo(c)
	var a greetingAnswer
	if err == nil {
		a, err = readAnswer(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStranger, err)
	}
	if t.certificates != nil {
		if err := t.certificates.check(c, a.cluster, a.id); err != nil {
			return nil, err
		}
	}
	t.hearOf(a.cluster, cluster)
	if err := a.err(); err != nil {
		return nil, err
	}
	if a.id != id { // it should have said so itself
		return nil, &otherError{a.id}
	}
	return c, c.SetDeadline(time.Time{})
}

// RaftNetwork implements store.Network.
type RaftNetwork struct {
	net.Listener
	t *Transport
}

// Dial implements store.Network.
func (n RaftNetwork) Dial(id, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return n.t.dial(ctx, id, addr, forRaft)
}
