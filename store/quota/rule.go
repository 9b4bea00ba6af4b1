package quota

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
)

// rule is one condition as it is deployed, with what it counts.
type rule struct {
	epoch  uint64 // State.epoch when it was made
	domain string
	at     int // its place in the domain

	id   uint64
	cond Condition
	seed Seed
	// ends is when the window of the calendar ends, cluster time, ms; 0 while that is
	// not known.
	ends int64
	// own counts all calls, callers those of each caller; one of them is there.
	own     *counter
	callers *callers
}

// compareRules is the order of a domain's rules.
func compareRules(a, b *rule) int {
	x, y := &a.cond, &b.cond
	shadow := func(c *Condition) uint64 { return bit(c.Shadow) }
	return cmp.Or(
		strings.Compare(x.Endpoint, y.Endpoint), cmp.Compare(x.ResetSeconds, y.ResetSeconds),
		cmp.Compare(x.Period.Unit, y.Period.Unit), strings.Compare(x.Period.Zone, y.Period.Zone),
		strings.Compare(string(x.By), string(y.By)), cmp.Compare(shadow(x), shadow(y)),
	)
}

// domain holds the rules of one domain, sorted.
type domain struct {
	epoch uint64
	rules []*rule
}

// nextEnd is when a window ends that opens now; 0 if that is not known.
func (r *rule) nextEnd(now int64) int64 {
	switch {
	case r.cond.Period.Unit == NoUnit:
		return now + r.cond.Seconds()*1000
	case r.ends > now:
		return r.ends
	}
	return 0
}

// SetConditions puts the conditions of a domain in force, as its deployment
// does. Counters that go on to exist keep their usage; the others are gone. No
// conditions removes the domain. Salt goes into the digests of new rules.
func (s *State) SetConditions(key string, conditions []Condition, salt string) {
	kept := map[ConditionName]*rule{}
	if old, ok := s.domains.Delete(key); ok {
		for _, r := range old.rules {
			kept[r.cond.Name()] = r
			s.forgetRule(r)
		}
	}
	d := &domain{}
	for _, cond := range conditions {
		r := kept[cond.Name()]
		if r == nil {
			s.lastID++
			r = newRule(s, cond, salt)
		} else {
			r = r.clone(s.epoch)
		}
		r.cond = cond
		if r.own != nil {
			r.own.limit(s, cond.Max)
		}
		d.rules = append(d.rules, r)
	}
	if len(d.rules) > 0 {
		s.add(key, d)
	}
}

func newRule(s *State, cond Condition, salt string) *rule {
	r := &rule{epoch: s.epoch, id: s.lastID, cond: cond}
	if cond.By == ByAll {
		r.own = &counter{epoch: s.epoch, rule: r}
		return r
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(salt), r.id))
	r.seed = Seed(sum[:len(r.seed)])
	r.callers = newCallers()
	return r
}

// clone is the rule as the state goes on to change it.
func (r *rule) clone(epoch uint64) *rule {
	if r.epoch == epoch {
		return r
	}
	own := *r
	own.epoch = epoch
	if r.own != nil {
		own.own = r.own.clone(epoch, &own)
	} else {
		own.callers = r.callers.clone()
	}
	return &own
}

// add enters a domain into the state.
func (s *State) add(key string, d *domain) {
	slices.SortFunc(d.rules, compareRules)
	d.epoch = s.epoch
	s.domains.Set(key, d)
	for i, r := range d.rules {
		r.domain, r.at = key, i
		s.rules[r.id] = r
		s.index(r)
	}
}

// index enters a rule where it waits for the end of a window.
func (s *State) index(r *rule) {
	if r.cond.Period.Unit != NoUnit {
		s.calendar.Set(ending{r.ends, r.id})
	}
	if r.callers != nil {
		s.sweepNext(r)
	}
}

// forgetRule takes a rule out of the state.
func (s *State) forgetRule(r *rule) {
	delete(s.rules, r.id)
	s.calendar.Delete(ending{r.ends, r.id})
	if r.callers != nil {
		s.sweep.Delete(ending{r.callers.firstEnd(), r.id})
	}
}

// rule is the rule of that ID, to be changed; nil if there is none.
func (s *State) rule(id uint64) *rule {
	r := s.rules[id]
	if r == nil || r.epoch == s.epoch {
		return r
	}
	d, _ := s.domains.Get(r.domain)
	if d.epoch != s.epoch {
		d = &domain{epoch: s.epoch, rules: slices.Clone(d.rules)}
		s.domains.Set(r.domain, d)
	}
	r = r.clone(s.epoch)
	d.rules[r.at], s.rules[id] = r, r
	return r
}

// find finds a rule by its condition's name, to be changed; nil if there is none.
func (s *State) find(key string, name ConditionName) *rule {
	d, _ := s.domains.Get(key)
	if d == nil {
		return nil
	}
	for _, r := range d.rules {
		if r.cond.Name() == name {
			return s.rule(r.id)
		}
	}
	return nil
}

// ending is a rule and the end of a window that it waits for.
type ending struct {
	at   int64 // cluster time, ms
	rule uint64
}

func (a ending) before(b ending) bool {
	return a.at < b.at || a.at == b.at && a.rule < b.rule
}

// CalendarEnd is the end of a rule's window by the calendar.
type CalendarEnd struct {
	Rule uint64
	End  int64 // cluster time, ms
}

// CalendarDue lists rules of calendar windows that have ended by the cluster time at,
// or whose end is not known, up to n of them; End is that of the window before, 0 if
// there was none.
func (s *State) CalendarDue(at int64, n int) (due []CalendarEnd, periods []Period) {
	s.calendar.Scan(func(e ending) bool {
		if e.at > at || len(due) == n {
			return false
		}
		due = append(due, CalendarEnd{e.rule, e.at})
		periods = append(periods, s.rules[e.rule].cond.Period)
		return true
	})
	return due, periods
}

// SetEnd says when the running window of a rule's calendar ends. An end that is over,
// or comes before the one that is known, changes nothing.
func (s *State) SetEnd(e CalendarEnd) {
	if known := s.rules[e.Rule]; known == nil || known.cond.Period.Unit == NoUnit || e.End <= s.now || known.ends > s.now {
		return
	}
	r := s.rule(e.Rule)
	s.calendar.Delete(ending{r.ends, r.id})
	r.ends = e.End
	s.calendar.Set(ending{r.ends, r.id})
}
