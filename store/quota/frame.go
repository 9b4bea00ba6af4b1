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
	maxNameBytes     = 64
	maxByBytes       = 128
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
	// Returns, Settles, what Reports give back, Takes, Charges, what Reports ask for,
	// and Claims are applied in this order.
	Returns []Return
	Settles []Settle
	Reports []Report
	Takes   []Take
	Charges []Charge
	Claims  []Claim
	// Version is First of a frame that is encoded as before there were callers.
	Version Version
}

// Item is one counter that calls count on.
type Item struct {
	ID ID
	// Limit is the maximum that the calls have shown, where the condition has plans;
	// else 0.
	Limit uint64
}

// Take is N calls that want Units units each of each of the counters. Counters that
// the node has paid for out of its leases are not among them.
type Take struct {
	Items   []Item // of rising rules
	N       uint32 // 1 to MaxCalls
	Units   uint32 // 1 to MaxUnits
	Reserve bool   // the units are to be settled
}

// Report is what a holder says of its lease, and what it asks for.
type Report struct {
	Counter ID
	// Window is the window that the lease is of.
	Window int64
	// Spent is the units spent since the last report, Back those that come
	// back: the holder has taken them off its own count before it says so. Reserved
	// is those of Spent that are still to be settled.
	Spent, Back, Reserved uint64
	// Want is how many units more the holder would like, 0 for none, of the
	// window that runs. It opens none: that is for calls to do.
	Want uint32
	// Renew has the lease last from now on, without more units.
	Renew bool
}

// Return gives back N units that a Take of an earlier frame took for callers
// that had gone away, or that a call of a lease since closed did not use.
type Return struct {
	Counter ID
	Window  int64
	N       uint64
}

// Charge is N units of calls that another condition has refused, and that the counter
// counts all the same (spec section 10), or of calls that a shadow condition counts.
type Charge struct {
	Counter ID
	N       uint64
	// Limit is as Item.Limit.
	Limit uint64
}

// Settle says what became of units that were reserved.
type Settle struct {
	Counter ID
	Window  int64
	// Reserved is how many of them are settled, Back those of them that come back.
	Reserved, Back uint64
	// Over is units beyond those reserved.
	Over uint64
}

// Result answers a frame.
type Result struct {
	// Stale: the frame is older than one that was applied, or from an earlier
	// incarnation. It changed nothing, and nothing can be said of its calls.
	Stale bool
	// Now is the cluster time, ms, at which the frame was applied.
	Now int64
	// Decisions has one entry for each of the frame's Takes, Grants one for
	// each of its Reports, Claims one for each of its Claims.
	Decisions []Decision
	Grants    []Grant
	Claims    []ClaimResult
	// Version is that of its encoding.
	Version Version
}

// Decision answers a Take. Of its N calls the first Decided are decided, and of
// those the first Admitted are admitted, the others refused. The rest could not be
// decided yet and was charged nothing; the node is to ask for it again.
type Decision struct {
	Decided, Admitted uint32
	// Superseded: one of the rules is gone. Nothing was decided. The node is to ask
	// again once its replica has what has come in their place.
	Superseded bool
	// ByCaller: a condition with By has refused the calls.
	ByCaller bool
	// RetryAfter is the time in ms until the last exceeded condition's window
	// ends; 0 if no call was refused.
	RetryAfter int64
	// Taken has an entry for each of Take.Items, in their order.
	Taken []Taken
}

// Taken is what a Take met at one counter.
type Taken struct {
	// Window is the window that the units were taken from; 0 where none were.
	Window int64
	// EndsIn is the time in ms until it ends, Max its maximum, and Left the units that
	// it had left afterwards.
	EndsIn    int64
	Max, Left uint64
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
	// Max is its maximum.
	Max   uint64
	Phase Phase
}

// Apply decides a frame, once: a frame that was applied before gives the
// result it gave then and counts nothing.
func (s *State) Apply(f *Frame) Result {
	ses := s.sessions[f.Node]
	switch {
	case ses == nil || f.Incarnation > ses.incarnation:
		ses = &session{incarnation: f.Incarnation, forgets: s.forgets}
		s.sessions[f.Node] = ses
	case f.Incarnation < ses.incarnation || f.Seq < ses.seq:
		return Result{Stale: true, Now: s.now, Version: s.version}
	case f.Seq == ses.seq:
		return ses.result
	}
	res := s.once(holder{f.Node, f.Incarnation, ses.forgets}, f)
	ses.seq, ses.result = f.Seq, res
	return res
}

// once applies a frame that was not applied yet.
func (s *State) once(h holder, f *Frame) Result {
	for _, r := range f.Returns {
		s.with(r.Counter, r.Window, func(c *counter) { c.giveBack(s, r.Window, r.N) })
	}
	for _, r := range f.Settles {
		s.with(r.Counter, r.Window, func(c *counter) { c.settleCall(s, h, r) })
	}
	for _, r := range f.Reports {
		s.with(r.Counter, r.Window, func(c *counter) { c.account(s, h, r) })
	}
	res := Result{
		Now: s.now, Version: s.version,
		Decisions: make([]Decision, len(f.Takes)), Grants: make([]Grant, len(f.Reports)),
	}
	decide := s.decide
	if s.version < Third {
		decide = s.decideFirst
	}
	taken := slab[Taken]{room: f.items()}
	for i := range f.Takes {
		t := &f.Takes[i]
		res.Decisions[i] = decide(h, t, taken.take(len(t.Items)))
	}
	for _, ch := range f.Charges {
		s.charge(ch)
	}
	for i, r := range f.Reports {
		res.Grants[i] = Grant{Phase: Strict}
		s.with(r.Counter, 0, func(c *counter) { res.Grants[i] = c.answer(s, h, r) })
	}
	for _, c := range f.Claims {
		res.Claims = append(res.Claims, s.claim(c))
	}
	return res
}

// items is how many counters the Takes are of.
func (f *Frame) items() (n int) {
	for i := range f.Takes {
		n += len(f.Takes[i].Items)
	}
	return n
}

// with does something to a counter, if it is there. The counter that callers share is
// meant by whoever names its window.
func (s *State) with(id ID, window int64, do func(*counter)) {
	r := s.rule(id.Rule)
	switch {
	case r == nil:
	case r.own != nil:
		if id.Caller == (Digest{}) {
			do(r.own)
			s.alert(r.own)
		}
	default:
		s.spares.free()
		c := s.get(r, id.Caller)
		if shared := r.callers.shared; shared != nil && window != 0 && shared.window.is(window) {
			c = shared.clone(r.epoch, r)
		}
		if c != nil && c.running(s.now) {
			do(c)
			s.alert(c)
			s.keep(c)
		}
	}
}
