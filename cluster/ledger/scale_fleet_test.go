package ledger

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tollgate/tollgate/store/quota"
)

// The simulation of scale runs the ledgers of up to hundreds of nodes and the
// quota state machine in one goroutine and in virtual time, from a seed. Every
// call goes the ledger's own way, and every frame through its own encoding and
// the state machine. Modelled are the calls, the network, the disks, and what a
// frame and a log entry cost the leader (scaleLeader). Nothing fails here and
// all clocks are right: for that there is the simulation of faults (world).
//
// A ledger here knows only the counters that its node was called on, so that
// many nodes and many counters fit into one process, and all replicas are one
// state: nodes are told of its changes when their own would have applied them.

// scaleSpec is what is simulated.
type scaleSpec struct {
	group           string // of simulations that belong together
	nodes, counters int
	// delay is the way between any two nodes, lease and long how long a lease
	// lasts near the end of its window and far from it.
	delay, lease, long time.Duration
	// rate is the calls a second of the cluster on the counters, evenly over
	// the nodes; skew the exponent of Zipf's law over the counters, more than
	// 1, or 0 for all counters alike.
	rate, skew float64
	// warmup is how long nothing is measured, measured how long it then is.
	warmup, measured time.Duration
	// endings is the number of further counters, each with endingRate calls a
	// second, whose windows reach their end while it is measured.
	endings    int
	endingRate float64
	seed       uint64
}

const (
	// scaleEpoch is the cluster time, ms, at which a simulation begins: a
	// date, since stamps take bytes.
	scaleEpoch = 1_750_000_000_000
	// scaleWait is how long a call waits for its decision, as by default.
	scaleWait = 2 * time.Second
	// scaleBatch is how often a node's calls are made: all that were due.
	scaleBatch = ms
	// scalePatience is how long, in virtual time, a simulation that is over
	// waits for its windows to end, for its calls to be answered, and for its
	// leases to be back.
	scalePatience = 5 * int64(time.Second)
	// farLimit is units that no simulation comes to the end of.
	farLimit = 1_000_000_000
	// perDomain is the endpoints of a domain.
	perDomain = 1000
)

// fleet is one simulation.
type fleet struct {
	spec scaleSpec
	rng  *rand.Rand
	zipf *rand.Zipf

	now    int64 // ns
	events eventQueue
	order  int

	nodes  []*scaleNode
	leader scaleLeader

	scaleTally
	scaleWall
	calls   *hdrhistogram.Histogram // waits of all decided calls, µs
	waits   *hdrhistogram.Histogram // of those that waited
	windows scaleWindows
}

func newFleet(spec scaleSpec) *fleet {
	f := &fleet{spec: spec, scaleWall: newScaleWall(), rng: rand.New(rand.NewPCG(spec.seed, 2))}
	if spec.skew > 0 {
		f.zipf = rand.NewZipf(f.rng, spec.skew, 1, uint64(spec.counters-1))
	}
	f.calls, f.waits = waitHistogram(), waitHistogram()
	f.windows.init(spec)
	f.leader.init(f)
	for i := range spec.nodes {
		f.nodes = append(f.nodes, newScaleNode(f, i))
	}
	return f
}

// waitHistogram is of waits in µs, up to minutes.
func waitHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Microseconds(), 3)
}

// params bound the leases.
func (f *fleet) params() quota.Params {
	return quota.Params{
		LeaseMillis: uint32(f.spec.lease.Milliseconds()), LongLeaseMillis: uint32(f.spec.long.Milliseconds()),
		MinLease: quota.DefaultMinLease,
	}
}

// conditions lists, by domain, the conditions of a state; a counter's ID is its
// place, from 1.
func (s *scaleSpec) conditions(limits []uint64, each func(domain string, list []quota.Condition)) {
	for first := 0; first < s.counters; first += perDomain {
		var list []quota.Condition
		for i := first; i < min(first+perDomain, s.counters); i++ {
			list = append(list, quota.Condition{Endpoint: fmt.Sprintf("GET /e%06d/**", i), Max: farLimit, ResetSeconds: 3600})
		}
		each(fmt.Sprintf("d%04d", first/perDomain), list)
	}
	var list []quota.Condition
	for i, limit := range limits {
		list = append(list, quota.Condition{Endpoint: fmt.Sprintf("GET /end%02d/**", i), Max: limit, ResetSeconds: 3600})
	}
	each("ending", list)
}

// after schedules g.
func (f *fleet) after(d int64, g func()) {
	f.order++
	heap.Push(&f.events, event{f.now + max(d, 0), f.order, g})
}

// way is how long a message takes between two nodes: the delay, a tenth more or
// less.
func (f *fleet) way(from, to *scaleNode) int64 {
	if from == to {
		return 0
	}
	return int64(float64(f.spec.delay) * (0.9 + 0.2*f.rng.Float64()))
}

// runUntil goes on until a time, or until it is done.
func (f *fleet) runUntil(at int64, done func() bool) {
	for f.now < at && !done() {
		e := heap.Pop(&f.events).(event)
		f.now = max(f.now, e.at)
		e.f()
	}
}

// run runs the whole simulation.
func (f *fleet) run() (x scaleFigures) {
	never := func() bool { return false }
	f.runUntil(int64(f.spec.warmup), never)
	f.scaleTally, f.scaleWall = scaleTally{}, newScaleWall()
	f.calls.Reset()
	f.waits.Reset()
	f.runUntil(int64(f.spec.warmup+f.spec.measured), never)
	x.scaleTally = f.scaleTally
	x.calls, x.waits = waitsOf(f.calls), waitsOf(f.waits)
	x.snapshot = len(f.leader.state.Append(nil))
	f.runUntil(f.now+scalePatience, f.windows.ended)
	x.ends, x.tail = f.windows.means(), waitsOf(f.windows.tail)
	x.settled = f.settle()
	x.exactness = f.windows.check(f.leader.state)
	return x
}

// settle ends the calls and has every ledger give back what it holds. It reports
// whether that came to its end.
func (f *fleet) settle() bool {
	for _, n := range f.nodes {
		n.calling = false
	}
	f.runUntil(f.now+scalePatience, f.idle)
	for _, n := range f.nodes {
		n.giveBack()
	}
	f.runUntil(f.now+scalePatience, f.idle)
	return f.idle()
}

// idle reports whether no node has anything left to send.
func (f *fleet) idle() bool {
	for _, n := range f.nodes {
		if n.ledger.busy() {
			return false
		}
	}
	return true
}

// counter draws the counter of a call.
func (f *fleet) counter() uint64 {
	s := &f.spec
	ending := float64(s.endings) * s.endingRate
	if ending > 0 && f.rng.Float64()*(s.rate+ending) < ending {
		return uint64(s.counters) + 1 + f.rng.Uint64N(uint64(s.endings))
	}
	rank := uint64(0)
	if f.zipf != nil {
		rank = f.zipf.Uint64()
	} else {
		rank = f.rng.Uint64N(uint64(s.counters))
	}
	// The busiest counters are anywhere among the IDs, since IDs take bytes.
	return rank*7919%uint64(s.counters) + 1
}

// decided: a call was, from what its node had or in the log.
func (f *fleet) decided(c scaleCall, admitted, local bool) {
	if admitted {
		f.windows.admitted(c.counter, c.begun)
	} else {
		f.windows.refused(f.now, c.counter)
	}
	record(f.calls, f.now-c.begun)
	if !local {
		record(f.waits, f.now-c.begun)
		f.windows.waited(f.now, c.counter, c.begun)
	}
	switch {
	case f.windows.ending(c.counter) != nil:
	case local:
		f.local++
	default:
		f.logged++
	}
}

// givenUp: a call was, by its caller or at once.
func (f *fleet) givenUp(counter uint64) {
	if f.windows.ending(counter) == nil {
		f.undecided++
	}
}
