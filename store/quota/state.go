package quota

import (
	"cmp"
	"slices"
)

// State holds all counters and what is needed to apply each frame once. It is
// not safe for concurrent use.
type State struct {
	now      int64
	domains  map[string]*domain
	sessions map[string]*session
}

// domain holds the counters of one domain.
type domain struct {
	// counters is sorted by endpoint, then reset.
	counters []*counter
	// byEndpoint lists what a call of an endpoint counts on: the domain's own
	// counters and the endpoint's. The entry "" has the domain's own alone.
	byEndpoint map[string][]*counter
}

// session is what is remembered of a node to apply its frames exactly once.
type session struct {
	incarnation uint64
	seq         uint64
	result      Result
	// taken has, for each of the last frame's calls, the windows its units
	// came from, so that the next frame can give units back.
	taken []taken
}

// taken is what one Calls of a frame took.
type taken struct {
	domain   string
	admitted uint64
	units    []unit
}

// NewState is an empty state.
func NewState() *State {
	return &State{domains: map[string]*domain{}, sessions: map[string]*session{}}
}

// Now is the cluster time, in milliseconds, of the newest command.
func (s *State) Now() int64 { return s.now }

// Advance moves cluster time to t, unless it is there already: it never runs
// back.
func (s *State) Advance(t int64) { s.now = max(s.now, t) }

// SetConditions puts the conditions of a domain in force, as its deployment
// does. Counters that go on to exist keep their usage; the others are gone. No
// conditions removes the domain.
func (s *State) SetConditions(key string, conditions []Condition) {
	if len(conditions) == 0 {
		delete(s.domains, key)
		return
	}
	old := s.domains[key]
	d := &domain{byEndpoint: map[string][]*counter{}}
	for _, cond := range conditions {
		c := old.find(cond.Endpoint, cond.ResetSeconds)
		if c == nil {
			c = &counter{endpoint: cond.Endpoint, reset: cond.ResetSeconds}
		}
		c.limit(s.now, cond.Max)
		d.counters = append(d.counters, c)
	}
	d.index()
	s.domains[key] = d
}

// index sorts the counters and lists them by endpoint.
func (d *domain) index() {
	slices.SortFunc(d.counters, func(a, b *counter) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.reset, b.reset))
	})
	for _, c := range d.counters {
		if _, ok := d.byEndpoint[c.endpoint]; !ok && c.endpoint != "" {
			d.byEndpoint[c.endpoint] = slices.Clone(d.byEndpoint[""])
		}
		d.byEndpoint[c.endpoint] = append(d.byEndpoint[c.endpoint], c)
	}
}

// find is the domain's counter of that name, nil if there is none.
func (d *domain) find(endpoint string, reset uint32) *counter {
	if d == nil {
		return nil
	}
	for _, c := range d.byEndpoint[endpoint] {
		if c.endpoint == endpoint && c.reset == reset {
			return c
		}
	}
	return nil
}

// applicable lists the counters a call of the endpoint counts on. An endpoint
// without conditions of its own counts on the domain's.
func (d *domain) applicable(endpoint string) []*counter {
	if d == nil {
		return nil
	}
	if list, ok := d.byEndpoint[endpoint]; ok {
		return list
	}
	return d.byEndpoint[""]
}

// Forget drops what is remembered of a node that has left the cluster.
func (s *State) Forget(node string) { delete(s.sessions, node) }

// Readings reads a domain's conditions out as of the cluster time now, or of
// the newest command if that is later: its own first, then its endpoints'.
func (s *State) Readings(key string, now int64) []Reading {
	d := s.domains[key]
	if d == nil {
		return nil
	}
	list := make([]Reading, 0, len(d.counters))
	for _, c := range d.counters {
		list = append(list, c.read(max(now, s.now)))
	}
	return list
}
