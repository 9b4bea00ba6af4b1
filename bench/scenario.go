// Package bench is the benchmark of Tollgate: what is measured, as data
// (Scenarios), and the run that measures it (Run), exactness included, beside
// peers in the same run.
package bench

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/bench/report"
)

// Scenario is something to measure.
type Scenario struct {
	// Name is 1 to 32 of a-z and -, and of no other scenario.
	Name string
	// Summary is what is done, in a line for people.
	Summary string
	// Setup is what is loaded, and how.
	Setup
	// Vary, if it has values, makes a point of each of them; else the scenario
	// is one point.
	Vary Axis
}

// Setup is what is loaded, and how: everything that one point is made of. What
// has no zero value in its comment must be given.
type Setup struct {
	// Nodes is the nodes of the cluster, 1 to 9, Nonvoters how many of them,
	// fewer, have no vote. The load goes to all of them in equal shares.
	Nodes, Nonvoters int
	// Domains are alike, and called in turn; 0 is one.
	Domains int
	// Endpoints of each domain are alike, and called in turn; 0 is one.
	Endpoints int
	// Callers of each domain say who they are in a header field, or by an API
	// key, and call in turn; 0 is that nobody says so, and that quotas by caller
	// are not in force.
	Callers int
	// Strangers has every second call come from a caller who never came before.
	Strangers bool
	// Units is what a call costs; 0 is one.
	Units int
	// Quotas are in force on every domain, on every endpoint of each, or for
	// every caller of each. The first one is the one that exactness is judged by: the load must not come
	// to the end of another before.
	Quotas []Quota
	// Pipeline adds address control, a rewrite of the path and header fields
	// to what a call goes through.
	Pipeline bool
	// Auth is how calls prove who they are.
	Auth Auth
	// Mock has the gateway answer by itself, without the endpoint server: what
	// is left is the decision, and HTTP.
	Mock bool
	// Echo has calls POST Payload bytes, 0 to MostPayload, which the endpoint
	// server sends back; without it they GET a small JSON.
	Echo    bool
	Payload int
	// Connections is how many calls may be under way at once, over as many
	// connections; 0 is DefaultConnections.
	Connections int
	// Rate is the calls a second of an open loop; 0 is a closed one.
	Rate float64
	// Cold counts from the first call on, for what happens once.
	Cold bool
	// Slices is the least number of slices; 0 leaves it to the run.
	Slices int
	// During is what happens in the middle of the load.
	During Event
}

// Bounds and defaults of setups.
const (
	DefaultConnections = 64
	MostConnections    = 10_000
	MostNodes          = 9
	MostConsumers      = 1000
	MostPayload        = 1 << 20 // bytes
	MostRate           = 1e6     // calls a second
	// mostCells bounds domains × endpoints × callers of a setup, each of which
	// has a request of its own made ready.
	mostCells = 100_000
)

// Quota is a condition: Limit units a Window.
type Quota struct {
	On     Place
	Limit  uint64        // 1 to 10^12, a multiple of what calls cost
	Window time.Duration // whole seconds, at most 365 days
}

// Place is where a quota is in force.
type Place uint8

// Where quotas are in force.
const (
	OnDomain Place = iota
	OnEndpoint
	OnCaller // of the domain
)

// Auth is how calls prove who they are.
type Auth uint8

// How calls prove who they are.
const (
	Plain Auth = iota // not at all
	HMAC
	JWT
	// SingleUse is HMAC whose signatures are good once: each is of a path of its own.
	SingleUse
	// APIKey is one of each caller's own. There are at most MostConsumers.
	APIKey
)

func (a Auth) String() string { return [...]string{"plain", "hmac", "jwt", "singleUse", "apiKey"}[a] }

// Event is what happens in the middle of a load.
type Event uint8

// What happens in the middle of a load.
const (
	Nothing Event = iota
	// KillLeader kills the leader as kill -9 does, after a quarter of the
	// load, and starts it again after half of it.
	KillLeader
	// Deploy has a new revision of the first domain imported and deployed
	// again and again.
	Deploy
)

// faulty reports whether calls may be lost by it, and units of quotas.
func (e Event) faulty() bool { return e == KillLeader }

// Axis is what a scenario varies.
type Axis struct {
	// Field is the field of Setup that takes the values.
	Field  Field
	Values []Value
}

// Field is a field of Setup that scenarios vary. Its text names the axis.
type Field string

// What scenarios vary.
const (
	VaryNodes       Field = "nodes"
	VaryDomains     Field = "domains"
	VaryEndpoints   Field = "endpoints"
	VaryCounters    Field = "counters" // endpoints, each of which has a quota
	VaryCallers     Field = "callers"
	VaryConnections Field = "connections"
	VaryRate        Field = "rate"
	VaryPayload     Field = "payload"
	VaryAuth        Field = "auth"
	VaryLimit       Field = "limit" // of every quota
)

// Value is one value of an axis.
type Value struct {
	Number float64
	// Label stands for the number where that does not say it.
	Label string
	// Nonvoters goes with VaryNodes.
	Nonvoters int
	// Free goes with VaryCallers: they say who they are, and no quota is in force.
	Free bool
}

// numbers makes values of plain numbers.
func numbers(list ...float64) []Value {
	values := make([]Value, len(list))
	for i, n := range list {
		values[i].Number = n
	}
	return values
}

// point is one point of a scenario: what is measured at once.
type point struct {
	scenario string
	at       *report.Point // nil where the scenario varies nothing
	Setup
}

// points lists the points of a scenario, in the order of its values.
func (s *Scenario) points() ([]point, error) {
	if len(s.Vary.Values) == 0 {
		p := point{scenario: s.Name, Setup: s.Setup.settled()}
		return []point{p}, p.check()
	}
	list := make([]point, len(s.Vary.Values))
	for i, v := range s.Vary.Values {
		p := point{scenario: s.Name, Setup: s.Setup, at: &report.Point{Axis: string(s.Vary.Field), Value: v.Number, Label: v.Label}}
		if err := p.set(s.Vary.Field, v); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.Name, err)
		}
		p.Setup = p.Setup.settled()
		if err := p.check(); err != nil {
			return nil, err
		}
		list[i] = p
	}
	return list, nil
}

// set gives a field of the setup a value.
func (s *Setup) set(f Field, v Value) error {
	n := int(v.Number)
	switch f {
	case VaryNodes:
		s.Nodes, s.Nonvoters = n, v.Nonvoters
	case VaryDomains:
		s.Domains = n
	case VaryEndpoints, VaryCounters:
		s.Endpoints = n
	case VaryCallers:
		s.Callers = n
		if v.Free {
			s.Quotas = nil
		}
	case VaryConnections:
		s.Connections = n
	case VaryRate:
		s.Rate = v.Number
	case VaryPayload:
		s.Payload = n
	case VaryAuth:
		s.Auth = Auth(n)
	case VaryLimit:
		quotas := make([]Quota, len(s.Quotas))
		for i, q := range s.Quotas {
			q.Limit = uint64(n)
			quotas[i] = q
		}
		s.Quotas = quotas
	default:
		return fmt.Errorf("nothing varies %q", f)
	}
	return nil
}

// settled fills the defaults in.
func (s Setup) settled() Setup {
	s.Domains, s.Endpoints, s.Units = max(s.Domains, 1), max(s.Endpoints, 1), max(s.Units, 1)
	if s.Callers == 0 {
		s.Quotas = slices.DeleteFunc(slices.Clone(s.Quotas), func(q Quota) bool { return q.On == OnCaller })
	}
	if s.Connections == 0 {
		s.Connections = DefaultConnections
	}
	return s
}

// check reports the first thing that cannot be measured.
func (p *point) check() error {
	for _, b := range []struct {
		what       string
		value      float64
		least, top float64
	}{
		{"nodes", float64(p.Nodes), 1, MostNodes},
		{"non-voters", float64(p.Nonvoters), 0, float64(p.Nodes - 1)},
		{"domains × endpoints × callers", float64(p.Domains) * float64(p.Endpoints) * float64(max(p.Callers, 1)), 1, mostCells},
		{"payload", float64(p.Payload), 0, MostPayload},
		{"connections", float64(p.Connections), 1, MostConnections},
		{"rate", p.Rate, 0, MostRate},
		{"auth", float64(p.Auth), 0, float64(APIKey)},
	} {
		if b.value < b.least || b.value > b.top {
			return fmt.Errorf("scenario %s: %s are %v: must be %v to %v", p.scenario, b.what, b.value, b.least, b.top)
		}
	}
	if p.Auth == APIKey && (p.Callers < 1 || p.Domains*p.Callers > MostConsumers) {
		return fmt.Errorf("scenario %s: %d consumers have keys: must be 1 to %d", p.scenario, p.Domains*p.Callers, MostConsumers)
	}
	if p.During == KillLeader && p.Nodes-p.Nonvoters < 3 {
		return fmt.Errorf("scenario %s: it kills the leader of %d voters: must be 3 or more", p.scenario, p.Nodes-p.Nonvoters)
	}
	return nil
}
