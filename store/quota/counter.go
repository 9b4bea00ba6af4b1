package quota

import (
	"cmp"
	"slices"
)

// counter counts the calls of one condition, or of one caller of it. Its window starts
// with the first call that it counts; a counter of all calls whose window has ended
// keeps it until the next call.
type counter struct {
	epoch uint64 // State.epoch when it was made
	rule  *rule  // of that epoch
	// caller is whose calls it counts; shared is true of the counter of the callers
	// beyond Condition.MaxCallers.
	caller Digest
	shared bool
	// indexed is the end under which callers.ends has it; 0 if it has not. kept is which
	// of the callers it is among.
	indexed int64
	kept    place

	window window
}

// place is where a rule's callers have one.
type place uint8

const (
	nowhere   place = iota
	atRest          // as a record
	amongBusy       // as this counter itself
)

// clone is the counter as the state goes on to change it.
func (c *counter) clone(epoch uint64, of *rule) *counter {
	if c.epoch == epoch {
		return c
	}
	own := *c
	own.epoch, own.rule, own.window.leases = epoch, of, slices.Clone(c.window.leases)
	return &own
}

func (c *counter) id() ID { return ID{c.rule.id, c.caller} }

// window is one run of a counter. The zero window has never been open.
type window struct {
	// serial names the window: no other has the number, and that of a later one is
	// greater. A window's start would not do: one that is reset may begin in the same
	// millisecond as another. Windows by the first version are named by their start.
	serial int64
	// was is the window's name before it was raised; 0 if it was not. Units that were
	// taken under it and come back are still this window's.
	was    int64
	start  int64 // cluster time, ms
	ends   int64
	limit  uint64 // the maximum, but for adjust
	adjust int64  // what an administrator has added to it
	used   uint64 // units that are gone; more than the maximum once that was lowered
	lost   uint64 // those of used whose holders never said what became of them
	// debt is units that refused calls were charged while others held all
	// that was left; what comes back pays it first.
	debt uint64
	// refusedFrom is the smallest number of units that a call was refused for good;
	// 0 if none was. It is 1 of an exhausted window.
	refusedFrom uint32
	phase       Phase
	alerted     uint8   // a bit for each of Condition.Alerts that was reached
	drained     uint64  // State.entries when the draining began; 0 in other phases
	leases      []lease // sorted by holder
}

// lease is what one incarnation of a node holds of a window. The holder may spend the
// units until its own clock says that the lease has ended. Here they are neither used
// nor in the pool until the holder has said in the log what became of them, or until
// nobody waits for its word any more.
type lease struct {
	holder holder
	units  uint64
	// reserved is units of window.used that calls of the holder have taken and not
	// settled: some of them may come back. No clock ends that.
	reserved uint64
	length   int64 // ms, of the longest grant that the holder may go by
	// expires is the cluster time, ms, from which the window may be called
	// exhausted without the holder's word, as of the commands of term; later
	// terms have put it off (lease.until).
	expires int64
	term    uint64
}

// holder is one incarnation of a node. A process that has restarted cannot
// speak for the one before it, which may have spent what it held. Nor can a node of the
// same name that joined after that one had left: forgets tells them apart.
type holder struct {
	node        string
	incarnation uint64
	forgets     uint64 // State.forgets when the node's session began
}

func (a holder) compare(b holder) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.incarnation, b.incarnation), cmp.Compare(a.forgets, b.forgets))
}

// running reports whether a window runs at now.
func (c *counter) running(now int64) bool { return c.window.serial != 0 && now < c.window.ends }

// max is the maximum.
func (w *window) max() uint64 {
	if w.adjust < 0 {
		return w.limit - min(w.limit, uint64(-w.adjust))
	}
	return w.limit + uint64(w.adjust)
}

// leased is the number of units that nodes hold.
func (w *window) leased() (n uint64) {
	for i := range w.leases {
		n += w.leases[i].units
	}
	return n
}

// reserved is the number of units that may come back of calls that are under way. What
// an incarnation has reserved that is no more, is used.
func (w *window) reserved(s *State) (n uint64) {
	for i := range w.leases {
		if l := &w.leases[i]; l.reserved > 0 && s.lives(l.holder) {
			n += l.reserved
		}
	}
	return n
}

// pool is the number of units that nobody has taken.
func (w *window) pool() uint64 {
	most := w.max()
	return most - min(most, w.used+w.leased())
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

// open opens a window if none runs. It reports false where none can be opened, because
// nobody has said yet when it is to end. A window too small to be shared out is
// strict from its first call.
func (c *counter) open(s *State, limit uint64) bool {
	if c.running(s.now) {
		return true
	}
	ends := c.rule.nextEnd(s.now)
	if ends == 0 {
		return false
	}
	c.window = window{serial: s.nextSerial(), start: s.now, ends: ends, limit: limit}
	if c.rule.callers != nil {
		c.window.start = ends - c.rule.cond.Seconds()*1000 // records have no start
	}
	if c.shared || c.share(s) < uint64(s.params.MinLease) {
		c.window.phase = Strict
	}
	return true
}

// nextSerial names a window.
func (s *State) nextSerial() int64 {
	if s.version < Third {
		return s.now
	}
	s.serial = max(s.serial, s.now) + 1
	return s.serial
}

// share is the most that one node may be leased now.
func (c *counter) share(s *State) uint64 { return c.window.pool() / uint64(2*max(s.members, 1)) }

// enter moves the window to a later phase, and tells.
func (c *counter) enter(s *State, p Phase) {
	if p > c.window.phase {
		c.window.phase = p
		s.tell(c)
	}
}

// tell has the ledgers told of the counter. They know no shared ones.
func (s *State) tell(c *counter) {
	if !c.shared {
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
	if s.version >= Third {
		w.drained = 0
	}
	c.enter(s, Strict)
}

// lose gives the leases up whose holders are not waited for any more. They may
// have spent all they held. What they have reserved may still be settled.
func (w *window) lose() {
	w.used += w.leased()
	w.lost += w.leased()
	w.leases = slices.DeleteFunc(w.leases, func(l lease) bool { return l.reserved == 0 })
	for i := range w.leases {
		w.leases[i].units = 0
	}
	if len(w.leases) == 0 {
		w.leases = nil
	}
}

// payDebt takes from the pool what refused calls were charged.
func (c *counter) payDebt() {
	w := &c.window
	n := min(w.debt, w.pool())
	w.used += n
	w.debt -= n
}

// is reports whether units that were taken from that window are this one's.
func (w *window) is(serial int64) bool {
	return serial == w.serial || serial == w.was && serial != 0
}

// giveBack returns n units to the window that they came from. An exhausted window takes
// nothing back: a later call would be admitted after a refusal (promise 3).
func (c *counter) giveBack(s *State, serial int64, n uint64) {
	w := &c.window
	if !c.running(s.now) || !w.is(serial) || w.phase == Exhausted {
		return
	}
	w.used -= min(n, w.used)
	c.payDebt()
}

// limit sets the maximum. It holds at once for a window that runs and is not
// exhausted, and keeps what is used of it; else it holds from the next window on.
func (c *counter) limit(s *State, limit uint64) {
	w := &c.window
	if !c.running(s.now) || w.phase == Exhausted {
		return
	}
	w.limit = limit
	c.fit(s)
}

// fit calls leases back that are too much for the maximum.
func (c *counter) fit(s *State) {
	if w := &c.window; w.used+w.leased() > w.max() {
		c.drain(s)
	}
}

// raise sets the maximum of the running window to a higher one. A window that has
// refused calls goes on as another: same end, same use. So nobody who knows that the
// one has refused is wrong (promise 3). What is leased of it is booked as lost.
func (c *counter) raise(s *State, limit uint64, adjust int64) {
	w := &c.window
	before := w.max()
	w.limit, w.adjust = limit, adjust
	if w.refusedFrom == 0 && w.phase != Exhausted || w.max() <= before {
		c.fit(s)
		return
	}
	w.lose()
	w.was, w.serial = w.serial, s.nextSerial()
	w.refusedFrom, w.phase, w.drained = 0, Leasing, 0
	c.payDebt()
	if c.shared || c.share(s) < uint64(s.params.MinLease) {
		w.phase = Strict
	}
	s.tell(c)
}

func (c *counter) info() Info {
	return Info{ID: c.id(), Phase: c.window.phase, Window: c.window.serial, Ends: c.window.ends, Max: c.window.max()}
}

// read is the counter as of now.
func (c *counter) read(s *State, now int64) Reading {
	r := Reading{Condition: c.rule.cond, Pool: c.rule.cond.Max, WindowMax: c.rule.cond.Max}
	if c.running(now) {
		w := &c.window
		r.Used, r.Lost, r.Leased, r.Pool, r.Phase = w.used, w.lost, w.leased(), w.pool(), w.phase
		for _, l := range w.leases {
			if l.units > 0 {
				r.Holders = append(r.Holders, Holding{l.holder.node, l.units})
			}
		}
		r.Reserved, r.Window, r.WindowEnds, r.WindowMax = w.reserved(s), w.serial, w.ends, w.max()
	}
	return r
}
