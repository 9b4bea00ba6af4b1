package ledger

import "github.com/tollgate/tollgate/store/quota"

// Standings appends where a call stands with each of its conditions at its stage. It
// waits for nothing.
func (l *Ledger) Standings(c *quota.Call, into []quota.Standing) []quota.Standing {
	cl := l.class(c)
	if cl == nil {
		return into
	}
	var few [8]ask
	at := l.clock()
	for i, a := range l.asks(cl.rules, cl.together, c, few[:0]) {
		into = append(into, l.standing(cl.rules[i], a, at))
	}
	return into
}

func (l *Ledger) standing(r *rule, a ask, at instant) quota.Standing {
	s := quota.Standing{Name: r.Condition.Name(), Max: max(r.Condition.Max, a.limit)}
	if left := a.used(l, at, a.limit); left > 0 {
		s.Known, s.ResetMillis = true, left
		return s
	}
	if le := a.lease.Load(); le != nil && le.alive(at) {
		if left := le.left(); left > 0 { // nobody else can spend those
			s.Known, s.Remaining, s.Max = true, left, le.max.Load()
			s.ResetMillis = max(le.windowEnds.Load()-at.mono, 0) / 1e6
			return s
		}
	}
	if st := a.newest.Load(); st != nil && at.mono < st.ends {
		s.Max, s.ResetMillis = st.max, (st.ends-at.mono)/1e6
		s.Known, s.Remaining = st.left > 0 || st.out, st.left
	}
	return s
}

// met is what the newest call that the log has decided met at a counter.
type met struct {
	ends      int64 // mono, ns
	max, left uint64
	// out: a call was refused for good, and nothing is left.
	out bool
}
