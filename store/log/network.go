package log

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Network carries Raft between nodes. Accept and Dial give connections whose
// other end is a member of the same cluster; Dial's is the node id. Those of Accept may
// be a Peer.
type Network interface {
	net.Listener
	// Dial connects to the node id, which the membership has at addr.
	Dial(id, addr string, timeout time.Duration) (net.Conn, error)
}

// raftNetwork gives Network to raft, which knows of addresses only: it is told
// "ID@ADDRESS" for each server (raft.ServerAddressProvider), and dials that.
// It keeps the connections it has dialled, by ID.
type raftNetwork struct {
	Network
	self, address string
	// servers is the membership.
	servers func() []raft.Server
	// ended has the connections from other nodes that have ended.
	ended chan broken

	mu    sync.Mutex
	conns map[string]map[*dialled]struct{}
}

// dialled is a connection to a node. Raft gives an exchange one deadline, however
// large the request is; only snapshots have more. So an entry that a slow line takes
// longer for would be sent again and again for ever. Here each 256 KiB that are sent
// have the time of an exchange once more.
type dialled struct {
	net.Conn
	id string
	n  *raftNetwork

	deadline, began time.Time
	sent            int // since began
}

// SetDeadline begins an exchange.
func (d *dialled) SetDeadline(t time.Time) error {
	d.deadline, d.began, d.sent = t, time.Now(), 0
	return d.Conn.SetDeadline(t)
}

// Write implements net.Conn.
func (d *dialled) Write(b []byte) (int, error) {
	d.sent += len(b)
	more := time.Duration(d.sent / raft.DefaultTimeoutScale)
	if t := d.began.Add((1 + more) * transportTimeout); more > 0 && !d.deadline.IsZero() && t.After(d.deadline) {
		d.deadline = t
		if err := d.Conn.SetDeadline(t); err != nil {
			return 0, err
		}
	}
	return d.Conn.Write(b)
}

func newRaftNetwork(cfg Config, servers func() []raft.Server) *raftNetwork {
	return &raftNetwork{Network: cfg.Network, self: cfg.ID, address: cfg.Address, servers: servers,
		ended: make(chan broken, 16), conns: map[string]map[*dialled]struct{}{}}
}

var errNoServer = errors.New("no member has this ID")

// ServerAddr implements raft.ServerAddressProvider.
func (n *raftNetwork) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if string(id) == n.self {
		return raft.ServerAddress(named(n.self, n.address)), nil
	}
	for _, s := range n.servers() {
		if s.ID == id {
			return raft.ServerAddress(named(string(id), string(s.Address))), nil
		}
	}
	return "", errNoServer
}

// named is an address that says whose it is. IDs have no @.
func named(id, addr string) string { return id + "@" + addr }

// unnamed is the inverse of named; id is empty where none is named.
func unnamed(s string) (id, addr string) {
	if id, addr, ok := strings.Cut(s, "@"); ok {
		return id, addr
	}
	return "", s
}

// Dial implements raft.StreamLayer.
func (n *raftNetwork) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, at := unnamed(string(addr))
	if id == "" {
		return nil, errNoServer
	}
	c, err := n.Network.Dial(id, at, timeout)
	if err != nil {
		return nil, err
	}
	d := &dialled{Conn: c, id: id, n: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[id] == nil {
		n.conns[id] = map[*dialled]struct{}{}
	}
	n.conns[id][d] = struct{}{}
	return d, nil
}

// Close closes the connection.
func (d *dialled) Close() error {
	d.n.mu.Lock()
	delete(d.n.conns[d.id], d)
	d.n.mu.Unlock()
	return d.Conn.Close()
}

// reset closes the connections to a node, so that the next request has a new one.
func (n *raftNetwork) reset(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for d := range n.conns[id] {
		_ = d.Conn.Close() // raft finds out, and closes it too
	}
	delete(n.conns, id)
}

// Addr is the address that others know this node by.
func (n *raftNetwork) Addr() net.Addr { return advertised(n.address) }

type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }
