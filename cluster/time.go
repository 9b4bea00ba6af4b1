package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

const (
	// clockSpread is how far the clocks of voters may be apart before a new
	// leader takes another time than its own.
	clockSpread = time.Second
	// clockWait bounds how long a new leader asks the others what time it is;
	// calls that need the log wait meanwhile.
	clockWait = 300 * time.Millisecond
)

// clockOffset is what a new leader adds to its clock before it stamps its first
// command. It is nothing, unless the leader's clock is far off those of the other
// voters. A leader ahead of them would end windows before their time; with one behind
// them time would stand still until its clock has caught up. The offset is known once
// the clocks of a majority are.
func (c *Cluster) clockOffset() (offset time.Duration, known bool) {
	ahead := c.askClocks()
	if ahead == nil {
		return 0, false
	}
	offset = medianOffset(ahead)
	if offset != 0 {
		c.cfg.Logger.Warn("this node's clock is far off those of the other voters; while it leads, time is counted on from theirs",
			"aheadSeconds", (-offset).Seconds(), "allowedSeconds", clockSpread.Seconds())
	}
	return offset, true
}

// medianOffset is how far the median of some clocks is off this node's, 0 if that is
// within bounds. Each clock is given as how far it is ahead of this node's. An even
// number of clocks has the lower median: slow time refuses calls for a while, time that
// leaps admits too many.
func medianOffset(ahead []time.Duration) time.Duration {
	slices.Sort(ahead)
	if median := ahead[(len(ahead)-1)/2]; median.Abs() > clockSpread {
		return median
	}
	return 0
}

// askClocks asks how far the voters' clocks are ahead of this node's, which is one of
// them. It returns nil if no majority answers in time. It returns as soon as the clocks
// of a majority are known and agree, and so does not wait for a voter that is down,
// such as the leader before.
func (c *Cluster) askClocks() []time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), clockWait)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	voters := slices.DeleteFunc(c.store.Servers().List, func(s store.Server) bool { return !s.Voter })
	answers := make(chan []time.Duration, len(voters)) // one or none
	for _, s := range voters {
		wg.Go(func() { answers <- c.askClock(ctx, s) })
	}
	var known []time.Duration
	for range voters {
		known = append(known, <-answers...)
		if len(known) > len(voters)/2 && slices.Max(known)-slices.Min(known) <= clockSpread {
			break
		}
	}
	if len(known) <= len(voters)/2 {
		return nil
	}
	return known
}

// askClock asks one voter; it returns nothing if there is no answer.
func (c *Cluster) askClock(ctx context.Context, s store.Server) []time.Duration {
	if s.ID == c.cfg.ID {
		return []time.Duration{0}
	}
	sent := c.cfg.Clock()
	peer, err := c.peers.at(s.ID, s.Address)
	if err != nil {
		return nil
	}
	who, err := peer.Identify(ctx, &clusterpb.IdentifyRequest{Asker: c.cfg.ID}, grpc.WaitForReady(true))
	if err != nil || who.GetId() != s.ID {
		return nil
	}
	half := c.cfg.Clock().Sub(sent) / 2
	return []time.Duration{time.UnixMilli(who.GetClock()).Sub(sent.Add(half))}
}
