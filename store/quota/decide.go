package quota

import "math"

// part is one counter's part in a decision.
type part struct {
	c *counter
	// opened is true if the window was opened for the calls; before is what was there.
	opened bool
	before window
	// fits is how many of the calls it has units for.
	fits uint64
	// counted: something was counted on it.
	counted bool
	// final: a call beyond those is refused for good. Else, if known, it is refused for
	// now: units that are reserved may come back. Else it depends on units that are
	// leased.
	final, known bool
}

// decide charges calls on every counter and admits as many as the narrowest of them
// has units for (spec sections 10 and 14). Of the calls beyond those:
//   - a counter of callers that refuses keeps them from being counted anywhere else;
//   - else, a counter of all calls that refuses keeps them from counting on callers',
//     and they count on the other counters of all calls;
//   - else they are not decided, and what is leased is called back.
//
// Calls of which none is decided open no window.
//
// Where they stand afterwards goes into taken, which has room for each of t.Items.
func (s *State) decide(h holder, t *Take, taken []Taken) Decision {
	d := Decision{Taken: taken}
	s.spares.free()
	var few [8]part
	parts, ok := s.parts(few[:0], t)
	if !ok {
		d.Superseded = true
		return d
	}
	n, units := uint64(t.N), uint64(t.Units)
	admitted := n
	for i := range parts {
		if parts[i].c == nil { // nobody knows yet when its window ends
			undo(parts)
			return d
		}
		parts[i].judge(s, t)
		admitted = min(admitted, parts[i].fits)
	}
	by := refuser(parts, admitted, n)
	decided := n
	if by == nil && admitted < n {
		decided = admitted
		for i := range parts {
			if p := &parts[i]; p.fits < n && !p.known {
				p.c.drain(s)
			}
		}
	}
	if decided == 0 {
		undo(parts)
		by = nil
	}
	for i := range parts {
		p := &parts[i]
		if p.counted = admitted > 0; p.counted {
			p.c.window.used += admitted * units
			if t.Reserve {
				p.c.window.reserve(s, h, admitted*units)
			}
		}
		if by != nil {
			d.RetryAfter = max(d.RetryAfter, p.refuse(s, by, admitted, n, t.Units))
		}
		p.done(s)
		if w := &p.c.window; decided > 0 && p.c.running(s.now) {
			d.Taken[i] = Taken{Window: w.serial, EndsIn: w.ends - s.now, Max: w.max(), Left: w.pool()}
		}
	}
	d.Decided, d.Admitted, d.ByCaller = uint32(decided), uint32(admitted), by != nil && by.c.rule.callers != nil
	return d
}

// parts finds the counters of a Take. It reports false if a rule is gone. A part
// without a counter is of a window that cannot be opened yet.
func (s *State) parts(parts []part, t *Take) ([]part, bool) {
	for _, item := range t.Items {
		if r := s.rules[item.ID.Rule]; r == nil || (r.own == nil) == (item.ID.Caller == Digest{}) {
			return nil, false
		}
	}
	for _, item := range t.Items {
		p := part{c: s.counter(item.ID)}
		p.before = p.c.window
		p.opened = !p.c.running(s.now)
		if !p.c.show(s, item.Limit) {
			p.c = nil
		}
		parts = append(parts, p)
	}
	return parts, true
}

// counter is the counter of a rule that is there, to be changed.
func (s *State) counter(id ID) *counter {
	r := s.rule(id.Rule)
	if r.own != nil {
		return r.own
	}
	return s.caller(r, id.Caller)
}

// show has a window run, of the maximum that a call has shown: the deployed one, or,
// where there are plans, the highest of the window.
func (c *counter) show(s *State, shown uint64) bool {
	cond := &c.rule.cond
	limit := cond.Max
	switch {
	case c.shared:
		limit = cond.Least()
	case len(cond.Plans) > 0 && shown > 0:
		limit = shown
	}
	if !c.open(s, limit) {
		return false
	}
	w := &c.window
	switch {
	case limit > w.limit && len(cond.Plans) > 0 && !c.shared:
		c.raise(s, limit, w.adjust)
	case limit != w.limit && len(cond.Plans) == 0:
		c.limit(s, limit) // it was deployed since the window was last touched
	}
	c.settle(s)
	return true
}

// judge finds out what the counter can say of the calls.
func (p *part) judge(s *State, t *Take) {
	w, n, units := &p.c.window, uint64(t.N), uint64(t.Units)
	if w.refuses(t.Units) {
		p.final, p.known = true, true
		return
	}
	pool := w.pool()
	p.fits = min(n, pool/units)
	rest := pool - p.fits*units
	out := uint64(0)
	if w.awaited(s) {
		out = w.leased()
	}
	p.final = rest+out+w.reserved(s) < units
	p.known = p.final || out == 0
}

// refuses reports whether calls of so many units are refused until the window ends.
func (w *window) refuses(units uint32) bool {
	return w.phase == Exhausted || w.refusedFrom != 0 && units >= w.refusedFrom
}

// refuser is the part that refuses the calls beyond those admitted: a caller's first,
// and one that refuses for good before one that refuses for now.
func refuser(parts []part, admitted, n uint64) (by *part) {
	if admitted == n {
		return nil
	}
	rank := func(p *part) int {
		switch {
		case p.fits > admitted || !p.known:
			return 0
		case p.c.rule.callers != nil:
			return 3 + int(bit(p.final))
		}
		return 1 + int(bit(p.final))
	}
	best := 0
	for i := range parts {
		if r := rank(&parts[i]); r > best {
			best, by = r, &parts[i]
		}
	}
	return by
}

// forNow is the time, ms, after which a call that was refused for now may come again.
const forNow = 1000

// refuse takes the calls beyond those admitted in at one counter. It returns the time
// in ms after which it may admit such calls again, if it has refused them.
func (p *part) refuse(s *State, by *part, admitted, n uint64, units uint32) int64 {
	callers := by.c.rule.callers != nil
	switch {
	case (p.c.rule.callers != nil) != callers:
		return 0
	case p.fits == admitted && p.final:
		p.counted = true
		p.c.refuseFrom(s, units)
		return p.c.window.ends - s.now
	case p == by:
		return min(forNow, p.c.window.ends-s.now)
	case !callers:
		p.counted = true
		p.c.count(s, n-admitted, units)
	}
	return 0
}

// refuseFrom notes that a call of so many units was refused for good.
func (c *counter) refuseFrom(s *State, units uint32) {
	w := &c.window
	if w.refuses(units) {
		return
	}
	w.refusedFrom = units
	if units == 1 {
		c.exhaust(s)
	}
}

// exhaust ends the window's admitting. No lease of it is awaited.
func (c *counter) exhaust(s *State) {
	w := &c.window
	w.lose()
	w.debt = 0
	if s.version >= Third {
		w.refusedFrom, w.drained = 1, 0
	}
	c.enter(s, Exhausted)
}

// count charges n calls that another condition has refused, without waiting. What the
// pool does not have is a debt that is paid from what comes back; if nothing comes back,
// the counter would have refused the calls itself.
func (c *counter) count(s *State, n uint64, units uint32) {
	w, each := &c.window, uint64(units)
	if w.refuses(units) {
		return
	}
	if !w.awaited(s) {
		fits := min(n, w.pool()/each)
		w.used += fits * each
		if fits < n && w.pool()+w.reserved(s) < each {
			c.refuseFrom(s, units)
		}
		return
	}
	now := min(n*each, w.pool())
	w.used += now
	if now < n*each {
		w.debt += n*each - now
		c.drain(s)
	}
}

// done puts the counter back. A window that was opened for calls that did not count on
// it is closed again.
func (p *part) done(s *State) {
	if p.opened && !p.counted {
		p.c.window = p.before
	}
	s.alert(p.c)
	if p.c.rule.callers != nil {
		s.keep(p.c)
	}
}

// undo closes the windows again that were opened for calls that are not decided.
func undo(parts []part) {
	for i := range parts {
		if p := &parts[i]; p.c != nil && p.opened {
			p.c.window = p.before
		}
	}
}

// charge charges what a node was told to count, without a decision.
func (s *State) charge(ch Charge) {
	r := s.rule(ch.Counter.Rule)
	if r == nil || (r.own == nil) == (ch.Counter.Caller == Digest{}) {
		return
	}
	if s.version < Third {
		r.own.open(s, r.cond.Max)
		r.own.chargeFirst(s, ch.N)
		return
	}
	s.spares.free()
	c := s.counter(ch.Counter)
	if !c.show(s, ch.Limit) {
		return
	}
	if r.cond.Shadow {
		c.window.used += min(ch.N, math.MaxInt64-c.window.used)
		if c.window.used > c.window.max() {
			c.refuseFrom(s, 1)
		}
	} else {
		c.count(s, ch.N, 1)
	}
	s.alert(c)
	if r.callers != nil {
		s.keep(c)
	}
}
