package ledger

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

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
func (l *Ledger) begin(cl *class, c *quota.Call) (quota.Verdict, *call) {
	if len(cl.rules) == 0 {
		return quota.Verdict{Admitted: true}, nil
	}
	core := cores.Get().(*int)
	defer cores.Put(core)
	asks, units := cl.together, c.Cost()
	if asks == nil {
		var few [8]ask // zeroed where it is needed alone
		asks = l.asks(cl.rules, nil, c, few[:0])
	}
	if v, ok := l.refuse(asks, units, *core); ok {
		l.metrics.replica.add(*core)
		return v, nil
	}
	var few [8]*lease
	paid, missing := l.spend(asks, units, c.Reserve, *core, few[:0])
	if missing == 0 {
		l.metrics.local.add(*core)
		v := quota.Verdict{Admitted: true}
		if c.Reserve {
			v.Reservation = l.reserved(asks, paid, 0, units, nil)
		}
		return v, nil
	}
	w := calls.Get().(*call)
	w.class, w.missing, w.units, w.reserve = cl, missing, units, c.Reserve
	w.asks = append(w.asks[:0], asks...)
	w.paid = append(w.paid[:0], paid...)
	w.state.Store(callWaiting)
	return quota.Verdict{}, w
}

// spend takes units of every counter that the node has a lease of. It returns
// the leases it took from and a bit for every counter it found none of.
func (l *Ledger) spend(asks []ask, units uint32, reserve bool, core int, paid []*lease) ([]*lease, uint64) {
	if reserve { // what is reserved is reported with what is spent
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	missing := uint64(0)
	for i, a := range asks {
		le := a.lease.Load()
		if le == nil || a.limit != 0 && a.limit > le.max.Load() || !le.take(core, int64(units)) {
			missing |= 1 << i
			continue
		}
		if reserve {
			le.reserved += uint64(units)
		}
		if le.units.Load() <= le.low.Load() && !le.asked.Load() && le.asked.CompareAndSwap(false, true) {
			if !reserve {
				l.mu.Lock()
			}
			l.runsLow(a.holding, le)
			if !reserve {
				l.mu.Unlock()
			}
		}
		paid = append(paid, le)
	}
	if len(paid) == 0 {
		return paid, missing
	}
	if allAlive(paid, l.clock()) { // after the units were taken, never before
		return paid, missing
	}
	// A thread that was interrupted between its two clocks reads a drift that is none;
	// a suspended machine's is still there.
	at := l.clock()
	alive, n := paid[:0], 0
	for i := range asks {
		if missing&(1<<i) != 0 {
			continue
		}
		if le := paid[n]; le.alive(at) {
			alive = append(alive, le)
		} else {
			missing |= 1 << i
			if reserve {
				l.unreserve(le, units)
			} else {
				l.putBack(le, units)
			}
		}
		n++
	}
	return alive, missing
}

func allAlive(paid []*lease, at instant) bool {
	for _, le := range paid {
		if !le.alive(at) {
			return false
		}
	}
	return true
}

// runsLow has more units asked for, under the lock, as few are left of what a lease was
// given.
func (l *Ledger) runsLow(h *holding, le *lease) {
	if h.asking { // the answer has it asked for again, if that is not enough
		return
	}
	if le.canWait() {
		at := l.clock()
		for every := le.beat(); every >= beat; every /= 2 {
			if wait := l.collector.untilBeat(at, every); le.lasts(wait+beatRound, at.mono) {
				l.waitForBeat(h, at, wait)
				return
			}
		}
	}
	l.markLocked(h, 0)
	l.due()
}

// refuse answers a call by this node's replica alone, if a counter is used up
// and its window has certainly not ended. Unless it is a caller's, the other counters
// of all calls are charged without waiting.
func (l *Ledger) refuse(asks []ask, units uint32, core int) (quota.Verdict, bool) {
	retry, byCaller := int64(0), false
	at := instant{}
	for _, a := range asks {
		if !a.mayRefuse(units) {
			continue
		}
		if at == (instant{}) {
			at = l.clock()
		}
		if left := a.refusedFor(l, at, a.limit, units); left > 0 {
			retry, byCaller = max(retry, left), byCaller || a.id.Caller != quota.Digest{}
		}
	}
	if retry == 0 {
		return quota.Verdict{}, false
	}
	for _, a := range asks {
		if byCaller || a.id.Caller != (quota.Digest{}) || a.mayRefuse(units) {
			continue
		}
		if le := a.lease.Load(); le == nil || !le.take(core, int64(units)) {
			l.owe(a, units)
		}
	}
	return quota.Verdict{RetryAfter: time.Duration(retry) * time.Millisecond, ByCaller: byCaller}, true
}

// mayRefuse reports whether the counter may be known to admit no call of so many units.
func (h *holding) mayRefuse(units uint32) bool {
	if h.exhausted.Load() != nil {
		return true
	}
	return units > 1 && h.isTooDear(units)
}

func (h *holding) isTooDear(units uint32) bool {
	d := h.tooDear.Load()
	return d != nil && units >= d.units
}

// refusedFor is for how long, in ms, the counter certainly admits no call of so many
// units that shows a maximum; 0 if it may.
func (h *holding) refusedFor(l *Ledger, at instant, limit uint64, units uint32) int64 {
	if left := h.used(l, at, limit); left > 0 {
		return left
	}
	d := h.tooDear.Load()
	if d == nil || units < d.units || limit > d.max {
		return 0
	}
	left, over := l.leftOf(at, d.ends)
	if over {
		h.tooDear.CompareAndSwap(d, nil)
	}
	return left
}

// leftOf is for how long, in ms, a window that ends at a cluster time certainly runs, and
// whether it may be over; neither is known without a stamp.
func (l *Ledger) leftOf(at instant, ends int64) (left int64, over bool) {
	now, known := l.cluster.atMost(at)
	if !known {
		return 0, false
	}
	return max(ends-now, 0), now >= ends
}

// used is for how long, in ms, the counter is certainly used up for a call that shows a
// maximum; 0 if it is not.
func (h *holding) used(l *Ledger, at instant, limit uint64) int64 {
	ex := h.exhausted.Load()
	if ex == nil || limit > ex.max {
		return 0
	}
	left, over := l.leftOf(at, ex.ends)
	if over {
		h.exhausted.CompareAndSwap(ex, nil)
	}
	return left
}
