package ledger

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// holding is what this node has of one counter. Calls read and spend it without
// a lock; the fields below are the ledger's, under its lock.
type holding struct {
	id quota.ID
	// lease is what may be spent; nil where there is none.
	lease atomic.Pointer[lease]
	// exhausted is the window that this node's replica knows to be used up.
	exhausted atomic.Pointer[span]
	// tooDear is what the log has refused for good to a call of this node, which had
	// this counter alone to ask for: calls of as many units, or more, are refused
	// without asking. An exhausted window refuses those of one.
	tooDear atomic.Pointer[dear]
	// seen is the tick at which a caller called last. What every call reads is above.
	seen atomic.Int64
	// owed is the units of calls that other counters refused here, or that a shadow
	// condition counts, and that this counter is still to be charged for; owedLimit is
	// the highest maximum that they showed.
	owed      atomic.Int64
	owedLimit atomic.Uint64
	// newest is what the newest call met that the log has decided.
	newest atomic.Pointer[met]

	// phase is the newest known phase, phaseOf the window that it is of.
	phase   quota.Phase
	phaseOf span
	// visit is when the counter is looked after next, mono ns; 0 if it is not.
	visit int64
	// marked: the counter is in the ledger's list to report on; patient: in the list of
	// those that can wait; asking: it is in the frame under way.
	marked, patient, asking bool
	// asked is when calls on it were sent to be decided last, mono ns.
	asked int64
	// want is how many units the next report asks for at least.
	want uint32
	// giveUp: the next report gives the lease back.
	giveUp bool
}

// span is a window, the cluster time, ms, at which it ends, and its maximum.
type span struct {
	window, ends int64
	max          uint64
}

// dear is a number of units that a window does not admit any more.
type dear struct {
	span
	units uint32
}

// learn takes in what is known of the counter's phase.
func (h *holding) learn(p quota.Phase, of span) {
	if of.window > h.phaseOf.window || of.window == h.phaseOf.window && p > h.phase {
		h.phase, h.phaseOf = p, of
	}
	switch ex := h.exhausted.Load(); {
	case p == quota.Exhausted && (ex == nil || of.window >= ex.window):
		h.exhausted.Store(&of)
	case ex != nil && of.window > ex.window: // another runs
		h.exhausted.Store(nil)
	}
	if d := h.tooDear.Load(); d != nil && of.window > d.window {
		h.tooDear.Store(nil)
	}
}

// lease is a block of units this node may spend.
//
// The first fields are what every call reads, in a cache line.
type lease struct {
	// units is what is left beside the stripes. Once the lease is closed, units and
	// stripes are far below zero.
	units atomic.Int64
	// deadline is when spending ends, mono ns. drift is the drift of the clocks when
	// the deadline was set.
	deadline, drift atomic.Int64
	// low is the number of units at which more is asked for; asked is set then, so
	// that it happens once.
	low   atomic.Int64
	asked atomic.Bool
	// striped is set once a stripe has had units.
	striped atomic.Bool
	// max is the window's maximum.
	max atomic.Uint64
	// stripes have a few units each. There is one for every core, so that cores do
	// not fight over one number. moving is held while units move to a stripe.
	stripes []stripe
	moving  sync.Mutex
	counter quota.ID
	window  int64

	// The rest is under the ledger's lock. out is how many units the cluster believes
	// to be here, last how many it gave last.
	out, last uint64
	// reserved is units that calls have taken and not settled, of those that are not
	// reported as spent yet.
	reserved uint64
	// windowEnds is when the window ends, mono ns; others read it too. reported is when
	// the lease was last reported on, mono ns. length is how long the lease lasts, ns.
	windowEnds       atomic.Int64
	length, reported int64
	// idle: the newest report had nothing to say but that the lease is to be renewed.
	idle bool
	// rate is how many units were spent a ns before the newest report, granted how many
	// the newest grant left to spend.
	rate    float64
	granted int64
}

// rests reports whether a lease that nobody has used is renewed once all the same: of callers
// who call at random, many call seldom, and giving the lease back costs their next calls, and
// the cluster, more than a report.
func (h *holding) rests(l *lease) bool {
	return h.id.Caller != (quota.Digest{}) && l.canWait() && !l.idle
}

// stripe is units in a cache line of their own.
type stripe struct {
	units atomic.Int64
	_     [56]byte
}

const (
	closedUnits = math.MinInt64 / 2
	// stripeUnits is the most that a stripe is filled with at a time.
	stripeUnits = 64
	// leastSupply is the time, ns, for which a lease is to have units at least. A long
	// lease has units for a quarter of its time: asking for more takes a round, and
	// what a node holds is lost with the node.
	leastSupply = int64(quota.DefaultLeaseMillis * time.Millisecond)
)

func newLease(counter quota.ID, window int64, stripes int) *lease {
	return &lease{counter: counter, window: window, stripes: make([]stripe, stripes)}
}

// takeFrom takes n units, or none if there are fewer. The number never goes below
// zero, not even for a moment: a close in that moment would find too few.
func takeFrom(units *atomic.Int64, n int64) bool {
	for {
		have := units.Load()
		if have < n {
			return false
		}
		if units.CompareAndSwap(have, have-n) {
			return true
		}
	}
}

// take spends n units, if there are as many, from the core's stripe where it can.
// Whoever takes then reads the clock, and only then asks alive: a pause in
// between can thus never admit late.
func (l *lease) take(core int, n int64) bool {
	own := &l.stripes[core%len(l.stripes)].units
	if l.striped.Load() && takeFrom(own, n) || n == 1 && l.share() >= 2 && l.fill(own) || takeFrom(&l.units, n) {
		return true
	}
	if !l.striped.Load() {
		return false
	}
	for i := range l.stripes {
		if takeFrom(&l.stripes[i].units, n) {
			return true
		}
	}
	return n > 1 && l.gather(n)
}

// gather takes n units from wherever they are.
func (l *lease) gather(n int64) bool {
	l.moving.Lock()
	defer l.moving.Unlock()
	for i := range l.stripes {
		own := &l.stripes[i].units
		if have := own.Load(); have > 0 && takeFrom(own, have) {
			l.units.Add(have)
		}
	}
	return takeFrom(&l.units, n)
}

// share is how many units a stripe is filled with; fewer than 2 are not worth it.
func (l *lease) share() int64 { return min(l.units.Load()/int64(4*len(l.stripes)), stripeUnits) }

// fill moves a share of the units to a stripe and takes one of them. It and
// close exclude each other: units that were on their way as the lease is closed
// would be nobody's, and lost to the window.
func (l *lease) fill(stripe *atomic.Int64) bool {
	l.moving.Lock()
	defer l.moving.Unlock()
	l.striped.Store(true) // before: who finds no units looks there then
	n := l.share()
	if n < 2 || !takeFrom(&l.units, n) {
		return false
	}
	stripe.Add(n - 1)
	return true
}

// alive reports whether a unit taken before the clocks were read may be used.
func (l *lease) alive(at instant) bool {
	drift := at.drift - l.drift.Load()
	return at.mono < l.deadline.Load() && drift < maxDrift && drift > -maxDrift
}

// putBack puts units back that were taken and not used. It reports false if the
// lease has been closed since: then they are not there, and were reported as spent.
func (l *lease) putBack(n int64) bool { return l.units.Add(n) > 0 }

// left is the number of units not spent.
func (l *lease) left() uint64 {
	l.moving.Lock()
	defer l.moving.Unlock()
	n := max(l.units.Load(), 0)
	for i := range l.stripes {
		n += max(l.stripes[i].units.Load(), 0)
	}
	return uint64(n)
}

// close ends the spending and returns what was left.
func (l *lease) close() uint64 {
	l.moving.Lock()
	defer l.moving.Unlock()
	n := max(l.units.Swap(closedUnits), 0)
	for i := range l.stripes {
		n += max(l.stripes[i].units.Swap(closedUnits), 0)
	}
	return uint64(n)
}

// extend applies a grant to the lease. sent is when the clocks were read,
// before the frame that asked was first sent.
func (l *lease) extend(g quota.Grant, sent instant) {
	windowEnds := sent.mono + g.EndsIn*int64(time.Millisecond)
	l.windowEnds.Store(windowEnds)
	l.max.Store(g.Max)
	l.length = g.LeaseMillis * int64(time.Millisecond)
	// Two clocks may run at rates that differ by a percent.
	l.deadline.Store(min(sent.mono+l.length-l.length/100, windowEnds))
	l.drift.Store(sent.drift)
	if g.Units > l.out {
		l.last = g.Units - l.out
		l.units.Add(int64(l.last))
	}
	l.out = g.Units
	l.granted = int64(l.left())
	low := l.granted / 4
	if l.canWait() {
		low = max(low, min(int64(math.Ceil(enough(l.rate*float64(l.beat()+beatRound)))), l.granted/2))
	}
	l.low.Store(low)
	l.asked.Store(false)
}

// remains is when one nth of the lease's time remains, or its window ends, mono ns.
func (l *lease) remains(n int64) int64 { return min(l.deadline.Load()-l.length/n, l.windowEnds.Load()) }

// lasts reports whether what is left when more is to be asked for will last for a time, ns.
// Calls come at random: those of the time since the newest report count as much as it is
// long, beside those of before.
func (l *lease) lasts(wait, now int64) bool {
	low, before := l.low.Load(), float64(l.supply())
	spent := l.rate*before + float64(l.granted-low)
	return float64(low)*(before+float64(now-l.reported)) >= spent*float64(wait)
}

// supply is the time, ns, for which the lease is to have units at least.
func (l *lease) supply() int64 { return min(l.length, max(leastSupply, l.length/4)) }

// appetite is how many units more the lease should have, to last for what was
// spent lately: spent units in the time since the last report.
func (l *lease) appetite(spent uint64, now int64) uint32 {
	rate := float64(spent) / float64(max(now-l.reported, int64(time.Millisecond)))
	l.rate = max(rate, (l.rate+rate)/2)
	target := enough(2 * l.rate * float64(l.supply()))
	// Growing by a factor finds the right size in a few rounds, without
	// taking what others need on the strength of one burst.
	target = min(target, 4*float64(max(l.last, l.out)))
	return uint32(min(max(target-float64(l.left()), 0), math.MaxUint32/2))
}

// enough is how many units last while so many are expected to be spent, by calls that come
// at random: three standard deviations more.
func enough(expected float64) float64 { return expected + 3*math.Sqrt(expected) }
