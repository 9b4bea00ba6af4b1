package ledger

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tollgate/tollgate/store/quota"
)

// scaleWindows watches the counters: how many calls each has admitted, and how
// the windows end that are to end.
type scaleWindows struct {
	counters uint64   // that do not end; the IDs of those that do come after
	admits   []uint32 // calls admitted, by counter
	ends     []scaleWindow
	tail     *hdrhistogram.Histogram
	// early is calls refused by counters far from their end, late those
	// admitted that began after a refusal had been answered.
	early, late uint64
}

// scaleWindow is a window that ends: when it entered its phases, ns, and when
// the first call was refused and the last node had heard of it.
type scaleWindow struct {
	limit                       uint64
	draining, strict, exhausted int64
	refused, heard              int64
	ears                        int
}

// scaleEnds is how windows ended: the means, in ms after they began to drain, of
// when their leases were back, when they were exhausted, and when the last node
// knew.
type scaleEnds struct {
	n                      int
	back, exhausted, known float64
}

// scaleExactness counts what went wrong with so many units, or calls. All must
// be 0, but that where calls went away undecided, units of used up windows may be
// unused: they had been taken for them.
type scaleExactness struct {
	// over are calls admitted past a limit, early those refused by a counter
	// far from its end, late those admitted that began after a refusal.
	over, early, late uint64
	// lost are units that were given up with their holders, though no node
	// has failed.
	lost, unused uint64
	// miscounted are counters whose usage is not what was admitted.
	miscounted uint64
}

// init has the windows' limits reached one after the other, while it is measured.
func (w *scaleWindows) init(s scaleSpec) {
	w.counters = uint64(s.counters)
	w.admits = make([]uint32, s.counters+s.endings)
	w.tail = waitHistogram()
	for i := range s.endings {
		at := s.warmup.Seconds() + s.measured.Seconds()*float64(i+1)/float64(s.endings+2)
		w.ends = append(w.ends, scaleWindow{limit: uint64(s.endingRate * at)})
	}
}

func (w *scaleWindows) limits() (limits []uint64) {
	for i := range w.ends {
		limits = append(limits, w.ends[i].limit)
	}
	return limits
}

// ending is the window that a counter ends, nil if it does not.
func (w *scaleWindows) ending(id uint64) *scaleWindow {
	if id <= w.counters {
		return nil
	}
	return &w.ends[id-w.counters-1]
}

// ended reports whether all nodes know that all windows are used up.
func (w *scaleWindows) ended() bool {
	for i := range w.ends {
		if w.ends[i].heard == 0 {
			return false
		}
	}
	return true
}

// entered: counters have entered a phase.
func (w *scaleWindows) entered(now int64, news []quota.Info) {
	for _, info := range news {
		if e := w.ending(info.ID.Rule); e != nil {
			switch info.Phase {
			case quota.Draining:
				e.draining = now
			case quota.Strict:
				e.strict = now
			case quota.Exhausted:
				e.exhausted = now
			}
		}
	}
}

// told: a node's replica has heard of it, one of so many.
func (w *scaleWindows) told(now int64, news []quota.Info, nodes int) {
	for _, info := range news {
		if e := w.ending(info.ID.Rule); e != nil && info.Phase == quota.Exhausted {
			if e.ears++; e.ears == nodes {
				e.heard = now
			}
		}
	}
}

// admitted: a call was, which began then.
func (w *scaleWindows) admitted(id uint64, begun int64) {
	w.admits[id-1]++
	if e := w.ending(id); e != nil && e.refused > 0 && begun > e.refused {
		w.late++
	}
}

// refused: a call was.
func (w *scaleWindows) refused(now int64, id uint64) {
	switch e := w.ending(id); {
	case e == nil:
		w.early++
	case e.refused == 0:
		e.refused = now
	}
}

// waited: a call on a counter waited from then until now. Those that waited on a
// window's end are the tail.
func (w *scaleWindows) waited(now int64, id uint64, begun int64) {
	if e := w.ending(id); e != nil && e.draining > 0 && begun >= e.draining {
		record(w.tail, now-begun)
	}
}

// means is how the windows ended that did.
func (w *scaleWindows) means() (m scaleEnds) {
	for _, e := range w.ends {
		if e.heard == 0 {
			continue
		}
		m.n++
		m.back += float64(e.strict-e.draining) / float64(ms)
		m.exhausted += float64(e.exhausted-e.draining) / float64(ms)
		m.known += float64(e.heard-e.draining) / float64(ms)
	}
	n := float64(max(m.n, 1))
	m.back, m.exhausted, m.known = m.back/n, m.exhausted/n, m.known/n
	return m
}

// check holds the calls that were admitted against the state, once it has been
// told of all of them.
func (w *scaleWindows) check(s *quota.State) (x scaleExactness) {
	x.early, x.late = w.early, w.late
	for _, key := range s.Domains() {
		infos, readings := s.Rules(key), s.Readings(key, 0)
		for i, r := range readings {
			admitted := uint64(w.admits[infos[i].ID-1])
			x.over += admitted - min(admitted, r.Max)
			x.lost += r.Lost
			switch {
			case r.Phase == quota.Exhausted:
				x.unused += r.Max - min(r.Max, admitted+r.Lost)
			case r.Used != admitted+r.Lost || r.Leased > 0:
				x.miscounted++
			}
		}
	}
	return x
}

// record adds a time in ns to a histogram of µs.
func record(h *hdrhistogram.Histogram, d int64) {
	_ = h.RecordValue(min(d/1000, h.HighestTrackableValue()))
}
