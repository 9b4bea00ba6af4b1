package ledger

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

// The simulation runs the ledgers of some nodes and the quota state machine in
// one goroutine and in virtual time, from a seed. What lies between them, Raft
// included, is modelled: one log, a leader at a time, messages that are lost,
// repeated, delayed and overtaken, nodes that crash, stand still or are cut
// off, clocks with offsets and rates of their own. It sees everything, and so
// can check every promise of spec section 10 in every schedule.

const ms = int64(time.Millisecond)

// simMetrics is shared: registries are costly, and nobody reads it.
var simMetrics = newMetrics(prometheus.NewRegistry())

// mutation switches one rule off, to show that the checks can fail.
type mutation string

const (
	intact             mutation = ""
	timerFromReceipt   mutation = "the holder counts its time from the grant's receipt"
	stopAfterReport    mutation = "the holder stops spending after it has reported"
	trustStoredExpiry  mutation = "a new leader trusts the deadlines it finds"
	retryUnderNewID    mutation = "a frame is retried under a new sequence"
	windowByNodesClock mutation = "a node's wall clock chooses the window"
	// The state machine's source has no such rule any more.
	sourceChanged mutation = "the state machine's source is changed"
)

// world is one schedule.
type world struct {
	rng    *rand.Rand
	seed   uint64
	broken mutation
	faults bool

	now    int64 // real time, ns
	events eventQueue
	order  int

	nodes  []*simNode
	limits []quota.Condition
	params quota.Params
	// version is what all is applied by; kinds says what calls there are.
	version quota.Version
	kinds   simKinds

	leader   *simNode
	term     uint64
	base     int64 // the stamp clock of the term: cluster time at begin
	begun    int64 // and the leader's monotonic clock then
	pending  []simFrame
	inFlight *simEntry
	log      []simEntry

	truth *quota.State // what the log makes, as soon as it is committed
	check checker
}

// simFrame is a frame at the leader.
type simFrame struct {
	from  *simNode
	inc   uint64
	frame []byte
}

// simEntry is one entry of the log.
type simEntry struct {
	term   uint64
	stamp  int64
	frames []simFrame
	limits []quota.Condition // a deploy, where not nil
	reset  *quota.Target     // the end of a window, where not nil
	ends   []quota.CalendarEnd
}

// simNode is one node.
type simNode struct {
	id          string
	w           *world
	up, cut     bool
	pausedUntil int64
	rate        float64
	offset      int64 // of the wall clock, ns
	suspended   int64 // for how long the monotonic clock stood still
	lag         int64 // by how much all that comes to it is late, ns

	incarnation uint64
	ledger      *Ledger
	state       *quota.State
	applied     int

	r       round
	sending bool
	// retry is when what is parked is asked about again, mono ns.
	retry int64
	// leases are those that the frame under way reports on, for stopAfterReport.
	leases map[*holding]*lease
}

// simLeases are short, so that much happens in a short schedule; those of the
// longer kind outlive an election by far.
var simLeases = []uint32{60, 200}

func newWorld(seed uint64, broken mutation) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), seed: seed, broken: broken}
	w.check = newChecker(w)
	w.faults = w.rng.IntN(4) > 0 || broken != intact
	w.params = quota.Params{LeaseMillis: simLeases[w.rng.IntN(len(simLeases))], LongLeaseMillis: uint32(w.rng.IntN(600)), MinLease: 2}
	if broken == timerFromReceipt { // the answer must come later than a lease lasts
		w.params = quota.Params{LeaseMillis: 60, MinLease: 2}
	}
	w.limits = []quota.Condition{{Endpoint: "", Max: w.limit(), ResetSeconds: 1000}}
	switch w.rng.IntN(3) {
	case 0: // windows that end within the schedule
		w.limits[0].ResetSeconds = 1
	case 1:
		w.limits = append(w.limits, quota.Condition{Endpoint: "e", Max: w.limit(), ResetSeconds: 1000})
	}
	w.drawKinds()
	w.truth = w.newState()
	for i := range 2 + w.rng.IntN(3) {
		n := &simNode{id: fmt.Sprintf("n%d", i+1), w: w, up: true, rate: 1 + (w.rng.Float64()-0.5)*0.018}
		n.offset = w.rng.Int64N(400*ms) - 200*ms
		if w.faults && w.rng.IntN(3) == 0 {
			n.offset = w.rng.Int64N(20_000*ms) - 10_000*ms
		}
		w.nodes = append(w.nodes, n)
	}
	for _, n := range w.nodes {
		n.state = w.newState()
		n.boot()
	}
	w.elect(w.nodes[0])
	w.commit(simEntry{term: w.term, stamp: w.stamp(), limits: w.limits})
	for _, n := range w.nodes {
		rate := 1 + w.rng.Float64()*4
		w.calls(n, rate, rate)
		w.tick(n)
	}
	if w.faults {
		w.after(w.between(5, 60), w.fault)
	}
	return w
}

// limit is one that is soon reached, or in the middle of the schedule's faults.
func (w *world) limit() uint64 {
	if w.chance(3) {
		return uint64(500 + w.rng.IntN(4000))
	}
	return uint64(20 + w.rng.IntN(600))
}

// after schedules f.
func (w *world) after(d int64, f func()) {
	w.order++
	heap.Push(&w.events, event{w.now + max(d, 0), w.order, f})
}

// on schedules f at a node: while it stands still, until it goes on; not at
// all once it has crashed.
func (w *world) on(n *simNode, d int64, f func()) {
	inc := n.incarnation
	w.after(d, func() {
		switch {
		case !n.up || n.incarnation != inc:
		case w.now < n.pausedUntil:
			w.on(n, n.pausedUntil-w.now, f)
		default:
			f()
		}
	})
}

// chance is true one time in n.
func (w *world) chance(n int) bool { return w.rng.IntN(n) == 0 }

// between is a random duration.
func (w *world) between(lo, hi float64) int64 {
	return int64((lo + w.rng.Float64()*(hi-lo)) * float64(ms))
}

// run runs the schedule for so long, and then lets it come to rest.
func (w *world) run(d int64) {
	w.runUntil(d)
	w.check.end()
}

func (w *world) runUntil(d int64) {
	for w.now < d {
		e := heap.Pop(&w.events).(event)
		w.now = max(w.now, e.at)
		e.f()
	}
}

// elect makes a node the leader. What was on its way into the log is either in
// it by now or lost; who sent it cannot know.
func (w *world) elect(n *simNode) {
	if e := w.inFlight; e != nil && w.chance(2) {
		w.commit(*e)
	}
	w.inFlight, w.pending = nil, nil
	w.term++
	w.leader = n
	n.catchUp(len(w.log))
	w.base, w.begun = n.wall()/ms, n.clock().mono
}

// stamp is the cluster time as the leader has it.
func (w *world) stamp() int64 { return w.base + (w.leader.clock().mono-w.begun)/ms }

// leads reports whether the leader can have entries committed.
func (w *world) leads() bool {
	reached := 0
	for _, n := range w.nodes {
		if n.up && !n.cut {
			reached++
		}
	}
	l := w.leader
	return l.up && !l.cut && w.now >= l.pausedUntil && reached > len(w.nodes)/2
}

// receive takes a frame in at the leader.
func (w *world) receive(to *simNode, f simFrame) {
	if w.leader != to {
		return
	}
	w.pending = append(w.pending, f)
	w.propose()
}

// propose has one entry of all frames that wait under way.
func (w *world) propose() {
	if w.inFlight != nil || len(w.pending) == 0 || !w.leads() {
		return
	}
	e := &simEntry{term: w.term, stamp: w.stamp(), frames: w.pending}
	e.ends = w.ends(e.stamp)
	w.inFlight, w.pending = e, nil
	w.after(w.between(0.5, 3), func() {
		if w.inFlight != e {
			return
		}
		if !w.leads() { // stays under way until somebody else leads
			return
		}
		w.inFlight = nil
		w.commit(*e)
		w.propose()
	})
}

// commit puts an entry into the log: the truth has it now, the nodes in a
// while.
func (w *world) commit(e simEntry) {
	w.log = append(w.log, e)
	at := len(w.log)
	results := w.apply(w.truth, e, true)
	for i, f := range e.frames {
		if n := f.from; w.leader.up {
			w.deliver(w.leader, n, func() { n.answered(f, results[i]) })
		}
	}
	w.leader.catchUp(at)
	for _, n := range w.nodes {
		if n != w.leader {
			w.deliver(w.leader, n, func() { n.catchUp(at) })
			w.on(n, w.between(20, 80)+n.lag, func() { n.catchUp(at) })
		}
	}
}

// apply is what every replica does with an entry.
func (w *world) apply(s *quota.State, e simEntry, truth bool) (results []quota.Result) {
	s.Advance(e.stamp)
	if w.broken != trustStoredExpiry {
		s.BeginTerm(e.term)
	}
	s.BeginFrames(w.params)
	s.SetMembers(len(w.nodes))
	for _, end := range e.ends {
		s.SetEnd(end)
	}
	if e.reset != nil {
		_ = s.Reset(*e.reset) // there may be none
	}
	if e.limits != nil {
		s.SetConditions("d", e.limits, "")
	}
	for _, sf := range e.frames {
		f, err := quota.DecodeFrame(sf.frame, quota.Third)
		if err != nil {
			panic(err)
		}
		res := s.Apply(f)
		if truth {
			w.check.applied(s, f, res)
		}
		results = append(results, res)
	}
	return results
}

// deliver has something happen at another node, when the message arrives.
func (w *world) deliver(from, to *simNode, f func()) {
	lossy := w.faults
	for range 1 + w.copies(lossy) {
		if lossy && w.chance(20) {
			continue
		}
		d := w.between(0.1, 1)
		if lossy && w.chance(10) {
			d = w.between(1, 60)
			if w.chance(4) {
				d = w.between(60, 250)
			}
		}
		if from == to {
			d = -to.lag
		}
		w.on(to, d+to.lag, func() {
			if from == to || !from.cut && !to.cut {
				f()
			}
		})
	}
}

func (w *world) copies(lossy bool) int {
	if lossy && w.chance(20) {
		return 1
	}
	return 0
}

// equal compares every replica with the log applied anew, through a snapshot.
func (w *world) equal() error {
	for _, n := range w.nodes {
		s := w.newState()
		for _, e := range w.log[:n.applied] {
			w.apply(s, e, false)
		}
		if !bytes.Equal(s.Append(nil), n.state.Append(nil)) {
			return fmt.Errorf("%s differs from the log at %d", n.id, n.applied)
		}
	}
	return nil
}

// event is something that happens.
type event struct {
	at    int64
	order int
	f     func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
