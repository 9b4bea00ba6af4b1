package quota

import "slices"

// A lease is waited for a little longer than its holder may spend it: two
// clocks may run at rates that differ by up to 2 %, a holder's machine may have
// been suspended for a moment that is too short for it to notice, and stamps
// are cut to milliseconds.
const (
	WaitPercent = 2
	WaitMillis  = 60
)

// LeaseMillis is how long, in ms, a holder may spend a lease of a window of the condition
// that has run for so many ms and has a pool of so many units of its maximum: a twentieth
// of the time for which the pool will last if the window goes on as before, within bounds.
// Near the window's end a lease must be short, because a lost holder is felt for as long
// as its lease lasts. Far from the end it may be long: short leases of many counters would
// go idle, and be renewed, all the time.
func (c *Condition) LeaseMillis(p Params, elapsed int64, pool, most uint64) int64 {
	tenth := max(MinLeaseMillis, c.Seconds()*1000/10)
	shortest := max(MinLeaseMillis, min(int64(p.LeaseMillis), tenth))
	longest := min(max(int64(p.LongLeaseMillis), shortest), tenth)
	// times is the pool divided by what is gone; a thousand is far from the end.
	times := min(pool/max(most-min(most, pool), 1), 1000)
	return max(shortest, min(longest, max(elapsed, 0)*int64(times)/20))
}

// leaseMillis is how long a lease lasts that is granted now.
func (c *counter) leaseMillis(s *State) int64 {
	w := &c.window
	return c.rule.cond.LeaseMillis(s.params, s.now-w.start, w.pool(), w.max())
}

// renew records that the lease was granted or renewed for t ms now, and so how long
// it is waited for. The holder may go by a longer grant until it hears of this one.
func (l *lease) renew(s *State, t int64) {
	l.expires, l.term = l.until(&s.terms), s.terms.newest
	until := s.now + waitFor(t)
	if l.length = max(l.length, t); until >= l.expires {
		l.length = t
	}
	l.expires = max(l.expires, until)
}

// until is when the lease is not waited for any more. Of the terms that have begun
// since it was last renewed, the newest has put it off furthest.
func (l *lease) until(t *terms) int64 {
	if l.term >= t.newest {
		return l.expires
	}
	return max(l.expires, t.began+waitFor(l.length))
}

// waitFor is how long a lease of t ms is waited for.
func waitFor(t int64) int64 { return t + t*WaitPercent/100 + WaitMillis }

// of is the holder's lease, nil if it has none.
func (w *window) of(h holder) *lease {
	if i, ok := w.find(h); ok {
		return &w.leases[i]
	}
	return nil
}

func (w *window) find(h holder) (int, bool) {
	return slices.BinarySearchFunc(w.leases, h, func(l lease, h holder) int { return l.holder.compare(h) })
}

// orphan takes a node's name off its leases, which are waited for all the same.
// A node of that name that joins later may count its starts anew. It must not be
// taken for the holder of these leases, which may be spent.
func (w *window) orphan(node string) {
	for i := range w.leases {
		if l := &w.leases[i]; l.holder.node == node {
			l.holder = holder{}
		}
	}
	slices.SortStableFunc(w.leases, func(a, b lease) int { return a.holder.compare(b.holder) })
}

// answer gives a holder what it asks for.
func (c *counter) answer(s *State, h holder, r Report) Grant {
	w := &c.window
	if !c.running(s.now) {
		return Grant{Phase: w.phase}
	}
	if s.version >= Third {
		w.forgotten(h, r)
	}
	if r.Want > 0 {
		c.grant(s, h, uint64(r.Want))
	}
	g := Grant{Phase: w.phase, Window: w.serial, EndsIn: w.ends - s.now, Max: w.max()}
	if l := w.of(h); l != nil && l.units > 0 && (r.Renew || r.Want > 0) && w.phase == Leasing {
		g.LeaseMillis = c.leaseMillis(s)
		l.renew(s, g.LeaseMillis)
		g.Units = l.units
	}
	return g
}

// forgotten gives up what a holder has been leased that asks for more as if it had
// nothing: it may have spent it.
func (w *window) forgotten(h holder, r Report) {
	if l := w.of(h); l != nil && r.Want > 0 && !w.is(r.Window) {
		w.used += l.units
		w.lost += l.units
		l.units = 0
		w.prune(h)
	}
}

// account moves units that were spent, or come back, out of the lease. Only
// the holder's word in the log does that; a word about another window, or
// about a lease that was given up for lost, comes too late.
func (c *counter) account(s *State, h holder, r Report) {
	w := &c.window
	l := w.of(h)
	if l == nil || w.serial != r.Window || !c.running(s.now) {
		return
	}
	spent := min(r.Spent, l.units)
	back := min(r.Back, l.units-spent)
	w.used += spent
	l.units -= spent + back
	l.reserved += min(r.Reserved, spent)
	w.prune(h)
	if back > 0 {
		c.payDebt()
	}
	c.settle(s)
}

// reserve notes that calls of a holder have taken n units that they have not settled.
func (w *window) reserve(s *State, h holder, n uint64) {
	i, ok := w.find(h)
	if !ok {
		w.leases = slices.Insert(w.leases, i, lease{holder: h, term: s.terms.newest})
	}
	w.leases[i].reserved += n
}

// settleCall settles units that the holder has reserved: some come back, or calls were
// worth more than they had reserved. An exhausted window takes nothing back.
func (c *counter) settleCall(s *State, h holder, r Settle) {
	w := &c.window
	if !c.running(s.now) || !w.is(r.Window) {
		return
	}
	if l := w.of(h); l != nil {
		l.reserved -= min(l.reserved, r.Reserved)
		w.prune(h)
	}
	if r.Over > 0 { // admitted already: it is used, whatever is left
		w.used += r.Over
		c.fit(s)
	}
	c.giveBack(s, r.Window, min(r.Back, r.Reserved))
}

// prune drops a holder's lease once there is nothing in it.
func (w *window) prune(h holder) {
	if i, ok := w.find(h); ok && w.leases[i].units == 0 && w.leases[i].reserved == 0 {
		w.leases = slices.Delete(w.leases, i, i+1)
	}
}

// grant leases up to want units to the holder. Past the point where a share is
// worth leasing, the window starts draining instead.
func (c *counter) grant(s *State, h holder, want uint64) {
	w := &c.window
	if w.phase != Leasing || c.shared {
		return
	}
	share := c.share(s)
	if share < uint64(s.params.MinLease) {
		c.drain(s)
		return
	}
	i, ok := w.find(h)
	if !ok {
		w.leases = slices.Insert(w.leases, i, lease{holder: h, term: s.terms.newest})
	}
	w.leases[i].units += min(want, share)
}

// terms is what leases have to know of the Raft terms.
type terms struct {
	newest uint64
	began  int64 // cluster time, ms, of the first command of it
}

// BeginTerm says that the commands from here on were proposed in a Raft term.
// The first one of a term has every open lease waited for as long as if it had
// been granted now: the clock of the leader before may have stood anywhere, so
// its deadlines mean nothing to the clock of the new one. It touches no lease,
// however many there are: a new leader is waited for.
func (s *State) BeginTerm(term uint64) {
	if term > s.terms.newest {
		s.terms = terms{term, s.now}
	}
}
