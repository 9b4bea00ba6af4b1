package quota

import (
	"cmp"
	"slices"
)

// counter counts one condition. Its window starts with the first call that it
// counts; a counter whose window has ended keeps it until the next call.
type counter struct {
	epoch  uint64 // State.epoch when it was made
	domain string
	at     int // its place in the domain

	id       uint64
	endpoint string
	reset    uint32 // s
	max      uint64 // of the next window

	window window
}

// clone is a copy that shares nothing that changes.
func (c *counter) clone(epoch uint64) *counter {
	own := *c
	own.epoch, own.window.leases = epoch, slices.Clone(c.window.leases)
	return &own
}

// window is one run of a counter. The zero window has never been open.
type window struct {
	start int64 // cluster time, ms; 0 means never opened
	max   uint64
	used  uint64 // units that are gone; more than max once that was lowered
	lost  uint64 // those of used whose holders never said what became of them
	// debt is units that refused calls were charged while others held all
	// that was left; what comes back pays it first.
	debt    uint64
	phase   Phase
	drained uint64  // State.entries when the draining began
	leases  []lease // sorted by holder
}

// lease is what one incarnation of a node holds of a window. The holder may spend the
// units until its own clock says that the lease has ended. Here they are neither used
// nor in the pool until the holder has said in the log what became of them, or until
// nobody waits for its word any more.
type lease struct {
	holder holder
	units  uint64
	length int64 // ms, of the longest grant that the holder may go by
	// expires is the cluster time, ms, from which the window may be called
	// exhausted without the holder's word, as of the commands of term; later
	// terms have put it off (lease.until).
	expires int64
	term    uint64
}

// holder is one incarnation of a node. A process that has restarted cannot
// speak for the one before it, which may have spent what it held.
type holder struct {
	node        string
	incarnation uint64
}

func (a holder) compare(b holder) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.incarnation, b.incarnation))
}

func (c *counter) ends() int64 { return c.window.start + int64(c.reset)*1000 }

// running reports whether a window runs at now.
func (c *counter) running(now int64) bool { return c.window.start != 0 && now < c.ends() }

// leased is the number of units that nodes hold.
func (w *window) leased() (n uint64) {
	for i := range w.leases {
		n += w.leases[i].units
	}
	return n
}

// pool is the number of units that nobody has taken.
func (w *window) pool() uint64 {
	return w.max - min(w.max, w.used+w.leased())
}

// drainEntries is how many entries a window that drains lets pass before it
// gives up a holder whose lease has expired. While the log stood still, nobody
// could give anything back. And a late entry tells the holders to give back only when
// it is applied.
const drainEntries = 8

// awaited reports whether a node may still hold units that it can spend, or
// that it was not given the time to give back.
func (w *window) awaited(s *State) bool {
	asked := w.phase > Leasing && s.entries >= w.drained+drainEntries
	return slices.ContainsFunc(w.leases, func(l lease) bool { return l.units > 0 && (l.until(&s.terms) > s.now || !asked) })
}

// open opens a window if none runs. A window too small to be shared out is
// strict from its first call.
func (c *counter) open(s *State) {
	if c.running(s.now) {
		return
	}
	c.window = window{start: s.now, max: c.max}
	if c.share(s) < uint64(s.params.MinLease) {
		c.window.phase = Strict
	}
}

// share is the most that one node may be leased now.
func (c *counter) share(s *State) uint64 { return c.window.pool() / uint64(2*max(s.members, 1)) }

// enter moves the window to a later phase, and tells.
func (c *counter) enter(s *State, p Phase) {
	if p > c.window.phase {
		c.window.phase = p
		s.changed = append(s.changed, c.info())
	}
}

// drain calls every lease back. If there is none, the window is strict at once.
func (c *counter) drain(s *State) {
	if c.window.phase == Leasing {
		c.window.drained = s.entries
		c.enter(s, Draining)
	}
	c.settle(s)
}

// settle ends the draining when no holder is awaited any more. What lost holders held
// counts as used.
func (c *counter) settle(s *State) {
	w := &c.window
	if w.phase != Draining || w.awaited(s) {
		return
	}
	w.lose()
	c.payDebt()
	c.enter(s, Strict)
}

// lose gives the leases up whose holders are not waited for any more. They may
// have spent all they held.
func (w *window) lose() {
	w.used += w.leased()
	w.lost += w.leased()
	w.leases = nil
}

// payDebt takes from the pool what refused calls were charged.
func (c *counter) payDebt() {
	w := &c.window
	n := min(w.debt, w.pool())
	w.used += n
	w.debt -= n
}

// decidable is how many of n calls can be told now whether they are admitted:
// past the pool nobody knows while a node may still give units back.
func (c *counter) decidable(s *State, n uint64) uint64 {
	w := &c.window
	if w.phase == Exhausted || !w.awaited(s) {
		return n
	}
	return min(n, w.pool())
}

// take charges n decidable calls and returns how many of them the condition
// allows. A call beyond the pool exhausts the window, because it will be refused.
func (c *counter) take(s *State, n uint64) uint64 {
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
	c.enter(s, Exhausted)
	return pool
}

// charge charges n calls that another condition has refused, without waiting. If the
// pool has too little, the rest is a debt that is paid from what comes back.
func (c *counter) charge(s *State, n uint64) {
	w := &c.window
	if w.phase == Exhausted || !w.awaited(s) {
		c.take(s, n)
		return
	}
	now := min(n, w.pool())
	w.used += now
	if now < n {
		w.debt += n - now
		c.drain(s)
	}
}

// giveBack returns n units to the window that they came from. An exhausted window takes
// nothing back: a later call would be admitted after a refusal (promise 3).
func (c *counter) giveBack(s *State, start int64, n uint64) {
	w := &c.window
	if !c.running(s.now) || w.start != start || w.phase == Exhausted {
		return
	}
	w.used -= min(n, w.used)
	c.payDebt()
}

// limit sets the maximum. It holds at once for a window that runs and is not
// exhausted, and keeps what is used of it; else it holds from the next window on.
func (c *counter) limit(s *State, limit uint64) {
	c.max = limit
	w := &c.window
	if !c.running(s.now) || w.phase == Exhausted {
		return
	}
	w.max = limit
	if w.used+w.leased() > limit { // what is leased may be too much now
		c.drain(s)
	}
}

func (c *counter) info() Info {
	return Info{ID: c.id, Endpoint: c.endpoint, Phase: c.window.phase, Window: c.window.start, Ends: c.ends()}
}

// read is the counter as of now.
func (c *counter) read(now int64) Reading {
	r := Reading{Condition: Condition{Endpoint: c.endpoint, Max: c.max, ResetSeconds: c.reset}, Pool: c.max}
	if c.running(now) {
		w := &c.window
		r.Used, r.Lost, r.Leased, r.Pool, r.Phase, r.WindowEnds = w.used, w.lost, w.leased(), w.pool(), w.phase, c.ends()
	}
	return r
}
