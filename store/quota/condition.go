package quota

import (
	"slices"
	"strings"
)

// Condition limits the calls of a domain, or of one endpoint of it, in each of its
// windows. Endpoint, ResetSeconds or Period, By, and Shadow name it: a domain has no
// two conditions that agree in all of them.
type Condition struct {
	// Endpoint is empty for a condition of the whole domain, else the
	// endpoint's ID such as "GET /x/**".
	Endpoint string
	// Max is the number of units that a window admits, 1 to 10^12.
	Max uint64
	// ResetSeconds is the window's length, 1 to 31,536,000 s; 0 where there is a
	// Period.
	ResetSeconds uint32
	// Period is set where windows end as the calendar says.
	Period Period
	// By has every caller counted by itself; empty: all are counted together.
	By By
	// Shadow counts and never refuses.
	Shadow bool

	// AfterAuth has it decided behind authentication.
	AfterAuth bool
	// Plans are other maxima for callers of these plans, by rising name; only with a
	// consumer or a claim as By.
	Plans []Plan
	// PlanClaim is the claim that names a caller's plan; empty: the consumer has one.
	PlanClaim string
	// MaxCallers is how many callers have a counter each, 1 to MaxMaxCallers, where
	// there is By. Those beyond share one.
	MaxCallers uint32
	// Alerts are percentages of the maximum, 1 to 100 and rising, at which a window
	// makes an event: MaxAlerts at most.
	Alerts []uint8
}

// Bounds of conditions.
const (
	DefaultMaxCallers, MaxMaxCallers = 1_000_000, 10_000_000
	MaxAlerts                        = 8
	// MaxPlans bounds the plans of a condition.
	MaxPlans = 64
	// MaxUnits is the most units that one call may take.
	MaxUnits = 1_000_000_000
)

// Plan is a plan's maximum.
type Plan struct {
	Name string // 1 to 64 bytes
	Max  uint64 // as Condition.Max
}

// Limit is the maximum for a caller of that plan. A plan that the condition does not
// have is none.
func (c *Condition) Limit(plan string) uint64 {
	if i, ok := slices.BinarySearchFunc(c.Plans, plan, func(p Plan, name string) int { return strings.Compare(p.Name, name) }); ok {
		return c.Plans[i].Max
	}
	return c.Max
}

// Least is the smallest maximum that a caller may have.
func (c *Condition) Least() uint64 {
	least := c.Max
	for _, p := range c.Plans {
		least = min(least, p.Max)
	}
	return least
}

// Most is the greatest maximum that a caller may have.
func (c *Condition) Most() uint64 {
	most := c.Max
	for _, p := range c.Plans {
		most = max(most, p.Max)
	}
	return most
}

// Seconds is the nominal length of a window.
func (c *Condition) Seconds() int64 {
	return int64(max(c.ResetSeconds, c.Period.Unit.Seconds()))
}

// IsPlain reports whether the condition is one of all calls in windows of seconds, before
// authentication, and nothing else: as they all were by the first version.
func (c *Condition) IsPlain() bool {
	return c.Period == Period{} && c.By == ByAll && !c.Shadow && !c.AfterAuth && len(c.Plans) == 0 && c.PlanClaim == "" && c.MaxCallers == 0 && len(c.Alerts) == 0
}

// Equal reports whether two conditions agree in everything.
func (c Condition) Equal(o Condition) bool {
	return c.Name() == o.Name() && c.Max == o.Max && c.AfterAuth == o.AfterAuth && c.PlanClaim == o.PlanClaim &&
		c.MaxCallers == o.MaxCallers && slices.Equal(c.Plans, o.Plans) && slices.Equal(c.Alerts, o.Alerts)
}

// ConditionName is what tells a domain's conditions apart.
type ConditionName struct {
	Endpoint     string
	ResetSeconds uint32
	Period       Period
	By           By
	Shadow       bool
}

// Name is the condition's name in its domain.
func (c *Condition) Name() ConditionName {
	return ConditionName{c.Endpoint, c.ResetSeconds, c.Period, c.By, c.Shadow}
}

// Period is a window of the calendar. The zero Period is none.
type Period struct {
	Unit Unit
	// Zone is a time zone's name in the IANA database, such as "Asia/Seoul", of 1
	// to 64 bytes.
	Zone string
}

// Unit is the length of a calendar window.
type Unit uint8

// The units. Weeks begin on Monday. Their numbers are in the log.
const (
	NoUnit Unit = iota
	Minute
	Hour
	Day
	Week
	Month
)

var unitNames = [...]string{"", "minute", "hour", "day", "week", "month"}

func (u Unit) String() string { return unitNames[u] }

// ParseUnit is the inverse of Unit.String; ok is false for what is no unit.
func ParseUnit(s string) (u Unit, ok bool) {
	i := slices.Index(unitNames[:], s)
	return Unit(max(i, 0)), i > 0
}

// Seconds is the nominal length: that of most windows of the unit, 30 days of a month.
func (u Unit) Seconds() uint32 {
	return [...]uint32{0, 60, 3600, 86_400, 7 * 86_400, 30 * 86_400}[u]
}

// By says what tells the callers of a condition apart: "ip", "consumer",
// "header:NAME" with the name in lower case, or "claim:NAME" of the verified JWT.
type By string

// What calls are counted by.
const (
	// ByAll counts all calls together.
	ByAll      By = ""
	ByIP       By = "ip"
	ByConsumer By = "consumer"

	byHeader = "header:"
	byClaim  = "claim:"
)

// ByHeader counts by a header's value. The name is to be in lower case.
func ByHeader(name string) By { return By(byHeader + name) }

// ByClaim counts by a claim of the verified JWT.
func ByClaim(name string) By { return By(byClaim + name) }

// Header is the name of the header that callers are told apart by, if it is one.
func (b By) Header() (name string, ok bool) { return strings.CutPrefix(string(b), byHeader) }

// Claim is the name of the claim that callers are told apart by, if it is one.
func (b By) Claim() (name string, ok bool) { return strings.CutPrefix(string(b), byClaim) }
