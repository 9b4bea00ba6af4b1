package ledger

import (
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// mono is the node's monotonic clock, wall its wall clock.
func (n *simNode) mono() int64 { return int64(float64(n.w.now-n.suspended) * n.rate) }
func (n *simNode) wall() int64 { return 1_000_000*ms + n.offset + n.mono() + n.suspended }

func (n *simNode) clock() instant {
	m := n.mono()
	return instant{m, n.wall() - m}
}

// boot starts a new incarnation of the node on the state it has.
func (n *simNode) boot() {
	n.incarnation++
	n.ledger = newLedger(Config{Node: n.id, Incarnation: n.incarnation, Wait: time.Hour, Leases: n.w.params}, simMetrics, n.clock)
	n.ledger.applier.stripes = 2 // whatever this machine has: a seed is a schedule anywhere
	if n.w.kinds.forgetful {
		n.ledger.callers.rest = callerShards // one tick, as they are counted here
	}
	n.r, n.sending, n.retry, n.leases = round{}, false, 0, map[*holding]*lease{}
	n.ledger.RulesChanged(map[string][]quota.Rule{"d": n.state.Rules("d")}, n.w.version)
}

// catchUp applies what is committed, up to an index.
func (n *simNode) catchUp(to int) {
	for n.applied < to {
		e := n.w.log[n.applied]
		n.applied++
		n.w.apply(n.state, e, false)
		if e.limits != nil {
			n.ledger.RulesChanged(map[string][]quota.Rule{"d": n.state.Rules("d")}, n.w.version)
		}
		if changed := n.state.TakeChanges(); len(changed) > 0 {
			n.ledger.PhasesChanged(changed)
		}
	}
	n.w.on(n, 0, n.step)
}

// heartbeat brings what messages have lost.
func (n *simNode) heartbeat() {
	if !n.cut && !n.w.leader.cut && n.w.leader.up {
		n.catchUp(len(n.w.log))
	}
}

// tick does what the ledger's ticker does.
func (w *world) tick(n *simNode) {
	w.after(int64(tick), func() {
		if n.up && w.now >= n.pausedUntil {
			n.ledger.look()
			w.forget(n)
			n.step()
		}
		w.tick(n)
	})
}

// step does what the ledger's loop does: one frame after the other.
func (n *simNode) step() {
	if n.sending {
		return
	}
	if n.w.broken == stopAfterReport {
		for _, h := range n.ledger.leased {
			n.leases[h.holding] = h.lease.Load()
		}
	}
	if !n.ledger.collector.collect(&n.r) {
		n.stepLater()
		return
	}
	n.sending = true
	if n.w.broken == stopAfterReport {
		n.eachGivenBack(func(h *holding, units uint64) {
			n.leases[h].units.Store(int64(units))
			h.lease.Store(n.leases[h])
		})
	}
	n.send(append([]byte(nil), n.r.buf...), n.r.frame.Seq)
}

// eachGivenBack visits what the frame under way gives back.
func (n *simNode) eachGivenBack(f func(*holding, uint64)) {
	for i, rep := range n.r.frame.Reports {
		if rep.Back > 0 {
			f(n.r.held[i], rep.Back)
		}
	}
}

// send sends a frame until it is answered.
func (n *simNode) send(frame []byte, seq uint64) {
	if !n.sending || n.r.frame.Seq != seq {
		return
	}
	if leader := n.w.leader; leader.up {
		f := simFrame{n, n.incarnation, frame}
		n.w.deliver(n, leader, func() { n.w.receive(leader, f) })
	}
	n.w.on(n, n.w.between(15, 40), func() {
		if n.w.broken == retryUnderNewID && n.sending && n.r.frame.Seq == seq {
			n.r.frame.Seq++
			n.ledger.collector.seq++
			frame, seq = n.r.frame.Append(nil), n.r.frame.Seq
		}
		n.send(frame, seq)
	})
}

// answered takes a result in, once.
func (n *simNode) answered(f simFrame, res quota.Result) {
	if !n.sending || f.inc != n.incarnation || string(f.frame) != string(n.r.frame.Append(nil)) {
		return
	}
	n.sending = false
	w := n.w
	switch w.broken {
	case stopAfterReport:
		n.eachGivenBack(func(h *holding, _ uint64) {
			n.leases[h].close()
			h.lease.CompareAndSwap(n.leases[h], nil)
		})
	case timerFromReceipt:
		n.r.sent = n.clock()
	case windowByNodesClock:
		for i := range res.Grants {
			if g := &res.Grants[i]; g.Units > 0 {
				g.EndsIn += (n.offset + n.suspended) / ms
				g.LeaseMillis = max(g.LeaseMillis, g.EndsIn)
			}
		}
	}
	n.ledger.applier.apply(&n.r, res, nil)
	w.check.settled(n, f, res)
	w.on(n, 0, n.step)
}

// stepLater has what is parked asked about again in time.
func (n *simNode) stepLater() {
	p := &n.ledger.parked
	if len(p.calls) == 0 || n.retry == p.until {
		return
	}
	n.retry = p.until
	n.w.on(n, int64(float64(p.until-n.mono())/n.rate)+1, n.step)
}

// calls has clients call the node, so many a millisecond, the first of them at
// the rate of next.
func (w *world) calls(n *simNode, rate, next float64) {
	w.after(int64(w.rng.ExpFloat64()/next*float64(ms)), func() {
		next := rate
		if n.up && w.now >= n.pausedUntil {
			endpoint := ""
			if len(w.limits) > 1 && w.chance(2) {
				endpoint = "e"
			}
			if w.call(n, endpoint) { // refused at once: there is little to see
				next = 0.5
			}
		}
		w.calls(n, rate, next)
	})
}

// call makes one call, as Ledger.begin and Take do. It reports whether the
// node's replica has refused it.
func (w *world) call(n *simNode, endpoint string) (refused bool) {
	one := w.draw(endpoint)
	l, rec := n.ledger, &simCall{begun: w.now, cost: uint64(one.Units)}
	cl := l.class(one)
	if cl == nil {
		return false
	}
	asks := l.asks(cl.rules, cl.together, one, nil)
	if v, ok := l.refuse(asks, one.Units, 0); ok {
		for _, a := range asks {
			if ex := a.exhausted.Load(); ex != nil && a.limit <= ex.max {
				w.check.refused(a.id.Rule, ex.window)
			} else if a.mayRefuse(one.Units) { // it is too dear, and counts nowhere
			} else if !v.ByCaller && a.id.Caller == (quota.Digest{}) {
				w.check.charged(a.id.Rule)
			}
		}
		return true
	}
	paid, missing := l.spend(asks, one.Units, one.Reserve, 0, nil)
	rec.take(asks, paid, missing)
	if missing == 0 {
		w.check.admitted(rec)
		if one.Reserve {
			w.settle(n, l.reserved(asks, paid, 0, one.Units, nil), rec)
		}
		return false
	}
	c := calls.New().(*call)
	c.class, c.asks, c.missing, c.paid, c.units, c.reserve = cl, asks, missing, paid, one.Units, one.Reserve
	w.check.asks(n, c, rec)
	if l.enqueue(c) {
		w.on(n, 0, n.step)
		w.after(w.between(100, 250), func() { c.state.CompareAndSwap(callWaiting, callGone) })
	}
	return false
}

// fault has something go wrong, and the next thing after it.
func (w *world) fault() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	kind := w.rng.IntN(10)
	if w.kinds.resets && w.chance(3) {
		kind = 10
	}
	switch w.broken {
	case timerFromReceipt: // it takes a holder that hears of all too late
		kind = 9
	case trustStoredExpiry: // it takes a holder that hears of nothing in time, and a leader that gives it up
		kind = []int{0, 5, 9}[w.rng.IntN(3)]
	}
	switch kind {
	case 0, 1:
		w.leaderLost()
	case 2:
		w.crash(n)
	case 3:
		n.pausedUntil = w.now + w.between(10, 300)
	case 4: // suspended: the monotonic clock stands still
		d := w.between(10, 400)
		n.pausedUntil = w.now + d
		n.suspended += d // nobody there reads a clock before it goes on
	case 5:
		n.cut = true
		w.after(w.between(20, 300), func() {
			n.cut = false
			w.on(n, w.between(0, 60), n.heartbeat) // calls may be answered before the log comes
		})
	case 6:
		if !w.leads() || w.inFlight != nil {
			break
		}
		w.limits = append([]quota.Condition(nil), w.limits...)
		i := w.rng.IntN(len(w.limits))
		w.limits[i].Max = w.limit()
		w.commit(simEntry{term: w.term, stamp: w.stamp(), limits: w.limits})
	case 7:
		n.offset += w.between(-50, 50) // the wall clock is set
	case 8:
		n.ledger.mu.Lock() // a node that is about to stop gives back
		for _, h := range n.ledger.leased {
			if h.lease.Load() != nil {
				h.giveUp = true
				n.ledger.markLocked(h.holding, 0)
			}
		}
		n.ledger.mu.Unlock()
	case 9: // all that the node is sent comes late
		n.lag = w.between(30, 250)
		w.after(w.between(50, 400), func() { n.lag = 0 })
	case 10:
		if w.leads() && w.inFlight == nil {
			w.resetOne()
		}
	}
	if !w.leads() {
		w.after(w.between(20, 60), w.leaderLost)
	}
	w.after(w.between(5, 120), w.fault)
}

// leaderLost elects a node that can be reached, if a majority can.
func (w *world) leaderLost() {
	var able []*simNode
	up := 0
	for _, n := range w.nodes {
		if n.up && !n.cut {
			up++
			if w.now >= n.pausedUntil {
				able = append(able, n)
			}
		}
	}
	if up <= len(w.nodes)/2 || len(able) == 0 {
		w.after(w.between(10, 30), w.leaderLost)
		return
	}
	w.elect(able[w.rng.IntN(len(able))])
}

// crash ends a node's process, and starts it again, on what its disk has.
func (w *world) crash(n *simNode) {
	if !n.up {
		return
	}
	n.up, n.sending = false, false
	w.after(w.between(10, 200), func() {
		b := n.state.Append(nil)
		s, err := quota.DecodeState(b, n.w.version)
		if err != nil {
			panic(err)
		}
		n.state = s
		n.up = true
		n.boot()
		n.heartbeat()
	})
}
