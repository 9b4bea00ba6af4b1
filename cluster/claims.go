package cluster

import (
	"sync"
	"time"
)

// claimLife is how long a claim counts after it was last made. A cluster never
// stops dialling a member that it misses.
const claimLife = time.Minute

// Claim says that a member of another cluster takes this node for one of its own.
// A node makes it by dialling for Raft or RPC, with this node's ID, under the same
// cluster key: only the node of that ID, and its data, can have been meant.
type Claim struct {
	// Cluster is the ID of the cluster that misses this node, By the member that
	// dialled.
	Cluster, By string
	at          time.Time
}

// claims remembers the newest claim.
type claims struct {
	mu     sync.Mutex
	newest Claim
	count  uint64
}

func (c *claims) add(cluster, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = Claim{cluster, by, time.Now()}
	c.count++
}

// standing is the newest claim, if it still counts.
func (c *claims) standing() (Claim, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest, c.newest.Cluster != "" && time.Since(c.newest.at) < claimLife
}

func (c *claims) total() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(c.count)
}

// Claimed is the newest claim on this node, if it still counts.
func (t *Transport) Claimed() (Claim, bool) { return t.claims.standing() }
