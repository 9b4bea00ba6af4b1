package node_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// TestLeaderKilled: the leader dies in the middle of a load. Never more than
// the limit is admitted, nothing after a 20004, and of the limit no more is lost
// than what its node held (promise 2 of spec section 10): the calls in flight
// there, and what it was leased, which is at most half of its share of the pool
// a round.
func TestLeaderKilled(t *testing.T) {
	const limit, clients = 3000, 48
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{limit, 3600}}, [][2]int{{limit + 500, 3600}}))
	got := killLeader(c, clients, limit)
	admitted := got.admitted.Load()
	if admitted > limit || got.late.Load() > 0 {
		t.Errorf("admitted %d of a limit of %d, %d of them begun after a 20004", admitted, limit, got.late.Load())
	}
	t.Logf("admitted %d of %d", admitted, limit)
	if most := int64(limit/3 + clients/3); admitted < limit-most {
		t.Errorf("admitted %d of a limit of %d: more is lost than the dead leader's node can have held", admitted, limit)
	}
}

// killLeader kills the leader when half the limit is used, lets the others use
// up the rest, and has the node come back.
func killLeader(c *nodetest.Cluster, clients, limit int) *tally {
	leader := c.Leader()
	var got tally
	var wg sync.WaitGroup
	half, once := make(chan struct{}), sync.Once{}
	for i := range clients {
		nd := c.Nodes[i%3]
		cl := nd.Cluster() // the harness sets it aside when the node dies
		wg.Go(func() {
			for !got.exhausted.Load() {
				before := got.undecided.Load()
				got.call(cl.Take, endpoint)
				if nd == leader && got.undecided.Load() > before {
					return // its node is gone
				}
				if got.admitted.Load() > int64(limit/2) {
					once.Do(func() { close(half) })
				}
			}
		})
	}
	<-half
	leader.Kill()
	c.Leader()
	wg.Wait()
	leader.Start()
	leader.WaitReady()
	c.Digest()
	return &got
}

// TestLeaderKilledStrictly: where every unit is taken in the log, at most the
// calls that were in flight at the dead leader are lost.
func TestLeaderKilledStrictly(t *testing.T) {
	const limit, clients = 3000, 48
	c := nodetest.Start(t, 3, func(cfg *nodetest.Config) { cfg.MinLease = quota.MaxMinLease })
	c.Deploy(document([][2]int{{limit, 3600}}, [][2]int{{limit + 500, 3600}}))
	got := killLeader(c, clients, limit)
	admitted := got.admitted.Load()
	if admitted > limit || got.late.Load() > 0 {
		t.Errorf("admitted %d of a limit of %d, %d of them begun after a 20004", admitted, limit, got.late.Load())
	}
	if inFlight := int64(clients / 3); admitted < limit-inFlight {
		t.Errorf("admitted %d of a limit of %d: more than the %d calls in flight at the dead leader are lost", admitted, limit, inFlight)
	}
}

// TestMinorityDecidesNothing: a node cut off from the others answers neither
// 200 nor 20004, and is as good as new when it is back.
func TestMinorityDecidesNothing(t *testing.T) {
	c := nodetest.Start(t, 3, wait(300*time.Millisecond))
	c.Deploy(document([][2]int{{5, 3600}}, nil))
	cut := c.Leader()
	cut.Isolate()
	for range 3 {
		if v, err := cut.Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err == nil {
			t.Fatalf("cut off, the node still decided: %+v", v)
		}
	}
	var others tally
	for _, n := range c.Nodes {
		for n != cut && others.admitted.Load() < 2 {
			others.call(n.Cluster().Take, endpoint)
		}
	}
	cut.Rejoin()
	var got tally
	nodetest.Eventually(t, "the node decides again", func() bool {
		got.call(cut.Cluster().Take, endpoint)
		return got.exhausted.Load()
	})
	// Two calls of the others, three of this node; its calls that nobody
	// waited for were given back.
	if n := got.admitted.Load(); n != 3 {
		t.Errorf("admitted %d, want the 3 that were left of 5", n)
	}
	c.Digest()
}

// TestWholeClusterRestarts: counts, drafts and deployed domains are as before.
func TestWholeClusterRestarts(t *testing.T) {
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{100, 3600}}, nil))
	var first tally
	load(c, 12, 60, endpoint, &first)
	c.Settled("d")
	c.Raised()
	before := c.Digest()
	domains := c.Nodes[0].Store().Domains()
	for _, n := range c.Nodes {
		n.Kill()
	}
	c.StartAll()
	if after := c.Digest(); after != before {
		t.Errorf("digest %x after the restart, %x before", after, before)
	}
	if got := c.Nodes[2].Store().Domains(); len(got) != 1 || *got[0].DeployedRevision != *domains[0].DeployedRevision {
		t.Errorf("domains %+v after the restart, %+v before", got, domains)
	}
	var second tally
	load(c, 12, 120, endpoint, &second)
	if sum := first.admitted.Load() + second.admitted.Load(); sum != 100 {
		t.Errorf("admitted %d before and %d after the restart, want 100 together", first.admitted.Load(), second.admitted.Load())
	}
}

// TestSnapshotRestore: a node that was away for longer than the log is kept
// gets a snapshot, and has the state of the others.
func TestSnapshotRestore(t *testing.T) {
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{1000, 3600}}, [][2]int{{500, 60}}))
	var got tally
	load(c, 12, 240, endpoint, &got)
	c.Settled("d")
	c.Raised()
	want := c.Digest()
	for _, n := range c.Nodes {
		if err := n.Store().Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	// A snapshot is read at start, and sent to a node that has nothing.
	c.Nodes[1].Kill()
	c.Nodes[1].Start()
	c.Nodes[1].WaitReady()
	if sum := c.Digest(); sum != want {
		t.Errorf("digest %x after a start from the snapshot, %x before", sum, want)
	}
}

// wait sets how long calls wait for their decision.
func wait(d time.Duration) nodetest.Option {
	return func(cfg *nodetest.Config) { cfg.QuotaWait = d }
}

// TestMembership: a node leaves, the leader included, and returns.
func TestMembership(t *testing.T) {
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{100, 3600}}, nil))
	ctx, cancel := context.WithTimeout(context.Background(), nodetest.Patience)
	defer cancel()
	leaver := c.Leader()
	var via *nodetest.Node
	for _, n := range c.Nodes {
		if n != leaver {
			via = n
		}
	}
	if err := via.Cluster().Leave(ctx, leaver.ID); err != nil {
		t.Fatalf("the leader leaving: %v", err)
	}
	nodetest.Eventually(t, "the node that left is not ready", func() bool { return !leaver.Ready() })
	if _, err := leaver.Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err == nil {
		t.Error("a node that left decides calls")
	}
	if v, err := via.Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err != nil || !v.Admitted {
		t.Errorf("the others decide: %+v, %v", v, err)
	}
	// Stopped and started with the same command line, it returns.
	leaver.Stop()
	leaver.Start()
	if leaver == c.Nodes[0] { // the founder was started with --bootstrap, not --join
		if err := via.Cluster().Join(ctx, leaver.Self()); err != nil {
			t.Fatalf("returning: %v", err)
		}
	}
	leaver.WaitReady()
	c.Digest()
	var servers store.Servers
	nodetest.Eventually(t, "three voters", func() bool {
		servers = leaver.Store().Servers()
		return len(servers.List) == 3 && servers.Find(leaver.ID).Voter
	})
}
