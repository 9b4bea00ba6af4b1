package plugin

import (
	"net/netip"
	"sync"

	"github.com/tollgate/tollgate/store/quota"
)

// counting is what quotas and API keys make of a call. It is apart from the call, which
// every open connection may come to have.
type counting struct {
	call quota.Call
	// reserved is what the call has reserved and not settled, standings is where it
	// stands.
	reserved  []quota.Reservation
	standings []quota.Standing
	// claims are those of a verified token that conditions go by.
	claims map[string][]byte
	// caller holds a value that callers are told apart by, consumer the field that
	// names one, policies and limits those of the standings.
	caller, consumer, policies, limits []byte
}

var countings = sync.Pool{New: func() any { return new(counting) }}

// counting is the call's, made where there is none.
func (c *Call) counting() *counting {
	if c.count == nil {
		c.count = countings.Get().(*counting)
	}
	return c.count
}

func (n *counting) release() {
	if n == nil {
		return
	}
	*n = counting{
		reserved: n.reserved[:0], standings: n.standings[:0],
		caller: n.caller[:0], consumer: n.consumer[:0], policies: n.policies[:0], limits: n.limits[:0],
	}
	countings.Put(n)
}

// CallerBy implements quota.Caller.
func (c *Call) CallerBy(by quota.By) []byte {
	switch by {
	case quota.ByIP:
		return c.address()
	case quota.ByConsumer:
		return c.callerBuffer(c.Consumer)
	}
	if claim, ok := by.Claim(); ok {
		return c.counting().claims[claim]
	}
	name, _ := by.Header()
	return c.headerLines(name)
}

// CallerPlan implements quota.Caller.
func (c *Call) CallerPlan(claim string) string {
	if claim == "" {
		return c.ConsumerPlan
	}
	return string(c.counting().claims[claim])
}

// callerPrefix is how much of a client's address tells it apart: one has a whole /64 of
// IPv6.
func (c *Call) callerPrefix() netip.Prefix {
	bits := c.Client.BitLen()
	if c.Client.Is6() {
		bits = 64
	}
	p, _ := c.Client.Prefix(bits)
	return p
}

// address is the client's; nothing where it is not known.
func (c *Call) address() []byte {
	if !c.Client.IsValid() {
		return nil
	}
	n := c.counting()
	n.caller = append(n.caller[:0], quota.AddressValue(c.Client)...)
	return n.caller
}

func (c *Call) callerAddress() string {
	if p := c.callerPrefix(); c.Client.Is6() {
		return p.String()
	}
	return c.Client.String()
}

func (c *Call) callerBuffer(s string) []byte {
	n := c.counting()
	n.caller = append(n.caller[:0], s...)
	return n.caller
}

// headerLines is the value of a header, that of several lines as one (RFC 9110 5.3).
func (c *Call) headerLines(name string) []byte {
	found, n := false, c.counting()
	n.caller = n.caller[:0]
	for i := range c.Request.Fields {
		f := &c.Request.Fields[i]
		if len(f.Name) != len(name) || !equalFold(f.Name, name) {
			continue
		}
		if found {
			n.caller = append(n.caller, ", "...)
		}
		found = true
		n.caller = append(n.caller, f.Value...)
	}
	return n.caller
}

// equalFold compares a header's name with one of the same length in lower case.
func equalFold(name []byte, lower string) bool {
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}
