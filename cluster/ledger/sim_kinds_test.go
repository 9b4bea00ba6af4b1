package ledger

import (
	"fmt"

	"github.com/tollgate/tollgate/store/quota"
)

// simKinds is what the calls of a schedule are like.
type simKinds struct {
	// callers is how many callers there are, 0 where nothing tells them apart.
	callers int
	// forgetful has nodes forget callers that have not called for a moment.
	forgetful bool
	// costs has calls take up to three units, and settles some of them.
	costs, settles bool
	// calendar has windows end when the leader says so, resets ends some before that.
	calendar, resets bool
}

// drawKinds decides what the calls of a schedule are like, and by which version it is
// applied: the first knows nothing of them.
func (w *world) drawKinds() {
	w.version = quota.Third
	switch w.rng.IntN(5) {
	case 0, 1:
		return
	case 2:
		w.version = quota.First
		return
	}
	k := &w.kinds
	k.callers = w.rng.IntN(2) * (1 + w.rng.IntN(12))
	k.forgetful = w.chance(2)
	k.costs = w.chance(3)
	k.settles = w.chance(3)
	k.resets = w.chance(3)
	k.calendar = w.chance(4)
	if k.calendar {
		w.limits[0].ResetSeconds, w.limits[0].Period = 0, quota.Period{Unit: quota.Minute, Zone: "UTC"}
	}
	if k.callers > 0 {
		own := quota.Condition{Max: uint64(3 + w.rng.IntN(200)), ResetSeconds: 1000, By: quota.ByIP, MaxCallers: uint32(1 + w.rng.IntN(12))}
		if w.chance(3) {
			own.ResetSeconds = 1
		}
		if w.chance(3) {
			own.Plans = []quota.Plan{{Name: "high", Max: own.Max * 2}}
		}
		w.limits = append(w.limits, own)
		if w.chance(3) {
			w.limits = w.limits[len(w.limits)-1:]
		}
	}
}

// plain reports whether every call counts one on counters of all calls.
func (k *simKinds) plain() bool { return *k == simKinds{} }

func (w *world) newState() *quota.State {
	s := quota.NewState()
	s.Upgrade(w.version)
	return s
}

// simCaller is one of the callers.
type simCaller struct {
	name string
	plan string
}

func (c simCaller) CallerBy(quota.By) []byte { return []byte(c.name) }
func (c simCaller) CallerPlan(string) string { return c.plan }

// draw is a call of an endpoint.
func (w *world) draw(endpoint string) *quota.Call {
	c := &quota.Call{Domain: "d", Endpoint: endpoint, Units: 1}
	if w.kinds.callers > 0 {
		who := simCaller{name: fmt.Sprint("c", w.rng.IntN(w.kinds.callers))}
		if w.chance(4) {
			who.plan = "high"
		}
		c.Caller = who
	}
	if w.kinds.costs {
		c.Units = uint32(1 + w.rng.IntN(3))
	}
	c.Reserve = w.kinds.settles && w.chance(3)
	return c
}

// settle settles what a call has reserved, in a while, unless its node has crashed.
func (w *world) settle(n *simNode, r quota.Reservation, rec *simCall) {
	if r == nil {
		return
	}
	w.on(n, w.between(0.1, 60), func() {
		units := uint64(w.rng.IntN(int(rec.cost) + 1))
		for _, k := range rec.units {
			w.check.log(k).admitted -= rec.cost - units
		}
		r.Settle(units)
		w.on(n, 0, n.step)
	})
}

// ends says when windows of the calendar end that are over.
func (w *world) ends(stamp int64) []quota.CalendarEnd {
	if !w.kinds.calendar {
		return nil
	}
	due, _ := w.truth.CalendarDue(max(stamp, w.truth.Now()), 10)
	for i := range due {
		due[i].End = max(stamp, w.truth.Now()) + 200 + int64(w.rng.IntN(1500))
	}
	return due
}

// resetOne ends the window of a condition, of a caller if it has some.
func (w *world) resetOne() {
	cond := w.limits[w.rng.IntN(len(w.limits))]
	t := &quota.Target{Domain: "d", Name: cond.Name()}
	if cond.By != quota.ByAll {
		for _, r := range w.truth.Rules("d") {
			if r.By == cond.By {
				t.Caller = quota.DigestOf(r.Seed, fmt.Appendf(nil, "c%d", w.rng.IntN(w.kinds.callers)))
			}
		}
	}
	for id, own := range w.check.own {
		if id.Caller == t.Caller {
			own.reset = true
			w.check.own[id] = own
		}
	}
	w.commit(simEntry{term: w.term, stamp: w.stamp(), reset: t})
}

// forget has a node look after all its callers at once, where it is forgetful.
func (w *world) forget(n *simNode) {
	if !w.kinds.forgetful {
		return
	}
	n.ledger.mu.Lock()
	defer n.ledger.mu.Unlock()
	for range callerShards {
		n.ledger.callers.forget()
	}
}
