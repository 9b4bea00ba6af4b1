package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

const (
	// statusTimeout bounds the question how a member is.
	statusTimeout = 500 * time.Millisecond
	// membershipPoll is how often a node that follows no leader asks whether
	// it was removed.
	membershipPoll = time.Second
)

// Status is what this node knows of the cluster. It needs no quorum.
type Status struct {
	ClusterID string
	Leader    string // empty while none is known
	Term      uint64
	Members   []MemberStatus
}

// MemberStatus is one member as this node sees it.
type MemberStatus struct {
	Member
	// Role is "leader", "follower", "candidate", "nonvoter", or "unknown" of a
	// member that cannot be reached.
	Role         string
	Reachable    bool
	AppliedIndex uint64
	// Version is the release that it runs, Rules are the newest that it knows of the
	// log; both are zero of a member that cannot be reached.
	Version string
	Rules   store.Rules
	// ClockAhead is how far its clock is ahead of this node's, to some ms.
	ClockAhead time.Duration
}

// Status asks every member how it is.
func (c *Cluster) Status(ctx context.Context) Status {
	servers, known := c.store.Servers(), c.store.Members()
	answers, ahead := make([]*clusterpb.IdentifyResponse, len(servers.List)), make([]time.Duration, len(servers.List))
	c.askAll(ctx, servers, func(i int, who *clusterpb.IdentifyResponse) {
		answers[i], ahead[i] = who, time.UnixMilli(who.GetClock()).Sub(c.cfg.Clock())
	})
	leader, _ := c.store.Leader()
	st := Status{ClusterID: c.store.ClusterID(), Leader: leader, Term: c.store.Term(), Members: []MemberStatus{}}
	for i, s := range servers.List {
		m := MemberStatus{
			Member: Member{
				ID: s.ID, Voter: s.Voter, ClusterAddress: s.Address,
				AdminAddress: known[s.ID].AdminAddress, ProxyAddress: known[s.ID].ProxyAddress,
			},
			Role: "unknown",
		}
		if a := answers[i]; a != nil {
			m.Role, m.Reachable, m.AppliedIndex = a.GetRole(), true, a.GetAppliedIndex()
			m.Version, m.Rules, m.ClockAhead = a.GetVersion(), rulesOf(a).Newest, ahead[i]
		}
		st.Members = append(st.Members, m)
	}
	return st
}

// identifyAll asks all servers at once who they are. An entry is nil where
// none of ours answers.
func (c *Cluster) identifyAll(ctx context.Context, servers store.Servers) []*clusterpb.IdentifyResponse {
	answers := make([]*clusterpb.IdentifyResponse, len(servers.List))
	c.askAll(ctx, servers, func(i int, who *clusterpb.IdentifyResponse) { answers[i] = who })
	return answers
}

// askAll asks all servers at once who they are, and tells each answer as it comes, by the
// server's place, from a goroutine of its own.
func (c *Cluster) askAll(ctx context.Context, servers store.Servers, heard func(i int, who *clusterpb.IdentifyResponse)) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, s := range servers.List {
		if s.ID == c.cfg.ID {
			heard(i, c.identity(""))
			continue
		}
		wg.Go(func() {
			if who, err := c.identify(ctx, s.ID, s.Address, forRPC); err == nil {
				heard(i, who)
			}
		})
	}
	wg.Wait()
}

// Settle has every member that can be reached say in the log what it has spent
// of a domain's leases, so that a read after it shows all calls that were
// answered before.
func (c *Cluster) Settle(ctx context.Context, domain string) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range c.store.Servers().List {
		wg.Go(func() {
			if s.ID == c.cfg.ID {
				c.ledger.Settle(ctx, domain)
			} else if peer, err := c.peers.at(s.ID, s.Address); err == nil {
				// A member that does not answer shows with what it said last.
				_, _ = peer.Report(ctx, &clusterpb.ReportRequest{Domain: domain})
			}
		})
	}
	wg.Wait()
}

// identity answers Identify.
func (c *Cluster) identity(asker string) *clusterpb.IdentifyResponse {
	leader, leaderAddress := c.store.Leader()
	known := store.KnownRules()
	return &clusterpb.IdentifyResponse{
		Id: c.cfg.ID, Protocol: protocol, ClusterId: c.store.ClusterID(),
		Fresh: c.store.Fresh(), AppliedIndex: c.store.Applied(), Role: c.store.Role(),
		Clock:        c.cfg.Clock().UnixMilli(),
		AskerRemoved: asker != "" && leader != "" && c.store.Servers().Find(asker) == nil,
		Leader:       leader, LeaderAddress: leaderAddress,
		RulesOldest: uint32(known.Oldest), RulesNewest: uint32(known.Newest),
		Version: c.cfg.Version,
	}
}

// Membership tells whether this node belongs to a cluster: member is false for
// one that never joined, removed is true for one that has left.
func (c *Cluster) Membership() (member, removed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store.Servers().Find(c.cfg.ID) != nil && !c.removed, c.removed
}

// watchMembership finds out that this node was removed. Raft does not tell:
// the others just stop talking to it.
func (c *Cluster) watchMembership(ctx context.Context) {
	tick := time.NewTicker(membershipPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		servers := c.store.Servers()
		removed := len(servers.List) > 0 && servers.Find(c.cfg.ID) == nil
		if leader, _ := c.store.Leader(); !removed && leader == "" {
			for _, a := range c.identifyAll(ctx, servers) {
				removed = removed || a.GetAskerRemoved()
			}
		}
		c.setRemoved(removed)
	}
}

func (c *Cluster) setRemoved(removed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if removed && !c.removed {
		c.cfg.Logger.Warn("this node was removed from the cluster; it answers 50301 until it joins again")
	}
	c.removed = removed
}
