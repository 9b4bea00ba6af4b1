package quota

// Bounds of a frame. A frame beyond them is not encoded and not decoded.
const (
	MaxFrameBytes = 64 << 10
	// MaxFrameItems bounds each list of a frame.
	MaxFrameItems = 2048
	// MaxCalls is how many calls one item may stand for.
	MaxCalls = 1 << 20
	// MaxCounters is how many conditions may apply to one call: those of a
	// domain and of an endpoint.
	MaxCounters = 64

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
	// Returns, what Reports give back, Takes, Charges, and what Reports ask for
	// are applied in this order.
	Returns []Return
	Reports []Report
	Takes   []Take
	Charges []Charge
}

// Take is N calls that want a unit of each of the counters. Counters that the
// node has paid for out of its leases are not among them; a counter that is
// gone allows everything.
type Take struct {
	Counters []uint64 // rising
	N        uint32   // 1 to MaxCalls
}

// Report is what a holder says of its lease, and what it asks for.
type Report struct {
	Counter uint64
	// Window is the window that the lease is of.
	Window int64
	// Spent is the units spent since the last report, Back those that come
	// back: the holder has taken them off its own count before it says so.
	Spent, Back uint64
	// Want is how many units more the holder would like, 0 for none, of the
	// window that runs. It opens none: that is for calls to do.
	Want uint32
	// Renew has the lease last from now on, without more units.
	Renew bool
}

// Return gives back N units that a Take of an earlier frame took for callers
// that had gone away.
type Return struct {
	Counter uint64
	Window  int64
	N       uint32
}

// Charge is N calls that another condition has refused, and that the counter
// counts all the same (spec section 10).
type Charge struct {
	Counter uint64
	N       uint32
}

// Result answers a frame.
type Result struct {
	// Stale: the frame is older than one that was applied, or from an earlier
	// incarnation. It changed nothing, and nothing can be said of its calls.
	Stale bool
	// Now is the cluster time, ms, at which the frame was applied.
	Now int64
	// Decisions has one entry for each of the frame's Takes, Grants one for
	// each of its Reports.
	Decisions []Decision
	Grants    []Grant
}

// Decision answers a Take. Of its N calls the first Decided are decided, and of
// those the first Admitted are admitted, the others refused. The rest could not be
// decided yet and was charged nothing; the node is to ask for it again.
type Decision struct {
	Decided, Admitted uint32
	// RetryAfter is the time in ms until the last exceeded condition's window
	// ends; 0 if no call was refused.
	RetryAfter int64
	// Windows are the windows that units were taken from, in the order of
	// Take.Counters; 0 where the counter is gone.
	Windows []int64
}

// Grant answers a Report.
type Grant struct {
	// Units is what the holder's lease has now, after the report; 0 if it has
	// none, or none that may be spent on.
	Units uint64
	// LeaseMillis is how long, from before the frame was first sent, the
	// holder may spend them.
	LeaseMillis int64
	// Window is the running window, and EndsIn the time in ms until it ends.
	Window, EndsIn int64
	Phase          Phase
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
		return Result{Stale: true, Now: s.now}
	case f.Seq == ses.seq:
		return ses.result
	}
	h := holder{f.Node, f.Incarnation}
	for _, r := range f.Returns {
		if c := s.counter(r.Counter); c != nil {
			c.giveBack(s, r.Window, uint64(r.N))
		}
	}
	res := Result{Now: s.now, Decisions: make([]Decision, len(f.Takes)), Grants: make([]Grant, len(f.Reports))}
	for _, r := range f.Reports {
		if c := s.counter(r.Counter); c != nil {
			c.account(s, h, r)
		}
	}
	for i, t := range f.Takes {
		res.Decisions[i] = s.decide(t)
	}
	for _, ch := range f.Charges {
		if c := s.counter(ch.Counter); c != nil {
			c.open(s)
			c.charge(s, uint64(ch.N))
		}
	}
	for i, r := range f.Reports {
		res.Grants[i] = Grant{Phase: Strict}
		if c := s.counter(r.Counter); c != nil {
			res.Grants[i] = c.answer(s, h, r)
		}
	}
	ses.seq, ses.result = f.Seq, res
	return res
}

// decide charges the calls on every counter, and admits as many as the narrowest of
// them allows (spec section 10). It decides as many calls as every counter can tell of.
// Where one counter refuses in any case it decides all, and charges the others without
// waiting.
func (s *State) decide(t Take) Decision {
	d := Decision{Windows: make([]int64, len(t.Counters))}
	decided, refused := uint64(t.N), false
	for _, id := range t.Counters {
		c := s.counter(id)
		if c == nil {
			continue
		}
		c.open(s)
		c.settle(s)
		if n := c.decidable(s, uint64(t.N)); n < uint64(t.N) {
			c.drain(s)
			decided = min(decided, n)
		}
		refused = refused || c.window.phase == Exhausted
	}
	if refused {
		decided = uint64(t.N)
	}
	admitted := decided
	for i, id := range t.Counters {
		c := s.counter(id)
		if c == nil || decided == 0 {
			continue
		}
		d.Windows[i] = c.window.start
		switch {
		case refused && c.window.phase != Exhausted && c.window.awaited(s):
			c.charge(s, decided)
			admitted = 0
		default:
			allowed := c.take(s, decided)
			admitted = min(admitted, allowed)
			if allowed < decided {
				d.RetryAfter = max(d.RetryAfter, c.ends()-s.now)
			}
		}
	}
	d.Decided, d.Admitted = uint32(decided), uint32(admitted)
	return d
}
