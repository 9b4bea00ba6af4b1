package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The two checks of one window, exact and linear in the number of calls
// (pitfalls 3.4): P1, never over, and P2, consistent.

// checkNeverOver finds more admissions than limit.
func checkNeverOver(name string, limit int, h history) []violation {
	in := h.only(admitted)
	if len(in) <= limit {
		return nil
	}
	slices.SortFunc(in, func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	return []violation{{fmt.Sprintf("never over: %s admitted %d calls in a window of %d; these are past it:", name, len(in), limit), in[limit:]}}
}

// checkConsistent finds admissions begun after a 20004 had been returned.
func checkConsistent(name string, h history) []violation {
	no := h.only(refused)
	if len(no) == 0 {
		return nil
	}
	first := slices.MinFunc(no, func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	late := history{first}
	for _, o := range h {
		if o.verdict == admitted && o.call > first.ret {
			late = append(late, o)
		}
	}
	if len(late) == 1 {
		return nil
	}
	return []violation{{fmt.Sprintf("consistent: %s admitted %d calls begun after a 20004; it comes first:", name, len(late)-1), late}}
}

// clockSlack is how far windows may seem short from outside: their starts are
// whole milliseconds, and processes read the wall clock, this one the monotonic.
const clockSlack = 10 * time.Millisecond

// checkSpans bounds the admissions of short windows in spans of real time. The
// windows follow one another, so n·limit+1 admissions touch n+1 windows at
// least, and n-1 whole ones lie between the first and the last; counted from
// the very first call, which opened the first window, n do.
func checkSpans(t *target, h history) []violation {
	in := h.only(admitted)
	if len(in) == 0 {
		return nil
	}
	byReturn := slices.SortedFunc(slices.Values(in), func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	begin := slices.MinFunc(h, func(a, b op) int { return cmp.Compare(a.call, b.call) }).call
	for n := 1; n*t.limit < len(byReturn); n++ {
		o := byReturn[n*t.limit]
		if took, least := o.ret-begin, time.Duration(n)*t.window; took < least-clockSlack {
			return []violation{{fmt.Sprintf("never over: %v admitted %d calls within %v of the first call, windows of %v admit %d; the first too many:",
				t, n*t.limit+1, took, t.window, n*t.limit), history{o}}}
		}
	}
	return checkSlidingSpans(t, in)
}

// checkSlidingSpans is checkSpans from any admission on: 2·limit+1 of them,
// and 3·limit+1, however they lie to the windows.
func checkSlidingSpans(t *target, in history) []violation {
	slices.SortFunc(in, func(a, b op) int { return cmp.Compare(a.call, b.call) })
	for _, whole := range []int{1, 2} {
		n := (whole + 1) * t.limit // n+1 admissions have whole windows between them
		span := time.Duration(whole)*t.window - clockSlack
		for i := range in {
			// The admissions that lie wholly between in[i].call and span later.
			var inside history
			for _, o := range in[i:] {
				if o.call > in[i].call+span {
					break
				}
				if o.ret < in[i].call+span {
					inside = append(inside, o)
				}
			}
			if len(inside) > n {
				return []violation{{fmt.Sprintf("never over: %v admitted %d calls within %v, windows of %v admit %d of %d each; the last:",
					t, len(inside), span, t.window, whole+1, t.limit), inside[n:]}}
			}
		}
	}
	return nil
}

// checkRetryAfter is checkConsistent for short windows: a 20004 names whole
// seconds, rounded up, to the window's end, so the window lasts for more than
// one less from the call on; what begins after the answer and ends before that
// is of the same window.
func checkRetryAfter(t *target, h history) []violation {
	var no history
	for _, o := range h.only(refused) {
		if o.retryAfter > time.Second {
			no = append(no, o)
		}
	}
	for _, r := range no {
		certain := r.call + r.retryAfter - time.Second - clockSlack
		for _, o := range h {
			if o.verdict == admitted && o.call > r.ret && o.ret < certain {
				return []violation{{fmt.Sprintf("consistent: %v admitted a call after a 20004 of the same window:", t), history{r, o}}}
			}
		}
	}
	return nil
}

// checkBounded finds calls that hung: no answer within what a call may wait for
// its decision, at a node that ran all the time.
func checkBounded(most time.Duration, h history, paused func(op) bool) []violation {
	var hung history
	for _, o := range h {
		if o.ret-o.call > most && o.patience > most && !paused(o) {
			hung = append(hung, o)
		}
	}
	if hung == nil {
		return nil
	}
	return []violation{{fmt.Sprintf("bounded: %d calls took more than %v at a node that ran:", len(hung), most), hung}}
}

// checkAnswers finds answers that no call should get.
func checkAnswers(h history) []violation {
	if bad := h.only(wrong); bad != nil {
		return []violation{{fmt.Sprintf("%d calls got an answer that no call of the load should get:", len(bad)), bad}}
	}
	return nil
}

// checkNeverEarly finds units that are nowhere: a call was refused, and even
// with those that the cluster tells are lost not all of the limit can have been
// used.
func checkNeverEarly(t *target, h history, lost int) []violation {
	no := h.only(refused)
	if no == nil {
		return nil
	}
	in, perhaps := h.count(admitted), h.perhaps()
	if in+perhaps+lost >= t.limit {
		return nil
	}
	first := slices.MinFunc(no, func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	return []violation{{fmt.Sprintf("never early: %v refused calls when only %d of %d were admitted, %d more perhaps, and %d are lost with their holders; the first:",
		t, in, t.limit, perhaps, lost), history{first}}}
}
