package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tollgate/tollgate/store/quota"
	"github.com/tollgate/tollgate/store/wire"
)

// The encodings of this package are made of:
//
//	uint        uvarint, in as few bytes as it takes
//	string      length uint | bytes
//	document    string, not empty | 00 size uint packed string: of size bytes
//	            once it is decompressed (zstd)
//	conditions  n uint | n × condition
//	            n + 2^20 uint | singleUse uint | n × condition, where it is not 0
//	condition   endpoint string | max uint | resetSeconds uint
//	            endpoint string | 00 (no max is) | max uint | resetSeconds uint | unit uint |
//	            zone string | by string | flags uint (1 shadow, 2 afterAuth) |
//	            n uint | n × ( plan string | max uint ), their names rising |
//	            planClaim string | maxCallers uint | alerts string, a byte each, rising
//
// The second form of a condition is of those that the first cannot tell, and came with
// rules 3.
//
// Every value has one encoding, so that equal states have equal bytes.

const (
	maxNameBytes     = 4 * MaxNameRunes
	maxEndpointBytes = len("OPTIONS ") + MaxPatternBytes
	maxByBytes       = 128
)

func appendConditions(b []byte, list []quota.Condition, singleUse uint32) []byte {
	if singleUse > 0 {
		b = wire.AppendUints(b, uint64(len(list))|flagSingleUse, uint64(singleUse))
	} else {
		b = wire.AppendUints(b, uint64(len(list)))
	}
	for i := range list {
		c := &list[i]
		b = wire.AppendString(b, c.Endpoint)
		if c.IsPlain() {
			b = wire.AppendUints(b, c.Max, uint64(c.ResetSeconds))
			continue
		}
		b = wire.AppendUints(b, 0, c.Max, uint64(c.ResetSeconds), uint64(c.Period.Unit))
		b = wire.AppendString(wire.AppendString(b, c.Period.Zone), string(c.By))
		b = wire.AppendUints(b, flagsOf(c), uint64(len(c.Plans)))
		for _, p := range c.Plans {
			b = wire.AppendUints(wire.AppendString(b, p.Name), p.Max)
		}
		b = wire.AppendUints(wire.AppendString(b, c.PlanClaim), uint64(c.MaxCallers))
		b = wire.AppendString(b, c.Alerts)
	}
	return b
}

// flagSingleUse is beyond MaxConditions.
const flagSingleUse = 1 << 20

const (
	flagShadow    = 1 << 0
	flagAfterAuth = 1 << 1
)

func flagsOf(c *quota.Condition) (flags uint64) {
	if c.Shadow {
		flags |= flagShadow
	}
	if c.AfterAuth {
		flags |= flagAfterAuth
	}
	return flags
}

// decoder reads what this package encodes.
type decoder struct{ *wire.Reader }

// document copies: what was decoded must not pin, or change with, the buffer.
func (d *decoder) document() (doc []byte, size int) {
	if d.Next(0) {
		size = int(d.Uint("document size", 1, MaxDocumentBytes))
	}
	return append([]byte(nil), d.Bytes("document", 1, MaxDocumentBytes)...), size
}

func (d *decoder) conditions() (_ []quota.Condition, singleUse uint32) {
	n := d.Uint("number of conditions", 0, flagSingleUse|MaxConditions)
	if n&flagSingleUse != 0 {
		n &^= flagSingleUse
		singleUse = uint32(d.Uint("single use", 1, maxClockSkew))
	}
	if n > MaxConditions {
		d.Fail("%d conditions, at most %d are allowed", n, MaxConditions)
	}
	if n == 0 || d.Err() != nil {
		return nil, singleUse
	}
	list := make([]quota.Condition, n)
	for i := range list {
		list[i] = d.condition()
	}
	if d.Err() == nil {
		if err := checkConditions(list); err != nil {
			d.Fail("%v", err)
		}
	}
	return list, singleUse
}

func (d *decoder) condition() quota.Condition {
	c := quota.Condition{Endpoint: d.String("endpoint", 0, maxEndpointBytes)}
	if !d.Next(0) {
		c.Max = d.Uint("maxUsageQuota", 1, MaxQuota)
		c.ResetSeconds = uint32(d.Uint("resetTimeSeconds", 1, MaxResetSeconds))
		return c
	}
	c.Max = d.Uint("maxUsageQuota", 1, MaxQuota)
	c.ResetSeconds = uint32(d.Uint("resetTimeSeconds", 0, MaxResetSeconds))
	c.Period.Unit = quota.Unit(d.Uint("unit", 0, uint64(quota.Month)))
	c.Period.Zone = d.String("zone", 0, maxZoneBytes)
	c.By = quota.By(d.String("by", 0, maxByBytes))
	flags := d.Uint("flags", 0, flagShadow|flagAfterAuth)
	c.Shadow, c.AfterAuth = flags&flagShadow != 0, flags&flagAfterAuth != 0
	c.Plans = wire.List(d.Reader, "plans", quota.MaxPlans, func() quota.Plan {
		return quota.Plan{Name: d.String("plan", 1, maxPlanBytes), Max: d.Uint("plan's maximum", 1, MaxQuota)}
	})
	c.PlanClaim = d.String("planClaim", 0, maxClaimBytes)
	c.MaxCallers = uint32(d.Uint("maxCallers", 0, quota.MaxMaxCallers))
	if alerts := d.String("alerts", 0, quota.MaxAlerts); alerts != "" {
		c.Alerts = []uint8(alerts)
	}
	if d.Err() == nil && c.IsPlain() {
		d.Fail("a plain condition in the form of others")
	}
	return c
}

// checkConditions checks bounds, and that no two conditions would share a
// counter.
func checkConditions(list []quota.Condition) error {
	if len(list) > MaxConditions {
		return fmt.Errorf("%d conditions, at most %d are allowed", len(list), MaxConditions)
	}
	seen := make(map[quota.ConditionName]bool, len(list))
	for i := range list {
		c := &list[i]
		name := c.Name()
		if err := checkCondition(c); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("two conditions of %q have the resetTimeSeconds %d, the period %v, by %q and shadow %v", c.Endpoint, c.ResetSeconds, c.Period, c.By, c.Shadow)
		}
		seen[name] = true
	}
	return nil
}

func checkCondition(c *quota.Condition) error {
	switch {
	case len(c.Endpoint) > maxEndpointBytes:
		return fmt.Errorf("an endpoint of %d bytes, at most %d are allowed", len(c.Endpoint), maxEndpointBytes)
	case c.Max < 1 || c.Max > MaxQuota:
		return fmt.Errorf("maxUsageQuota is %d, must be 1 to %d", c.Max, uint64(MaxQuota))
	case c.Period.Unit == quota.NoUnit && (c.ResetSeconds < 1 || c.ResetSeconds > MaxResetSeconds || c.Period.Zone != ""):
		return fmt.Errorf("resetTimeSeconds is %d, must be 1 to %d", c.ResetSeconds, MaxResetSeconds)
	case c.Period.Unit != quota.NoUnit && (c.ResetSeconds != 0 || c.Period.Zone == ""):
		return fmt.Errorf("a period of the zone %q, with resetTimeSeconds %d", c.Period.Zone, c.ResetSeconds)
	case (c.By == quota.ByAll) != (c.MaxCallers == 0):
		return fmt.Errorf("by %q with maxCallers %d", c.By, c.MaxCallers)
	case c.By == quota.ByAll && (len(c.Plans) > 0 || c.PlanClaim != ""):
		return fmt.Errorf("%d plans of no callers", len(c.Plans))
	}
	byName := func(a, b quota.Plan) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(c.Plans, byName) || len(slices.CompactFunc(slices.Clone(c.Plans), func(a, b quota.Plan) bool { return a.Name == b.Name })) != len(c.Plans) {
		return errors.New("plans are not in the order of their names")
	}
	for i, percent := range c.Alerts {
		if percent < 1 || percent > 100 || i > 0 && percent <= c.Alerts[i-1] {
			return fmt.Errorf("alerts %v: must be 1 to 100 and rise", c.Alerts)
		}
	}
	return nil
}

// isPlain reports whether conditions are such as there were by rules 1 and 2.
func isPlain(list []quota.Condition) bool {
	return !slices.ContainsFunc(list, func(c quota.Condition) bool { return !c.IsPlain() })
}

func checkLength(what string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s has %d bytes, must have %d to %d", what, n, least, most)
	}
	return nil
}

var errUnused = errors.New("a field is set that this command does not have")

// check tells whether the draft is within the bounds of its encoding.
func (d *Draft) check() error {
	endpoints := error(nil)
	if d.Endpoints < 0 || d.Endpoints > MaxEndpoints {
		endpoints = fmt.Errorf("%d endpoints, must be 0 to %d", d.Endpoints, MaxEndpoints)
	}
	return cmp.Or(
		checkLength("key", len(d.Key), 1, MaxKeyBytes),
		checkLength("name", len(d.Name), 0, maxNameBytes),
		endpoints,
		checkLength("document", len(d.Document), 1, MaxDocumentBytes),
		checkLength("document before it was compressed", d.Size, 0, MaxDocumentBytes),
		checkConditions(d.Conditions),
	)
}
