package cluster

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

const (
	// defaultCheckpointEvery is between two checkpoints of a leader.
	defaultCheckpointEvery = 30 * time.Second
	// checkpointShare bounds what checkpoints cost: a digest is worked out for at
	// most this part of the time.
	checkpointShare = 100
	// digestTimeout bounds the wait for a node's digest.
	digestTimeout = 10 * time.Second
)

// watchDigests has all replicas compare their states now and then, while this node
// leads: two that differ would never say so by themselves.
func (c *Cluster) watchDigests(ctx context.Context) {
	every := c.cfg.CheckpointEvery
	if every == 0 {
		every = defaultCheckpointEvery
	}
	for {
		pause := time.NewTimer(max(every, checkpointShare*c.store.CheckpointCost()))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		if c.store.IsLeader() && c.store.Rules() >= store.RulesSecond {
			c.checkpoint(ctx)
		}
	}
}

// checkpoint compares all replicas once, also where nothing was applied since the last
// time: a member may have come back with another state.
func (c *Cluster) checkpoint(ctx context.Context) {
	res, err := c.store.Apply(ctx, store.Command{Kind: store.KindCheckpoint})
	if err != nil {
		return
	}
	if behind := c.store.TimeBehind(); behind > clockSpread {
		c.cfg.Logger.Warn("cluster time stands still, and no quota window ends: a leader before this one had a clock far ahead of its own",
			"untilSeconds", behind.Seconds())
	}
	ctx, cancel := context.WithTimeout(ctx, digestTimeout)
	defer cancel()
	servers := c.store.Servers().List
	digests := make([][]byte, len(servers)) // nil where none is known
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { digests[i] = c.digestOf(ctx, s, res.Index, nil) })
	}
	wg.Wait()
	right := rightDigest(servers, digests, c.cfg.ID)
	for i, s := range servers {
		if digests[i] != nil && right != nil && !bytes.Equal(digests[i], right) {
			c.cfg.Logger.Error("a member's state differs from the others': it decides no quotas any more", "member", s.ID, "index", res.Index)
			c.digestOf(ctx, s, res.Index, right)
		}
	}
}

// rightDigest is the digest of most of the voters that have told one; if no digest
// has a majority of them, that of self, whose answers count.
func rightDigest(servers []store.Server, digests [][]byte, self string) (right []byte) {
	votes, told := map[string]int{}, 0
	for i, s := range servers {
		if s.ID == self {
			right = digests[i]
		}
		if s.Voter && digests[i] != nil {
			told++
			votes[string(digests[i])]++
		}
	}
	for digest, n := range votes {
		if n > told/2 {
			return []byte(digest)
		}
	}
	return right
}

// digestOf asks a member for its digest at a checkpoint; nil if it has none. If
// right is not nil, the member is told that its own is another.
func (c *Cluster) digestOf(ctx context.Context, s store.Server, index uint64, right []byte) []byte {
	if s.ID == c.cfg.ID {
		return c.compareDigest(ctx, index, right)
	}
	peer, err := c.peers.at(s.ID, s.Address)
	if err != nil {
		return nil
	}
	r, err := peer.Digest(ctx, &clusterpb.DigestRequest{Index: index, Digest: right})
	if err != nil || len(r.GetDigest()) == 0 {
		return nil
	}
	return r.GetDigest()
}

// compareDigest is this node's digest at a checkpoint. If right is another, this
// node's state is not what it should be.
func (c *Cluster) compareDigest(ctx context.Context, index uint64, right []byte) []byte {
	own, err := c.store.Checkpoint(ctx, index)
	if err != nil {
		return nil
	}
	if right != nil && !bytes.Equal(own.Digest[:], right) {
		c.diverge(index)
	}
	return own.Digest[:]
}

// diverge has this node decide nothing any more: what it would decide is not what
// the others do.
func (c *Cluster) diverge(index uint64) {
	c.mu.Lock()
	first := c.diverged == ""
	if first {
		c.diverged = fmt.Sprintf("this node's state differs from the others' at index %d of the log: let it leave, and join it anew with an empty data directory", index)
	}
	why := c.diverged
	c.mu.Unlock()
	if first {
		c.astray.Store(true)
		c.metrics.diverged.Set(1)
		c.cfg.Logger.Error(why)
	}
	c.stepDown()
}

// Diverged is why this node decides no quotas any more, "" if it does.
func (c *Cluster) Diverged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.diverged
}
