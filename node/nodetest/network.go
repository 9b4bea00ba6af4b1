package nodetest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// network is TCP between the nodes of a test cluster, with cables to cut.
// Everything passes the end that dialled, so that is where it is cut.
type network struct {
	mu    sync.Mutex
	owner map[string]string // node by address
	leads map[string]string // where an address leads to, if elsewhere
	cut   map[[2]string]bool
	conns map[*conn]struct{}
	// rate is what a link carries in each direction, in bytes a second; 0 is no
	// bound. busy is until when a link has something to carry already.
	rate int
	busy map[[2]string]time.Time
}

func newNetwork() *network {
	return &network{owner: map[string]string{}, leads: map[string]string{}, cut: map[[2]string]bool{}, conns: map[*conn]struct{}{}, busy: map[[2]string]time.Time{}}
}

// port is the network as one node sees it; it implements cluster.Network.
type port struct {
	*network
	node string
}

// Listen implements cluster.Network.
func (p port) Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		p.mu.Lock()
		p.owner[ln.Addr().String()] = p.node
		p.mu.Unlock()
	}
	return ln, err
}

// Dial implements cluster.Network.
func (p port) Dial(ctx context.Context, addr string) (net.Conn, error) {
	p.mu.Lock()
	if there := p.leads[addr]; there != "" {
		addr = there
	}
	to := p.owner[addr]
	severed := p.cut[[2]string{p.node, to}]
	p.mu.Unlock()
	if severed { // as where packets are dropped: silence until the deadline
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	wrapped := &conn{Conn: c, net: p.network, from: p.node, to: to}
	p.mu.Lock()
	p.conns[wrapped] = struct{}{}
	p.mu.Unlock()
	return wrapped, nil
}

// sever cuts all traffic between two nodes: what is sent is lost in silence.
func (n *network) sever(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{a, b}], n.cut[[2]string{b, a}] = true, true
}

// mend joins what was severed. Connections that have lost something do not
// come back.
func (n *network) mend(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, [2]string{a, b})
	delete(n.cut, [2]string{b, a})
	for c := range n.conns {
		if c.from == a && c.to == b || c.from == b && c.to == a {
			c.Conn.Close()
		}
	}
}

func (n *network) isCut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[[2]string{from, to}]
}

// conn is one connection, seen from the end that dialled.
type conn struct {
	net.Conn
	net      *network
	from, to string
}

// packet is how much of one connection a slow link carries before it turns to
// another.
const packet = 4 << 10

// burst is how long a slow link that was idle carries without a pause: as long as
// a busy machine may oversleep.
const burst = 10 * time.Millisecond

// Write drops what a cut cable would, and takes the time of a slow one.
func (c *conn) Write(b []byte) (sent int, err error) {
	for first := true; first || sent < len(b); first = false {
		if c.net.isCut(c.from, c.to) {
			return len(b), nil
		}
		part := b[sent:]
		if wait, slow := c.net.carry(c.from, c.to, min(len(part), packet)); slow {
			part = part[:min(len(part), packet)]
			time.Sleep(wait) // what the cable takes, not for a state
		}
		n, err := c.Conn.Write(part)
		if sent += n; err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// carry puts bytes on a link. It returns when they have arrived, from now, and
// whether the link is slow.
func (n *network) carry(from, to string, bytes int) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rate == 0 {
		return 0, false
	}
	link, now := [2]string{from, to}, time.Now()
	if idle := now.Add(-burst); n.busy[link].Before(idle) {
		n.busy[link] = idle
	}
	n.busy[link] = n.busy[link].Add(time.Duration(bytes) * time.Second / time.Duration(n.rate))
	return n.busy[link].Sub(now), true
}

// Read drops what a cut cable would, until the deadline or Close.
func (c *conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.net.isCut(c.from, c.to) {
			return n, err
		}
	}
}

// Close forgets the connection.
func (c *conn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}
