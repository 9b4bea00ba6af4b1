package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Quota decides calls. Take may be called at the same time.
type Quota interface {
	// Take counts one call on the conditions of its domain and endpoint at its
	// stage, and decides it. It blocks until decided or until its configured wait
	// budget is over; an error means: undecided, nothing may be assumed.
	Take(*quota.Call) (quota.Verdict, error)
}

// usageQuota is USAGE_QUOTA and ENDPOINT_USAGE_QUOTA.
type usageQuota struct {
	quota Quota
	// domain and endpoint name the counters; endpoint is empty where it has no
	// quota of its own, so that the calls of such endpoints can be counted
	// together.
	domain, endpoint string
	// admit lets undecided calls pass.
	admit    bool
	admitted Counter
	// The conditions, for Explain; nil where there are none.
	ofDomain, ofEndpoint *catalog.UsageQuota
}

func buildUsageQuota(env *Env, d *catalog.Domain, e *catalog.Endpoint) (Step, error) {
	ofDomain, ofEndpoint := conditions(d.Plugins.UsageQuota), conditions(e.Plugins.UsageQuota)
	if ofDomain == nil && ofEndpoint == nil {
		return nil, nil
	}
	q := &usageQuota{
		quota: env.Quota, domain: d.Key, admitted: env.Admitted, admit: d.AdmitsUndecided(e),
		ofDomain: ofDomain, ofEndpoint: ofEndpoint,
	}
	if ofEndpoint != nil {
		q.endpoint = e.ID()
	}
	return q, nil
}

// conditions returns nil for a quota without any.
func conditions(q *catalog.UsageQuota) *catalog.UsageQuota {
	if q == nil || len(q.Beans) == 0 {
		return nil
	}
	return q
}

func (q *usageQuota) Serve(c *Call) (answered bool, err error) {
	c.counted = quota.Call{Domain: q.domain, Endpoint: q.endpoint}
	v, err := q.quota.Take(&c.counted)
	if err == nil {
		c.Units = 1
	}
	switch {
	case err != nil && q.admit:
		q.admitted.Inc()
		return false, nil
	case err != nil:
		c.Cause = err
		return false, envelope.QuotaUndecided
	case v.Admitted:
		return false, nil
	}
	c.RetryAfter = wholeSeconds(v.RetryAfter)
	return false, envelope.QuotaExceeded
}

// wholeSeconds rounds up, so that a client that waits that long finds a new window.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}

// Explain implements Step. It does not say what is used up: asking for that would take
// a unit.
func (q *usageQuota) Explain(*Call) Finding {
	var say []string
	note := func(whose string, of *catalog.UsageQuota) {
		if of == nil {
			return
		}
		for _, b := range of.Beans {
			say = append(say, fmt.Sprintf("%s %d per %d s", whose, b.MaxUsageQuota, b.ResetTimeSeconds))
		}
	}
	note("the domain's", q.ofDomain)
	note("the endpoint's", q.ofEndpoint)
	return unknown("a real call counts on " + strings.Join(say, ", ") + ", and is answered 20004 when one of them is used up")
}
