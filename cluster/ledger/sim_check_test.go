package ledger

import (
	"fmt"

	"github.com/tollgate/tollgate/store/quota"
)

// checker sees every answer of a schedule and holds it against the promises.
type checker struct {
	w       *world
	waiting map[*call]*simCall
	windows map[counterWindow]*windowLog
	// refusals has, for each frame, the windows that refused calls of each of
	// its takes.
	refusals map[string][][]counterWindow
	// asked and decided are the calls that each process of a node has sent to be
	// decided in the log, and those that the log has decided.
	asked, decided map[string]uint64
	// own is the newest window of each caller, as the log has decided its calls.
	own map[quota.ID]callerWindow
	// lost is what the state machine gives up of a window with its holders.
	lost   map[counterWindow]uint64
	failed []string

	admittedCalls, refusedCalls int
}

// counterWindow is one window of one counter.
type counterWindow struct {
	counter uint64
	window  int64
}

// callerWindow is a caller's window.
type callerWindow struct {
	window, ends int64
	reset        bool // it may be followed by another before its end
}

// windowLog is what happened in a window.
type windowLog struct {
	limit     uint64 // the largest in force while it ran
	least     uint64 // and the smallest
	admitted  uint64
	charged   uint64 // calls that another counter refused
	refusedAt int64  // when the first 20004 was answered, real ns; 0 if none
	// refusedFrom is the fewest units that the log has refused for good; 0 if none.
	refusedFrom uint64
}

// simCall is one call of a client.
type simCall struct {
	begun int64
	cost  uint64 // units
	units []counterWindow
}

// take notes what a call has paid for locally.
func (r *simCall) take(asks []ask, paid []*lease, missing uint64) {
	n := 0
	for i, a := range asks {
		if missing&(1<<i) == 0 {
			r.units = append(r.units, counterWindow{a.id.Rule, paid[n].window})
			n++
		}
	}
}

func newChecker(w *world) checker {
	return checker{
		w: w, waiting: map[*call]*simCall{}, windows: map[counterWindow]*windowLog{}, refusals: map[string][][]counterWindow{},
		asked: map[string]uint64{}, decided: map[string]uint64{}, lost: map[counterWindow]uint64{}, own: map[quota.ID]callerWindow{},
	}
}

// asks: a call could not be decided at its node.
func (c *checker) asks(n *simNode, cl *call, r *simCall) {
	c.waiting[cl] = r
	c.asked[processOf(n.id, n.incarnation)]++
}

func processOf(node string, incarnation uint64) string {
	return fmt.Sprintf("%s#%d", node, incarnation)
}

func (c *checker) fail(format string, args ...any) {
	c.failed = append(c.failed, fmt.Sprintf("at %.3f ms: ", float64(c.w.now)/float64(ms))+fmt.Sprintf(format, args...))
}

func (c *checker) log(k counterWindow) *windowLog {
	if c.windows[k] == nil {
		c.windows[k] = &windowLog{}
	}
	return c.windows[k]
}

// admitted: a client was let through.
func (c *checker) admitted(r *simCall) {
	c.admittedCalls++
	for _, k := range r.units {
		wl := c.log(k)
		wl.admitted += r.cost
		if wl.limit > 0 && wl.admitted > wl.limit {
			c.fail("promise 1: %d calls admitted by counter %d in window %d, its limit is %d", wl.admitted, k.counter, k.window, wl.limit)
		}
		if wl.refusedAt > 0 && r.begun > wl.refusedAt {
			c.fail("promise 3: a call begun at %.3f ms was admitted by counter %d in window %d, which answered 20004 at %.3f ms",
				float64(r.begun)/float64(ms), k.counter, k.window, float64(wl.refusedAt)/float64(ms))
		}
	}
}

// refused: a client was answered 20004 because of a counter's window.
func (c *checker) refused(counter uint64, window int64) {
	c.refusedCalls++
	if wl := c.log(counterWindow{counter, window}); wl.refusedAt == 0 {
		wl.refusedAt = c.w.now
	}
}

// charged: a call that another counter refused counts on this one.
func (c *checker) charged(counter uint64) {
	for _, info := range c.w.truth.Rules("d") {
		if info.ID == counter {
			c.log(counterWindow{counter, info.Window}).charged++
		}
	}
}

// applied: the log has a frame, and the truth this result of it.
func (c *checker) applied(s *quota.State, f *quota.Frame, res quota.Result) {
	infos := map[uint64]quota.Rule{}
	for _, info := range s.Rules("d") {
		infos[info.ID] = info
		if info.By != quota.ByAll {
			continue
		}
		wl := c.log(counterWindow{info.ID, info.Window})
		for _, cond := range c.w.limits {
			if cond.Name() == info.Condition.Name() {
				wl.limit = max(wl.limit, cond.Max)
				if wl.least == 0 || cond.Max < wl.least {
					wl.least = cond.Max
				}
			}
		}
	}
	if res.Stale {
		return
	}
	for _, r := range s.Readings("d", 0) {
		for _, info := range infos {
			if r.Condition.Name() == info.Condition.Name() && r.WindowEnds != 0 && r.By == quota.ByAll {
				c.lost[counterWindow{info.ID, info.Window}] = r.Lost
			}
		}
	}
	lists := make([][]counterWindow, len(f.Takes))
	process, again := processOf(f.Node, f.Incarnation), c.refusals[string(f.Append(nil))] != nil
	for i, t := range f.Takes {
		if !again { // a frame that comes twice has one result
			c.decided[process] += uint64(res.Decisions[i].Decided)
			c.follows(t, res.Decisions[i], res.Now)
			c.explained(t, res.Decisions[i])
		}
		for j, item := range t.Items {
			d, id := res.Decisions[i], item.ID.Rule
			k := counterWindow{id, infos[id].Window}
			if item.ID.Caller != (quota.Digest{}) {
				k.window = c.caller(s, item.ID)
				if taken := d.Taken; len(taken) > j && taken[j].Window != 0 {
					wl := c.log(counterWindow{id, taken[j].Window})
					wl.limit = max(wl.limit, taken[j].Max)
				}
			}
			switch {
			case d.Decided == d.Admitted || item.ID.Caller != (quota.Digest{}) && !d.ByCaller:
			case c.exhausted(s, infos[id], item.ID):
				lists[i] = append(lists[i], k)
			case !d.ByCaller:
				c.log(k).charged += uint64(d.Decided - d.Admitted)
			}
		}
	}
	c.refusals[string(f.Append(nil))] = lists
	if decided, asked := c.decided[process], c.asked[process]; decided > asked {
		c.fail("exactly once: %s has asked for %d calls, and the log has decided %d", process, asked, decided)
	}
}

// follows: a caller's window is followed by another when it has ended, or was reset, or
// was raised and goes on to the same end; whether the counter is its own or shared.
func (c *checker) follows(t quota.Take, d quota.Decision, now int64) {
	for j, item := range t.Items {
		if item.ID.Caller == (quota.Digest{}) || len(d.Taken) <= j || d.Taken[j].Window == 0 {
			continue
		}
		before, is := c.own[item.ID], callerWindow{window: d.Taken[j].Window, ends: now + d.Taken[j].EndsIn}
		if is.window != before.window && now < before.ends && is.ends != before.ends && !before.reset {
			c.fail("a caller's window %d was to end in %d ms, and the log has window %d after it", before.window, before.ends-now, is.window)
		}
		if is.window != before.window {
			c.own[item.ID] = is
		}
	}
}

// explained: calls that were refused for good did not fit into a window, or as many
// units, or fewer, had been refused there.
func (c *checker) explained(t quota.Take, d quota.Decision) {
	if d.Decided == d.Admitted || d.RetryAfter <= 1000 {
		return
	}
	why, units := false, uint64(t.Units)
	for j, item := range t.Items {
		if d.Taken[j].Window == 0 {
			why = true // it is of no window: the decision has opened none
			continue
		}
		wl := c.log(counterWindow{item.ID.Rule, d.Taken[j].Window})
		fits := d.Taken[j].Left >= units && (wl.refusedFrom == 0 || units < wl.refusedFrom)
		why = why || !fits
		if !fits && (wl.refusedFrom == 0 || units < wl.refusedFrom) {
			wl.refusedFrom = units
		}
	}
	if !why {
		c.fail("promise 2: calls of %d units were refused where they fit: %+v", units, d)
	}
}

// reading is what the state has of a caller's counter.
func (c *checker) reading(s *quota.State, id quota.ID) (r quota.Reading) {
	for _, rule := range s.Rules("d") {
		if rule.ID != id.Rule {
			continue
		}
		for who := range c.w.kinds.callers {
			if value := fmt.Appendf(nil, "c%d", who); quota.DigestOf(rule.Seed, value) == id.Caller {
				for _, one := range s.Callers("d", 0, func(quota.By) []byte { return value }) {
					if one.Condition.Name() == rule.Condition.Name() {
						r = one
					}
				}
			}
		}
	}
	return r
}

// caller is the window that runs of a caller's counter.
func (c *checker) caller(s *quota.State, id quota.ID) int64 { return c.reading(s, id).Window }

// exhausted reports whether a counter's window admits nothing more.
func (c *checker) exhausted(s *quota.State, rule quota.Rule, id quota.ID) bool {
	if id.Caller != (quota.Digest{}) {
		r := c.reading(s, id)
		return r.Window != 0 && r.Phase == quota.Exhausted
	}
	return rule.Phase == quota.Exhausted
}

// settled: a node has taken a result in and answered its callers.
func (c *checker) settled(n *simNode, f simFrame, res quota.Result) {
	lists := c.refusals[string(f.frame)]
	for i, batch := range n.r.batches[:len(n.r.frame.Takes)] {
		for _, call := range batch {
			rec := c.waiting[call]
			select {
			case a := <-call.answer:
				delete(c.waiting, call)
				switch {
				case a.err != nil:
				case a.verdict.Admitted:
					for j, item := range n.r.frame.Takes[i].Items {
						rec.units = append(rec.units, counterWindow{item.ID.Rule, res.Decisions[i].Taken[j].Window})
					}
					c.admitted(rec)
					c.w.settle(n, a.verdict.Reservation, rec)
				default:
					for _, k := range lists[i] {
						c.refused(k.counter, k.window)
					}
					for _, k := range rec.units { // paid for all the same, as far as it counts
						c.log(k).charged++
					}
				}
			default:
			}
		}
	}
}

// end checks what can be told once the schedule is over.
func (c *checker) end() {
	if err := c.w.equal(); err != nil {
		c.fail("%v", err)
	}
	c.closeAccounts()
	if c.w.faults || !c.w.kinds.plain() {
		return
	}
	// Where there are two counters, a refusal may be put down to the wrong one
	// of them: both may have been used up by one entry.
	least := uint64(999)
	if len(c.w.limits) > 1 {
		least = 750
	}
	for k, wl := range c.windows {
		if counted := wl.admitted + wl.charged; wl.refusedAt > 0 && counted*1000 < wl.limit*least {
			c.fail("promise 2: counter %d answered 20004 in window %d after %d of %d calls", k.counter, k.window, counted, wl.limit)
		}
	}
}

// closeAccounts: under whatever faults, what a window that has refused calls did
// not admit or charge was lost with its holders, or was taken for callers that
// were gone, or died with their nodes, before they were answered.
func (c *checker) closeAccounts() {
	if len(c.w.limits) > 1 || !c.w.kinds.plain() {
		return // a refusal may be put down to the wrong one of two counters
	}
	for k, wl := range c.windows {
		counted := wl.admitted + wl.charged + c.lost[k] + uint64(len(c.waiting))
		if wl.refusedAt > 0 && wl.least > counted {
			c.fail("promise 2: counter %d answered 20004 in window %d with %d calls counted, %d lost, %d unanswered, of %d",
				k.counter, k.window, wl.admitted+wl.charged, c.lost[k], len(c.waiting), wl.least)
		}
	}
}
