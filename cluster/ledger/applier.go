package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

var (
	errStale  = fmt.Errorf("%w: a newer process runs with this node's ID", ErrUndecided)
	errMisfit = errors.New("the leader's answer does not fit the frame")
)

// applier takes the results of frames into the books, and answers the calls.
type applier struct {
	*books
	ledger  *Ledger // for reservations
	stripes int     // of a lease
	cluster *clusterClock
	metrics *metrics
}

// apply takes the frame's result in.
func (a *applier) apply(r *round, res quota.Result, err error) {
	a.metrics.frames.Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done(r.frame.Seq)
	switch {
	case err == nil && res.Stale:
		err = errStale
	case err == nil && !fits(&r.frame, &res):
		err = fmt.Errorf("%w: %w", ErrUndecided, errMisfit)
	}
	if err != nil {
		for i := range r.frame.Takes {
			a.reject(r.batches[i], err)
		}
		for _, c := range r.claims {
			c.answer <- claimAnswer{err: err}
		}
		for _, h := range r.held {
			h.asking = false
		}
		return
	}
	for i, c := range r.claims {
		c.answer <- claimAnswer{result: res.Claims[i]}
	}
	a.cluster.set(res.Now, r.sent)
	for i, g := range res.Grants {
		r.held[i].asking = false
		a.granted(r.held[i], g, res.Now, r.sent)
	}
	var again []*call
	for i, d := range res.Decisions {
		a.priced(&r.frame.Takes[i], r.batches[i], d, res.Now)
		left := a.answer(r, i, d)
		if d.Decided > 0 {
			again = append(again, left...)
		} else if len(left) > 0 {
			a.park(r.key(left[0]), left, a.ledger.clock().mono)
		}
	}
	a.putBehind(again)
	if len(a.parked.calls) == 0 {
		a.parked.pause = 0
	}
}

// granted takes one grant in.
func (a *applier) granted(h *holding, g quota.Grant, now int64, sent instant) {
	h.learn(g.Phase, span{g.Window, now + g.EndsIn, g.Max})
	current := h.lease.Load() // nil, if the report gave it up
	switch {
	case g.Units == 0:
		// Nothing may be spent any more. What is still here goes back; the log takes
		// none of it if its window has ended.
		if current != nil && (g.Window != current.window || g.Phase != quota.Leasing) {
			h.giveUp = true
			a.markLocked(h, 0)
		}
	case current != nil && current.window == g.Window:
		before := current.out
		current.extend(g, sent)
		a.leased.add(h, current.remains(2))
		a.metrics.leased.Add(float64(g.Units - min(before, g.Units)))
	default:
		fresh := newLease(h.id, g.Window, a.stripes)
		fresh.reported = sent.mono
		fresh.extend(g, sent)
		h.lease.Store(fresh)
		a.leased.add(h, fresh.remains(2))
		a.metrics.leased.Add(float64(g.Units))
		if a.closing || h.phase != quota.Leasing && h.phaseOf.window == g.Window {
			// It was called back while the answer was under way.
			h.giveUp = true
			a.markLocked(h, 0)
		}
	}
}

// answer answers a batch of calls. The first callers that are still there are
// admitted, as many as the decision allows, then those refused that it refuses;
// the others are to be asked again. What nobody was there for goes back.
func (a *applier) answer(r *round, i int, d quota.Decision) (again []*call) {
	t, batch := &r.frame.Takes[i], r.batches[i]
	if d.Superseded {
		a.reject(batch, errSuperseded)
		return nil
	}
	a.meet(batch[0], d, r.sent)
	refused := quota.Verdict{RetryAfter: time.Duration(d.RetryAfter) * time.Millisecond, ByCaller: d.ByCaller}
	left, refuse := d.Admitted, d.Decided-d.Admitted
	for _, c := range batch {
		switch {
		case left == 0 && refuse == 0:
			again = append(again, c)
			continue
		case !c.state.CompareAndSwap(callWaiting, callDecided):
			a.refund(c)
			continue
		case left > 0:
			left--
			v := quota.Verdict{Admitted: true}
			if c.reserve {
				v.Reservation = a.ledger.reserved(c.asks, c.paid, c.missing, c.units, d.Taken)
			}
			c.answer <- answer{verdict: v}
		default:
			refuse--
			a.refuse(c, d.ByCaller)
			c.answer <- answer{verdict: refused}
		}
	}
	if left > 0 {
		a.giveUp(t, d, uint64(left)*uint64(t.Units))
	}
	return again
}

// refuse takes back what a refused call has paid that does not count it: a caller's
// refusal counts nowhere else, and no refusal counts on another caller's counter. What
// else it has paid is spent (spec section 10).
func (a *applier) refuse(c *call, byCaller bool) {
	if !byCaller && c.class.together != nil && !c.reserve {
		return
	}
	paid := 0
	for i, one := range c.asks {
		if c.missing&(1<<i) != 0 {
			continue
		}
		le := c.paid[paid]
		paid++
		back := byCaller || one.id.Caller != (quota.Digest{})
		switch {
		case c.reserve:
			s := quota.Settle{Counter: le.counter, Window: le.window, Reserved: uint64(c.units)}
			if back {
				s.Back = s.Reserved
			}
			a.settleLocked(le, s)
		case back && !le.putBack(int64(c.units)):
			a.giveBack(le, uint64(c.units))
		}
	}
}

// giveUp gives back units that the log has taken for calls that nobody waits for any
// more.
func (a *applier) giveUp(t *quota.Take, d quota.Decision, units uint64) {
	for i, item := range t.Items {
		window := d.Taken[i].Window
		if t.Reserve {
			a.settles = append(a.settles, quota.Settle{Counter: item.ID, Window: window, Reserved: units, Back: units})
		} else {
			a.returns = append(a.returns, quota.Return{Counter: item.ID, Window: window, N: units})
		}
	}
}

// priced notes that a counter has refused calls of so many units for good, where they
// asked for no other: then it can only have been this one. Callers may have been refused
// by the counter that those beyond maxCallers share, of which no node is told.
func (a *applier) priced(t *quota.Take, batch []*call, d quota.Decision, now int64) {
	if t.Units < 2 || d.Superseded || d.Decided == d.Admitted || d.RetryAfter <= forNow || len(d.Taken) != 1 || d.Taken[0].Window == 0 {
		return
	}
	asks := batch[0].asks
	if len(asks) != 1 || asks[0].id.Caller != (quota.Digest{}) {
		return
	}
	taken, h := d.Taken[0], asks[0].holding
	if taken.Window < h.phaseOf.window { // it was reset meanwhile
		return
	}
	if known := h.tooDear.Load(); known == nil || known.window != taken.Window || t.Units < known.units {
		h.tooDear.Store(&dear{span{taken.Window, now + taken.EndsIn, taken.Max}, t.Units})
	}
}

// forNow is the longest time, ms, after which a call that was refused for now may come
// again: who is to wait longer is refused for good.
const forNow = int64(time.Second / time.Millisecond)

// meet notes where the counters stand that a call was decided on.
func (a *applier) meet(c *call, d quota.Decision, sent instant) {
	if d.Decided == 0 || d.Taken == nil {
		return
	}
	t := 0
	for i, one := range c.asks {
		if c.missing&(1<<i) == 0 {
			continue
		}
		if taken := d.Taken[t]; taken.Max > 0 {
			// Refused for now, a call is told to come again in a second.
			out := d.Decided > d.Admitted && taken.Left == 0 && d.RetryAfter > forNow
			one.newest.Store(&met{sent.mono + taken.EndsIn*int64(time.Millisecond), taken.Max, taken.Left, out})
		}
		t++
	}
}

// fits reports whether a result has an entry for all that the frame asks.
func fits(f *quota.Frame, res *quota.Result) bool {
	for i, d := range res.Decisions {
		if i < len(f.Takes) && !d.Superseded && len(d.Taken) != len(f.Takes[i].Items) {
			return false
		}
	}
	return len(res.Decisions) == len(f.Takes) && len(res.Grants) == len(f.Reports) && len(res.Claims) == len(f.Claims)
}
