package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// round is one frame and what is behind it. It is used again for the next.
type round struct {
	frame quota.Frame
	buf   []byte
	// sent is when the clocks were read, before the frame was first sent:
	// what it is granted lasts from then.
	sent instant
	// batches has the calls behind each of frame.Takes, reports the lease
	// that each of frame.Reports is about, nil where there was none.
	batches [][]*call
	index   map[batchKey]int
	held    []*holding
	reports []*lease
}

// batchKey is what calls of one Take have in common.
type batchKey struct {
	class   *class
	missing uint64
}

// Bounds of one frame's lists, so that it stays below MaxFrameBytes whatever is
// in them.
const (
	roundTakes   = 192
	roundReports = 512
	roundOthers  = 512
	// takeBytes and so on are upper bounds of the encodings.
	takeBytes   = 16
	itemBytes   = 40
	frameBudget = quota.MaxFrameBytes - 1024
)

// collect makes a frame of what waits, as far as one goes. It reports false if
// there is nothing to send.
func (l *Ledger) collect(r *round) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.reset()
	r.sent = l.clock.steady() // before the units that it reports are counted, and sent
	size := l.collectCalls(r)
	size = l.collectReports(r, size)
	l.collectCharges(r, size)
	f := &r.frame
	if len(f.Takes)+len(f.Reports)+len(f.Returns)+len(f.Charges) == 0 {
		return false
	}
	l.seq++
	l.sending = true
	f.Node, f.Incarnation, f.Seq = l.node, l.incarnation, l.seq
	r.buf = f.Append(r.buf[:0])
	return true
}

func (r *round) reset() {
	if r.index == nil {
		r.index = map[batchKey]int{}
	}
	clear(r.index)
	f := &r.frame
	f.Takes, f.Reports, f.Returns, f.Charges = f.Takes[:0], f.Reports[:0], f.Returns[:0], f.Charges[:0]
	for i := range r.batches {
		clear(r.batches[i])
		r.batches[i] = r.batches[i][:0]
	}
	clear(r.held)
	clear(r.reports)
	r.held, r.reports = r.held[:0], r.reports[:0]
}

// collectCalls moves the calls that wait into Takes, those that want the same
// into one.
func (l *Ledger) collectCalls(r *round) (size int) {
	taken := 0
	for _, c := range l.waiting {
		if c.state.Load() == callGone {
			l.refund(c)
			taken++
			continue
		}
		key := batchKey{c.class, c.missing}
		i, ok := r.index[key]
		if !ok {
			size += takeBytes + 10*len(c.class.holdings)
			if len(r.frame.Takes) == roundTakes || size > frameBudget/2 {
				break
			}
			i = r.addTake(key)
		}
		r.frame.Takes[i].N++
		r.batches[i] = append(r.batches[i], c)
		taken++
	}
	rest := copy(l.waiting, l.waiting[taken:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	l.askFor(r)
	return size
}

// addTake opens a Take for calls of a kind.
func (r *round) addTake(key batchKey) int {
	i := len(r.frame.Takes)
	r.index[key] = i
	t := quota.Take{}
	for n, h := range key.class.holdings {
		if key.missing&(1<<n) != 0 {
			t.Counters = append(t.Counters, h.id)
		}
	}
	r.frame.Takes = append(r.frame.Takes, t)
	if i == len(r.batches) {
		r.batches = append(r.batches, nil)
	}
	return i
}

// askFor marks the counters that calls had to be sent for, so that the next
// calls find a lease.
func (l *Ledger) askFor(r *round) {
	for key, i := range r.index {
		for n, h := range key.class.holdings {
			if key.missing&(1<<n) != 0 && !l.closing {
				l.markLocked(h, max(l.minLease, 4*r.frame.Takes[i].N))
			}
		}
	}
}

// collectReports reports on the marked holdings: what was spent, what comes
// back, and what is wanted.
func (l *Ledger) collectReports(r *round, size int) int {
	done := 0
	for _, h := range l.marked {
		if len(r.frame.Reports) == roundReports || size > frameBudget {
			break
		}
		done++
		h.marked = false
		if rep, le, ok := l.report(h, r.sent); ok {
			r.frame.Reports = append(r.frame.Reports, rep)
			r.held = append(r.held, h)
			r.reports = append(r.reports, le)
			size += itemBytes
		}
		h.want, h.giveUp = 0, false
	}
	l.marked = append(l.marked[:0], l.marked[done:]...)
	return size
}

// report makes the report on one holding; ok is false if there is nothing to
// say.
func (l *Ledger) report(h *holding, at instant) (rep quota.Report, le *lease, ok bool) {
	le = h.lease.Load()
	rep.Counter = h.id
	switch {
	case le == nil:
		if l.leases(h, at) {
			rep.Want = h.want
		}
		return rep, nil, rep.Want > 0
	case h.giveUp || h.phase != quota.Leasing && h.phaseOf.window == le.window:
		// Own count to zero first, then the word in the log.
		h.lease.Store(nil)
		left := le.close()
		rep.Window, rep.Back = le.window, min(left, le.out)
		rep.Spent = le.out - rep.Back
		if left > rep.Back {
			// Reported as spent by a caller that has gone away since.
			l.giveBack(le, left-rep.Back)
		}
		l.metrics.givenBack.Add(float64(rep.Back))
	default:
		left := min(le.left(), le.out)
		rep.Window, rep.Spent, rep.Renew = le.window, le.out-left, true
		rep.Want = max(h.want, le.appetite(rep.Spent, at.mono))
	}
	le.out -= rep.Spent + rep.Back
	le.reported = at.mono
	return rep, le, true
}

// leases reports whether the counter may be leasing: not while the window that
// is known to be past it certainly runs.
func (l *Ledger) leases(h *holding, at instant) bool {
	now, known := l.cluster.atMost(at)
	return h.phase == quota.Leasing || !known || now >= h.phaseOf.ends
}

// collectCharges sends what is given back for callers that went away, and what
// refused calls owe.
func (l *Ledger) collectCharges(r *round, size int) {
	n := min(len(l.returns), roundOthers, max(frameBudget-size, 0)/itemBytes)
	r.frame.Returns = append(r.frame.Returns, l.returns[:n]...)
	l.returns = append(l.returns[:0], l.returns[n:]...)
	size += n * itemBytes
	done := 0
	for _, h := range l.owing {
		if len(r.frame.Charges) == roundOthers || size > frameBudget {
			break
		}
		if len(r.frame.Takes) == 0 && len(r.frame.Reports) == 0 && !l.closing && done == 0 && !l.flush() {
			break // not worth a frame of their own before the tick
		}
		done++
		if owed := h.owed.Swap(0); owed > 0 {
			r.frame.Charges = append(r.frame.Charges, quota.Charge{Counter: h.id, N: uint32(min(owed, quota.MaxCalls))})
			size += itemBytes
		}
	}
	l.owing = append(l.owing[:0], l.owing[done:]...)
}

// apply takes the frame's result in. It reports whether it decided nothing of
// what waits, because units of other nodes are awaited.
func (l *Ledger) apply(r *round, res quota.Result, err error) (stalled bool) {
	l.metrics.frames.Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sending = false
	l.answered = r.frame.Seq
	close(l.moved)
	l.moved = make(chan struct{})
	switch {
	case err == nil && res.Stale:
		err = errStale
	case err == nil && (len(res.Decisions) != len(r.frame.Takes) || len(res.Grants) != len(r.frame.Reports)):
		err = fmt.Errorf("%w: %w", ErrUndecided, errMisfit)
	}
	if err != nil {
		for i := range r.frame.Takes {
			l.reject(r.batches[i], err)
		}
		return false
	}
	l.cluster.set(res.Now, r.sent)
	for i, g := range res.Grants {
		l.granted(r.held[i], r.reports[i], r.frame.Reports[i], g, res.Now, r.sent)
	}
	decided := false
	var again []*call
	for i, d := range res.Decisions {
		decided = decided || d.Decided > 0
		again = append(again, l.settle(r.frame.Takes[i], r.batches[i], d)...)
	}
	l.askAgain(again)
	return len(again) > 0 && !decided
}

// granted takes one grant in.
func (l *Ledger) granted(h *holding, le *lease, rep quota.Report, g quota.Grant, now int64, sent instant) {
	h.learn(g.Phase, span{g.Window, now + g.EndsIn})
	current := h.lease.Load() // le, unless this report gave it up
	switch {
	case g.Units == 0:
		// Nothing that may be spent on: what is still here goes back, or is of
		// a window that has ended.
		if current != nil && (g.Window != current.window || g.Phase != quota.Leasing) {
			h.giveUp = true
			l.markLocked(h, 0)
		}
	case current != nil && current.window == g.Window:
		before := current.out
		current.extend(g, sent)
		l.metrics.leased.Add(float64(g.Units - min(before, g.Units)))
	default:
		fresh := newLease(h.id, g.Window, l.stripes)
		fresh.reported = sent.mono
		fresh.extend(g, sent)
		if !h.listed {
			h.listed = true
			l.leased = append(l.leased, h)
		}
		h.lease.Store(fresh)
		l.metrics.leased.Add(float64(g.Units))
		if l.closing || h.phase != quota.Leasing && h.phaseOf.window == g.Window {
			// It was called back while the answer was under way.
			h.giveUp = true
			l.markLocked(h, 0)
		}
	}
}

// askAgain puts calls that were not decided behind those of other kinds: what waits
// for units of other nodes, such as a lost holder's, must not keep the calls of other
// domains from being sent. Calls of the same kind that came later go behind them.
func (l *Ledger) askAgain(again []*call) {
	if len(again) == 0 {
		return
	}
	for _, c := range again {
		c.class.again = true
	}
	others := make([]*call, 0, len(l.waiting)+len(again))
	for _, c := range l.waiting {
		if c.class.again {
			again = append(again, c)
		} else {
			others = append(others, c)
		}
	}
	for _, c := range again {
		c.class.again = false
	}
	l.waiting = append(others, again...)
}

// settle answers a batch of calls. The first callers that are still there are
// admitted, as many as the decision allows, then those refused that it refuses;
// the others are to be asked again. What nobody was there for goes back.
func (l *Ledger) settle(t quota.Take, batch []*call, d quota.Decision) (again []*call) {
	admitted := quota.Verdict{Admitted: true}
	refused := quota.Verdict{RetryAfter: time.Duration(d.RetryAfter) * time.Millisecond}
	left, refuse := d.Admitted, d.Decided-d.Admitted
	for _, c := range batch {
		switch {
		case left == 0 && refuse == 0:
			again = append(again, c)
			continue
		case !c.state.CompareAndSwap(callWaiting, callDecided):
			l.refund(c)
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
			l.returns = append(l.returns, quota.Return{Counter: id, Window: d.Windows[i], N: left})
		}
	}
	return again
}

// look looks after the leases: used ones are renewed when half their time is
// over, unused ones go back at their end, those of ended windows are dropped.
func (l *Ledger) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.clock()
	l.leased = slices.DeleteFunc(l.leased, func(h *holding) bool {
		h.listed = h.lease.Load() != nil && l.holdings[h.id] == h
		return !h.listed
	})
	for _, h := range l.leased {
		le := h.lease.Load()
		switch left := le.deadline.Load() - at.mono; {
		case at.mono >= le.windowEnds, left <= 0 && le.out == 0:
			h.lease.Store(nil)
			le.close()
		case left > le.length/2 || h.marked:
		case le.left() == le.out: // nobody used it, and somebody may until it ends
			if left < le.length/8 {
				h.giveUp = true
				l.markLocked(h, 0)
			}
		default:
			l.markLocked(h, 0)
		}
	}
}

// flush reports whether charges are due by themselves.
func (l *Ledger) flush() bool {
	now := l.clock().mono
	if l.lastFlush > 0 && now-l.lastFlush < int64(tick) {
		return false
	}
	l.lastFlush = max(now, 1)
	return true
}
