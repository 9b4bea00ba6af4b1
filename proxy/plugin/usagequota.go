package plugin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Quota decides calls. Its methods may be called at the same time.
type Quota interface {
	// Take counts one call on the conditions of its domain and endpoint at its
	// stage, and decides it. It blocks until decided or until its configured wait
	// budget is over; an error means: undecided, nothing may be assumed.
	Take(*quota.Call) (quota.Verdict, error)
	// Standings appends where a call stands with these conditions. It does not block.
	Standings(*quota.Call, []quota.Standing) []quota.Standing
	// Claim uses a signature of a domain that is good once, of that timestamp. It
	// reports false if the signature was used before or may not be, and blocks like
	// Take.
	Claim(domain string, signature []byte, at time.Time) (bool, error)
}

// usageQuota is USAGE_QUOTA and ENDPOINT_USAGE_QUOTA at one stage.
type usageQuota struct {
	quota Quota
	// call is what each call is to the ledger, but for who calls. Its endpoint is
	// empty where that has no quota of its own, so that the calls of such endpoints
	// can be counted together.
	call quota.Call
	// settles is true where the endpoint server's answer says what a call was worth;
	// then what was reserved before is settled with it.
	settles bool
	// admit lets undecided calls pass.
	admit              bool
	admitted, shadowed Counter
	// headers tells clients where they stand.
	headers bool
	// ofDomain is false where only the endpoint has a quota.
	ofDomain bool
	// conditions are those of the stage, for Explain.
	conditions []quota.Condition
}

// buildUsageQuota builds the step of a stage; there is none where no condition is
// decided then.
func buildUsageQuota(stage quota.Stage) func(*Env, *catalog.Domain, *catalog.Endpoint) (Step, error) {
	return func(env *Env, d *catalog.Domain, e *catalog.Endpoint) (Step, error) {
		mine := catalog.Domain{Plugins: d.Plugins, Endpoints: []catalog.Endpoint{*e}}
		q := &usageQuota{
			quota: env.Quota, call: quota.Call{Domain: d.Key, Stage: stage},
			admit: d.AdmitsUndecided(e), admitted: env.Admitted, shadowed: env.Shadowed,
		}
		later := false // a condition behind this stage may refuse what this one has counted
		for _, c := range mine.Conditions() {
			switch {
			case c.AfterAuth == (stage == quota.AfterAuth):
				q.conditions = append(q.conditions, c)
			case c.AfterAuth && !c.Shadow:
				later = true
			}
		}
		if len(q.conditions) == 0 {
			return nil, nil
		}
		for _, of := range []*catalog.UsageQuota{d.Plugins.UsageQuota, e.Plugins.UsageQuota} {
			q.headers = q.headers || of != nil && of.Headers
		}
		q.ofDomain = d.Plugins.UsageQuota != nil && len(d.Plugins.UsageQuota.Beans) > 0
		if of := e.Plugins.UsageQuota; of != nil && len(of.Beans) > 0 {
			q.call.Endpoint = e.ID()
		}
		if cost := e.Plugins.UsageCost; cost != nil {
			q.call.Units = uint32(cost.Units)
			q.settles = cost.SettleHeader != ""
		}
		q.call.Reserve = q.settles || later
		return q, nil
	}
}

func (q *usageQuota) Serve(c *Call) (answered bool, err error) {
	n := c.counting()
	n.call = q.call
	n.call.Caller = c
	v, err := q.quota.Take(&n.call)
	if q.headers {
		n.standings = q.quota.Standings(&n.call, n.standings)
	}
	if v.Shadowed {
		c.Shadowed = true
		q.shadowed.Inc()
	}
	switch {
	case err != nil && q.admit:
		q.admitted.Inc()
		return false, nil
	case err != nil:
		c.Cause = err
		return false, envelope.QuotaUndecided
	}
	c.Units = int64(q.call.Cost())
	if !v.Admitted {
		c.refund(v.ByCaller)
		c.RetryAfter = wholeSeconds(v.RetryAfter)
		return false, envelope.QuotaExceeded
	}
	if v.Reservation != nil {
		n.reserved = append(n.reserved, v.Reservation)
	}
	if q.call.Stage == quota.AfterAuth && !q.settles {
		c.SettleUnits(c.Units)
	}
	return false, nil
}

// refund: a condition has refused the call, which may not count on those before it.
func (c *Call) refund(byCaller bool) {
	n := c.counting()
	for _, r := range n.reserved {
		r.Refund(byCaller)
	}
	n.reserved = n.reserved[:0]
}

// hasReserved reports whether the call has reserved units that are not settled.
func (c *Call) hasReserved() bool { return c.count != nil && len(c.count.reserved) > 0 }

// SettleUnits says what the call was worth, unless that has been said.
func (c *Call) SettleUnits(units int64) {
	if !c.hasReserved() {
		return
	}
	for _, r := range c.count.reserved {
		r.Settle(uint64(units))
	}
	c.count.reserved = c.count.reserved[:0]
}

// wholeSeconds rounds up, so that a client that waits that long finds a new window.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}

// Explain implements Step. It does not say what is used up: asking for that would take
// a unit.
func (q *usageQuota) Explain(c *Call) Finding {
	var say []string
	for i := range q.conditions {
		say = append(say, describe(&q.conditions[i], c))
	}
	units := ""
	if n := q.call.Cost(); n > 1 {
		units = fmt.Sprintf(" for %d units", n)
	}
	return unknown("a real call counts" + units + " on " + strings.Join(say, ", ") + ", and is answered 20004 when one of them is used up")
}

// describe is a condition for people, with the caller that a call would count for.
func describe(cond *quota.Condition, c *Call) string {
	whose := "the domain's"
	if cond.Endpoint != "" {
		whose = "the endpoint's"
	}
	limit := cond.Max
	if len(cond.Plans) > 0 {
		limit = cond.Limit(c.CallerPlan(cond.PlanClaim))
	}
	window := fmt.Sprintf("%d s", cond.ResetSeconds)
	if p := cond.Period; p.Unit != quota.NoUnit {
		window = p.Unit.String() + " of " + p.Zone
	}
	said := fmt.Sprintf("%s %d per %s", whose, limit, window)
	if cond.By != quota.ByAll {
		said += fmt.Sprintf(" by %s (%s)", cond.By, c.shownCaller(cond.By))
	}
	if cond.Shadow {
		said += " (shadow: it refuses nobody)"
	}
	return said
}

// shownCaller is a caller as it may be shown: values of headers are masked.
func (c *Call) shownCaller(by quota.By) string {
	value := c.CallerBy(by)
	_, header := by.Header()
	switch {
	case len(value) == 0:
		return "none: it shares a counter with others that have none"
	case header:
		return catalog.SecretPlaceholder
	case by == quota.ByIP:
		return c.callerAddress()
	}
	return string(value)
}

// claimNames are the claims that a domain's conditions go by, and its endpoints'.
func claimNames(d *catalog.Domain) (names []string) {
	for _, c := range d.Conditions() {
		if claim, ok := c.By.Claim(); ok {
			names = append(names, claim)
		}
		if c.PlanClaim != "" {
			names = append(names, c.PlanClaim)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
