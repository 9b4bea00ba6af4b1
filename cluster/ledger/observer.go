package ledger

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tollgate/tollgate/store/quota"
)

// CountersChanged implements store.QuotaObserver: the counters of some domains
// are now these; a domain that has gone has none. Calls of other domains go on
// meanwhile, so the whole map is copied, once for all of them.
func (l *Ledger) CountersChanged(changed map[string][]quota.Info) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(*l.classes.Load())
	gone := map[*holding]bool{}
	for domain, counters := range changed {
		for _, cl := range all[domain] {
			for _, h := range cl.holdings {
				gone[h] = true
			}
		}
		delete(all, domain)
		if len(counters) > 0 {
			all[domain] = l.classify(counters, gone)
		}
	}
	for h := range gone {
		delete(l.holdings, h.id)
	}
	l.classes.Store(&all)
}

// classify lists, by endpoint, what a call counts on: the domain's counters and
// the endpoint's. It takes the holdings that stay out of gone.
func (l *Ledger) classify(counters []quota.Info, gone map[*holding]bool) map[string]*class {
	own := &class{}
	classes := map[string]*class{"": own}
	for _, info := range counters { // the domain's come first
		h := l.holdings[info.ID]
		if h == nil {
			h = &holding{id: info.ID}
			l.holdings[info.ID] = h
		}
		delete(gone, h)
		h.learn(info.Phase, span{info.Window, info.Ends})
		cl := classes[info.Endpoint]
		if cl == nil {
			cl = &class{holdings: slices.Clone(own.holdings)}
			classes[info.Endpoint] = cl
		}
		cl.holdings = append(cl.holdings, h)
	}
	for _, cl := range classes {
		slices.SortFunc(cl.holdings, func(a, b *holding) int { return cmp.Compare(a.id, b.id) })
	}
	return classes
}

// PhasesChanged implements store.QuotaObserver: the counters have entered a
// phase. What is held of a counter that drains goes back in the next frame.
func (l *Ledger) PhasesChanged(changed []quota.Info) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, info := range changed {
		h := l.holdings[info.ID]
		if h == nil {
			continue
		}
		h.learn(info.Phase, span{info.Window, info.Ends})
		if le := h.lease.Load(); le != nil && le.window == info.Window {
			if info.Phase == quota.Draining {
				l.metrics.drains.Inc()
			} else { // the cluster has waited for it in vain
				l.metrics.lost.Add(float64(le.out))
			}
			l.markLocked(h, 0)
		}
	}
	l.due()
}
