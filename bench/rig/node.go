package rig

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tollgate/tollgate/bench/process"
	"github.com/tollgate/tollgate/node/admin/api"
)

// Node is one node of a cluster: a command line, which is the same for every
// start, and a directory.
type Node struct {
	// ID is its name in the cluster.
	ID string
	// Voter tells whether it has a vote.
	Voter bool

	listen, admin, peers string // host:port
	args                 []string
	log                  string // file

	live atomic.Pointer[process.Process] // nil once killed
}

// process is the node's running process. It must have been started.
func (n *Node) process() *process.Process { return n.live.Load() }

// Leader is the node that was elected last, as the nodes know it that answer
// soon.
func (c *Cluster) Leader(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, leaderPatience)
	defer cancel()
	answers := make(chan api.ClusterStatus, len(c.Nodes))
	for _, n := range c.Nodes {
		go func() { // bounded by the patience, and waited for
			s, _ := c.api(n).Cluster(ctx) // the others are asked as well
			answers <- s
		}()
	}
	var best api.ClusterStatus
	for range c.Nodes {
		if s := <-answers; s.Leader != "" && s.Term >= best.Term {
			best = s
		}
	}
	if ctx.Err() != nil && best.Leader == "" {
		return nil, ctx.Err()
	}
	for _, n := range c.Nodes {
		if n.ID == best.Leader {
			return n, nil
		}
	}
	if best.Leader == "" {
		return nil, errors.New("no node knows a leader")
	}
	return nil, fmt.Errorf("the nodes say that %q leads, which is none of them", best.Leader)
}
