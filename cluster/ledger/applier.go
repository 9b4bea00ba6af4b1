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
	stripes int // of a lease
	cluster *clusterClock
	metrics *metrics
}

// apply takes the frame's result in. It reports whether it decided nothing of
// what waits, because units of other nodes are awaited.
func (a *applier) apply(r *round, res quota.Result, err error) (stalled bool) {
	a.metrics.frames.Inc()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done(r.frame.Seq)
	switch {
	case err == nil && res.Stale:
		err = errStale
	case err == nil && (len(res.Decisions) != len(r.frame.Takes) || len(res.Grants) != len(r.frame.Reports)):
		err = fmt.Errorf("%w: %w", ErrUndecided, errMisfit)
	}
	if err != nil {
		for i := range r.frame.Takes {
			a.reject(r.batches[i], err)
		}
		return false
	}
	a.cluster.set(res.Now, r.sent)
	for i, g := range res.Grants {
		a.granted(r.held[i], g, res.Now, r.sent)
	}
	decided := false
	var again []*call
	for i, d := range res.Decisions {
		decided = decided || d.Decided > 0
		again = append(again, a.answer(r.frame.Takes[i], r.batches[i], d)...)
	}
	a.askAgain(again)
	return len(again) > 0 && !decided
}

// granted takes one grant in.
func (a *applier) granted(h *holding, g quota.Grant, now int64, sent instant) {
	h.learn(g.Phase, span{g.Window, now + g.EndsIn})
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
		a.metrics.leased.Add(float64(g.Units - min(before, g.Units)))
	default:
		fresh := newLease(h.id, g.Window, a.stripes)
		fresh.reported = sent.mono
		fresh.extend(g, sent)
		if !h.listed {
			h.listed = true
			a.leased = append(a.leased, h)
		}
		h.lease.Store(fresh)
		a.metrics.leased.Add(float64(g.Units))
		if a.closing || h.phase != quota.Leasing && h.phaseOf.window == g.Window {
			// It was called back while the answer was under way.
			h.giveUp = true
			a.markLocked(h, 0)
		}
	}
}

// askAgain puts calls that were not decided behind those of other kinds: what waits
// for units of other nodes, such as a lost holder's, must not keep the calls of other
// domains from being sent. Calls of the same kind that came later go behind them.
func (a *applier) askAgain(again []*call) {
	if len(again) == 0 {
		return
	}
	for _, c := range again {
		c.class.again = true
	}
	others := make([]*call, 0, len(a.waiting)+len(again))
	for _, c := range a.waiting {
		if c.class.again {
			again = append(again, c)
		} else {
			others = append(others, c)
		}
	}
	for _, c := range again {
		c.class.again = false
	}
	a.waiting = append(others, again...)
}

// answer answers a batch of calls. The first callers that are still there are
// admitted, as many as the decision allows, then those refused that it refuses;
// the others are to be asked again. What nobody was there for goes back.
func (a *applier) answer(t quota.Take, batch []*call, d quota.Decision) (again []*call) {
	admitted := quota.Verdict{Admitted: true}
	refused := quota.Verdict{RetryAfter: time.Duration(d.RetryAfter) * time.Millisecond}
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
			c.answer <- answer{verdict: admitted}
		default:
			refuse--
			c.answer <- answer{verdict: refused}
		}
	}
	if left > 0 {
		for i, id := range t.Counters {
			a.returns = append(a.returns, quota.Return{Counter: id, Window: d.Windows[i], N: left})
		}
	}
	return again
}
