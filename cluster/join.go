package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

const (
	// identifyTimeout bounds the question who answers at an address.
	identifyTimeout = 2 * time.Second
	// catchUpPoll is how often a joining node is asked how far it is.
	catchUpPoll = 20 * time.Millisecond
)

// Join makes a node a member, or confirms that it is one. The leader reaches it
// first, adds it without a vote, lets it catch up, and then gives it its vote.
// A node that is refused leaves the cluster as it was.
func (c *Cluster) Join(ctx context.Context, m Member) error {
	return c.join(ctx, m, false)
}

// Announce tells the cluster where this node's listeners are, which may have
// changed since it last ran. It fails with ErrNotMember on a node that has
// left, and with a *Refusal if the cluster does not want it there.
func (c *Cluster) Announce(ctx context.Context, self Member) error {
	return c.join(ctx, self, true)
}

func (c *Cluster) join(ctx context.Context, m Member, announce bool) error {
	index, err := onLeader(ctx, c,
		func() (uint64, error) { return c.joinHere(ctx, m, announce) },
		func(p clusterpb.ClusterClient) (uint64, error) {
			r, err := p.Join(ctx, &clusterpb.JoinRequest{
				Id: m.ID, ClusterAddress: m.ClusterAddress,
				AdminAddress: m.AdminAddress, ProxyAddress: m.ProxyAddress, Voter: m.Voter,
				Announce: announce,
			})
			return r.GetIndex(), err
		})
	if err != nil {
		return err
	}
	return c.store.WaitApplied(ctx, index)
}

// joinHere is join on the leader. It returns the index at which the node is
// known.
func (c *Cluster) joinHere(ctx context.Context, m Member, announce bool) (index uint64, err error) {
	done, err := c.changing(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	servers := c.store.Servers()
	have := servers.Find(m.ID)
	if announce {
		if have == nil {
			return 0, ErrNotMember
		}
		m.Voter = have.Voter // a restart asks for no vote and gives none up
	}
	fresh := have == nil
	if m.ID != c.cfg.ID || !announce { // a leader need not ask itself who it is
		if fresh, err = c.checkJoiner(ctx, m, servers); err != nil {
			return 0, err
		}
	}
	want := store.Server{ID: m.ID, Address: m.ClusterAddress, Voter: m.Voter}
	switch {
	case have == nil || fresh:
		if err := c.admit(ctx, want, servers.Index); err != nil {
			return 0, err
		}
	case have.Voter && !m.Voter:
		return 0, conflict("%s is a member with a vote: to make it one without, let it leave first", m.ID)
	case *have != want:
		// It moved, or gets its vote.
		if err := c.store.Add(want, servers.Index); err != nil {
			return 0, err
		}
	}
	return c.record(ctx, m)
}

// record writes where the member's listeners are, unless it is known.
func (c *Cluster) record(ctx context.Context, m Member) (index uint64, err error) {
	rec := store.Member{ID: m.ID, AdminAddress: m.AdminAddress, ProxyAddress: m.ProxyAddress}
	if c.store.Members()[m.ID] == rec {
		return c.store.Applied(), nil
	}
	res, err := c.store.Apply(ctx, store.Command{Kind: store.KindMember, Member: rec})
	return res.Index, err
}

// checkJoiner makes sure that the address leads to the node that is named, and
// that the node is fresh or ours. A server that is added unseen counts towards the
// majority whether it exists or not. A node with another history never agrees with
// the others. fresh: it has no state, and gave no vote as the member that it may be.
func (c *Cluster) checkJoiner(ctx context.Context, m Member, servers store.Servers) (fresh bool, err error) {
	for _, s := range servers.List {
		if s.Address == m.ClusterAddress && s.ID != m.ID {
			return false, conflict("cluster address %s is %s's: give the address of %s, or let %s leave first", s.Address, s.ID, m.ID, s.ID)
		}
	}
	have := servers.Find(m.ID)
	purpose := forRPC
	if have == nil {
		purpose = forJoin
	}
	who, err := c.identify(ctx, m.ID, m.ClusterAddress, purpose)
	var other *otherError
	if errors.As(err, &other) {
		return false, refuse("the node at %s is %s, not %s: give its own ID", m.ClusterAddress, other.id, m.ID)
	}
	if errors.Is(err, errForeign) {
		return false, conflict("the node at %s belongs to another cluster: clusters do not merge; start it with an empty data directory to join it to this one", m.ClusterAddress)
	}
	if err != nil {
		return false, refuse("cluster address %s of %s cannot be reached from the leader %s: %v", m.ClusterAddress, m.ID, c.cfg.ID, err)
	}
	switch {
	case who.GetProtocol() != protocol:
		return false, refuse("%s speaks version %d of the cluster protocol, this cluster version %d", m.ID, who.GetProtocol(), protocol)
	case !rulesOf(who).Has(c.store.Rules()):
		return false, refuse("%s knows %v of the log, this cluster has come to rules %d: start it with the release that the others run", m.ID, rulesOf(who), c.store.Rules())
	case have != nil && have.Voter && who.GetFresh():
		if have.Address != m.ClusterAddress {
			return false, conflict("%s is a member already, at %s: give the new node another ID, or let the old one leave first", m.ID, have.Address)
		}
		return false, conflict("%s is a member, but the node at %s has lost its state: let %s leave first, then join it", m.ID, m.ClusterAddress, m.ID)
	case have != nil && have.Address != m.ClusterAddress && m.ID != c.cfg.ID && c.answers(ctx, *have):
		// Two nodes of one ID and one history: the data were copied.
		return false, conflict("%s still answers at %s: stop it there before it moves to %s", m.ID, have.Address, m.ClusterAddress)
	}
	return who.GetFresh(), nil
}

// admit adds a node without a vote, waits until it has the log, and then gives
// it its vote. On failure it is no member.
func (c *Cluster) admit(ctx context.Context, want store.Server, prev uint64) error {
	observer := want
	observer.Voter = false
	if err := c.store.Add(observer, prev); err != nil {
		return err
	}
	err := c.awaitCaughtUp(ctx, want)
	if err == nil && want.Voter {
		err = c.store.Add(want, c.store.Servers().Index)
	}
	if err == nil || errors.Is(err, store.ErrNotLeader) {
		return err
	}
	if undo := c.store.Remove(want.ID, c.store.Servers().Index); undo != nil {
		return fmt.Errorf("%w; and it could not be taken back, so %s stays a member without a vote: %v", err, want.ID, undo)
	}
	return err
}

// awaitCaughtUp waits until the node has applied what this leader had when it
// began to wait.
func (c *Cluster) awaitCaughtUp(ctx context.Context, s store.Server) error {
	target, applied := c.store.Applied(), uint64(0)
	for {
		who, err := c.identify(ctx, s.ID, s.Address, forJoin)
		if err == nil {
			if applied = who.GetAppliedIndex(); applied >= target {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return refuse("%s did not catch up with the log in time (it has applied %d of %d)", s.ID, applied, target)
		case <-time.After(catchUpPoll):
		}
	}
}

// identify asks the node id, at a cluster address, how it is; for a join, it also
// invites the node to take part in Raft.
func (c *Cluster) identify(ctx context.Context, id, addr string, purpose byte) (*clusterpb.IdentifyResponse, error) {
	return identify(ctx, c.cfg.Transport, c.peers, id, addr, purpose, &clusterpb.IdentifyRequest{Asker: c.cfg.ID})
}

func identify(ctx context.Context, t *Transport, p *peers, id, addr string, purpose byte, ask *clusterpb.IdentifyRequest) (*clusterpb.IdentifyResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	// A connection of our own first: its error is plain, and tells a foreign
	// cluster from a dead address.
	conn, err := t.dial(ctx, id, addr, purpose)
	if err != nil {
		return nil, err
	}
	conn.Close()
	peer, err := p.atOnce(id, addr)
	if err != nil {
		return nil, err
	}
	who, err := peer.Identify(ctx, ask, grpc.WaitForReady(true))
	return who, fromWire(err)
}

// names lists the IDs of servers for a message.
func names(servers store.Servers) string {
	ids := make([]string, 0, len(servers.List))
	for _, s := range servers.List {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, ", ")
}
