package plugin

import (
	"strconv"

	"github.com/tollgate/tollgate/store/quota"
)

var (
	rateLimitPolicy = []byte("RateLimit-Policy")
	rateLimit       = []byte("RateLimit")
)

// tellStandings puts the two fields of draft-ietf-httpapi-ratelimit-headers-11 into the
// answer: RateLimit-Policy names the conditions, and RateLimit says what is left of them
// at least. A condition of which this node cannot tell is left out of the latter.
func (c *Call) tellStandings() {
	n := c.count
	if n == nil || len(n.standings) == 0 {
		return
	}
	n.policies, n.limits = n.policies[:0], n.limits[:0]
	for i := range n.standings {
		s := &n.standings[i]
		n.policies = appendItem(n.policies, s)
		n.policies = strconv.AppendUint(append(n.policies, ";q="...), s.Max, 10)
		n.policies = strconv.AppendInt(append(n.policies, ";w="...), windowSeconds(&s.Name), 10)
		if !s.Known {
			continue
		}
		n.limits = appendItem(n.limits, s)
		n.limits = strconv.AppendUint(append(n.limits, ";r="...), s.Remaining, 10)
		n.limits = strconv.AppendInt(append(n.limits, ";t="...), (s.ResetMillis+999)/1000, 10)
	}
	c.Answer.Set(rateLimitPolicy, n.policies)
	if len(n.limits) > 0 {
		c.Answer.Set(rateLimit, n.limits)
	}
}

// appendItem appends the name of a condition as a member of a structured list: whose it
// is, its window, and by what callers are told apart.
func appendItem(b []byte, s *quota.Standing) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(b, '"')
	if s.Name.Endpoint == "" {
		b = append(b, "domain-"...)
	} else {
		b = append(b, "endpoint-"...)
	}
	if unit := s.Name.Period.Unit; unit != quota.NoUnit {
		b = append(b, unit.String()...)
	} else {
		b = append(strconv.AppendUint(b, uint64(s.Name.ResetSeconds), 10), 's')
	}
	if s.Name.By != quota.ByAll {
		b = append(b, '-')
		for _, ch := range []byte(s.Name.By) {
			if ch < ' ' || ch > '~' || ch == '"' || ch == '\\' {
				ch = '?'
			}
			b = append(b, ch)
		}
	}
	return append(b, '"')
}

// windowSeconds is the length of a window, that of most of the calendar.
func windowSeconds(n *quota.ConditionName) int64 {
	return int64(max(n.ResetSeconds, n.Period.Unit.Seconds()))
}
