package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

const (
	// servedWait bounds how long a deploy waits for the members to serve it.
	servedWait = 2 * time.Second
	// silence is how long a deploy waits for a member that says nothing.
	silence = time.Second
)

// ServeBy has served answer other members that ask for it: it returns once this
// node serves the domains as they are at an index of the log.
func (c *Cluster) ServeBy(served func(ctx context.Context, index uint64) error) {
	c.served.Store(&served)
}

// AwaitServed returns once all members that answer serve the domains as they are
// at an index of the log, and in any case after 2 s. Pending are the IDs of the
// members that do not, or that did not say so; there may be none.
func (c *Cluster) AwaitServed(ctx context.Context, index uint64) (pending []string) {
	ctx, cancel := context.WithTimeout(ctx, servedWait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range c.store.Servers().List {
		wg.Go(func() {
			if err := c.awaitServedBy(ctx, s, index); err != nil {
				mu.Lock()
				defer mu.Unlock()
				pending = append(pending, s.ID)
			}
		})
	}
	wg.Wait()
	slices.Sort(pending)
	return pending
}

// awaitServedBy waits for one member, for as long as it answers.
func (c *Cluster) awaitServedBy(ctx context.Context, s store.Server, index uint64) error {
	if s.ID == c.cfg.ID {
		return c.servedHere(ctx, index)
	}
	peer, err := c.peers.at(s.ID, s.Address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		alive, done := context.WithTimeout(ctx, silence)
		defer done()
		if _, err := peer.Identify(alive, &clusterpb.IdentifyRequest{Asker: c.cfg.ID}); err != nil {
			cancel()
		}
	})
	_, err = peer.Served(ctx, &clusterpb.ServedRequest{Index: index})
	return fromWire(err)
}

func (c *Cluster) servedHere(ctx context.Context, index uint64) error {
	served := c.served.Load()
	if served == nil { // it has not come so far in its start
		return errUnreachable
	}
	return (*served)(ctx, index)
}
