package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// usedUp is a rig whose domain quota of two is used up for the given time from
// now on; of "e" it has a lease, of "f" none.
func usedUp(t *testing.T, seconds uint32) *rig {
	t.Helper()
	g := newRig(t,
		quota.Condition{Max: 2, ResetSeconds: seconds},
		quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 3600},
		quota.Condition{Endpoint: "f", Max: 1000, ResetSeconds: 3600},
	)
	list := []*caller{g.call("e")}
	g.steps()
	list = append(list, g.call(""))
	g.steps()
	list = append(list, g.call(""))
	g.steps()
	are(t, "two of three", list, logged, logged, refused)
	g.reads("the domain", 1, 2, 0, quota.Exhausted)
	g.reads("e", 2, 1, 4, quota.Leasing)
	return g
}

// TestReplicaRefuses: once the log has a window used up, the node answers by
// itself, without a frame, and for how long.
func TestReplicaRefuses(t *testing.T) {
	g := usedUp(t, 60)
	g.after(500 * time.Millisecond)
	for range 10 {
		one := g.call("")
		are(t, "a call", []*caller{one}, replica)
		if got := one.verdict.RetryAfter; got > 59500*time.Millisecond || got < 59400*time.Millisecond {
			t.Errorf("to be tried again after %v, the window goes on for 59.5s", got)
		}
	}
	g.quiet("for calls that the replica refuses")
	if got := g.ways(); got["replica"] != 10 || got["local"] != 0 {
		t.Errorf("the metrics count %v", got)
	}
}

// TestReplicaRefusesWhatOthersExhaust: it need not have asked itself.
func TestReplicaRefusesWhatOthersExhaust(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	one := g.call("")
	g.steps()
	g.take(96)
	g.step() // the lease goes back
	g.take(5)
	g.reads("without this node", 1, 100, 0, quota.Exhausted)
	are(t, "the first and the next", []*caller{one, g.call("")}, logged, replica)

	// A node that never had a frame answered knows no cluster time: it asks.
	g = newRig(t, quota.Condition{Max: 1, ResetSeconds: 60})
	g.take(2)
	one = g.call("")
	are(t, "a node that knows no time", []*caller{one}, waits)
	g.steps()
	are(t, "it is refused in the log, the next one here", []*caller{one, g.call("")}, refused, replica)
}

// TestRefusalChargesTheOthers: a call that the replica refuses counts on the
// other conditions, out of the lease where there is one, else in a frame that
// the tick brings.
func TestRefusalChargesTheOthers(t *testing.T) {
	g := usedUp(t, 60)
	are(t, "calls of e", g.calls(3, "e"), all(3, replica)...)
	if got := g.left(2); got != 1 {
		t.Errorf("%d units of e are left, want 1", got)
	}
	g.quiet("for what leases have paid")
	are(t, "more calls", append(g.calls(3, "e"), g.calls(5, "f")...), all(8, replica)...)
	f := g.collect()
	want := []quota.Charge{{Counter: of(2), N: 2}, {Counter: of(3), N: 5}}
	if f == nil || !slices.Equal(f.Charges, want) || len(f.Takes)+len(f.Reports) != 0 {
		t.Fatalf("for what they owe there is %+v, want charges %v", f, want)
	}
	g.answer(f)
	g.reads("f", 3, 5, 0, quota.Leasing)
	g.reads("e, whose four have not been reported", 2, 3, 4, quota.Leasing)

	// They are no frame of their own before the next tick, but go with others.
	g.calls(2, "f")
	g.quiet("before the tick")
	g.after(tick - 1)
	g.quiet("just before the tick")
	g.after(1)
	if f := g.step(); f == nil || !slices.Equal(f.Charges, []quota.Charge{{Counter: of(3), N: 2}}) {
		t.Errorf("with the tick there is %+v", f)
	}
	g.calls(2, "f")
	g.mu.Lock()
	g.markLocked(g.holdings[of(2)], 0)
	g.mu.Unlock()
	if f := g.step(); f == nil || len(f.Reports) != 1 || !slices.Equal(f.Charges, []quota.Charge{{Counter: of(3), N: 2}}) {
		t.Errorf("with a report there is %+v", f)
	}
	g.reads("f", 3, 9, 0, quota.Leasing)
	g.quiet("with all said")
}

// TestRefusingEndsBeforeTheWindow: cluster time may run a percent faster than
// this node's clock. At no moment when the window could have ended does the
// node refuse by itself.
func TestRefusingEndsBeforeTheWindow(t *testing.T) {
	g := usedUp(t, 4)
	info := g.state.Rules("d")[0]
	begun, sent := g.stamp(), g.now.mono // of the newest frame
	refusing := time.Duration(0)
	for ; refusing < 5*time.Second; refusing += time.Millisecond {
		if g.call("").outcome != replica {
			break
		}
		passed := (g.now.mono - sent) / ms
		if fastest := begun + passed + passed/100; fastest >= info.Ends {
			t.Fatalf("refused after %d ms, the window may have ended", passed)
		}
		g.after(time.Millisecond)
	}
	if refusing < 3900*time.Millisecond {
		t.Errorf("refused for %v only, of 4s", refusing)
	}
	// From there it asks: the log knows.
	g.waiting = nil
	one := g.call("")
	are(t, "then", []*caller{one}, waits)
	g.steps()
	are(t, "before the end", []*caller{one}, refused)
	are(t, "refused once more, it knows better", []*caller{g.call("")}, replica)
	g.after(time.Duration(info.Ends-g.stamp()) * time.Millisecond)
	one = g.call("")
	g.steps()
	are(t, "at the end", []*caller{one}, logged)
}

// TestRefusingEndsWithItsStamp: without a frame for long, the node does not
// trust its idea of cluster time.
func TestRefusingEndsWithItsStamp(t *testing.T) {
	g := usedUp(t, 3600)
	g.after(time.Duration(maxStampAge) - 1)
	are(t, "within the age of a stamp", []*caller{g.call("")}, replica)
	g.after(1)
	one := g.call("")
	are(t, "past it", []*caller{one}, waits)
	g.steps()
	are(t, "asked", []*caller{one, g.call("")}, refused, replica)
}

// TestRefusalIsOfItsWindow: what is learnt late of a window that is over refuses
// nothing in the next one.
func TestRefusalIsOfItsWindow(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 1})
	g.deaf = true
	g.take(101)
	late := g.state.TakeChanges()
	g.after(time.Second)
	one := g.call("")
	g.steps()
	are(t, "in the next window", []*caller{one}, logged)
	g.PhasesChanged(late)
	are(t, "told of the one before", []*caller{g.call("")}, local)
	if h := g.holdings[of(1)]; h.phase != quota.Leasing {
		t.Errorf("the window that runs is %v", h.phase)
	}
	g.quiet("for the window before")
}

// TestRefusedCounterSpendsNothing: a lease that was given up for lost
// is not spent past the refusal: it has ended.
func TestRefusedCounterSpendsNothing(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	g.deaf = true
	g.call("")
	g.steps()
	g.after(spends + 100*time.Millisecond) // waited for by 1080 ms
	g.take(96)
	for range 10 { // a call that waits for it, until it is given up
		g.take(1)
	}
	g.reads("without this node", 1, 100, 0, quota.Exhausted)
	g.deaf = false
	has := g.left(1)
	if has != 4 {
		t.Fatalf("%d units are here, want 4", has)
	}
	one := g.call("")
	are(t, "unheard, with an ended lease", []*caller{one}, waits)
	g.steps()
	are(t, "then", []*caller{one, g.call("")}, refused, replica)
}

// TestClusterClock: it knows nothing before the first stamp, and after its age;
// in between it is ahead of what any clock can have reached.
func TestClusterClock(t *testing.T) {
	var c clusterClock
	if _, known := c.atMost(instant{mono: 5}); known {
		t.Error("a time is known before the first stamp")
	}
	sent := int64(3 * time.Second)
	c.set(1_000_000, instant{mono: sent, drift: 77})
	for passed, want := range map[time.Duration]int64{
		0: 1_000_001, time.Millisecond: 1_000_002, 99 * time.Millisecond: 1_000_100,
		100 * time.Millisecond: 1_000_102, 9 * time.Second: 1_009_091,
	} {
		if got, known := c.atMost(instant{mono: sent + int64(passed)}); got != want || !known {
			t.Errorf("after %v: %d, known %t; want %d", passed, got, known, want)
		}
	}
	if _, known := c.atMost(instant{mono: sent + maxStampAge}); known {
		t.Error("a stamp is trusted past its age")
	}
}

// TestSystemClock: both clocks run, and together.
func TestSystemClock(t *testing.T) {
	clock := systemClock()
	first := clock()
	for deadline := time.Now().Add(patience); ; {
		now := clock()
		if drift := now.drift - first.drift; drift > maxDrift || drift < -maxDrift {
			t.Fatalf("the clocks come apart by %v", time.Duration(drift))
		}
		if now.mono > first.mono {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the clock stands still")
		}
	}
}

// TestTooDear: a node that was told that calls of some units are refused for good asks no
// more for as many, until the window ends or is reset. Cheaper calls are asked for.
func TestTooDear(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 10, ResetSeconds: 60})
	take := func(units uint32) (v quota.Verdict, asked bool) {
		t.Helper()
		c := &quota.Call{Domain: "d", Units: units}
		v, w := g.begin(g.class(c), c)
		if w == nil {
			return v, false
		}
		if !g.enqueue(w) {
			t.Fatal("nothing may wait")
		}
		g.steps()
		a := <-w.answer
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.verdict, true
	}
	want := func(what string, units uint32, admitted, asks bool) {
		t.Helper()
		if v, asked := take(units); v.Admitted != admitted || asked != asks || !admitted && v.RetryAfter <= 0 {
			t.Errorf("%s: a call of %d units: %+v, asked %v; want admitted %v, asked %v", what, units, v, asked, admitted, asks)
		}
	}
	g.take(7)
	want("three units are left", 5, false, true)
	want("again", 5, false, false)
	want("more", 9, false, false)
	want("less than was refused", 4, false, true)
	want("as much as that", 4, false, false)
	want("what is left", 3, true, true)
	g.mu.Lock()
	if err := g.state.Reset(quota.Target{Domain: "d", Name: quota.ConditionName{ResetSeconds: 60}}); err != nil {
		t.Error(err)
	}
	changed := g.state.TakeChanges()
	g.mu.Unlock()
	g.PhasesChanged(changed)
	want("after a reset", 5, true, true)
	want("five are left", 6, false, true)
	g.after(61 * time.Second)
	want("in the next window", 6, true, true)
}
