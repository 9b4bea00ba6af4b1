package catalog

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/store/calendar"
	"github.com/tollgate/tollgate/store/quota"
)

// Bounds of the fields of conditions.
const (
	maxPlanBytes  = 64
	maxClaimBytes = 100
	maxZoneBytes  = 64
)

func readUsageQuota(o *object) *UsageQuota {
	const want = `a list of at least one {"maxUsageQuota":1000,"resetTimeSeconds":60}`
	q := &UsageQuota{}
	items := o.array("usageQuotaBeans", true, want)
	if len(items) > MaxQuotaConditions {
		o.p.fail(items[MaxQuotaConditions], "there are %d conditions, one quota has at most %d", len(items), MaxQuotaConditions)
	}
	seen := map[quota.ConditionName]bool{}
	for _, item := range items {
		bean, ok := o.p.object(item, `an object such as {"maxUsageQuota":1000,"resetTimeSeconds":60}`)
		if !ok {
			continue
		}
		b := readBean(bean)
		cond := b.condition("", "")
		if name := cond.Name(); seen[name] && (b.ResetTimeSeconds != 0 || b.Period != nil) {
			o.p.fail(windowOf(bean), "another condition has this window already, by the same callers: keep the smaller maxUsageQuota of the two")
		} else {
			seen[name] = true
		}
		q.Beans = append(q.Beans, b)
	}
	q.OnUnavailable = o.oneOf("onUnavailable", "reject", "admit")
	q.Order = o.oneOf("order", OrderAfterAuthentication)
	q.Headers = o.boolean("headers", false, "true (every answer tells what is left) or false")
	return q
}

// windowOf is the member of a condition that says its window.
func windowOf(bean *object) value {
	if v, ok := bean.take("resetTimeSeconds"); ok {
		return v
	}
	v, _ := bean.take("period")
	return v
}

func readBean(o *object) UsageQuotaBean {
	b := UsageQuotaBean{MaxUsageQuota: uint64(o.integer("maxUsageQuota", 1, MaxQuota))}
	b.Period = o.period("period")
	_, both := o.take("resetTimeSeconds")
	switch {
	case b.Period == nil:
		b.ResetTimeSeconds = uint32(o.integer("resetTimeSeconds", 1, MaxResetSeconds))
	case both:
		o.p.fail(windowOf(o), "does not go with period: keep the one that says when the window ends")
	}
	b.By = o.by("by")
	b.Plans, b.PlanClaim = o.plans(b.By)
	b.MaxCallers = uint32(o.optional("maxCallers", 1, quota.MaxMaxCallers))
	if v, ok := o.take("maxCallers"); ok && b.By == "" {
		o.p.fail(v, "needs by: without it all callers have one counter")
	}
	b.Shadow = o.boolean("shadow", false, "true (count, and never refuse) or false")
	b.AlertPercent = o.percents("alertPercent")
	o.done("a condition")
	return b
}

// period reads a window of the calendar; nil where there is none.
func (o *object) period(name string) *Period {
	const want = `an object such as {"unit":"month","timeZone":"Asia/Seoul"}`
	v, ok := o.take(name)
	if !ok {
		return nil
	}
	in, ok := o.p.object(v, want)
	if !ok {
		return &Period{}
	}
	p := &Period{Unit: in.oneOf("unit", "minute", "hour", "day", "week", "month")}
	if _, ok := in.take("unit"); !ok {
		in.missing("unit", `"minute", "hour", "day", "week" or "month"`)
	}
	p.TimeZone = in.text("timeZone", true, `a time zone such as "Asia/Seoul" or "UTC"`)
	if v, ok := in.take("timeZone"); ok && p.TimeZone != "" {
		if _, err := calendar.Load(p.TimeZone); err != nil || len(p.TimeZone) > maxZoneBytes {
			o.p.fail(v, `is no time zone of the IANA database, such as "Asia/Seoul", "America/New_York" or "UTC"`)
		}
	}
	in.done(name)
	return p
}

// by reads what callers are told apart by.
func (o *object) by(name string) string {
	const want = `"ip", "consumer", "header:NAME" or "claim:NAME"`
	v, ok := o.take(name)
	if !ok {
		return ""
	}
	s, ok := o.p.text(v, want)
	if !ok {
		return ""
	}
	by := quota.By(s)
	if header, ok := by.Header(); ok {
		if !isToken(header) || len(header) > maxHeaderNameBytes/4 {
			o.p.fail(v, "has no header name behind header: such as header:X-Tenant")
		}
		return string(quota.ByHeader(strings.ToLower(header)))
	}
	claim, ok := by.Claim()
	switch {
	case ok && (claim == "" || len(claim) > maxClaimBytes):
		o.p.fail(v, "must name a claim of 1 to %d bytes behind claim: such as claim:sub", maxClaimBytes)
	case ok:
		o.p.require(v, PluginJWT, "a claim is one of the verified token")
	case by == quota.ByConsumer:
		o.p.require(v, PluginAPIKey, "a consumer is known by its key")
	case by != quota.ByIP:
		o.p.wrong(v, want)
	}
	return s
}

// plans reads the maxima of plans.
func (o *object) plans(by string) (plans map[string]uint64, claim string) {
	claim = o.text("planClaim", false, "the name of a claim")
	at, hasClaim := o.take("planClaim")
	if hasClaim {
		if len(claim) > maxClaimBytes || claim == "" {
			o.p.wrong(at, "the name of a claim, of 1 to 100 bytes")
		}
		o.p.require(at, PluginJWT, "a claim is one of the verified token")
	}
	v, ok := o.take("plans")
	if !ok {
		if hasClaim {
			o.p.fail(at, "needs plans, of which it chooses one")
		}
		return nil, claim
	}
	if by != string(quota.ByConsumer) && !strings.HasPrefix(by, string(quota.ByClaim(""))) {
		o.p.fail(v, `needs by "consumer" or "claim:NAME": nobody else has a plan`)
	}
	if !hasClaim {
		o.p.require(v, PluginAPIKey, "a consumer has a plan; or name the claim that has it in planClaim")
	}
	in, ok := o.p.object(v, `an object of maxima, such as {"free":1000,"pro":100000}`)
	if !ok {
		return nil, claim
	}
	if len(in.list) == 0 || len(in.list) > quota.MaxPlans {
		o.p.fail(v, "has %d plans, must have 1 to %d", len(in.list), quota.MaxPlans)
	}
	plans = map[string]uint64{}
	for _, m := range in.list {
		if m.key == "" || len(m.key) > maxPlanBytes {
			o.p.fail(m.value, "a plan's name has %d bytes, must have 1 to %d", len(m.key), maxPlanBytes)
		}
		plans[strings.Clone(m.key)] = uint64(in.integer(m.key, 1, MaxQuota))
	}
	return plans, claim
}

// percents reads thresholds.
func (o *object) percents(name string) (list []uint8) {
	items := o.array(name, false, "a list of percentages, such as [80, 100]")
	if len(items) > quota.MaxAlerts {
		o.p.fail(items[quota.MaxAlerts], "there are %d, at most %d are allowed", len(items), quota.MaxAlerts)
	}
	for _, item := range items {
		n, ok := wholeNumber(item, 1, 100)
		if !ok {
			o.p.wrong(item, "a whole number from 1 to 100")
			continue
		}
		if slices.Contains(list, uint8(n)) {
			o.p.fail(item, "stands there twice")
		}
		list = append(list, uint8(n))
	}
	slices.Sort(list)
	return list
}

func readAPIKey(o *object) *APIKey {
	k := &APIKey{Header: o.text("header", false, "a header name")}
	if v, ok := o.take("header"); ok {
		if fault := headerFault(strings.ToLower(k.Header), true); fault != "" || strings.EqualFold(k.Header, "Authorization") {
			o.p.fail(v, "must be the name of a header that has no other meaning here, such as %s", DefaultAPIKeyHeader)
		}
	}
	return k
}

func readUsageCost(o *object) *UsageCost {
	c := &UsageCost{Units: o.integer("units", 1, quota.MaxUnits), SettleHeader: o.text("settleHeader", false, "a header name")}
	if v, ok := o.take("settleHeader"); ok && !isToken(c.SettleHeader) {
		o.p.wrong(v, `a header name, such as "X-Usage-Units"`)
	}
	if v, ok := o.take("units"); ok && c.Units > 0 {
		o.p.costs = append(o.p.costs, costAt{v, o.p.method, uint64(c.Units)})
	}
	return c
}

// requirement is a plugin that a value of the document needs.
type requirement struct {
	at          value
	plugin, why string
}

func (p *parser) require(at value, plugin, why string) {
	p.required = append(p.required, requirement{at, plugin, why})
}

// costAt is a USAGE_COST of an endpoint.
type costAt struct {
	at       value
	endpoint string
	units    uint64
}

// checkQuotas checks what depends on more than one plugin.
func (p *parser) checkQuotas(d *Domain) {
	for _, r := range p.required {
		if has := r.plugin == PluginJWT && d.Plugins.JWT != nil || r.plugin == PluginAPIKey && d.Plugins.APIKey != nil; !has {
			p.fail(r.at, "needs the plugin %s: %s", r.plugin, r.why)
		}
	}
	if len(p.costs) == 0 {
		return
	}
	conditions := d.Conditions()
	for _, c := range p.costs {
		for _, cond := range conditions {
			if cond.Endpoint != "" && cond.Endpoint != c.endpoint || cond.Shadow || c.units <= cond.Most() {
				continue
			}
			p.fail(c.at, "is more than a maxUsageQuota that applies, %d: no call could ever pass", cond.Most())
			break
		}
	}
}
