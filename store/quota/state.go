package quota

import (
	"slices"

	"github.com/tidwall/btree"
)

// Version is what frames and their application are like. What Apply does changes only
// with a new one (store.Rules).
type Version uint8

const (
	// First has conditions of all calls, in windows that are named by their start.
	First Version = 1
	// Third is all that there is. It came with the rules of that number.
	Third Version = 3
)

// State holds all counters and what is needed to apply each frame once. It is
// not safe for concurrent use.
type State struct {
	version Version
	now     int64
	entries uint64 // of frames, applied
	terms   terms
	params  Params
	members int
	lastID  uint64
	serial  int64  // of the newest window
	forgets uint64 // members that have left

	domains  btree.Map[string, *domain]
	rules    map[uint64]*rule // of all domains
	sessions map[string]*session
	claims   claims
	// calendar has the rules of calendar windows by the end of their window, sweep
	// those with callers by the end of the first caller's. They follow from the rules.
	calendar, sweep *btree.BTreeG[ending]
	// epoch counts the snapshots that were taken: what was made in an earlier
	// one may be shared with them, and is copied before it is changed.
	epoch uint64

	spares spares
	// changed is the counters that entered a phase since TakeChanges, and events what
	// has happened since TakeEvents; they are no part of what replicas share.
	changed []Info
	events  []Event
}

// session is what is remembered of a node to apply its frames exactly once.
type session struct {
	incarnation uint64
	forgets     uint64 // State.forgets when it began
	seq         uint64
	result      Result
}

// NewState is an empty state.
func NewState() *State {
	endings := func() *btree.BTreeG[ending] {
		return btree.NewBTreeGOptions(ending.before, btree.Options{NoLocks: true})
	}
	return &State{
		version: First,
		params:  Params{LeaseMillis: DefaultLeaseMillis, LongLeaseMillis: DefaultLongLeaseMillis, MinLease: DefaultMinLease},
		rules:   map[uint64]*rule{}, sessions: map[string]*session{}, claims: newClaims(), calendar: endings(), sweep: endings(),
	}
}

// Upgrade has what follows applied by a version. It never goes back.
func (s *State) Upgrade(v Version) { s.version = max(s.version, v) }

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

// An entry of frames removes so many callers whose windows have ended, and so many
// claims that are over; the making of a caller removes sweptACaller more. All those of a
// window end at once, so their removal is spread.
const (
	sweptAnEntry = 256
	sweptACaller = 2
)

// BeginFrames says that a log entry of frames follows, and what bounds leases
// from it on.
func (s *State) BeginFrames(p Params) {
	s.params = p
	s.entries++
	s.removeEnded(sweptAnEntry)
	s.removeClaims(sweptAnEntry)
}

// SetMembers sets the number of nodes that units are shared out to.
func (s *State) SetMembers(n int) { s.members = n }

// TakeChanges returns the counters that entered a phase since the last call.
func (s *State) TakeChanges() []Info {
	list := s.changed
	s.changed = nil
	return list
}

// lives reports whether a holder is the newest incarnation of a member.
func (s *State) lives(h holder) bool {
	ses := s.sessions[h.node]
	return ses != nil && ses.incarnation == h.incarnation && ses.forgets == h.forgets
}

// Forget drops what is remembered of a node that has left the cluster. What it
// held stays out until it expires.
func (s *State) Forget(node string) {
	delete(s.sessions, node)
	if s.version >= Third { // a session that begins later is another holder's
		s.forgets++
		return
	}
	for id, r := range s.rules { // each by itself: their order does not matter
		if slices.ContainsFunc(r.own.window.leases, func(l lease) bool { return l.holder.node == node }) {
			s.rule(id).own.window.orphan(node)
		}
	}
}

// Domains lists the domains that have conditions, sorted.
func (s *State) Domains() []string { return s.domains.Keys() }

// Rules lists a domain's rules: its own first, then its endpoints'.
func (s *State) Rules(key string) []Rule {
	d, ok := s.domains.Get(key)
	if !ok {
		return nil
	}
	list := make([]Rule, 0, len(d.rules))
	for _, r := range d.rules {
		one := Rule{ID: r.id, Condition: r.cond, Seed: r.seed}
		if r.own != nil {
			one.Info = r.own.info()
		}
		list = append(list, one)
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
	now = max(now, s.now)
	list := make([]Reading, 0, len(d.rules))
	for _, r := range d.rules {
		list = append(list, r.read(s, now))
	}
	return list
}

func (r *rule) read(s *State, now int64) Reading {
	if r.own != nil {
		return r.own.read(s, now)
	}
	one := Reading{Condition: r.cond, Pool: r.cond.Max, WindowMax: r.cond.Max, Callers: r.callers.count()}
	one.Shared = r.callers.shared != nil && r.callers.shared.running(now)
	return one
}
