package quota

import (
	"math"

	"github.com/tidwall/btree"
)

// callers are the counters of a rule's callers. Most are at rest: nobody holds units of
// them. They are records without pointers, so that a million of them cost little. The
// others are counters. Which of the two a caller is follows from what it counts alone.
type callers struct {
	resting *btree.BTreeG[record]
	busy    *btree.BTreeG[busyCaller]
	// ends has every caller by the end of its window. It follows from the two, and
	// snapshots have no use for it.
	ends *btree.BTreeG[callerEnd]
	// shared counts the callers beyond Condition.MaxCallers; nil until there are any.
	shared *counter
}

// record is a counter at rest.
type record struct {
	caller      Digest
	serial      int64
	ends        int64
	limit       uint64
	used        uint64
	refusedFrom uint32
	phase       Phase
	alerted     uint8
}

// busyCaller is a counter under its caller.
type busyCaller struct {
	caller Digest
	*counter
}

// callerEnd is a caller and when its window ends.
type callerEnd struct {
	at     int64 // cluster time, ms
	caller Digest
}

func newCallers() *callers {
	unlocked := btree.Options{NoLocks: true}
	return &callers{
		resting: btree.NewBTreeGOptions(func(a, b record) bool { return a.caller.compare(b.caller) < 0 }, unlocked),
		busy:    btree.NewBTreeGOptions(func(a, b busyCaller) bool { return a.caller.compare(b.caller) < 0 }, unlocked),
		ends: btree.NewBTreeGOptions(func(a, b callerEnd) bool {
			return a.at < b.at || a.at == b.at && a.caller.compare(b.caller) < 0
		}, unlocked),
	}
}

// clone shares what does not change.
func (cs *callers) clone() *callers {
	return &callers{resting: cs.resting.Copy(), busy: cs.busy.Copy(), ends: cs.ends, shared: cs.shared}
}

// count is how many callers have a counter each.
func (cs *callers) count() int { return cs.resting.Len() + cs.busy.Len() }

// firstEnd is when the first window of a caller ends; late if there is none.
func (cs *callers) firstEnd() int64 {
	if e, ok := cs.ends.Min(); ok {
		return e.at
	}
	return math.MaxInt64
}

// get is a caller's counter, to be changed and kept; nil if it has none.
func (s *State) get(r *rule, d Digest) *counter {
	cs := r.callers
	if b, ok := cs.busy.Get(busyCaller{caller: d}); ok {
		c := b.clone(r.epoch, r)
		if c != b.counter {
			cs.busy.Set(busyCaller{d, c})
		}
		return c
	}
	if rec, ok := cs.resting.Get(record{caller: d}); ok {
		c := s.spares.next()
		*c = rec.counter(r)
		return c
	}
	return nil
}

// peek is a caller's counter, to be read.
func (r *rule) peek(d Digest) *counter {
	if b, ok := r.callers.busy.Get(busyCaller{caller: d}); ok {
		return b.counter
	}
	if rec, ok := r.callers.resting.Get(record{caller: d}); ok {
		c := rec.counter(r)
		return &c
	}
	return nil
}

func (rec record) counter(r *rule) counter {
	return counter{epoch: r.epoch, rule: r, caller: rec.caller, indexed: rec.ends, kept: atRest, window: window{
		start: rec.ends - r.cond.Seconds()*1000, serial: rec.serial, ends: rec.ends, limit: rec.limit, used: rec.used,
		refusedFrom: rec.refusedFrom, phase: rec.phase, alerted: rec.alerted,
	}}
}

// spares are counters that are used again and again: those of callers at rest, while
// something is done to them. Most calls of callers need one, and it is nothing afterwards.
type spares struct {
	all  []*counter
	used int
}

// next is one that is good until free.
func (sp *spares) next() *counter {
	if sp.used == len(sp.all) {
		sp.all = append(sp.all, new(counter))
	}
	sp.used++
	return sp.all[sp.used-1]
}

// free says that none is in use. They let go of their rules, which may be gone, with a
// million callers.
func (sp *spares) free() {
	for _, c := range sp.all[:sp.used] {
		c.rule = nil
	}
	sp.used = 0
}

// rests reports whether a record says all there is to say of the counter.
func (c *counter) rests() bool {
	w := &c.window
	return len(w.leases) == 0 && w.lost == 0 && w.debt == 0 && w.adjust == 0 && w.was == 0 && w.phase != Draining
}

func (c *counter) record() record {
	w := &c.window
	return record{c.caller, w.serial, w.ends, w.limit, w.used, w.refusedFrom, w.phase, w.alerted}
}

// keep puts a caller's counter back that was got, or made.
func (s *State) keep(c *counter) {
	r := c.rule
	if c.window.serial == 0 { // never opened
		return
	}
	if c.shared {
		if before := r.callers.shared; before == nil || before.window.serial != c.window.serial && before.window.serial != c.window.was {
			s.happened(c, 0)
		}
		r.callers.shared = c
		return
	}
	cs := r.callers
	if c.indexed != c.window.ends {
		s.sweeping(r, func() {
			if c.indexed != 0 {
				cs.ends.Delete(callerEnd{c.indexed, c.caller})
			}
			cs.ends.Set(callerEnd{c.window.ends, c.caller})
		})
		c.indexed = c.window.ends
	}
	rests := c.rests()
	switch {
	case rests && c.kept == amongBusy:
		cs.busy.Delete(busyCaller{caller: c.caller})
	case !rests && c.kept == atRest:
		cs.resting.Delete(record{caller: c.caller})
	}
	switch {
	case rests:
		cs.resting.Set(c.record())
	case c.kept != amongBusy: // c may be a spare
		own := *c
		own.kept = amongBusy
		cs.busy.Set(busyCaller{c.caller, &own})
	}
}

// remove takes a caller out.
func (s *State) remove(r *rule, e callerEnd) {
	s.sweeping(r, func() { r.callers.ends.Delete(e) })
	if _, ok := r.callers.resting.Delete(record{caller: e.caller}); !ok {
		r.callers.busy.Delete(busyCaller{caller: e.caller})
	}
}

// sweeping makes a change that may have another of a rule's callers be the first whose
// window ends.
func (s *State) sweeping(r *rule, change func()) {
	before := r.callers.firstEnd()
	change()
	if r.callers.firstEnd() != before {
		s.sweep.Delete(ending{before, r.id})
		s.sweepNext(r)
	}
}

// sweepNext enters a rule where it waits for the end of its first caller's window.
func (s *State) sweepNext(r *rule) {
	if first := r.callers.firstEnd(); first < math.MaxInt64 {
		s.sweep.Set(ending{first, r.id})
	}
}

// removeEnded removes up to n callers whose windows have ended, in the order of their
// ends. Nothing is lost: their counters are as if they had never been.
func (s *State) removeEnded(n int) {
	for range n {
		first, ok := s.sweep.Min()
		if !ok || first.at > s.now {
			return
		}
		r := s.rule(first.rule)
		e, _ := r.callers.ends.Min()
		s.remove(r, e)
	}
}

// caller is the counter that a caller's call counts on, to be changed: its own while
// its window runs; that of all beyond MaxCallers while theirs runs, or if there is no
// more room; else a new one.
func (s *State) caller(r *rule, d Digest) *counter {
	c := s.get(r, d)
	if c != nil && c.running(s.now) {
		return c
	}
	if c != nil {
		s.remove(r, callerEnd{c.window.ends, d})
	}
	s.removeEnded(sweptACaller)
	if shared := r.callers.shared; shared != nil && shared.running(s.now) {
		return shared.clone(r.epoch, r)
	}
	if r.callers.count() >= int(r.cond.MaxCallers) {
		if e, ok := r.callers.ends.Min(); ok && e.at <= s.now {
			s.remove(r, e)
		} else {
			return &counter{epoch: r.epoch, rule: r, shared: true}
		}
	}
	c = s.spares.next()
	*c = counter{epoch: r.epoch, rule: r, caller: d}
	return c
}
