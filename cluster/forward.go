package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

const (
	// leaderWait is how long a change waits for a leader to be elected.
	leaderWait = 3 * time.Second
	// retryPause is the pause after a failed attempt, unless the leader moves
	// before.
	retryPause = 20 * time.Millisecond
)

// signal tells any number of goroutines that something happened.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func newSignal() *signal { return &signal{ch: make(chan struct{})} }

// next is closed the next time notify is called.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

func (s *signal) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}

// onLeader runs a change or a read on the leader: local where this node leads,
// else remote at the node that does. After ErrNotLeader, which says that
// nothing was proposed, it looks for the new leader; any other outcome is
// final, so that nothing is done twice.
func onLeader[T any](ctx context.Context, c *Cluster, local func() (T, error), remote func(clusterpb.ClusterClient) (T, error)) (T, error) {
	var none T
	until := time.Now().Add(leaderWait)
	for {
		moved := c.leaderMoved.next()
		id, addr := c.leader()
		if id != "" {
			begin := time.Now()
			v, err := attempt(c, id, addr, local, remote)
			if !errors.Is(err, store.ErrNotLeader) {
				return v, err
			}
			until = until.Add(time.Since(begin)) // a large change may have been under way
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-moved:
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil || time.Now().After(until) {
			return none, store.ErrNoLeader
		}
	}
}

func attempt[T any](c *Cluster, id, addr string, local func() (T, error), remote func(clusterpb.ClusterClient) (T, error)) (T, error) {
	if id == c.cfg.ID {
		return local()
	}
	peer, err := c.peers.at(id, addr)
	if err != nil {
		var none T
		return none, err
	}
	v, err := remote(peer)
	if err = fromWire(err); errors.Is(err, errUnreachable) {
		err = fmt.Errorf("%w (leader %s: %v)", store.ErrUnknownOutcome, id, err)
	}
	return v, err
}

// Applied is the outcome of a change of the domains.
type Applied struct {
	// Index is what a replica must have applied to see the change.
	Index uint64
	// Revision is the revision that was saved or deployed, Serial its serial;
	// both are 0 after a delete.
	Revision, Serial uint64
}

// Apply has the leader make a change and returns once this node has applied it
// too. Errors are the store's, catalog.ErrNotFound and
// catalog.ErrPrecondition.
func (c *Cluster) Apply(ctx context.Context, cmd store.Command) (Applied, error) {
	cmd = cmd.Known(c.store.Rules())
	cmd.Rules = cmd.LeastRules()
	encoded := cmd.Append(nil)
	if len(encoded) > store.MaxCommandBytes {
		return Applied{}, refuse("the change takes %d bytes in the log, must be at most %d", len(encoded), store.MaxCommandBytes)
	}
	done, err := onLeader(ctx, c,
		func() (Applied, error) { return c.applyHere(ctx, cmd) },
		func(p clusterpb.ClusterClient) (Applied, error) {
			r, err := p.Apply(ctx, &clusterpb.ApplyRequest{Command: encoded})
			return Applied{r.GetIndex(), r.GetRevision(), r.GetSerial()}, err
		})
	if err != nil {
		return Applied{}, err
	}
	if err := c.store.WaitApplied(ctx, done.Index); err != nil {
		return done, fmt.Errorf("the change is made, but this node has not applied it yet: %w", err)
	}
	return done, nil
}

func (c *Cluster) applyHere(ctx context.Context, cmd store.Command) (Applied, error) {
	res, err := c.store.Apply(ctx, cmd)
	if errors.Is(err, store.ErrUpgrading) { // perhaps only for want of asking
		c.raiseRules(ctx)
		res, err = c.store.Apply(ctx, cmd)
	}
	if errors.Is(err, store.ErrUpgrading) {
		return Applied{}, conflict("%v", err)
	}
	if err != nil {
		return Applied{}, err
	}
	switch {
	case errors.Is(res.Err, catalog.ErrExists):
		return Applied{}, conflict("%v: choose another", res.Err)
	case errors.Is(res.Err, quota.ErrWindow):
		return Applied{}, conflict("%v: read the quota out again", res.Err)
	case errors.Is(res.Err, quota.ErrNoCondition):
		return Applied{}, refuse("%v: see the quota's read-out", res.Err)
	case errors.Is(res.Err, store.ErrNoRestore), errors.Is(res.Err, store.ErrDamaged):
		return Applied{}, conflict("%v", res.Err)
	case errors.Is(res.Err, catalog.ErrKeyTaken), errors.Is(res.Err, catalog.ErrManyKeys):
		return Applied{}, conflict("%v", res.Err)
	}
	return Applied{res.Index, res.Catalog.Revision, res.Catalog.Serial}, res.Err
}

// Refresh returns once this node's replica shows everything that was answered,
// by any node, before the call; now is the leader's cluster time.
func (c *Cluster) Refresh(ctx context.Context) (now int64, err error) {
	type read struct {
		index uint64
		now   int64
	}
	r, err := onLeader(ctx, c,
		func() (read, error) {
			index, now, err := c.store.ReadIndex(ctx)
			return read{index, now}, err
		},
		func(p clusterpb.ClusterClient) (read, error) {
			r, err := p.ReadIndex(ctx, &clusterpb.ReadIndexRequest{})
			return read{r.GetIndex(), r.GetNow()}, err
		})
	if errors.Is(err, store.ErrUnknownOutcome) {
		return 0, store.ErrNoLeader // a read has no outcome to be unknown
	} else if err != nil {
		return 0, err
	}
	return r.now, c.store.WaitApplied(ctx, r.index)
}
