package ledger

import (
	"cmp"
	"slices"

	"github.com/tollgate/tollgate/store/quota"
)

// class is what calls of one kind count on at one stage.
type class struct {
	// rules decide the calls, shadows only count them; both by rising ID.
	rules, shadows []*rule
	// together is what the calls count on where none of the rules has By.
	together []ask
	// again marks, under the ledger's lock and while it sorts what waits, a class
	// of which calls are to be asked again.
	again bool
}

// classes are an endpoint's, by stage.
type classes [quota.AfterAuth + 1]class

// rule is a condition in force.
type rule struct {
	quota.Rule
	own *holding // nil where there is By
}

// ask is a counter that a call counts on.
type ask struct {
	*holding
	// limit is the maximum that the call shows, where the condition has plans; else 0.
	limit uint64
}

// asks are the counters that a call counts on by some rules. They are appended to few,
// unless they are the same for all calls.
func (l *Ledger) asks(rules []*rule, together []ask, c *quota.Call, few []ask) []ask {
	if together != nil {
		return together
	}
	for _, r := range rules {
		a := ask{holding: r.own}
		if r.own == nil {
			a.holding = l.callers.get(quota.ID{Rule: r.ID, Caller: quota.DigestOf(r.Seed, c.Caller.CallerBy(r.By))})
			if len(r.Plans) > 0 {
				a.limit = r.Limit(c.Caller.CallerPlan(r.PlanClaim))
			}
		}
		few = append(few, a)
	}
	return few
}

// classify lists, by endpoint, what a call counts on: the domain's rules and
// the endpoint's. It takes the holdings that stay out of gone.
func (l *Ledger) classify(rules []quota.Rule, gone map[*holding]bool) map[string]*classes {
	own := &classes{}
	all := map[string]*classes{"": own}
	for _, one := range rules { // the domain's come first
		cls := all[one.Endpoint]
		if cls == nil {
			cls = &classes{}
			for i := range own {
				cls[i].rules, cls[i].shadows = slices.Clone(own[i].rules), slices.Clone(own[i].shadows)
			}
			all[one.Endpoint] = cls
		}
		stage := quota.BeforeAuth
		if one.AfterAuth {
			stage = quota.AfterAuth
		}
		cl := &cls[stage]
		if r := l.rule(one, gone); one.Shadow {
			cl.shadows = append(cl.shadows, r)
		} else {
			cl.rules = append(cl.rules, r)
		}
	}
	for _, cls := range all {
		for i := range cls {
			cls[i].finish()
		}
	}
	return all
}

func (cl *class) finish() {
	byID := func(a, b *rule) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(cl.rules, byID)
	slices.SortFunc(cl.shadows, byID)
	if slices.ContainsFunc(cl.rules, func(r *rule) bool { return r.own == nil }) {
		return
	}
	cl.together = make([]ask, len(cl.rules))
	for i, r := range cl.rules {
		cl.together[i].holding = r.own
	}
}

// rule is a rule, under the ledger's lock, with the holding that it has already.
func (l *Ledger) rule(one quota.Rule, gone map[*holding]bool) *rule {
	r := &rule{Rule: one}
	if one.By != quota.ByAll {
		return r
	}
	id := quota.ID{Rule: one.ID}
	if r.own = l.holdings[id]; r.own == nil {
		r.own = &holding{id: id}
		l.holdings[id] = r.own
	}
	delete(gone, r.own)
	r.own.learn(one.Phase, span{one.Window, one.Ends, one.Info.Max})
	return r
}
