package load

import (
	"time"

	"github.com/tollgate/tollgate/bench/report"
)

// Exactness judges the calls on counters 0 to counters-1, all of which admit
// limit calls, 1 or more, in a window. The counters' first calls of all must be
// among them. It accuses nobody falsely: a gateway that keeps its promises has
// none over or late, and none early but what nodes held that died. What cannot
// be told from outside is not counted, and where no window can be told apart
// from the next, Windows is 0, and Over is of what no windows could admit.
//
// A window that outlasts the load is one window, and is always judged; how
// shorter ones are told apart, separate says. Used is of the windows that were
// judged and refused calls.
func Exactness(calls []Call, limit uint64, window time.Duration, counters int) report.Exactness {
	e := report.Exactness{Limit: limit}
	var used, usable uint64
	for _, own := range byCounter(calls, counters) {
		if len(own) == 0 {
			continue
		}
		e.Counters++
		var f finding
		if first, last := extent(own); last < surely(first, window) {
			f = judgeOne(own, limit)
		} else {
			f = judgeMany(own, limit, window)
		}
		e.Windows += f.windows
		e.Over += f.over
		e.Early += f.early
		e.Late += f.late
		used += f.used
		usable += f.refusing * limit
	}
	if usable > 0 {
		e.Used = float64(used) / float64(usable)
	}
	return e
}

// finding is what the calls on one counter show.
type finding struct {
	windows           int
	over, early, late uint64
	// used is the admissions of the windows that refused calls, refusing the
	// number of these.
	used, refusing uint64
}

// byCounter sorts calls apart. Those on no counter are left out.
func byCounter(calls []Call, counters int) [][]Call {
	ends := make([]int, counters+1) // after the next loop but one, where each counter's calls end
	for i := range calls {
		if c := int(calls[i].Counter); c >= 0 && c < counters {
			ends[c+1]++
		}
	}
	for c := range counters {
		ends[c+1] += ends[c]
	}
	sorted := make([]Call, ends[counters])
	for i := range calls {
		if c := int(calls[i].Counter); c >= 0 && c < counters {
			sorted[ends[c]] = calls[i]
			ends[c]++
		}
	}
	parts := make([][]Call, counters)
	begin := 0
	for c := range counters {
		parts[c] = sorted[begin:ends[c]]
		begin = ends[c]
	}
	return parts
}

// extent is when the first of calls was begun and the last one over.
func extent(calls []Call) (first, last time.Duration) {
	first = calls[0].Begin
	for i := range calls {
		first, last = min(first, calls[i].Begin), max(last, calls[i].End)
	}
	return first, last
}

// surely is until when a window certainly lasts that was opened at opened or
// later. Windows may seem a little short from outside: their starts are whole
// milliseconds, and nodes read the wall clock, which may be slewed, this
// process the monotonic one.
func surely(opened, window time.Duration) time.Duration {
	return opened + window - window/1000 - 10*time.Millisecond
}

// judgeOne judges calls that were all made in one window. It is exact, and
// linear in their number.
func judgeOne(calls []Call, limit uint64) finding {
	f := finding{windows: 1}
	refused := never // when the first refusal was returned
	for i := range calls {
		if c := &calls[i]; c.Verdict == Refused {
			refused = min(refused, c.End)
		}
	}
	var admitted, perhaps uint64
	for i := range calls {
		switch c := &calls[i]; {
		case c.Verdict == Admitted:
			admitted++
			if c.Begin > refused {
				f.late++
			}
		case mayHaveTaken(c) && c.Begin < refused:
			perhaps++
		}
	}
	f.over = above(admitted, limit)
	if refused != never {
		f.early = above(limit, admitted+perhaps)
		f.used, f.refusing = admitted, 1
	}
	return f
}

// never is later than any call.
const never = time.Duration(1<<63 - 1)

// mayHaveTaken reports whether a call may have taken a unit although it was not
// admitted: nobody knows of one without an answer; one that was not decided in
// time may have been decided later; and one that failed may have done so behind
// the quota.
func mayHaveTaken(c *Call) bool { return c.Verdict != Admitted && c.Verdict != Refused }

// above is how far n is above bound.
func above(n, bound uint64) uint64 {
	if n <= bound {
		return 0
	}
	return n - bound
}
