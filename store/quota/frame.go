package quota

// Bounds of a frame. A frame beyond them is not encoded and not decoded.
const (
	MaxFrameBytes = 64 << 10
	MaxFrameCalls = 1024
	// MaxCalls is how many calls one Calls may stand for.
	MaxCalls = 1 << 20

	maxNodeBytes     = 64
	maxDomainBytes   = 64
	maxEndpointBytes = 4096
)

// Frame is everything that waited at one node when the frame was made. A node
// has one frame under way; it sends the same frame until it has its result.
type Frame struct {
	// Node and Incarnation name the sender: Incarnation rises with every
	// start of the node.
	Node        string
	Incarnation uint64
	// Seq numbers the frames of an incarnation, from 1.
	Seq uint64
	// Calls are decided and charged, in order.
	Calls []Calls
	// Returns give back units that the frame before this one took, for
	// callers that had gone away. They are applied before Calls.
	Returns []Return
}

// Calls is N calls that count on the same conditions.
type Calls struct {
	Domain string
	// Endpoint is the ID of the endpoint if it has conditions, else empty.
	Endpoint string
	N        uint32 // 1 to MaxCalls
}

// Return gives back N admitted units of one of the last frame's Calls.
type Return struct {
	// Index is the place in that frame's Calls.
	Index uint32
	N     uint32
}

// Result answers a frame.
type Result struct {
	// Stale: the frame is older than one that was applied, or from an earlier
	// incarnation. It changed nothing, and nothing can be said of its calls.
	Stale bool
	// Decisions has one entry for each of the frame's Calls.
	Decisions []Decision
}

// Decision answers one Calls: its first Admitted calls are admitted, the
// others refused.
type Decision struct {
	Admitted uint32
	// RetryAfter is the time in milliseconds until the last exceeded
	// condition's window ends; 0 if no call was refused.
	RetryAfter int64
}

// Apply decides a frame, once: a frame that was applied before gives the
// result it gave then and counts nothing.
func (s *State) Apply(f *Frame) Result {
	ses := s.sessions[f.Node]
	switch {
	case ses == nil || f.Incarnation > ses.incarnation:
		ses = &session{incarnation: f.Incarnation}
		s.sessions[f.Node] = ses
	case f.Incarnation < ses.incarnation || f.Seq < ses.seq:
		return Result{Stale: true}
	case f.Seq == ses.seq:
		return ses.result
	}
	if f.Seq == ses.seq+1 {
		for _, r := range f.Returns {
			s.giveBack(ses.taken, r)
		}
	}
	ses.seq = f.Seq
	ses.result = Result{Decisions: make([]Decision, len(f.Calls))}
	ses.taken = make([]taken, len(f.Calls))
	for i, c := range f.Calls {
		ses.result.Decisions[i], ses.taken[i] = s.decide(c)
	}
	return ses.result
}

// decide charges the calls on every condition that applies: as many are
// admitted as the narrowest of them allows (spec section 10).
func (s *State) decide(c Calls) (Decision, taken) {
	counters := s.domains[c.Domain].applicable(c.Endpoint)
	admitted := uint64(c.N)
	t := taken{domain: c.Domain, units: make([]unit, 0, len(counters))}
	var retry int64
	for _, ctr := range counters {
		allowed := ctr.take(s.now, uint64(c.N))
		admitted = min(admitted, allowed)
		if allowed < uint64(c.N) {
			retry = max(retry, ctr.ends()-s.now)
		}
		t.units = append(t.units, unit{ctr.endpoint, ctr.reset, ctr.window.start})
	}
	t.admitted = admitted
	return Decision{Admitted: uint32(admitted), RetryAfter: retry}, t
}

// giveBack applies one Return against what the last frame took.
func (s *State) giveBack(last []taken, r Return) {
	if int(r.Index) >= len(last) {
		return
	}
	t := &last[r.Index]
	n := min(uint64(r.N), t.admitted)
	t.admitted -= n
	d := s.domains[t.domain]
	for _, u := range t.units {
		if c := d.find(u.endpoint, u.reset); c != nil {
			c.giveBack(s.now, u.start, n)
		}
	}
}
