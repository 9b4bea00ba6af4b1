package node_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// wipe empties the data directory of a node that is down.
func wipe(t *testing.T, n *nodetest.Node) {
	t.Helper()
	if err := os.RemoveAll(n.Config().DataDir); err != nil {
		t.Fatal(err)
	}
}

// readyz is what a node says of its readiness.
func readyz(t *testing.T, n *nodetest.Node) reply {
	t.Helper()
	return api(t, n, "GET", "/readyz", "")
}

// TestWipedFounder: a founder whose disk was lost, and who is started with its old
// command line, founds nothing: the others go on dialling it. It says whose it is.
func TestWipedFounder(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	founder := c.Nodes[0]
	id := founder.Store().ClusterID()
	founder.Stop()
	wipe(t, founder)
	founder.Config().FoundingWait = 2 * time.Second
	founder.Start()
	select {
	case <-founder.Done():
	case <-time.After(nodetest.Patience):
		t.Fatal("it goes on")
	}
	if err := founder.Err(); err == nil || !strings.Contains(err.Error(), "cluster "+id) || !strings.Contains(err.Error(), "--join") {
		t.Errorf("it ends with %v", err)
	}
	if founder.Store().ClusterID() != "" || founder.Ready() {
		t.Error("it belongs to a cluster")
	}
}

// TestFounderIsClaimed: a founder that came too early to hear the others gives up
// what it founded as soon as it hears them, and takes no traffic.
func TestFounderIsClaimed(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	founder := c.Nodes[0]
	id := founder.Store().ClusterID()
	founder.Stop()
	wipe(t, founder)
	founder.Isolate()
	founder.Start()
	founder.WaitReady() // nobody contradicts
	founder.Rejoin()
	nodetest.Eventually(t, "it is not ready, and says why", func() bool {
		r := readyz(t, founder)
		return r.status == 503 && strings.Contains(r.body, "cluster "+id)
	})
	nodetest.Eventually(t, "it takes no traffic", func() bool {
		return call(t, web, "GET", founder.ProxyAddr(), "/d/x", "").code == 50301
	})
	// Members of other clusters cannot do that to a cluster of several, whose
	// leader may be changing.
	nodetest.Eventually(t, "a member of the cluster is ready", func() bool {
		r := readyz(t, c.Nodes[1])
		if r.status != 200 && !strings.Contains(r.body, "member: ok") {
			t.Fatalf("%s: %v", c.Nodes[1].ID, r)
		}
		return r.status == 200
	})
}

// TestFoundTogether: nodes with one command line, which all name each other and
// themselves, make one cluster, in whatever order they come; none of them founds
// while one is missing.
func TestFoundTogether(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 0)
	var urls []string
	for range 3 {
		n := c.Add(func(cfg *nodetest.Config) { cfg.Bootstrap, cfg.FoundingWait = true, 50*time.Millisecond })
		urls = append(urls, "http://"+n.Config().Admin)
	}
	for _, n := range c.Nodes {
		n.Config().Join = urls
	}
	c.Nodes[2].Start()
	c.Nodes[0].Start()
	for range 20 {
		time.Sleep(20 * time.Millisecond) // what must not happen has a while to do so
		if c.Nodes[0].Store().ClusterID() != "" || c.Nodes[2].Store().ClusterID() != "" {
			t.Fatal("a cluster was founded while a node was missing")
		}
	}
	c.Nodes[1].Start()
	for _, n := range c.Nodes {
		n.WaitReady()
	}
	id := c.Nodes[0].Store().ClusterID()
	for _, n := range c.Nodes {
		if n.Store().ClusterID() != id || len(n.Store().Servers().List) != 3 {
			t.Errorf("%s belongs to %s, with %v", n.ID, n.Store().ClusterID(), n.Store().Servers().List)
		}
	}
	// A wiped node with the same command line joins nothing and founds nothing: it
	// is a member that has lost its state.
	last := c.Nodes[0]
	last.Stop()
	wipe(t, last)
	last.Start()
	nodetest.Eventually(t, "the cluster goes on", func() bool {
		return api(t, c.Nodes[1], "POST", "/v1/domains?deploy=true", swagger("d", "D", "ok", "")).status == 200
	})
	if last.Store().ClusterID() != "" || last.Ready() {
		t.Error("the wiped node belongs to a cluster")
	}
	nodetest.Eventually(t, "it says why it cannot join", func() bool {
		r := api(t, last, "GET", "/readyz", "")
		return r.status == 503 && strings.Contains(r.body, "let "+last.ID+" leave first") && strings.Count(r.body, "\n") == 3
	})
	// Let go, it is a new node.
	if r := api(t, c.Nodes[1], "POST", "/v1/cluster/leave", `{"id":"`+last.ID+`"}`); r.status != 200 {
		t.Fatal(r)
	}
	last.WaitReady()
	if got := last.Store().ClusterID(); got != id {
		t.Errorf("it belongs to %s, want %s", got, id)
	}
}

// TestMoved: a follower that comes back at other addresses is found by its cluster.
func TestMoved(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]nodetest.Option{"plain": func(*nodetest.Config) {}, "secured": secured(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := nodetest.Start(t, 3, option)
			var moved *nodetest.Node
			for _, n := range c.Nodes[1:] {
				if n != c.Leader() {
					moved = n
				}
			}
			moved.Stop()
			moved.Move()
			begin := time.Now()
			moved.Start()
			moved.WaitReady()
			t.Logf("ready after %v", time.Since(begin))
			nodetest.Eventually(t, "all know where it is", func() bool {
				for _, n := range c.Nodes {
					s := n.Store().Servers().Find(moved.ID)
					if s == nil || s.Address != moved.ClusterAddr() || !s.Voter || n.Store().Members()[moved.ID].AdminAddress != moved.AdminAddr() {
						return false
					}
				}
				return true
			})
			c.Digest()
		})
	}
}

// TestAllMoved: nodes that all come back at other addresses find each other through
// --join.
func TestAllMoved(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Deploy(swagger("d", "D", "ok", ""))
	for _, n := range c.Nodes {
		n.Stop()
	}
	var urls []string
	for _, n := range c.Nodes {
		n.Move()
		urls = append(urls, "http://"+n.Config().Admin)
	}
	c.Nodes[0].Config().Join = nil // the founder was never told of others
	for _, n := range c.Nodes[1:] {
		n.Config().Join = urls[:1]
	}
	begin := time.Now()
	for _, n := range c.Nodes {
		n.Start()
	}
	for _, n := range c.Nodes {
		n.WaitReady()
	}
	t.Logf("ready after %v", time.Since(begin))
	nodetest.Eventually(t, "the membership has the addresses", func() bool {
		for _, n := range c.Nodes {
			if s := c.Nodes[0].Store().Servers().Find(n.ID); s == nil || s.Address != n.ClusterAddr() {
				return false
			}
		}
		return true
	})
	if r := call(t, web, "GET", c.Nodes[2].ProxyAddr(), "/d/x", ""); r.status != 200 {
		t.Error(r)
	}
}

// TestCopiedDirectory: a copy of a member's data, started beside it, is not let
// in, and says why.
func TestCopiedDirectory(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	original := c.Nodes[2]
	original.Stop()
	dir := t.TempDir() + "/copy"
	if err := os.CopyFS(dir, os.DirFS(original.Config().DataDir)); err != nil {
		t.Fatal(err)
	}
	original.Start()
	original.WaitReady()
	twin := nodetest.Start(t, 0).Add(func(cfg *nodetest.Config) {
		cfg.ID, cfg.DataDir, cfg.Join = original.ID, dir, original.Config().Join
	})
	twin.Start()
	nodetest.Eventually(t, "the copy says why it is not let in", func() bool {
		r := readyz(t, twin)
		return r.status == 503 && strings.Contains(r.body, original.ID+" still answers at "+original.ClusterAddr())
	})
	if s := c.Nodes[0].Store().Servers().Find(original.ID); s.Address != original.ClusterAddr() {
		t.Errorf("the membership has %s at %s", original.ID, s.Address)
	}
	// Under another ID the directory is refused.
	cfg := *twin.Config()
	twin.Stop()
	cfg.ID = "n9"
	if n, err := node.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "belongs to node "+original.ID) {
		t.Errorf("as n9: %v", err)
		if n != nil {
			_ = n.Close(t.Context())
		}
	}
}
