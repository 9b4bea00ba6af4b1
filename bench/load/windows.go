package load

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// burst is admissions that follow one another closely: those between two cuts.
type burst struct {
	calls []Call // admitted, by Begin
	// opened is a time that the window of the first of them cannot have been
	// opened before.
	opened time.Duration
	// before is until when the window before lasted at least: what is of this
	// burst and was over by then, was admitted late.
	before time.Duration
	// answered is when the first of calls had been answered, ended the last.
	answered, ended time.Duration
	// refused is when the first refusal was returned that is certainly of the
	// window that the burst began in; never if there is none.
	refused time.Duration
}

// judgeMany judges calls of several windows that follow one another.
//
// What is certain of each burst, whether or not it is the calls of one window:
// n × limit + 1 admissions touch n + 1 windows at least, and n whole ones lie
// between the opening of the first and the last of them; and what is begun after
// a refusal of the window and over before its end, is late. A burst that was
// over before the end of the window it began in is all of that window, since the
// next burst is of another one: then it is judged as a whole.
func judgeMany(calls []Call, limit uint64, window time.Duration) finding {
	bursts := separate(calls, window)
	findRefusals(calls, bursts, window)
	perhaps := takers(calls)
	var f finding
	for i := range bursts {
		b := &bursts[i]
		end := surely(b.opened, window)
		mixed := false // with calls of the window before
		for _, c := range b.calls {
			if c.End < b.before || c.Begin > b.refused && c.End < end {
				f.late++
			}
			mixed = mixed || c.End < b.before
		}
		f.over += overAnchored(b, limit, window)
		if b.ended >= end || b.refused == never || mixed {
			continue
		}
		admitted := uint64(len(b.calls))
		f.windows++
		f.refusing++
		f.used += admitted
		f.early += perhaps.explain(above(limit, admitted), b.refused)
	}
	return f
}

// separate cuts the admissions of one counter into bursts.
//
// A cut is a stretch of time in which no admitted call was under way, and a
// refused one was made from beginning to end. Let r be such a refusal. What was
// admitted before, had been answered before r began, so it is of r's window or
// an earlier one. What is admitted after, was begun after r had been answered,
// and a gateway that keeps its promises admits nothing in a window that it has
// refused a call in: so it is of a later window than r. Hence every cut has the
// end of a window in it, and the window after it was opened after the last such
// r began. Nothing here depends on how long calls take, nor on clocks: those
// only decide whether windows are long enough to be told apart.
//
// A gateway that does not keep its promises may admit late, which looks like a
// cut. As long as the window certainly still lasts, that is not taken for one.
func separate(calls []Call, window time.Duration) []burst {
	in := only(calls, Admitted)
	if len(in) == 0 {
		return nil
	}
	slices.SortFunc(in, func(a, b Call) int { return cmp.Compare(a.Begin, b.Begin) })
	gaps := findGaps(in)
	fillGaps(gaps, calls)

	first, _ := extent(calls)
	current := burst{opened: first}
	begin := 0
	var all []burst
	for _, g := range gaps {
		end := surely(current.opened, window)
		if g.refusal < 0 || in[g.at].End < end {
			continue
		}
		current.calls = in[begin:g.at]
		all = append(all, current)
		begin = g.at
		current = burst{opened: max(g.refusal, end), before: end}
	}
	current.calls = in[begin:]
	all = append(all, current)
	for i := range all {
		b := &all[i]
		b.refused, b.answered = never, never
		for _, c := range b.calls {
			b.answered, b.ended = min(b.answered, c.End), max(b.ended, c.End)
		}
	}
	return all
}

// gap is a stretch of time in which no admitted call was under way.
type gap struct {
	begin, end time.Duration
	at         int // the first admission after it
	// refusal is when the last call began that was made and refused within it;
	// below zero if there was none.
	refusal time.Duration
}

// findGaps finds the gaps between admissions, which are sorted by Begin.
func findGaps(in []Call) (gaps []gap) {
	ended := in[0].End
	for i := range in {
		if in[i].Begin > ended {
			gaps = append(gaps, gap{ended, in[i].Begin, i, -1})
		}
		ended = max(ended, in[i].End)
	}
	return gaps
}

// fillGaps finds the refusals that lie within gaps.
func fillGaps(gaps []gap, calls []Call) {
	for i := range calls {
		c := &calls[i]
		if c.Verdict != Refused {
			continue
		}
		at := sort.Search(len(gaps), func(i int) bool { return gaps[i].end > c.Begin })
		if at < len(gaps) && c.Begin > gaps[at].begin && c.End < gaps[at].end {
			gaps[at].refusal = max(gaps[at].refusal, c.Begin)
		}
	}
}

// findRefusals finds the first refusal of each burst's window. One that was
// begun after an admission of the burst had been answered, and was over before
// the window's end, is of that window: not of an earlier one, since that had
// been left behind, nor of a later one.
func findRefusals(calls []Call, bursts []burst, window time.Duration) {
	for i := range calls {
		c := &calls[i]
		if c.Verdict != Refused {
			continue
		}
		at := sort.Search(len(bursts), func(i int) bool { return bursts[i].answered >= c.Begin }) - 1
		if at >= 0 && c.End < surely(bursts[at].opened, window) {
			bursts[at].refused = min(bursts[at].refused, c.End)
		}
	}
}

// unexplained is the calls that may have taken units, by Begin.
type unexplained struct {
	begins []time.Duration
	taken  int // of them, that stand for a unit already
}

// takers finds the calls that may have taken a unit without being admitted.
func takers(calls []Call) *unexplained {
	u := &unexplained{}
	for i := range calls {
		if mayHaveTaken(&calls[i]) {
			u.begins = append(u.begins, calls[i].Begin)
		}
	}
	slices.Sort(u.begins)
	return u
}

// explain is how many of the units that nobody was admitted by none of the
// calls can have taken that were begun before a refusal was returned. Each can
// have taken one, in its window or, if the gateway came to it late, in a later
// one. Windows must come in order.
func (u *unexplained) explain(units uint64, refused time.Duration) (left uint64) {
	before, _ := slices.BinarySearch(u.begins, refused)
	n := min(units, uint64(max(before-u.taken, 0)))
	u.taken += int(n)
	return units - n
}

// only is the calls that came to the verdict.
func only(calls []Call, v Verdict) []Call {
	n := 0
	for i := range calls {
		if calls[i].Verdict == v {
			n++
		}
	}
	some := make([]Call, 0, n)
	for i := range calls {
		if calls[i].Verdict == v {
			some = append(some, calls[i])
		}
	}
	return some
}
