package ledger

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// class is the counters that calls of one kind count on, by rising ID.
type class struct {
	holdings []*holding
	// again marks, under the ledger's lock and while it sorts what waits, a class
	// of which calls are to be asked again.
	again bool
}

// cores gives a goroutine a number that others are unlikely to have at the same
// time: sync.Pool keeps what was put back on a core for that core.
var (
	coreNumbers atomic.Int64
	cores       = sync.Pool{New: func() any {
		n := int(coreNumbers.Add(1) - 1)
		return &n
	}}
)

// begin decides a call out of what the node has, or returns it as one to wait.
func (l *Ledger) begin(cl *class) (quota.Verdict, *call) {
	core := cores.Get().(*int)
	defer cores.Put(core)
	if v, ok := l.refuse(cl, *core); ok {
		l.metrics.replica.add(*core)
		return v, nil
	}
	var few [8]*lease
	paid, missing := l.spend(cl, *core, few[:0])
	if missing == 0 {
		l.metrics.local.add(*core)
		return quota.Verdict{Admitted: true}, nil
	}
	c := calls.Get().(*call)
	c.class, c.missing = cl, missing
	c.paid = append(c.paid[:0], paid...)
	c.state.Store(callWaiting)
	return quota.Verdict{}, c
}

// class is what a call counts on. An endpoint without conditions of its own
// counts on the domain's. It is nil for a domain of which this node's replica
// knows no conditions. Such a domain may have been deleted, or may not have arrived
// here yet, so nothing can be said of the call.
func (l *Ledger) class(domain, endpoint string) *class {
	d := (*l.classes.Load())[domain]
	if c, ok := d[endpoint]; ok {
		return c
	}
	return d[""]
}

// spend takes a unit of every counter that the node has a lease of. It returns
// the leases it took from and a bit for every counter it found no unit of.
func (l *Ledger) spend(cl *class, core int, paid []*lease) ([]*lease, uint64) {
	missing := uint64(0)
	for i, h := range cl.holdings {
		le := h.lease.Load()
		if le == nil || !le.take(core) {
			missing |= 1 << i
			continue
		}
		if le.units.Load() <= le.low.Load() && !le.asked.Load() && le.asked.CompareAndSwap(false, true) {
			l.mark(h, 0)
		}
		paid = append(paid, le)
	}
	if len(paid) == 0 {
		return paid, missing
	}
	at := l.clock() // after the units were taken, never before
	if slices.ContainsFunc(paid, func(le *lease) bool { return !le.alive(at) }) {
		// A thread that was interrupted between its two clocks reads a drift
		// that is none; a suspended machine's is still there.
		at = l.clock()
	}
	alive, n := paid[:0], 0
	for i := range cl.holdings {
		if missing&(1<<i) != 0 {
			continue
		}
		if le := paid[n]; le.alive(at) {
			alive = append(alive, le)
		} else {
			missing |= 1 << i
			l.putBack(le)
		}
		n++
	}
	return alive, missing
}

// refuse answers a call by this node's replica alone, if a counter is used up
// and its window has certainly not ended. The other counters are charged
// without waiting.
func (l *Ledger) refuse(cl *class, core int) (quota.Verdict, bool) {
	retry := int64(0)
	for _, h := range cl.holdings {
		ex := h.exhausted.Load()
		if ex == nil {
			continue
		}
		now, known := l.cluster.atMost(l.clock())
		switch {
		case !known:
		case now < ex.ends:
			retry = max(retry, ex.ends-now)
		default:
			h.exhausted.CompareAndSwap(ex, nil)
		}
	}
	if retry == 0 {
		return quota.Verdict{}, false
	}
	for _, h := range cl.holdings {
		if h.exhausted.Load() != nil {
			continue
		}
		if le := h.lease.Load(); (le == nil || !le.take(core)) && h.owed.Add(1) == 1 {
			l.mu.Lock()
			l.owing = append(l.owing, h)
			l.mu.Unlock()
		}
	}
	return quota.Verdict{RetryAfter: time.Duration(retry) * time.Millisecond}, true
}
