// Package rig is what the benchmark loads: clusters of Tollgate nodes as child
// processes, on loopback, and the endpoint server behind them.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/node/admin/api"
)

// startPatience is how long a step of a cluster's start may take, on a machine
// that has other work.
const startPatience = time.Minute

// Config says what cluster to run.
type Config struct {
	// Binary is the file of the program whose `node` command is run.
	Binary string
	// Dir is a directory for the nodes' data and logs. It is made if missing,
	// and left to the caller to remove.
	Dir string
	// Nodes is how many there are, 1 or more; the last Nonvoters of them,
	// fewer, have no vote.
	Nodes, Nonvoters int
}

// Cluster is some nodes that run. Its methods may be called from several
// goroutines.
type Cluster struct {
	cfg  Config
	http *http.Client
	// Nodes are the nodes in the order of their numbers; the first one founded
	// the cluster.
	Nodes []*Node

	mu sync.Mutex
	// lives has every process that was started, past has what those that are
	// over can no longer be asked for.
	lives []*process.Process
	past  Figures
}

// Open starts a cluster and waits until all its nodes are ready, and see each
// other and one leader. On an error nothing runs any more.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Nodes < 1 || cfg.Nonvoters < 0 || cfg.Nonvoters >= cfg.Nodes {
		return nil, fmt.Errorf("a cluster of %d nodes, %d of them without a vote: must be 1 node or more, and fewer without a vote", cfg.Nodes, cfg.Nonvoters)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, http: newHTTP()}
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// start brings the nodes up, the founder first: the others would only ask in
// vain until it is ready.
func (c *Cluster) start(ctx context.Context) error {
	for i := range c.cfg.Nodes {
		n, err := c.newNode(i)
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, n)
	}
	for _, group := range [][]*Node{c.Nodes[:1], c.Nodes[1:]} {
		for _, n := range group {
			if err := c.Start(n); err != nil {
				return err
			}
		}
		for _, n := range group {
			if err := c.AwaitReady(ctx, n); err != nil {
				return err
			}
		}
	}
	for _, n := range c.Nodes {
		err := n.process().Await(ctx, startPatience, n.ID+" sees all nodes and a leader", func(ctx context.Context) error { return c.formed(ctx, n) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Addresses are the host:port where the nodes take clients, in their order.
func (c *Cluster) Addresses() []string {
	list := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		list[i] = n.listen
	}
	return list
}

// Size is how many nodes there are, and how many of them have no vote.
func (c *Cluster) Size() (nodes, nonvoters int) { return c.cfg.Nodes, c.cfg.Nonvoters }

// Start runs a node that does not run. It returns before the node is ready.
func (c *Cluster) Start(n *Node) error {
	p, err := process.Start(process.Command{Name: n.ID, Path: c.cfg.Binary, Args: n.args, Log: n.log})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lives = append(c.lives, p)
	n.live.Store(p)
	return nil
}

// Kill ends a node as kill -9 does. What it has counted is read before.
func (c *Cluster) Kill(ctx context.Context, n *Node) error {
	last, err := c.nodeFigures(ctx, n)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past.add(last)
	n.live.Swap(nil).Kill()
	return nil
}

// AwaitReady waits until a node's /readyz says so.
func (c *Cluster) AwaitReady(ctx context.Context, n *Node) error {
	return n.process().AwaitOK(ctx, startPatience, "http://"+n.admin+api.ReadyPath)
}

// Err is nil while all nodes run that nobody has killed, else how the first one
// of the others ended, with the last of its output.
func (c *Cluster) Err() error {
	for _, n := range c.Nodes {
		if p := n.live.Load(); p != nil {
			if err := p.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends all nodes, as kill -9 does: nothing that they still hold is of
// use. It may be called again.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range c.lives {
		wg.Go(p.Kill)
	}
	wg.Wait()
	c.http.CloseIdleConnections()
}

// running is the first node that runs.
func (c *Cluster) running() (*Node, error) {
	for _, n := range c.Nodes {
		if p := n.live.Load(); p != nil && p.Err() == nil {
			return n, nil
		}
	}
	return nil, errors.New("no node of the cluster runs")
}

// newNode lays a node out.
func (c *Cluster) newNode(i int) (*Node, error) {
	n := &Node{ID: fmt.Sprintf("n%d", i+1), Voter: i < c.cfg.Nodes-c.cfg.Nonvoters}
	n.log = filepath.Join(c.cfg.Dir, n.ID+".log")
	for _, addr := range []*string{&n.listen, &n.admin, &n.peers} {
		var err error
		if *addr, err = process.FreeAddress(); err != nil {
			return nil, fmt.Errorf("an address for %s: %w", n.ID, err)
		}
	}
	n.args = []string{"node", "--id", n.ID, "--data-dir", filepath.Join(c.cfg.Dir, n.ID),
		"--listen", n.listen, "--admin", n.admin, "--cluster", n.peers, "--log-level", "warn",
		"--disk-timeout", "1m"} // all have one disk: no other could do better
	switch {
	case i == 0:
		n.args = append(n.args, "--bootstrap", "--founding-wait", "10ms") // nobody can miss it
	case n.Voter:
		n.args = append(n.args, "--join", "http://"+c.Nodes[0].admin)
	default:
		n.args = append(n.args, "--join", "http://"+c.Nodes[0].admin, "--nonvoter")
	}
	return n, nil
}

// formed is nil once a node sees all others as the members they should be, and
// one of them as their leader.
func (c *Cluster) formed(ctx context.Context, n *Node) error {
	s, err := c.api(n).Cluster(ctx)
	if err != nil {
		return err
	}
	for _, want := range c.Nodes {
		ok := slices.ContainsFunc(s.Members, func(m api.MemberStatus) bool {
			return m.ID == want.ID && m.Voter == want.Voter && m.Reachable
		})
		if !ok {
			return fmt.Errorf("it does not see %s as it should be (voter: %v)", want.ID, want.Voter)
		}
	}
	if s.Leader == "" {
		return errors.New("it sees no leader")
	}
	return nil
}
