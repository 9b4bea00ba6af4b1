package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

// patience is how long a test waits for a state before it fails.
const patience = 30 * time.Second

// strictly has every window strict from its first call: every call is in a
// frame.
var strictly = quota.Params{LeaseMillis: quota.DefaultLeaseMillis, MinLease: quota.MaxMinLease}

// rig is a ledger, a state machine that decides its frames, and clocks that the
// test sets. The test sends the frames itself, one step at a time; with start,
// the ledger's loop does.
type rig struct {
	*Ledger
	t        *testing.T
	registry *prometheus.Registry
	params   quota.Params
	begun    int64 // cluster time, ms, at mono 0

	mu    sync.Mutex
	now   instant
	odd   []instant // what the clocks say before they say now
	state *quota.State
	seqs  map[string]uint64 // of the other nodes
	// others are the ledgers of other nodes.
	others []*Ledger
	// deaf: nobody's replica hears what the log decides.
	deaf   bool
	frames []quota.Frame // all that were decided
	// hold is received from before each frame is decided, where it is set.
	hold chan struct{}
	// delay is called before each frame is decided, where it is set.
	delay func()

	round  round
	result quota.Result
}

// newState is a state that knows all there is.
func newState() *quota.State {
	s := quota.NewState()
	s.Upgrade(quota.Third)
	return s
}

// of is the counter of all calls of a rule.
func of(rule uint64) quota.ID { return quota.ID{Rule: rule} }

// takeOf is n calls on counters of all calls.
func takeOf(n uint32, rules ...uint64) quota.Take {
	t := quota.Take{N: n, Units: 1}
	for _, id := range rules {
		t.Items = append(t.Items, quota.Item{ID: of(id)})
	}
	return t
}

// ruleOf is a rule of all calls of an endpoint.
func ruleOf(id uint64, endpoint string) quota.Rule {
	return quota.Rule{ID: id, Condition: quota.Condition{Endpoint: endpoint}}
}

// classOf is what calls of an endpoint count on.
func (l *Ledger) classOf(domain, endpoint string) *class {
	return l.class(&quota.Call{Domain: domain, Endpoint: endpoint})
}

// takeOne decides a call.
func (l *Ledger) takeOne(domain, endpoint string) (quota.Verdict, error) {
	return l.Take(&quota.Call{Domain: domain, Endpoint: endpoint})
}

// rigLeases are short, and small enough to be shared out nearly to the end.
var rigLeases = quota.Params{LeaseMillis: 1000, MinLease: 4}

// newRig is the ledger of n1, which knows the domain "d".
func newRig(t *testing.T, conditions ...quota.Condition) *rig {
	t.Helper()
	g := &rig{
		t: t, registry: prometheus.NewRegistry(), params: rigLeases, begun: 1_000_000,
		now: instant{mono: 5000 * ms}, state: newState(), seqs: map[string]uint64{},
	}
	g.Ledger = newLedger(Config{Node: "n1", Incarnation: 7, Wait: patience, Leases: g.params, Sender: g}, newMetrics(g.registry), g.clocks)
	g.applier.stripes = 1 // so that the last unit is found in one place
	g.state.SetMembers(1)
	g.deploy(conditions...)
	return g
}

// deploy puts the conditions of "d" in force.
func (g *rig) deploy(conditions ...quota.Condition) {
	g.mu.Lock()
	g.state.Advance(g.stamp())
	g.state.BeginFrames(g.params)
	g.state.SetConditions("d", conditions, "")
	counters, changed := g.state.Rules("d"), g.state.TakeChanges()
	g.mu.Unlock()
	for _, l := range append(g.others, g.Ledger) {
		l.RulesChanged(map[string][]quota.Rule{"d": counters}, quota.Third)
		l.PhasesChanged(changed)
	}
}

func (g *rig) clocks() instant {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.odd) > 0 {
		at := g.odd[0]
		g.odd = g.odd[1:]
		return at
	}
	return g.now
}

// stamp is the leader's clock, which runs like the node's.
func (g *rig) stamp() int64 { return g.begun + g.now.mono/ms }

// after moves both clocks on.
func (g *rig) after(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now.mono += int64(d)
}

// toBeat moves both clocks on to when a frame is sent for reports that can wait.
func (g *rig) toBeat() { g.after(time.Duration(g.collector.patience - g.now.mono)) }

// Send implements FrameSender.
func (g *rig) Send(ctx context.Context, frame []byte) (quota.Result, error) {
	if g.hold != nil {
		select {
		case <-g.hold:
		case <-ctx.Done():
			return quota.Result{}, ctx.Err()
		}
	}
	if g.delay != nil {
		g.delay()
	}
	f, err := quota.DecodeFrame(slices.Clone(frame), quota.Third)
	if err != nil {
		panic(fmt.Sprintf("the ledger sends what no leader can read: %v", err))
	}
	return g.decide(f), ctx.Err()
}

// decide has the log decide a frame.
func (g *rig) decide(f *quota.Frame) quota.Result {
	g.mu.Lock()
	g.state.Advance(g.stamp())
	g.state.BeginFrames(g.params)
	res := g.state.Apply(f)
	g.frames = append(g.frames, *f)
	var changed []quota.Info
	if !g.deaf {
		changed = g.state.TakeChanges()
	}
	g.mu.Unlock()
	if len(changed) > 0 {
		for _, l := range append(g.others, g.Ledger) {
			l.PhasesChanged(changed)
		}
	}
	return res
}

// other has another node's frame decided.
func (g *rig) other(node string, f quota.Frame) quota.Result {
	g.seqs[node]++
	f.Node, f.Incarnation, f.Seq = node, 1, g.seqs[node]
	return g.decide(&f)
}

// take has n2 take units of the first counter.
func (g *rig) take(n uint32) quota.Decision {
	return g.other("n2", quota.Frame{Takes: []quota.Take{takeOf(n, 1)}}).Decisions[0]
}

// collect makes the next frame; nil if there is nothing to send.
func (g *rig) collect() *quota.Frame {
	g.t.Helper()
	if !g.collector.collect(&g.round) {
		return nil
	}
	if len(g.round.buf) > quota.MaxFrameBytes {
		g.t.Fatalf("a frame of %d bytes", len(g.round.buf))
	}
	f, err := quota.DecodeFrame(slices.Clone(g.round.buf), quota.Third)
	if err != nil {
		g.t.Fatalf("the ledger sends what no leader can read: %v", err)
	}
	return f
}

// answer has the collected frame decided, and the result taken in.
func (g *rig) answer(f *quota.Frame) {
	g.result = g.decide(f)
	g.applier.apply(&g.round, g.result, nil)
}

// step sends one frame, if there is something to send.
func (g *rig) step() *quota.Frame {
	g.t.Helper()
	f := g.collect()
	if f != nil {
		g.answer(f)
	}
	return f
}

// steps sends frames until there is nothing to send.
func (g *rig) steps() {
	g.t.Helper()
	for range 1000 {
		if g.step() == nil {
			return
		}
	}
	g.t.Fatal("the ledger has ever more to send")
}

// quiet makes sure that there is nothing to send.
func (g *rig) quiet(when string) {
	g.t.Helper()
	if f := g.collect(); f != nil {
		g.t.Errorf("%s there is a frame: %+v", when, f)
		g.answer(f)
	}
}

// outcome is how a call stands.
type outcome string

const (
	local   outcome = "admitted here"
	replica outcome = "refused here"
	waits   outcome = "waiting"
	logged  outcome = "admitted in the log"
	refused outcome = "refused in the log"
	failed  outcome = "undecided"
)

// caller makes one call and does not wait.
type caller struct {
	call    *call
	outcome outcome
	verdict quota.Verdict
	err     error
}

func (g *rig) call(endpoint string) *caller { return g.makes(&quota.Call{Endpoint: endpoint}) }

// callAs makes a call that counts for a caller.
func (g *rig) callAs(who string) *caller { return g.makes(&quota.Call{Caller: simCaller{name: who}}) }

func (g *rig) makes(call *quota.Call) *caller {
	v, c := g.begin(g.classOf("d", call.Endpoint), call)
	switch {
	case c != nil && g.enqueue(c):
		return &caller{call: c, outcome: waits}
	case c != nil:
		return &caller{outcome: failed}
	case v.Admitted:
		return &caller{outcome: local, verdict: v}
	}
	return &caller{outcome: replica, verdict: v}
}

// calls makes n calls.
func (g *rig) calls(n int, endpoint string) (list []*caller) {
	for range n {
		list = append(list, g.call(endpoint))
	}
	return list
}

// is looks how the call stands now.
func (c *caller) is() outcome {
	if c.outcome != waits {
		return c.outcome
	}
	select {
	case a := <-c.call.answer:
		c.verdict, c.err = a.verdict, a.err
		switch {
		case a.err != nil:
			c.outcome = failed
		case a.verdict.Admitted:
			c.outcome = logged
		default:
			c.outcome = refused
		}
	default:
	}
	return c.outcome
}

// goes: the caller gives up.
func (c *caller) goes() bool { return c.call.state.CompareAndSwap(callWaiting, callGone) }

// are compares how calls stand, in their order.
func are(t *testing.T, name string, list []*caller, want ...outcome) {
	t.Helper()
	var got []outcome
	for _, c := range list {
		got = append(got, c.is())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the calls are %q, want %q", name, got, want)
	}
}

// all is n times the same.
func all(n int, o outcome) []outcome { return slices.Repeat([]outcome{o}, n) }

// reads compares what the log knows of a counter.
func (g *rig) reads(name string, id uint64, used, leased uint64, phase quota.Phase) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.state.Readings("d", g.stamp())[g.place(id)]
	if r.Used != used || r.Leased != leased || r.Phase != phase {
		g.t.Errorf("%s: counter %d is used %d, leased %d, %v; want %d, %d, %v", name, id, r.Used, r.Leased, r.Phase, used, leased, phase)
	}
}

// place is where a counter is among the domain's.
func (g *rig) place(id uint64) int {
	return slices.IndexFunc(g.state.Rules("d"), func(r quota.Rule) bool { return r.ID == id })
}

// left is what the node has of a counter.
func (g *rig) left(id uint64) uint64 {
	if le := g.holdings[of(id)].lease.Load(); le != nil {
		return le.left()
	}
	return 0
}

// ways reads the metrics: how many calls were decided by which way.
func (g *rig) ways() map[string]int {
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range families {
		if f.GetName() == "tollgate_quota_decisions_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
			}
		}
	}
	return got
}
