package ledger

import (
	"math"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// collector makes the node's frames of what is in the books.
type collector struct {
	*books
	node    string
	leases  quota.Params // as Config has them
	clock   clock
	cluster *clusterClock
	metrics *metrics

	// The rest is under the books' lock. incarnation and seq number the frames.
	incarnation, seq uint64
	// lastFlush is when charges last had a frame of their own, mono ns; 0 has
	// them sent.
	lastFlush int64
	// lastBeat is the beat at which a frame was last sent for those that could wait.
	lastBeat int64
}

// collect makes a frame of what waits, as far as one goes. It reports false if
// there is nothing to send.
func (c *collector) collect(r *round) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.reset()
	r.sent = c.clock.steady() // before the units that it reports are counted, and sent
	size := c.collectCalls(r)
	size = c.collectClaims(r, size)
	size = c.collectReports(r, size)
	size = c.collectReturns(r, size)
	c.collectCharges(r, size)
	f := &r.frame
	if len(f.Takes)+len(f.Claims)+len(f.Reports)+len(f.Returns)+len(f.Settles)+len(f.Charges) == 0 {
		return false
	}
	c.seq++
	c.sending = true
	f.Node, f.Incarnation, f.Seq, f.Version = c.node, c.incarnation, c.seq, c.version
	r.buf = f.Append(r.buf[:0])
	return true
}

// collectCalls moves the calls that wait into Takes, those that want the same
// into one.
func (c *collector) collectCalls(r *round) (size int) {
	if len(c.parked.calls) > 0 && r.sent.mono >= c.parked.until {
		c.unpark()
	}
	taken := 0
	for _, one := range c.waiting {
		if one.state.Load() == callGone {
			c.refund(one)
			taken++
			continue
		}
		key := r.key(one)
		if c.parked.has(key) {
			c.parked.calls = append(c.parked.calls, one)
			taken++
			continue
		}
		i, ok := r.index[key]
		if !ok {
			each := callerBytes
			if one.class.together != nil {
				each = askBytes
			}
			size += takeBytes + each*len(one.asks)
			if len(r.frame.Takes) == roundTakes || size > frameBudget/2 {
				break
			}
			i = r.addTake(key, one)
		}
		r.frame.Takes[i].N++
		r.batches[i] = append(r.batches[i], one)
		taken++
	}
	rest := copy(c.waiting, c.waiting[taken:])
	clear(c.waiting[rest:])
	c.waiting = c.waiting[:rest]
	c.askFor(r)
	return size
}

// askFor marks the counters that calls had to be sent for, so that the next
// calls find a lease.
func (c *collector) askFor(r *round) {
	if c.closing {
		return
	}
	for i := range r.frame.Takes {
		t, first := &r.frame.Takes[i], r.batches[i][0]
		for n, a := range first.asks {
			if first.missing&(1<<n) == 0 {
				continue
			}
			since := r.sent.mono - a.asked
			a.asked = r.sent.mono
			if a.id.Caller != (quota.Digest{}) {
				seldom := t.N == 1 && since >= c.callerPause(&first.class.rules[n].Condition, a.holding, r.sent)
				// A holding that is not remembered, or was forgotten while the call waited, gets
				// no lease: another one of the same counter would have its units too.
				if seldom || c.callers.find(a.id) != a.holding {
					continue
				}
			}
			c.markLocked(a.holding, max(c.leases.MinLease, uint32(min(4*uint64(t.N)*uint64(t.Units), math.MaxUint32))))
		}
	}
}

// callerPause is how long after a caller's call another makes it worth a lease, ns: as
// long as the lease would last. Those who call more seldom cost an item of an entry each.
func (c *collector) callerPause(cond *quota.Condition, h *holding, at instant) int64 {
	ms := int64(c.leases.LongLeaseMillis)
	if m := h.newest.Load(); m != nil && at.mono < m.ends {
		elapsed := cond.Seconds()*1000 - (m.ends-at.mono)/int64(time.Millisecond)
		ms = cond.LeaseMillis(c.leases, elapsed, m.left, m.max)
	}
	return ms * int64(time.Millisecond)
}

// collectClaims adds uses of signatures.
func (c *collector) collectClaims(r *round, size int) int {
	n := min(len(c.claims), quota.MaxFrameItems, max(frameBudget*3/4-size, 0)/claimBytes)
	for _, one := range c.claims[:n] {
		r.frame.Claims = append(r.frame.Claims, one.Claim)
		r.claims = append(r.claims, one)
		size += claimBytes
	}
	rest := copy(c.claims, c.claims[n:])
	clear(c.claims[rest:])
	c.claims = c.claims[:rest]
	return size
}

// beat is how often a frame is sent for nothing but reports that can wait, ns. A frame
// costs the cluster a write to all disks, a report in it next to nothing: thousands of
// leases, each renewed when it is time, would have every node send all the time. Leases
// that last longer wait for every second beat, every fourth, or every eighth.
const (
	beat     = int64(10 * tick)
	longBeat = 8 * beat
)

// beatRound is the time, ns, that a frame takes at most, mostly.
const beatRound = int64(5 * tick)

// canWait reports whether a lease lasts so long that the beat makes no difference to it.
func (l *lease) canWait() bool { return l.length >= 4*beat }

// beat is the time, ns, between the beats that a lease can wait for: the shortest, or up to a
// fifth of its length, so that one that has half of its time left still has a quarter then.
func (l *lease) beat() int64 {
	every := beat
	for every < longBeat && 2*every <= l.length/5 {
		every *= 2
	}
	return every
}

// waitForBeat has, under the lock, a frame report on a holding: the next one that is
// sent for something else, or one that is sent after a time, ns.
func (b *books) waitForBeat(h *holding, at instant, wait int64) {
	if h.marked {
		return
	}
	if due := at.mono + wait; len(b.patient) == 0 || due < b.patience {
		b.patience = due
	}
	if !h.patient {
		h.patient = true
		b.patient = append(b.patient, h)
	}
}

// beatTime is the time, ns, whose multiples are the beats: cluster time, as far as it is
// known, so that the frames of all nodes come to the leader together.
func (c *collector) beatTime(at instant) int64 {
	if now, known := c.cluster.atMost(at); known {
		return now * int64(time.Millisecond)
	}
	return at.mono
}

// untilBeat is the time, ns, until the next of the beats that come after each other by so
// many ns.
func (c *collector) untilBeat(at instant, every int64) int64 {
	now := c.beatTime(at)
	next := (now/every + 1) * every
	if next/beat == c.lastBeat { // it has been, and a new stamp has set the time back
		next += every
	}
	return next - now
}

// untilDue is for how long nothing is to be done but what a wake or a tick brings; a long
// time if there is nothing.
func (c *collector) untilDue(at instant) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := int64(time.Hour)
	if len(c.parked.calls) > 0 {
		due = c.parked.until - at.mono
	}
	if len(c.patient) > 0 {
		due = min(due, c.patience-at.mono)
	}
	return time.Duration(max(due, 0))
}

// endWait marks those that can wait, if a frame is sent anyway, or with the beat.
func (c *collector) endWait(r *round) {
	if len(c.patient) == 0 {
		return
	}
	f := &r.frame
	others := len(f.Takes) + len(f.Claims) + len(c.marked) + len(c.returns) + len(c.settles)
	if others == 0 && !c.closing {
		if r.sent.mono < c.patience {
			return
		}
		c.lastBeat = (c.beatTime(r.sent) + beat/2) / beat
	}
	for _, h := range c.patient {
		h.patient = false
		c.markLocked(h, 0)
	}
	clear(c.patient)
	c.patient = c.patient[:0]
}

// collectReports reports on the marked holdings: what was spent, what comes
// back, and what is wanted.
func (c *collector) collectReports(r *round, size int) int {
	c.endWait(r)
	done := 0
	for _, h := range c.marked {
		if len(r.frame.Reports) == roundReports || size > frameBudget {
			break
		}
		done++
		h.marked = false
		if rep, ok := c.report(h, r.sent); ok {
			r.frame.Reports = append(r.frame.Reports, rep)
			r.held = append(r.held, h)
			h.asking = true
			size += itemBytes
		}
		h.want, h.giveUp = 0, false
	}
	c.marked = append(c.marked[:0], c.marked[done:]...)
	return size
}

// report makes the report on one holding; ok is false if there is nothing to
// say.
func (c *collector) report(h *holding, at instant) (rep quota.Report, ok bool) {
	le := h.lease.Load()
	rep.Counter = h.id
	switch {
	case le == nil:
		if c.mayLease(h, at) {
			rep.Want = h.want
		}
		return rep, rep.Want > 0
	case h.giveUp || h.phase != quota.Leasing && h.phaseOf.window == le.window:
		// Own count to zero first, then the word in the log.
		h.lease.Store(nil)
		left := le.close()
		rep.Window, rep.Back = le.window, min(left, le.out)
		rep.Spent = le.out - rep.Back
		if left > rep.Back {
			// Reported as spent by a caller that has gone away since.
			c.giveBack(le, left-rep.Back)
		}
		rep.Reserved, le.reserved = le.reserved, 0
		c.metrics.givenBack.Add(float64(rep.Back))
		if at.mono >= le.windowEnds.Load() && c.mayLease(h, at) && !c.closing { // of the next window
			rep.Want = h.want
		}
	default:
		left := min(le.left(), le.out)
		rep.Window, rep.Spent, rep.Renew = le.window, le.out-left, true
		rep.Want = max(h.want, le.appetite(rep.Spent, at.mono))
		rep.Reserved, le.reserved = le.reserved, 0
		le.idle = rep.Spent == 0
	}
	le.out -= rep.Spent + rep.Back
	le.reported = at.mono
	return rep, true
}

// mayLease reports whether the counter may be leasing. It is not while a window that is
// known to be past its leasing certainly runs.
func (c *collector) mayLease(h *holding, at instant) bool {
	now, known := c.cluster.atMost(at)
	return h.phase == quota.Leasing || !known || now >= h.phaseOf.ends
}

// collectReturns adds what is given back for callers that went away, and what has become
// of reserved units.
func (c *collector) collectReturns(r *round, size int) int {
	n := min(len(c.settles), roundOthers, max(frameBudget-size, 0)/itemBytes)
	if c.version < quota.Third { // which knows no reservations: they are used, or come back
		for _, s := range c.settles[:n] {
			if s.Back > 0 {
				c.returns = append(c.returns, quota.Return{Counter: s.Counter, Window: s.Window, N: s.Back})
			}
		}
	} else {
		r.frame.Settles = append(r.frame.Settles, c.settles[:n]...)
		size += n * itemBytes
	}
	c.settles = append(c.settles[:0], c.settles[n:]...)
	n = min(len(c.returns), roundOthers, max(frameBudget-size, 0)/itemBytes)
	r.frame.Returns = append(r.frame.Returns, c.returns[:n]...)
	if c.version < quota.Third { // whose returns have fewer units; the rest is used
		for i := range r.frame.Returns {
			r.frame.Returns[i].N = min(r.frame.Returns[i].N, quota.MaxCalls)
		}
	}
	c.returns = append(c.returns[:0], c.returns[n:]...)
	return size + n*itemBytes
}

// collectCharges adds what refused calls owe.
func (c *collector) collectCharges(r *round, size int) {
	done := 0
	for _, h := range c.owing {
		if len(r.frame.Charges) == roundOthers || size > frameBudget {
			break
		}
		if len(r.frame.Takes)+len(r.frame.Reports)+len(r.frame.Claims) == 0 && !c.closing && done == 0 && !c.flush() {
			break // not worth a frame of their own before the tick
		}
		done++
		if owed := h.owed.Swap(0); owed > 0 {
			n := uint64(min(owed, quota.MaxCalls))
			r.frame.Charges = append(r.frame.Charges, quota.Charge{Counter: h.id, N: n, Limit: h.owedLimit.Swap(0)})
			size += itemBytes
		}
	}
	c.owing = append(c.owing[:0], c.owing[done:]...)
}

// flushNow has charges sent with the next frame, or in one of their own.
func (c *collector) flushNow() { c.lastFlush = 0 }

// flush reports whether charges are due by themselves.
func (c *collector) flush() bool {
	now := c.clock().mono
	if c.lastFlush > 0 && now-c.lastFlush < int64(tick) {
		return false
	}
	c.lastFlush = max(now, 1)
	return true
}
