package node

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster"
)

const (
	// watchPause is how often a node looks whether it is ready, or removed.
	watchPause = 50 * time.Millisecond
	// refreshTimeout bounds one attempt to catch up with the leader.
	refreshTimeout = 2 * time.Second
)

// openMembership makes the node a member as its configuration says, and from
// then on opens the client port while it is one.
func (n *Node) openMembership() (func(context.Context) error, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.belong(ctx) })
	wg.Go(func() { n.watch(ctx) })
	return func(context.Context) error {
		n.proxy.SetOpen(false)
		cancel()
		wg.Wait()
		return nil
	}, nil
}

// belong announces a member to its cluster, or founds or joins one.
func (n *Node) belong(ctx context.Context) {
	switch {
	case !n.store.Fresh() && n.returns(ctx), ctx.Err() != nil:
	case len(n.cfg.Join) > 0:
		n.enter(ctx)
	case !n.store.Fresh():
		n.cfg.Logger.Warn("this node has left its cluster; start it with --join to return")
	case n.cfg.Bootstrap:
		if err := n.found(ctx); err != nil && ctx.Err() == nil {
			n.fail(err)
		}
	default:
		n.cfg.Logger.Info("waiting to be joined to a cluster", "hint", "POST /v1/cluster/join at a member, or restart with --bootstrap or --join")
	}
}

// watch opens the client port once the node is a member and has caught up, and
// closes it when the node is removed, or turns out to be another's.
func (n *Node) watch(ctx context.Context) {
	open := false
	for {
		member, _ := n.cluster.Membership()
		fit := member && n.refused() == "" && n.claimed() == "" && n.cluster.Diverged() == ""
		switch {
		case !open && fit && n.caughtUp(ctx):
			open = true
			n.proxy.SetCluster(n.store.ClusterID())
			n.proxy.SetOpen(true) // before anybody is told that it is
			n.setPhase(serving)
			n.cfg.Logger.Info("ready", "id", n.cfg.ID, "proxy", n.ProxyAddr(), "admin", n.AdminAddr(), "cluster", n.ClusterAddr())
		case open && !fit:
			open = false
			n.setPhase(starting)
			n.proxy.SetOpen(false)
		}
		if !pause(ctx, watchPause) {
			return
		}
	}
}

// caughtUp brings the replica, and the proxy, to what the leader had when it
// was asked, and makes the node's frames newer than those of its former lives.
func (n *Node) caughtUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if _, err := n.cluster.Refresh(ctx); err != nil {
		return false
	}
	if err := n.cluster.Resume(); err != nil {
		n.fail(err)
		return false
	}
	return n.domains.await(ctx, n.store.DeployedIndex()) == nil
}

// claimed says which cluster misses this node, "" if none does. Only the founder
// of a cluster that never had another member can have been that cluster's before:
// anybody else's cluster is where it belongs.
func (n *Node) claimed() string {
	claim, standing := n.transport.Claimed()
	if !standing || n.store.HadOthers() {
		return ""
	}
	return claimText(n.cfg.ID, claim)
}

func claimText(id string, c cluster.Claim) string {
	return "cluster " + c.Cluster + " has " + id + " as a member: its member " + c.By + " calls this node; " +
		"to return to it, let " + id + " leave there, and start this node with --join and an empty data directory"
}

// refused is why the cluster does not accept this node as it is, "" if it does.
func (n *Node) refused() string {
	if later := n.transport.Superseded(); later != "" {
		return "the cluster was recovered without this node, and goes on as " + later + ": empty this node's data directory and start it with --join"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refusal
}

func (n *Node) setRefused(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refusal = why
}

// keptOut is why this node could not join a cluster when it last tried, in one
// line; "" if it did or never tried.
func (n *Node) keptOut() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.outside
}

func (n *Node) setKeptOut(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outside = ""; err != nil {
		n.outside = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
}

// pause waits; it returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
