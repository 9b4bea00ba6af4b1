package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/rig"
)

// deployPause lies between the beginnings of two deploys under load.
const deployPause = 100 * time.Millisecond

// incident is what happened in the middle of a load.
type incident struct {
	notes []string
	err   error
	// victim is the number of the node that was killed, -1 if none was.
	victim int
}

// happen has the setup's event happen while a load of the length whole goes on.
// over is closed once it is over.
func (p *point) happen(ctx context.Context, c *rig.Cluster, origin string, whole time.Duration, over <-chan struct{}) incident {
	switch p.During {
	case KillLeader:
		return killLeader(ctx, c, whole)
	case Deploy:
		return p.redeploy(ctx, c, origin, over)
	}
	return incident{victim: -1}
}

// killLeader kills the leader after a quarter of the load, and starts it again
// after half of it.
func killLeader(ctx context.Context, c *rig.Cluster, whole time.Duration) incident {
	in := incident{victim: -1}
	began := time.Now()
	if in.err = pause(ctx, whole/4); in.err != nil {
		return in
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		in.err = fmt.Errorf("looking for the leader to be killed: %w", err)
		return in
	}
	if in.err = c.Kill(ctx, leader); in.err != nil {
		return in
	}
	in.victim = slices.Index(c.Nodes, leader)
	killed := time.Since(began)
	if in.err = pause(ctx, whole/2-killed); in.err != nil {
		return in
	}
	started := time.Now()
	if in.err = c.Start(leader); in.err != nil {
		return in
	}
	if in.err = c.AwaitReady(ctx, leader); in.err != nil {
		return in
	}
	in.notes = append(in.notes, fmt.Sprintf("the leader was killed %.1f s after the load began, and started again %.1f s later; it was ready %.2f s after that",
		killed.Seconds(), started.Sub(began).Seconds()-killed.Seconds(), time.Since(started).Seconds()))
	return in
}

// redeploy deploys revision after revision of the first domain.
func (p *point) redeploy(ctx context.Context, c *rig.Cluster, origin string, over <-chan struct{}) incident {
	in := incident{victim: -1}
	key := p.keys()[0]
	var took []time.Duration
	next := time.NewTicker(deployPause)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			in.err = ctx.Err()
			return in
		case <-over:
			if len(took) > 0 {
				slices.Sort(took)
				in.notes = append(in.notes, fmt.Sprintf("%d deploys under load took %.1f ms at the median, %.1f ms at most",
					len(took), millis(took[len(took)/2]), millis(took[len(took)-1])))
			}
			return in
		case <-next.C:
		}
		doc, err := p.document(key, origin, len(took)+2)
		if err != nil {
			in.err = err
			return in
		}
		began := time.Now()
		if in.err = c.Put(ctx, rig.Domain{Key: key, Document: doc}); in.err != nil {
			return in
		}
		took = append(took, time.Since(began))
	}
}

// longestSilence is the longest time between two decided calls of the nodes
// other than the victim, and how many of their calls came to nothing.
func (p *point) longestSilence(calls []load.Call, victim int) (silence time.Duration, lost int) {
	var decided []time.Duration
	for _, call := range calls {
		if p.node(call.Counter) == victim {
			continue
		}
		switch call.Verdict {
		case load.Admitted, load.Refused:
			decided = append(decided, call.End)
		case load.Failed, load.Unknown:
			lost++
		}
	}
	slices.SortFunc(decided, cmp.Compare)
	for i := range len(decided) - 1 {
		silence = max(silence, decided[i+1]-decided[i])
	}
	return silence, lost
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
