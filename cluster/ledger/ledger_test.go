package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// TestFirstCallAsksTheRestIsLocal: the first call of a window goes into a frame
// that asks for a lease as well; those after it are decided without any.
func TestFirstCallAsksTheRestIsLocal(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.quiet("before the first call")
	first := g.call("")
	f := g.collect()
	if f.Node != "n1" || f.Incarnation != 7 || f.Seq != 1 || len(f.Returns)+len(f.Charges) != 0 ||
		len(f.Takes) != 1 || f.Takes[0].N != 1 || !slices.Equal(f.Takes[0].Items, takeOf(1, 1).Items) ||
		!slices.Equal(f.Reports, []quota.Report{{Counter: of(1), Want: 4}}) {
		t.Fatalf("the first frame is %+v", f)
	}
	are(t, "under way", []*caller{first}, waits)
	g.answer(f)
	are(t, "answered", []*caller{first}, logged)
	g.quiet("with a lease")
	are(t, "of the lease", g.calls(3, ""), all(3, local)...)
	g.reads("nobody has heard of them", 1, 1, 4, quota.Leasing)
	if f := g.step(); f == nil || f.Seq != 2 || len(f.Takes) != 0 || f.Reports[0].Spent != 3 || !f.Reports[0].Renew {
		t.Errorf("ahead of need there is %+v, want a report of three spent", f)
	}
	g.reads("then", 1, 4, 16, quota.Leasing)
}

// TestCallsOfAKindGoTogether: what waits while a frame is under way goes into
// the next, as one number for all calls that count on the same.
func TestCallsOfAKindGoTogether(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 9, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 5, ResetSeconds: 60}, quota.Condition{Endpoint: "f", Max: 1, ResetSeconds: 60})
	g.params = strictly
	first := g.call("")
	f := g.collect()
	e, plain, other := g.calls(4, "e"), g.calls(3, "no conditions of its own"), g.calls(2, "f")
	e = append(e, g.call("e"))
	g.answer(f)
	are(t, "the first", []*caller{first}, logged)
	f = g.collect()
	want := []quota.Take{takeOf(5, 1, 2), takeOf(3, 1), takeOf(2, 1, 3)}
	if !slices.EqualFunc(f.Takes, want, func(a, b quota.Take) bool { return a.N == b.N && slices.Equal(a.Items, b.Items) }) {
		t.Fatalf("the second frame takes %+v, want %+v", f.Takes, want)
	}
	g.answer(f)
	are(t, "e", e, all(5, logged)...)
	are(t, "the domain's", plain, all(3, logged)...)
	are(t, "f", other, refused, refused) // nine are gone: the domain's quota, and f's
	for _, c := range other {
		if c.verdict.RetryAfter != time.Minute {
			t.Errorf("to be tried again after %v, want a minute", c.verdict.RetryAfter)
		}
	}
	g.quiet("in strict windows")
}

// TestWaitingGoesFirst: calls that could not be decided, because another node
// holds units, are asked again before those that came later, in their order.
func TestWaitingGoesFirst(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	g.other("n2", quota.Frame{Takes: []quota.Take{takeOf(1, 1)}, Reports: []quota.Report{{Counter: of(1), Want: 40}}})
	g.take(57)
	window := g.state.Rules("d")[0].Window
	early := g.calls(5, "")
	f := g.collect()
	late := g.calls(2, "")
	g.answer(f)
	are(t, "two are left", early, logged, logged, waits, waits, waits)
	f = g.collect()
	if len(f.Takes) != 1 || f.Takes[0].N != 5 {
		t.Fatalf("then there is %+v, want three and two calls", f.Takes)
	}
	g.answer(f)
	later := g.calls(1, "")
	g.quiet("after a frame that decided nothing")
	g.other("n2", quota.Frame{Reports: []quota.Report{{Counter: of(1), Window: window, Spent: 37, Back: 3}}})
	f = g.collect()
	g.answer(f)
	if f.Takes[0].N != 6 {
		t.Errorf("then there is %+v, want six calls", f.Takes)
	}
	are(t, "three are back: the first three", early, all(5, logged)...)
	are(t, "and no more", append(late, later...), refused, refused, refused)
	g.reads("at the end", 1, 100, 0, quota.Exhausted)
}

// TestCallerThatGivesUpHasItsUnitsBack, once, wherever the call is on its way.
// It has paid for "e" out of a lease, and waits for the domain's counter, where
// one unit is used and n2 holds four.
func TestCallerThatGivesUpHasItsUnitsBack(t *testing.T) {
	const early, underWay, asked = 0, 1, 2 // when it goes: asked is with its second frame
	for name, c := range map[string]struct {
		limit uint64 // of the domain from here on
		says  quota.Report
		then  quota.Report // before the second frame is decided
		goes  int
		back  uint32 // units that the log took and gets back
	}{
		"before the frame":          {limit: 7, goes: early},
		"admitted":                  {limit: 7, goes: underWay, back: 1},
		"refused":                   {limit: 3, says: quota.Report{Spent: 4}, goes: underWay},
		"not decided":               {limit: 5, goes: underWay},
		"not decided, nor again":    {limit: 5, goes: asked},
		"not decided, and admitted": {limit: 5, then: quota.Report{Back: 4}, goes: asked, back: 1},
		"not decided, and refused":  {limit: 5, then: quota.Report{Spent: 4}, goes: asked},
	} {
		t.Run(name, func(t *testing.T) {
			e := quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60}
			g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60}, e)
			are(t, "to begin with", []*caller{g.call("e")}, waits)
			g.steps()
			n2 := func(r quota.Report) {
				r.Counter, r.Window = of(1), g.state.Rules("d")[0].Window
				g.other("n2", quota.Frame{Reports: []quota.Report{r}})
			}
			n2(quota.Report{Want: 4})
			g.deploy(quota.Condition{Max: c.limit, ResetSeconds: 60}, e)
			g.steps() // this node's lease of the domain has to go
			n2(c.says)
			has := g.left(2)
			one := g.call("e")
			are(t, "then", []*caller{one}, waits)
			if got := g.left(2); got != has-1 {
				t.Fatalf("%d units of %d are left, want that one is paid", got, has)
			}
			if c.goes == early {
				one.goes()
				g.quiet("for nobody")
			} else {
				f := g.collect()
				if c.goes == underWay {
					one.goes()
				}
				g.answer(f)
			}
			if c.goes == asked {
				g.quiet("before the pause is over")
				g.after(time.Duration(mostPause))
				f := g.collect()
				if f == nil || len(f.Takes) != 1 {
					t.Fatalf("it is asked again as %+v", f)
				}
				n2(c.then)
				one.goes()
				g.answer(f)
			}
			g.after(time.Duration(mostPause))
			back := uint32(0)
			for f := g.step(); f != nil; f = g.step() {
				for _, r := range f.Returns {
					if r.Counter != of(1) {
						t.Errorf("%+v goes back", r)
					}
					back += uint32(r.N)
				}
			}
			if back != c.back {
				t.Errorf("%d units go back, want %d", back, c.back)
			}
			if got := g.left(2); got != has {
				t.Errorf("of e the node has %d units, had %d", got, has)
			}
			if used, want := g.state.Readings("d", 0)[0].Used, 1+c.says.Spent+c.then.Spent; used != want {
				t.Errorf("of the domain %d are used, want %d", used, want)
			}
			are(t, "in the end", []*caller{one}, waits)
		})
	}
}

// TestCallerThatGivesUpAfterItsLeaseWasCalledBack: four calls have paid for "e" out
// of a lease, and wait for the domain's counter. The lease is called back and what
// they paid is reported as spent; then they give up. The log takes the four back.
func TestCallerThatGivesUpAfterItsLeaseWasCalledBack(t *testing.T) {
	for name, underWay := range map[string]bool{"with the frame under way": true, "before they are asked again": false} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60})
			g.call("e")
			g.steps()
			domain := g.state.Rules("d")[0]
			g.other("n2", quota.Frame{Reports: []quota.Report{{Counter: of(1), Window: domain.Window, Want: 4}}})
			g.deploy(quota.Condition{Max: 5, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60})
			g.steps() // this node's lease of the domain has gone, and n2 has all that is left
			four := g.calls(4, "e")
			are(t, "then", four, all(4, waits)...)
			if got := g.left(2); got != 0 {
				t.Fatalf("%d units of e are left, want that the calls have paid all", got)
			}
			g.deploy(quota.Condition{Max: 5, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 4, ResetSeconds: 60})
			go4 := func() {
				for _, one := range four {
					one.goes()
				}
			}
			f := g.collect()
			if underWay {
				go4()
			}
			g.answer(f)
			g.reads("e, called back", 2, 5, 0, quota.Strict)
			if !underWay {
				go4()
			}
			g.other("n2", quota.Frame{Reports: []quota.Report{{Counter: of(1), Window: domain.Window, Back: 4}}})
			g.steps()
			g.reads("e, in the end", 2, 1, 0, quota.Strict)
			g.reads("the domain, in the end", 1, 1, 0, quota.Strict)
			are(t, "in the end", four, all(4, waits)...)
		})
	}
}

// TestUnitsGoToWhoIsThere: of a batch, those who are still there are admitted
// first; only what nobody is there for goes back.
func TestUnitsGoToWhoIsThere(t *testing.T) {
	for _, c := range []struct {
		gone, there int
		limit       uint64
		want        int // of those there
		back        uint32
	}{
		{gone: 2, there: 3, limit: 9, want: 3, back: 2},
		{gone: 2, there: 3, limit: 3, want: 3, back: 0},
		{gone: 2, there: 3, limit: 1, want: 1, back: 0},
		{gone: 4, there: 0, limit: 3, want: 0, back: 3},
		{gone: 0, there: 4, limit: 4, want: 4, back: 0},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			g := newRig(t, quota.Condition{Max: c.limit, ResetSeconds: 60})
			g.params = strictly
			gone := g.calls(c.gone, "")
			there := g.calls(c.there, "")
			f := g.collect()
			for _, one := range gone {
				one.goes()
			}
			g.answer(f)
			are(t, "those there", there, append(all(c.want, logged), all(c.there-c.want, refused)...)...)
			back := uint32(0)
			for f := g.step(); f != nil; f = g.step() {
				for _, r := range f.Returns {
					back += uint32(r.N)
				}
			}
			if back != c.back {
				t.Errorf("%d units go back, want %d", back, c.back)
			}
		})
	}
}

// TestUndecidedCallBurnsNothing: a call that the ledger has no room for, or
// whose frame is not answered, leaves no mark on what it paid with.
func TestUndecidedCallBurnsNothing(t *testing.T) {
	start := func(t *testing.T) *rig {
		g := newRig(t, quota.Condition{Max: 1, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60})
		g.deaf = true // of the domain's end: the call waits for the log's word
		g.call("e")
		g.steps()
		return g
	}
	t.Run("no room", func(t *testing.T) {
		g := start(t)
		has := g.left(2)
		g.waiting = slices.Repeat([]*call{{}}, maxWaiting)
		if v, err := g.takeOne("d", "e"); err != ErrUndecided || v.Admitted {
			t.Errorf("call %d: %+v, %v", maxWaiting+1, v, err)
		}
		if got := g.left(2); got != has {
			t.Errorf("of e the node has %d units, had %d", got, has)
		}
		if got := g.ways(); got["unavailable"] != 1 {
			t.Errorf("the metrics count %v", got)
		}
		g.waiting = nil
		are(t, "with room again", g.calls(1, "e"), waits)
	})
	t.Run("no answer", func(t *testing.T) {
		g := start(t)
		has := g.left(2)
		one := g.call("e")
		g.collect()
		g.applier.apply(&g.round, quota.Result{}, errors.New("the node is no member"))
		are(t, "then", []*caller{one}, failed)
		if got := g.left(2); got != has {
			t.Errorf("of e the node has %d units, had %d", got, has)
		}
	})
	t.Run("closed", func(t *testing.T) {
		g := start(t)
		has := g.left(2)
		one := g.call("e")
		g.abandon()
		are(t, "then", []*caller{one}, failed)
		if got := g.left(2); got != has {
			t.Errorf("of e the node has %d units, had %d", got, has)
		}
	})
}

// TestAnswersThatDoNotFit: what the leader says of another frame than this one,
// or not at all, decides nothing, grants nothing, and gives nothing back.
func TestAnswersThatDoNotFit(t *testing.T) {
	broken := errors.New("the wire broke")
	for name, c := range map[string]struct {
		change func(*quota.Result)
		err    error
		want   error
	}{
		"stale":              {change: func(r *quota.Result) { *r = quota.Result{Stale: true, Now: r.Now} }, want: ErrUndecided},
		"stale with answers": {change: func(r *quota.Result) { r.Stale = true }, want: ErrUndecided},
		"no decision":        {change: func(r *quota.Result) { r.Decisions = nil }, want: ErrUndecided},
		"one decision more":  {change: func(r *quota.Result) { r.Decisions = append(r.Decisions, r.Decisions[0]) }, want: ErrUndecided},
		"no grant":           {change: func(r *quota.Result) { r.Grants = nil }, want: ErrUndecided},
		"one grant more":     {change: func(r *quota.Result) { r.Grants = append(r.Grants, r.Grants[0]) }, want: ErrUndecided},
		"nothing":            {change: func(r *quota.Result) { *r = quota.Result{} }, want: ErrUndecided},
		"an error":           {err: broken, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
			list := g.calls(2, "")
			res := g.decide(g.collect())
			if c.change != nil {
				c.change(&res)
			}
			g.applier.apply(&g.round, res, c.err)
			are(t, "then", list, failed, failed)
			for _, one := range list {
				if !errors.Is(one.err, c.want) || one.verdict.Admitted {
					t.Errorf("a caller gets %+v, %v; want %v", one.verdict, one.err, c.want)
				}
			}
			if g.left(1) != 0 {
				t.Errorf("it has granted %d units", g.left(1))
			}
			g.quiet("afterwards")
			next := g.call("")
			f := g.step()
			if f.Seq != 2 || len(f.Returns) != 0 {
				t.Errorf("the next frame is %+v", f)
			}
			are(t, "the next one", []*caller{next}, logged)
		})
	}
}

// TestFrameBounds: with thousands of counters and calls on each, frames stay
// within their bounds, and all is said: calls in their order, reports, what
// comes back, charges.
func TestFrameBounds(t *testing.T) {
	const endpoints = 3000
	conditions := []quota.Condition{{Max: 1 << 40, ResetSeconds: 60}}
	for i := range endpoints {
		conditions = append(conditions, quota.Condition{Endpoint: fmt.Sprintf("GET /%04d", i), Max: 1 << 30, ResetSeconds: 60})
	}
	g := newRig(t, conditions...)
	name := func(i int) string { return fmt.Sprintf("GET /%04d", i) }
	var list []*caller
	for i := range endpoints {
		list = append(list, g.call(name(i)), g.call(name(i)))
	}
	said := map[quota.ID]bool{}
	check := func(f *quota.Frame) {
		t.Helper()
		if len(f.Takes) > roundTakes || len(f.Reports) > roundReports || len(f.Returns) > roundOthers || len(f.Charges) > roundOthers {
			t.Fatalf("a frame of %d takes, %d reports, %d returns, %d charges", len(f.Takes), len(f.Reports), len(f.Returns), len(f.Charges))
		}
		for _, r := range f.Reports {
			said[r.Counter] = true
		}
	}
	next := uint64(2)
	for f := g.collect(); f != nil; f = g.collect() {
		check(f)
		for _, take := range f.Takes {
			if take.N != 2 || !slices.Equal(take.Items, takeOf(1, 1, next).Items) {
				t.Fatalf("%+v comes where two calls of counter %d are next", take, next)
			}
			list[2*(next-2)].goes() // one of the two
			next++
		}
		g.answer(f)
	}
	if next != endpoints+2 || len(said) != endpoints+1 {
		t.Errorf("calls of %d counters were sent, reports on %d", next-2, len(said))
	}
	for i, c := range list {
		if got := c.is(); (i%2 == 1) != (got == logged) || i%2 == 0 && got != waits {
			t.Fatalf("call %d is %s", i, got)
		}
	}
	for i, r := range g.state.Readings("d", 0) {
		if want := uint64(1); r.Used != want && i > 0 || i == 0 && r.Used != endpoints {
			t.Fatalf("%q is used %d: what was taken for callers that gave up is not back", r.Endpoint, r.Used)
		}
	}
	// All leases are there; all go back at once.
	are(t, "with leases", []*caller{g.call(name(0)), g.call(name(endpoints - 1))}, local, local)
	g.after(spends - 100*time.Millisecond)
	g.look()
	clear(said)
	for f := g.collect(); f != nil; f = g.collect() {
		check(f)
		g.answer(f)
	}
	if len(said) != endpoints+1 {
		t.Errorf("%d of %d leases are reported on", len(said), endpoints+1)
	}
	// Refused calls charge all the others.
	g.deploy(append([]quota.Condition{{Max: 1, ResetSeconds: 60}}, conditions[1:]...)...)
	g.steps()
	one := g.call("")
	g.steps()
	are(t, "the domain is used up", []*caller{one}, refused)
	for i := range endpoints {
		if got := g.call(name(i)).outcome; got != replica {
			t.Fatalf("call %d is %s", i, got)
		}
	}
	charged := 0
	g.after(tick)
	for f := g.collect(); f != nil; f = g.collect() {
		check(f)
		charged += len(f.Charges)
		g.answer(f)
		g.after(tick)
	}
	if charged < endpoints-2 {
		t.Errorf("%d counters were charged, want all that no lease paid for", charged)
	}
}

// TestWideCalls: calls that count on as many counters as there may be stay
// within the bounds of frames too.
func TestWideCalls(t *testing.T) {
	var conditions []quota.Condition
	for i := range quota.MaxCounters - 1 {
		conditions = append(conditions, quota.Condition{Max: 1 << 30, ResetSeconds: uint32(60 + i)})
	}
	for i := range 300 {
		conditions = append(conditions, quota.Condition{Endpoint: fmt.Sprint(i), Max: 1 << 30, ResetSeconds: 60})
	}
	g := newRig(t, conditions...)
	g.params = strictly
	var list []*caller
	for i := range 300 {
		list = append(list, g.call(fmt.Sprint(i)))
	}
	frames := 0
	for f := g.step(); f != nil; f = g.step() {
		frames++
	}
	are(t, "all", list, all(300, logged)...)
	if frames < 2 || frames > 10 {
		t.Errorf("it took %d frames", frames)
	}
	for _, r := range g.state.Readings("d", 0)[:quota.MaxCounters-1] {
		if r.Used != 300 {
			t.Fatalf("%+v is used %d, want 300", r.Condition, r.Used)
		}
	}
}

// TestRedeployKeepsLeases: a counter that goes on to exist keeps its lease; one
// that is gone counts nothing any more.
func TestRedeployKeepsLeases(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60})
	g.call("e")
	g.steps()
	g.deploy(quota.Condition{Max: 900, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 61})
	one := g.call("e")
	f := g.collect()
	if len(f.Takes) != 1 || !slices.Equal(f.Takes[0].Items, takeOf(1, 3).Items) {
		t.Errorf("with the domain's lease and a new counter there is %+v", f.Takes)
	}
	// Under way, the endpoint loses its conditions: the call is to be asked again, by
	// those that there are.
	g.deploy(quota.Condition{Max: 900, ResetSeconds: 60})
	g.answer(f)
	are(t, "then", []*caller{one, g.call("e")}, failed, local)
	if one.err != errSuperseded {
		t.Errorf("the call is answered %v", one.err)
	}
	g.steps()
	if len(g.holdings) != 1 {
		t.Errorf("%d counters are known, want 1", len(g.holdings))
	}
	g.deploy()
	if g.classOf("d", "") != nil || g.classOf("d", "e") != nil || g.classOf("none", "") != nil {
		t.Error("there are calls to count, with no conditions")
	}
	if _, err := g.takeOne("d", ""); err != ErrUndecided {
		t.Errorf("a call on conditions that this node does not know: %v", err)
	}
}

// TestOneDomainStopsNoOther: as many kinds of calls as a frame has room for wait
// for units that another node holds; a call of another kind is sent in the next
// frame all the same.
func TestOneDomainStopsNoOther(t *testing.T) {
	const stuck = roundTakes + 10
	var conditions []quota.Condition
	for i := range stuck {
		conditions = append(conditions, quota.Condition{Endpoint: fmt.Sprintf("stuck%03d", i), Max: 10, ResetSeconds: 60})
	}
	g := newRig(t, append(conditions, quota.Condition{Endpoint: "free", Max: 1, ResetSeconds: 60})...)
	var waiting []*caller
	for i, info := range g.state.Rules("d")[1:] {
		g.other("n2", quota.Frame{Takes: []quota.Take{takeOf(1, info.ID)}, Reports: []quota.Report{{Counter: of(info.ID), Want: 4}}})
		waiting = append(waiting, g.calls(6, conditions[i].Endpoint)...)
	}
	for range 10 {
		g.step()
		g.after(tick)
	}
	left := map[outcome]int{}
	for _, c := range waiting {
		left[c.is()]++
	}
	if left[waits] < stuck {
		t.Fatalf("only %d calls wait for n2", left[waits])
	}
	call := g.call("free")
	for range 3 { // what waits is a frame and a bit
		g.step()
	}
	if got := call.is(); got != logged {
		t.Errorf("the call of another kind is %v", got)
	}
}

// TestUndecidedCallsPause: calls that wait for another node's units are asked about again
// after pauses that double, up to 50 ms, and at once when a phase has changed. Calls of
// their kind wait with them; those of other kinds, be it another caller of the same
// condition, do not.
func TestUndecidedCallsPause(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 10, ResetSeconds: 60, By: quota.ByHeader("x"), MaxCallers: 10})
	kim := quota.ID{Rule: 1, Caller: quota.DigestOf(g.state.Rules("d")[0].Seed, []byte("kim"))}
	takes := func(n uint32) quota.Take { return quota.Take{N: n, Units: 1, Items: []quota.Item{{ID: kim}}} }
	g.other("n2", quota.Frame{Takes: []quota.Take{takes(1)}, Reports: []quota.Report{{Counter: kim, Want: 4}}})
	g.other("n2", quota.Frame{Takes: []quota.Take{takes(5)}})
	one := g.callAs("kim")
	frames := 0
	for range 200 {
		if g.step() != nil {
			frames++
		}
		g.after(time.Millisecond)
	}
	if frames != 8 { // at 0, 2, 6, 14, 30, 62, 112 and 162 ms
		t.Errorf("in 200 ms it was asked about %d times, want 8", frames)
	}
	two, lee := g.callAs("kim"), g.callAs("lee")
	if f := g.step(); f == nil || len(f.Takes) != 1 || f.Takes[0].Items[0].ID == kim {
		t.Errorf("then %+v is sent, want the other caller's call", f)
	}
	are(t, "in the pause", []*caller{one, two, lee}, waits, waits, logged)
	window := g.phaseOf(kim)
	g.other("n2", quota.Frame{Reports: []quota.Report{{Counter: kim, Window: window, Spent: 3, Back: 1}}})
	g.step()
	are(t, "one unit is back", []*caller{one, two}, logged, refused)
}

// phaseOf is the window of a caller that the node knows a phase of.
func (g *rig) phaseOf(id quota.ID) int64 { return g.callers.find(id).phaseOf.window }
