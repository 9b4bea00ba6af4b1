package load

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// simulation is callers in closed loops and the one counter they call, which
// counts exactly: it opens a window with the first call it decides, and admits
// the first limit calls of each.
type simulation struct {
	limit   uint64
	window  time.Duration
	length  time.Duration
	callers int
	// think bounds the time between an answer and the next call, slowest the
	// way there and back each.
	think, slowest time.Duration
	// lost is the share of calls whose answer does not tell what became of
	// them, one in lost; 0 is none. The counter may come to them at any time.
	lost int
	rng  *rand.Rand
	// windows is how many were opened, full how many of them refused calls.
	windows, full int
}

// simulated is a call and when it was decided.
type simulated struct {
	Call
	decided time.Duration
	lost    bool
}

// run makes the calls of all callers, one caller's after the other's.
func (s *simulation) run() []Call {
	var all []simulated
	for range s.callers {
		for t := s.upTo(s.think); t < s.length; {
			c := simulated{Call: Call{Begin: t, Verdict: Admitted}}
			c.decided = t + s.upTo(s.slowest)
			c.End = c.decided + s.upTo(s.slowest)
			if c.lost = s.lost > 0 && s.rng.IntN(s.lost) == 0; c.lost {
				c.decided += s.upTo(2 * s.window)
			}
			all = append(all, c)
			t = c.End + 1 + s.upTo(s.think)
		}
	}
	s.decide(all)
	calls := make([]Call, len(all))
	for i := range all {
		calls[i] = all[i].Call
		if all[i].lost {
			calls[i].Verdict = Verdict(int(Undecided) + s.rng.IntN(3))
		}
	}
	return calls
}

// decide gives the calls their verdicts, in the order they are decided in.
func (s *simulation) decide(all []simulated) {
	order := make([]*simulated, len(all))
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortFunc(order, func(a, b *simulated) int { return cmp.Compare(a.decided, b.decided) })
	var ends time.Duration
	var used uint64
	for _, c := range order {
		if c.decided >= ends {
			// Clocks of nodes tell whole milliseconds.
			ends, used = c.decided.Truncate(time.Millisecond)+s.window, 0
			s.windows++
		}
		used++
		if used > s.limit {
			c.Verdict = Refused
		}
		if used == s.limit+1 {
			s.full++
		}
	}
}

// upTo is a time from 0 to most.
func (s *simulation) upTo(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most) + 1))
}
