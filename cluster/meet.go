package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// hintLife is how long a node believes what a member said of the leader.
const hintLife = 2 * time.Second

// hint is the leader of which a member told. A node that has moved follows no leader:
// the leader dials the old address.
type hint struct {
	mu       sync.Mutex
	id, addr string
	at       time.Time
}

func (h *hint) set(id, addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.id, h.addr, h.at = id, addr, time.Now()
}

func (h *hint) get() (id, addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) > hintLife {
		return "", ""
	}
	return h.id, h.addr
}

// leader is the leader that this node follows, or else the one it was told of;
// empty if it knows none.
func (c *Cluster) leader() (id, addr string) {
	if id, addr = c.store.Leader(); id == "" {
		id, addr = c.hint.get()
	}
	return id, addr
}

// Leader is the ID of the leader that this node follows or was told of; empty if it
// knows none.
func (c *Cluster) Leader() string {
	id, _ := c.leader()
	return id
}

// Meet looks for the member id at a cluster address, and tells it where this node
// is. Both then find each other there, although the membership may have other
// addresses for them, and this node learns of the leader. Nothing is changed by a
// node that is not the member it is said to be.
func (c *Cluster) Meet(ctx context.Context, id, addr string) error {
	if id == c.cfg.ID {
		return nil
	}
	if err := c.found(ctx, id, addr); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	peer, err := c.peers.at(id, addr)
	if err != nil {
		return err
	}
	who, err := peer.Identify(ctx, &clusterpb.IdentifyRequest{Asker: c.cfg.ID, AskerAddress: c.cfg.Address})
	if err != nil {
		return fromWire(err)
	}
	if who.GetLeader() != "" && who.GetLeader() != c.cfg.ID {
		c.hint.set(who.GetLeader(), who.GetLeaderAddress())
	}
	return nil
}

// MeetAll looks for all members where the membership has them.
func (c *Cluster) MeetAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range c.store.Servers().List {
		wg.Go(func() { _ = c.Meet(ctx, s.ID, s.Address) }) // others may answer
	}
	wg.Wait()
}

// found has a member dialled at addr, if it is there and no longer where the
// membership has it: a copied data directory must not draw what is meant for the
// member.
func (c *Cluster) found(ctx context.Context, id, addr string) error {
	s := c.store.Servers().Find(id)
	if s == nil || s.Address == addr || c.cfg.Transport.moved.at(id, "") == addr {
		return nil
	}
	conn, err := c.cfg.Transport.dialAt(ctx, id, addr, forRPC)
	if err != nil {
		return err
	}
	conn.Close()
	if c.answers(ctx, *s) {
		return conflict("%s still answers at %s", id, s.Address)
	}
	c.cfg.Transport.moved.set(id, addr)
	c.cfg.Logger.Info("a member has moved", "id", id, "from", s.Address, "to", addr)
	c.leaderMoved.notify() // whoever waits for a leader may have found it
	return nil
}

// answers reports whether the member answers where the membership has it.
func (c *Cluster) answers(ctx context.Context, s store.Server) bool {
	conn, err := c.cfg.Transport.dialAt(ctx, s.ID, s.Address, forRPC)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
