package quota

import (
	"cmp"
	"slices"

	"github.com/tidwall/btree"
)

// State holds all counters and what is needed to apply each frame once. It is
// not safe for concurrent use.
type State struct {
	now     int64
	entries uint64 // of frames, applied
	terms   terms
	params  Params
	members int
	lastID  uint64

	domains  btree.Map[string, *domain]
	counters map[uint64]*counter // of all domains
	sessions map[string]*session
	// epoch counts the snapshots that were taken: what was made in an earlier
	// one may be shared with them, and is copied before it is changed.
	epoch uint64

	// changed is the counters that entered a phase since TakeChanges; it is no
	// part of what replicas share.
	changed []Info
}

// domain holds the counters of one domain, sorted by endpoint, then reset.
type domain struct {
	epoch    uint64
	counters []*counter
}

// session is what is remembered of a node to apply its frames exactly once.
type session struct {
	incarnation uint64
	seq         uint64
	result      Result
}

// NewState is an empty state.
func NewState() *State {
	return &State{
		params:   Params{LeaseMillis: DefaultLeaseMillis, LongLeaseMillis: DefaultLongLeaseMillis, MinLease: DefaultMinLease},
		counters: map[uint64]*counter{}, sessions: map[string]*session{},
	}
}

// Incarnation is the newest incarnation of a node that frames were applied of; 0
// if there were none.
func (s *State) Incarnation(node string) uint64 {
	if ses := s.sessions[node]; ses != nil {
		return ses.incarnation
	}
	return 0
}

// Now is the cluster time, in milliseconds, of the newest command.
func (s *State) Now() int64 { return s.now }

// Advance moves cluster time to t, unless it is there already: it never runs
// back.
func (s *State) Advance(t int64) { s.now = max(s.now, t) }

// BeginFrames says that a log entry of frames follows, and what bounds leases
// from it on.
func (s *State) BeginFrames(p Params) {
	s.params = p
	s.entries++
}

// SetMembers sets the number of nodes that units are shared out to.
func (s *State) SetMembers(n int) { s.members = n }

// TakeChanges returns the counters that entered a phase since the last call.
func (s *State) TakeChanges() []Info {
	list := s.changed
	s.changed = nil
	return list
}

// SetConditions puts the conditions of a domain in force, as its deployment
// does. Counters that go on to exist keep their usage; the others are gone. No
// conditions removes the domain.
func (s *State) SetConditions(key string, conditions []Condition) {
	type name struct {
		endpoint string
		reset    uint32
	}
	kept := map[name]*counter{}
	if old, ok := s.domains.Delete(key); ok {
		for _, c := range old.counters {
			kept[name{c.endpoint, c.reset}] = c
			delete(s.counters, c.id)
		}
	}
	d := &domain{}
	for _, cond := range conditions {
		c := kept[name{cond.Endpoint, cond.ResetSeconds}]
		if c == nil {
			s.lastID++
			c = &counter{epoch: s.epoch, id: s.lastID, endpoint: cond.Endpoint, reset: cond.ResetSeconds}
		} else if c.epoch != s.epoch {
			c = c.clone(s.epoch)
		}
		c.limit(s, cond.Max)
		d.counters = append(d.counters, c)
	}
	if len(d.counters) > 0 {
		s.add(key, d)
	}
}

// add enters a domain into the state.
func (s *State) add(key string, d *domain) {
	slices.SortFunc(d.counters, func(a, b *counter) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.reset, b.reset))
	})
	d.epoch = s.epoch
	s.domains.Set(key, d)
	for i, c := range d.counters {
		c.domain, c.at = key, i
		s.counters[c.id] = c
	}
}

// counter is the counter of that ID, to be changed; nil if there is none.
func (s *State) counter(id uint64) *counter {
	c := s.counters[id]
	if c == nil || c.epoch == s.epoch {
		return c
	}
	return s.own(c)
}

// own replaces a counter that snapshots may share by a copy that they don't.
func (s *State) own(c *counter) *counter {
	if c.epoch == s.epoch {
		return c
	}
	d, _ := s.domains.Get(c.domain)
	if d.epoch != s.epoch {
		d = &domain{epoch: s.epoch, counters: slices.Clone(d.counters)}
		s.domains.Set(c.domain, d)
	}
	c = c.clone(s.epoch)
	d.counters[c.at], s.counters[c.id] = c, c
	return c
}

// Forget drops what is remembered of a node that has left the cluster. What it
// held stays out until it expires.
func (s *State) Forget(node string) {
	delete(s.sessions, node)
	for _, c := range s.counters { // each by itself: their order does not matter
		if slices.ContainsFunc(c.window.leases, func(l lease) bool { return l.holder.node == node }) {
			s.own(c).window.orphan(node)
		}
	}
}

// Domains lists the domains that have conditions, sorted.
func (s *State) Domains() []string { return s.domains.Keys() }

// Counters lists a domain's counters: its own first, then its endpoints'.
func (s *State) Counters(key string) []Info {
	d, ok := s.domains.Get(key)
	if !ok {
		return nil
	}
	list := make([]Info, 0, len(d.counters))
	for _, c := range d.counters {
		list = append(list, c.info())
	}
	return list
}

// Readings reads a domain's conditions out as of the cluster time now, or of
// the newest command if that is later: its own first, then its endpoints'.
func (s *State) Readings(key string, now int64) []Reading {
	d, ok := s.domains.Get(key)
	if !ok {
		return nil
	}
	list := make([]Reading, 0, len(d.counters))
	for _, c := range d.counters {
		list = append(list, c.read(max(now, s.now)))
	}
	return list
}
