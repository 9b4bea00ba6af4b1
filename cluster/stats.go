package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// statsWait bounds how long statistics wait for a member.
const statsWait = 2 * time.Second

// StatsQuery asks a member for the statistics of a domain, as node/stats does: times are
// Unix seconds and whole steps, Step is in seconds, and no Endpoint is all of them.
type StatsQuery struct {
	Domain, Endpoint string
	From, To, Step   int64
}

// StatsBy has stats answer other members that ask for this node's statistics. It may be
// called at any time from any goroutine. Its answer is for whoever calls Stats; a
// *Refusal crosses to there as well.
func (c *Cluster) StatsBy(stats func(ctx context.Context, q StatsQuery) ([]byte, error)) {
	c.stats.Store(&stats)
}

// Stats asks all members at once. Missing are the IDs, in order, of those that have not
// answered, or not within 2 s. The error is a *Refusal of one of them, and nothing else.
func (c *Cluster) Stats(ctx context.Context, q StatsQuery) (answers [][]byte, missing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, statsWait)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range c.store.Servers().List {
		wg.Go(func() {
			answer, failed := c.statsOf(ctx, s, q)
			mu.Lock()
			defer mu.Unlock()
			var refused *Refusal
			switch {
			case errors.As(failed, &refused):
				err = refused
			case failed != nil:
				missing = append(missing, s.ID)
			default:
				answers = append(answers, answer)
			}
		})
	}
	wg.Wait()
	slices.Sort(missing)
	return answers, missing, err
}

// statsOf asks one member.
func (c *Cluster) statsOf(ctx context.Context, s store.Server, q StatsQuery) ([]byte, error) {
	if s.ID == c.cfg.ID {
		return c.statsHere(ctx, q)
	}
	peer, err := c.peers.at(s.ID, s.Address)
	if err != nil {
		return nil, err
	}
	r, err := peer.Stats(ctx, &clusterpb.StatsRequest{Domain: q.Domain, Endpoint: q.Endpoint, From: q.From, To: q.To, Step: q.Step})
	return r.GetPoints(), fromWire(err)
}

func (c *Cluster) statsHere(ctx context.Context, q StatsQuery) ([]byte, error) {
	stats := c.stats.Load()
	if stats == nil { // it has not come so far in its start
		return nil, errUnreachable
	}
	return (*stats)(ctx, q)
}
