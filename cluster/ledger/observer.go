package ledger

import (
	"maps"

	"github.com/tollgate/tollgate/store/quota"
)

// RulesChanged implements store.QuotaObserver: the rules of some domains
// are now these; a domain that has gone has none. Calls of other domains go on
// meanwhile, so the whole map is copied, once for all of them.
func (l *Ledger) RulesChanged(changed map[string][]quota.Rule, v quota.Version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version = max(l.version, v)
	l.unpark() // to be asked about by the rules in force
	all := maps.Clone(*l.classes.Load())
	gone := map[*holding]bool{}
	for domain, rules := range changed {
		for _, cls := range all[domain] {
			for i := range cls {
				for _, r := range append(cls[i].rules, cls[i].shadows...) {
					if r.own != nil {
						gone[r.own] = true
					}
				}
			}
		}
		delete(all, domain)
		if len(rules) > 0 {
			all[domain] = l.classify(rules, gone)
		}
	}
	for h := range gone {
		delete(l.holdings, h.id)
	}
	l.classes.Store(&all)
	moved := make(chan struct{})
	close(*l.rulesMoved.Swap(&moved))
}

// Restored implements store.QuotaObserver: what was refused before is no more known to
// be.
func (l *Ledger) Restored() {
	l.mu.Lock()
	defer l.mu.Unlock()
	forget := func(h *holding) {
		h.exhausted.Store(nil)
		h.tooDear.Store(nil)
	}
	for _, h := range l.holdings {
		forget(h)
	}
	l.callers.each(forget)
}

// PhasesChanged implements store.QuotaObserver: the counters have entered a
// phase. What is held of a counter that drains, or of a window that was ended, goes back
// in the next frame. Callers that this node has not seen lately are none of its business.
func (l *Ledger) PhasesChanged(changed []quota.Info) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, info := range changed {
		h := l.holding(info.ID)
		if h == nil {
			continue
		}
		l.unpark() // it may be what they have waited for
		l.parked.pause = 0
		h.learn(info.Phase, span{info.Window, info.Ends, info.Max})
		le := h.lease.Load()
		switch {
		case le == nil:
		case le.window == info.Window && info.Phase == quota.Draining:
			l.metrics.drains.Inc()
			l.markLocked(h, 0)
		case le.window == info.Window: // the cluster has waited for it in vain
			l.metrics.lost.Add(float64(le.out))
			l.markLocked(h, 0)
		case le.window < info.Window: // reset, or raised
			h.giveUp = true
			l.markLocked(h, 0)
		}
	}
	l.due()
}

// holding is what the node has of a counter, under the lock; nil if it knows none.
func (b *books) holding(id quota.ID) *holding {
	if id.Caller != (quota.Digest{}) {
		return b.callers.find(id)
	}
	return b.holdings[id]
}
