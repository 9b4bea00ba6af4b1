package quota

// decideFirst is decide by the first version. It charges the calls on every counter,
// and admits as many as the narrowest of them allows. It decides as many calls as every
// counter can tell of. Where one counter refuses in any case it decides all, and charges
// the others without waiting. A counter that is gone allows everything.
func (s *State) decideFirst(_ holder, t *Take, taken []Taken) Decision {
	d := Decision{Taken: taken}
	decided, refused := uint64(t.N), false
	for _, item := range t.Items {
		r := s.rule(item.ID.Rule)
		if r == nil {
			continue
		}
		c := r.own
		c.open(s, c.rule.cond.Max)
		c.settle(s)
		if n := c.decidableFirst(s, uint64(t.N)); n < uint64(t.N) {
			c.drain(s)
			decided = min(decided, n)
		}
		refused = refused || c.window.phase == Exhausted
	}
	if refused {
		decided = uint64(t.N)
	}
	admitted := decided
	for i, item := range t.Items {
		r := s.rule(item.ID.Rule)
		if r == nil || decided == 0 {
			continue
		}
		c := r.own
		d.Taken[i].Window = c.window.serial
		switch {
		case refused && c.window.phase != Exhausted && c.window.awaited(s):
			c.chargeFirst(s, decided)
			admitted = 0
		default:
			allowed := c.takeFirst(s, decided)
			admitted = min(admitted, allowed)
			if allowed < decided {
				d.RetryAfter = max(d.RetryAfter, c.window.ends-s.now)
			}
		}
	}
	d.Decided, d.Admitted = uint32(decided), uint32(admitted)
	return d
}

// decidableFirst is how many of n calls can be told now whether they are admitted:
// past the pool nobody knows while a node may still give units back.
func (c *counter) decidableFirst(s *State, n uint64) uint64 {
	w := &c.window
	if w.phase == Exhausted || !w.awaited(s) {
		return n
	}
	return min(n, w.pool())
}

// takeFirst charges n decidable calls and returns how many of them the condition
// allows. A call beyond the pool exhausts the window, because it will be refused.
func (c *counter) takeFirst(s *State, n uint64) uint64 {
	w := &c.window
	if w.phase == Exhausted {
		return 0
	}
	pool := w.pool()
	if n <= pool {
		w.used += n
		return n
	}
	w.used += pool
	w.lose() // not awaited: every lease still here is of a holder that was lost
	w.debt = 0
	c.exhaust(s)
	return pool
}

// chargeFirst charges n calls that another condition has refused, without waiting. If the
// pool has too little, the rest is a debt that is paid from what comes back.
func (c *counter) chargeFirst(s *State, n uint64) {
	w := &c.window
	if w.phase == Exhausted || !w.awaited(s) {
		c.takeFirst(s, n)
		return
	}
	now := min(n, w.pool())
	w.used += now
	if now < n {
		w.debt += n - now
		c.drain(s)
	}
}
