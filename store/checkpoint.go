package store

import (
	"context"
	"crypto/sha256"
	"io"
	"sync"
	"time"
)

// Checkpoint is the digest of the state at an index of the log: replicas at equal
// index have equal digests.
type Checkpoint struct {
	Index  uint64
	Digest [sha256.Size]byte
}

// keptCheckpoints is how many of the newest checkpoints a node remembers.
const keptCheckpoints = 8

// checkpoints works digests out beside Apply, one at a time.
type checkpoints struct {
	mu    sync.Mutex
	known []Checkpoint // the newest last
	busy  bool
	// changed is closed when known changes.
	changed chan struct{}
	took    time.Duration // the newest
	wg      sync.WaitGroup
}

func newCheckpoints() *checkpoints { return &checkpoints{changed: make(chan struct{})} }

// take works the digest of a copy of the state out. Where the one before is still
// under way, this node has none for the index.
func (c *checkpoints) take(index uint64, copied func() io.WriterTo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return
	}
	c.busy = true
	state := copied()
	c.wg.Go(func() {
		begin := time.Now()
		hash := sha256.New()
		_, err := state.WriteTo(hash)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy = false
		if err != nil { // a hash takes everything; a state that has stopped gives nothing
			return
		}
		c.took = time.Since(begin)
		if len(c.known) == keptCheckpoints {
			c.known = c.known[1:]
		}
		c.known = append(c.known, Checkpoint{index, [sha256.Size]byte(hash.Sum(nil))})
		close(c.changed)
		c.changed = make(chan struct{})
	})
}

// at is the checkpoint at an index, once it is worked out.
func (c *checkpoints) at(ctx context.Context, index uint64) (Checkpoint, error) {
	for {
		c.mu.Lock()
		known, changed := c.known, c.changed
		c.mu.Unlock()
		for _, k := range known {
			if k.Index == index {
				return k, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Checkpoint{}, ctx.Err()
		}
	}
}

// Checkpoint is this node's digest at the index of a KindCheckpoint command. It
// waits for it until ctx ends.
func (s *Store) Checkpoint(ctx context.Context, index uint64) (Checkpoint, error) {
	return s.machine.checkpoints.at(ctx, index)
}

// CheckpointCost is how long the newest digest took to work out.
func (s *Store) CheckpointCost() time.Duration {
	s.machine.checkpoints.mu.Lock()
	defer s.machine.checkpoints.mu.Unlock()
	return s.machine.checkpoints.took
}
