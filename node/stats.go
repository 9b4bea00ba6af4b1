package node

import (
	"context"
	"errors"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/stats"
	"github.com/tollgate/tollgate/proxy/callstats"
)

// openStats begins to keep statistics, and to tell other members of them.
func (n *Node) openStats() (func(context.Context) error, error) {
	var err error
	n.calls = callstats.New()
	n.stats, err = stats.Open(stats.Config{
		Dir: n.cfg.DataDir, MaxBytes: n.cfg.StatsMaxBytes, Recorder: n.calls,
		Clock: n.cfg.Clock, Logger: n.cfg.Logger, Registerer: n.registry,
	})
	if err != nil {
		return nil, err
	}
	n.cluster.StatsBy(n.statsHere)
	return func(context.Context) error { return n.stats.Close() }, nil // a stop does not wait for a disk that hangs
}

// statsHere answers for this node alone.
func (n *Node) statsHere(_ context.Context, q cluster.StatsQuery) ([]byte, error) {
	points, err := n.stats.Query(stats.Query{Domain: q.Domain, Endpoint: q.Endpoint, From: q.From, To: q.To, Step: q.Step})
	if errors.Is(err, stats.ErrTooMany) {
		return nil, &cluster.Refusal{Message: err.Error()}
	}
	if err != nil {
		n.cfg.Logger.Debug("no statistics for a member that asks", "error", err) // their writing has said why
		return nil, err
	}
	return stats.EncodePoints(points), nil
}

// Stats implements admin.Stats. It needs no leader where this node knows the domain.
func (c control) Stats(ctx context.Context, q stats.Query) ([]stats.Point, []string, error) {
	if _, known := c.n.store.Domain(q.Domain); !known {
		if _, err := c.Domain(ctx, q.Domain); err != nil {
			return nil, nil, err
		}
	}
	answers, missing, err := c.n.cluster.Stats(ctx, cluster.StatsQuery{Domain: q.Domain, Endpoint: q.Endpoint, From: q.From, To: q.To, Step: q.Step})
	if err != nil {
		return nil, nil, err
	}
	told := make([][]stats.Point, len(answers))
	for i, answer := range answers {
		if told[i], err = stats.DecodePoints(answer); err != nil {
			return nil, nil, err
		}
	}
	points, err := stats.Merge(q, told)
	if errors.Is(err, stats.ErrTooMany) {
		return nil, nil, &cluster.Refusal{Message: err.Error()}
	}
	return points, missing, err
}
