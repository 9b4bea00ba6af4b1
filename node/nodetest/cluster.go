// Package nodetest runs whole clusters inside a test process: the nodes of the
// binary, wired as the binary wires them, on loopback, with a network that
// tests can cut.
package nodetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// Patience is how long a test waits for a state before it fails. It is no
// bound that anything is held to.
const Patience = 3 * time.Minute

// Cluster is some nodes of one cluster.
type Cluster struct {
	t     testing.TB
	net   *network
	Nodes []*Node
}

// Node is one node of a test cluster. Node.Node is nil while it is down.
type Node struct {
	*node.Node
	ID string

	c   *Cluster
	cfg Config
}

// Config is what a node is started with.
type Config = node.Config

// Option changes the configuration of every node.
type Option func(*Config)

// Start runs a cluster of n nodes, all ready. It is stopped when the test
// ends, and then every node must have shut down without an error.
func Start(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t, net: newNetwork()}
	t.Cleanup(c.stop)
	for i := range n {
		nd := c.Add(opts...)
		nd.cfg.Bootstrap = i == 0
		if i > 0 {
			nd.cfg.Join = []string{c.Nodes[0].AdminURL()}
		}
		nd.Start()
		nd.WaitReady()
		// A node is ready before all that its joining writes is written.
		Eventually(t, nd.ID+" has settled in", func() bool {
			known := c.Nodes[0].Store()
			s := known.Servers().Find(nd.cfg.ID)
			_, recorded := known.Members()[nd.cfg.ID]
			return s != nil && s.Voter == !nd.cfg.Nonvoter && recorded && known.ReplicatedClusterID() != ""
		})
	}
	return c
}

// Add puts one more node beside the others, fresh and not started.
func (c *Cluster) Add(opts ...Option) *Node {
	id := fmt.Sprintf("n%d", len(c.Nodes)+1)
	logger := slog.New(slog.DiscardHandler)
	if os.Getenv("NODETEST_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", id)
	}
	nd := &Node{ID: id, c: c, cfg: Config{
		FoundingWait: time.Millisecond,
		// Replicas change no more by themselves once they have settled.
		CheckpointEvery: time.Hour,
		DiskTimeout:     node.MaxDiskTimeout, // all have one disk, and it is busy
		ElectionTimeout: time.Second,         // all have one process, and its threads are busy
		ID:              id, DataDir: filepath.Join(c.t.TempDir(), id),
		Listen: FreeAddr(c.t), Admin: FreeAddr(c.t), Cluster: FreeAddr(c.t),
		Logger: logger,
	}}
	for _, o := range opts {
		o(&nd.cfg)
	}
	if nd.ID = nd.cfg.ID; nd.cfg.Network == nil {
		nd.cfg.Network = port{c.net, nd.ID}
	}
	c.Nodes = append(c.Nodes, nd)
	return nd
}

func (c *Cluster) stop() {
	for _, nd := range c.Nodes {
		if nd.Node != nil {
			if err := nd.Close(context.Background()); err != nil {
				c.t.Errorf("%s: closing: %v", nd.ID, err)
			}
		}
	}
}

// Start starts a node that is down.
func (n *Node) Start() {
	n.c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var err error
	if n.Node, err = node.Open(ctx, n.cfg); err != nil {
		n.c.t.Fatalf("%s: starting: %v", n.ID, err)
	}
}

// Stop stops a node as SIGTERM does.
func (n *Node) Stop() {
	n.c.t.Helper()
	if err := n.Close(context.Background()); err != nil {
		n.c.t.Errorf("%s: stopping: %v", n.ID, err)
	}
	n.Node = nil
}

// Kill stops a node as kill -9 does, for the others and for its disk: it is
// cut off first, so that nothing it does while it closes reaches anybody.
func (n *Node) Kill() {
	n.Isolate()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.Close(ctx) // it cannot hand over what it holds
	n.Node = nil
	n.Rejoin()
}

// Isolate cuts the node off from all others.
func (n *Node) Isolate() {
	for _, other := range n.c.Nodes {
		if other != n {
			n.c.net.sever(n.ID, other.ID)
		}
	}
}

// Misdirect has the cluster address of one node lead to another.
func (c *Cluster) Misdirect(from, to *Node) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.net.leads[from.ClusterAddr()] = to.ClusterAddr()
}

// Throttle has the link between any two nodes carry so many bytes a second in
// each direction; 0 is no bound.
func (c *Cluster) Throttle(rate int) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.net.rate = rate
}

// Rejoin undoes Isolate.
func (n *Node) Rejoin() {
	for _, other := range n.c.Nodes {
		n.c.net.mend(n.ID, other.ID)
	}
}

// Move gives a node that is down other addresses.
func (n *Node) Move() {
	n.cfg.Listen, n.cfg.Admin, n.cfg.Cluster = FreeAddr(n.c.t), FreeAddr(n.c.t), FreeAddr(n.c.t)
}

// Config is what the node is started with the next time.
func (n *Node) Config() *Config { return &n.cfg }

// WaitReady waits until the node's /readyz would say 200.
func (n *Node) WaitReady() {
	n.c.t.Helper()
	Eventually(n.c.t, n.ID+" is ready", n.Ready)
}

// StartAll starts all nodes, which are down, and waits until they are ready.
func (c *Cluster) StartAll() {
	c.t.Helper()
	for _, n := range c.Nodes {
		n.Start()
	}
	for _, n := range c.Nodes {
		n.WaitReady()
	}
}

// Eventually waits until ok holds.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v, and still not: %s", Patience, what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, not for a state
	}
}

// Up lists the nodes that run.
func (c *Cluster) Up() []*Node {
	return slices.DeleteFunc(slices.Clone(c.Nodes), func(n *Node) bool { return n.Node == nil })
}

// Leader waits until all running nodes know the same running leader.
func (c *Cluster) Leader() *Node {
	c.t.Helper()
	var leader *Node
	Eventually(c.t, "one leader that all know", func() bool {
		leader = nil
		for _, n := range c.Up() {
			if n.Store().IsLeader() {
				leader = n
			}
		}
		return leader != nil && !slices.ContainsFunc(c.Up(), func(n *Node) bool {
			id, _ := n.Store().Leader()
			return id != leader.ID
		})
	})
	return leader
}

// Deploy imports a Swagger document and deploys it, at the first running node;
// it returns once all running nodes serve it.
func (c *Cluster) Deploy(document string) {
	c.t.Helper()
	doc, err := catalog.Parse([]byte(document), node.ParseOptions())
	if err != nil {
		c.t.Fatalf("document: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := catalog.Put(doc.Draft(), true)
	var done cluster.Applied
	Eventually(c.t, "the domain is deployed", func() bool {
		done, err = c.Up()[0].Cluster().Apply(ctx, store.Command{Kind: store.KindCatalog, Catalog: &cmd})
		// Saying it again does no harm: a leader may move on a busy machine.
		if err != nil && !errors.Is(err, store.ErrUnknownOutcome) && !errors.Is(err, store.ErrNoLeader) {
			c.t.Fatalf("deploying: %v", err)
		}
		return err == nil
	})
	for _, n := range c.Up() {
		if err := n.AwaitServed(ctx, done.Index); err != nil {
			c.t.Fatalf("%s does not serve the domain: %v", n.ID, err)
		}
	}
}

// Settled waits until no node holds units of the domain: without calls, replicas
// then change no more by themselves.
func (c *Cluster) Settled(domain string) {
	c.t.Helper()
	Eventually(c.t, "all leases are given back", func() bool {
		for _, n := range c.Up() {
			for _, r := range n.Store().Readings(domain, 0) {
				if r.Leased > 0 {
					return false
				}
			}
		}
		return true
	})
}

// Raised waits until all nodes have come to the newest rules.
func (c *Cluster) Raised() {
	c.t.Helper()
	Eventually(c.t, "all have come to the newest rules", func() bool {
		return !slices.ContainsFunc(c.Up(), func(n *Node) bool { return n.Store().Rules() < store.KnownRules().Newest })
	})
	// The entry that raises them may be behind another one, which has done so already.
	Eventually(c.t, "it is applied", func() bool {
		_, err := c.Leader().Cluster().Refresh(c.t.Context())
		return err == nil
	})
}

// Digest waits until all running nodes have applied the same, and returns the
// digest of it; the digests must be equal.
func (c *Cluster) Digest() [32]byte {
	c.t.Helper()
	var sum [32]byte
	Eventually(c.t, "all replicas at one index", func() bool {
		first, s := c.Up()[0].Store().Digest()
		sum = s
		for _, n := range c.Up()[1:] {
			index, s := n.Store().Digest()
			if index != first {
				return false
			}
			if s != sum {
				c.t.Fatalf("at index %d the state of %s has digest %x, that of %s %x", index, n.ID, s, c.Up()[0].ID, sum)
			}
		}
		return true
	})
	return sum
}
