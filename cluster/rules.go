package cluster

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// rulesOf is what a node says that it can apply; one that says nothing knows the
// first rules only.
func rulesOf(who *clusterpb.IdentifyResponse) store.RulesRange {
	if who.GetRulesNewest() == 0 {
		return store.RulesRange{Oldest: store.RulesFirst, Newest: store.RulesFirst}
	}
	return store.RulesRange{Oldest: store.Rules(who.GetRulesOldest()), Newest: store.Rules(who.GetRulesNewest())}
}

// watchRules raises the rules, while this node leads, to the newest that all members
// know. A member that does not answer has not said so.
func (c *Cluster) watchRules(ctx context.Context) {
	tick := time.NewTicker(membershipPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.store.IsLeader() && c.store.Rules() < store.KnownRules().Newest {
			c.raiseRules(ctx)
		}
	}
}

// commonRules are the newest that all members know, 0 if one does not answer.
func commonRules(answers []*clusterpb.IdentifyResponse) store.Rules {
	common := store.KnownRules().Newest
	for _, who := range answers {
		if who == nil {
			return 0
		}
		common = min(common, rulesOf(who).Newest)
	}
	return common
}

func (c *Cluster) raiseRules(ctx context.Context) {
	common := commonRules(c.identifyAll(ctx, c.store.Servers()))
	if common > c.store.Rules() {
		c.store.RaiseRules(common)
		// The cluster has come to them with the next entry: this one.
		if _, err := c.store.Apply(ctx, store.Command{Kind: store.KindCheckpoint}); err == nil {
			c.cfg.Logger.Info("all members know newer rules: entries are applied by them from now on", "rules", uint32(common))
		}
	}
}
