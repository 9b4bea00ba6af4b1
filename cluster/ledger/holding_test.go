package ledger

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// spends is how long a lease of rigLeases may be spent, from before it was
// asked for: two clocks may run at rates that differ by a percent.
const spends = 990 * time.Millisecond

// leased is a rig that has a lease of four units, asked for just now.
func leased(t *testing.T) *rig {
	t.Helper()
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.call("")
	g.steps()
	if got := g.left(1); got != 4 {
		t.Fatalf("leased %d units, want 4", got)
	}
	return g
}

// TestLeaseEnds: it is spent to the last moment and not after, counted from
// before the frame that asked for it was sent, however late that is answered.
func TestLeaseEnds(t *testing.T) {
	for _, answered := range []time.Duration{0, 300 * time.Millisecond, spends - 1, spends, 5 * time.Second} {
		t.Run(answered.String(), func(t *testing.T) {
			g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
			g.call("")
			f := g.collect()
			res := g.decide(f)
			g.after(answered)
			g.applier.apply(&g.round, res, nil)
			if answered < spends {
				g.after(spends - answered - 1)
				are(t, "a nanosecond before the end", []*caller{g.call("")}, local)
				g.after(1)
			}
			has := g.left(1)
			are(t, "from the end on", []*caller{g.call("")}, waits)
			if got := g.left(1); got != has {
				t.Errorf("%d units are left of %d: one that was taken too late is put back", got, has)
			}
		})
	}
}

// TestPauseBetweenTakeAndClock: the unit is taken before the clocks are read, so
// that a thread that stood still in between reads the time after.
func TestPauseBetweenTakeAndClock(t *testing.T) {
	g := leased(t)
	clocks, taken := g.clock, uint64(0)
	g.clock = func() instant {
		taken = 4 - g.left(1)
		g.after(spends)
		return clocks()
	}
	one := g.call("")
	if one.outcome != waits || taken != 1 {
		t.Errorf("the call is %s, %d units were taken when the clock was read", one.outcome, taken)
	}
}

// TestLeaseEndsWithItsWindow, on this node's clock, from before it asked; then
// nothing is spent of it, and what was is said along with the next frame.
func TestLeaseEndsWithItsWindow(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 1}) // leases of 100 ms
	g.call("")
	g.steps()
	g.after(960 * time.Millisecond)
	g.call("")
	g.steps() // renewed for 100 ms, 40 before the window ends
	has := g.left(1)
	g.after(40*time.Millisecond - 1)
	are(t, "just before the end", []*caller{g.call("")}, local)
	g.after(1)
	g.collector.lastBeat = g.collector.beatTime(g.clock()) / beat
	g.look()
	g.quiet("when a window has ended,")
	one := g.call("")
	if f := g.step(); len(f.Reports) != 1 || f.Reports[0].Spent+f.Reports[0].Back != has || f.Reports[0].Renew || f.Reports[0].Want == 0 {
		t.Errorf("of the lease of %d units is said %+v", has, f.Reports)
	}
	g.steps()
	are(t, "in the next window", []*caller{one}, logged)
	if le := g.holdings[of(1)].lease.Load(); le == nil || le.window != g.stamp()+1 {
		t.Errorf("the new lease is %+v", le)
	}
	g.reads("the next window", 1, 1, 4, quota.Leasing)
}

// TestWindowOutlastsItsLease: where a new leader's clock is behind, cluster time stands
// still, and a window runs on that has ended by this node's clock. What the node has
// spent of it is then not given to it again, whether it was to be reported or a report
// was under way.
func TestWindowOutlastsItsLease(t *testing.T) {
	for name, underWay := range map[string]bool{"not reported": false, "report under way": true} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, quota.Condition{Max: 40, ResetSeconds: 1})
			admitted := uint64(0)
			spend := func() {
				g.call("")
				g.steps()
				for g.left(1) > 1 && g.holdings[of(1)].lease.Load().alive(g.clock()) {
					are(t, "a call", []*caller{g.call("")}, local)
					admitted++
				}
				admitted++ // in the log
			}
			spend()
			var f *quota.Frame
			if underWay {
				f = g.collect()
				are(t, "the last unit", []*caller{g.call("")}, local)
				admitted++
			}
			g.after(time.Second)
			g.begun -= 900 // the leader's clock, ms
			g.look()
			if f != nil {
				g.answer(f)
			}
			for range 40 {
				c := g.call("")
				g.look()
				g.steps()
				if is := c.is(); is == local || is == logged {
					admitted++
				}
			}
			if r := g.state.Readings("d", g.stamp())[0]; admitted > 40 || r.Used < admitted && r.Used+r.Leased < admitted {
				t.Errorf("%d calls admitted of 40; the log has %+v", admitted, r)
			}
		})
	}
}

// TestClocksThatComeApart: a machine that was suspended, or whose wall clock was
// set, spends nothing more until the cluster has renewed its lease.
func TestClocksThatComeApart(t *testing.T) {
	for apart, want := range map[int64]outcome{
		0: local, maxDrift - 1: local, 1 - maxDrift: local,
		maxDrift: waits, -maxDrift: waits, int64(time.Hour): waits,
	} {
		g := leased(t)
		g.now.drift += apart
		are(t, fmt.Sprintf("apart by %v", time.Duration(apart)), []*caller{g.call("")}, want)
		g.steps()
		are(t, "renewed", []*caller{g.call("")}, local)
	}
	// A thread that was interrupted between its two clocks reads them once more.
	g := leased(t)
	g.odd = []instant{{g.now.mono, g.now.drift + int64(time.Second)}}
	are(t, "one odd reading", []*caller{g.call("")}, local)
}

// TestRenewedAtHalfTime: a lease that is used goes on, from when it was asked
// for again; before half its time is over nothing is said.
func TestRenewedAtHalfTime(t *testing.T) {
	g := leased(t)
	are(t, "a call", []*caller{g.call("")}, local)
	g.after(spends - 500*time.Millisecond - 1)
	g.look()
	g.quiet("before half its time is over")
	g.after(1)
	g.look()
	g.quiet("at half its time, before the beat")
	if wait := time.Duration(g.collector.patience - g.now.mono); wait > 200*time.Millisecond {
		t.Errorf("the beat is %v away: want a fifth of the lease's time at most", wait)
	}
	g.toBeat()
	g.look()
	g.look() // is asked for once
	f := g.collect()
	if f == nil || len(f.Reports) != 1 || len(f.Takes) != 0 {
		t.Fatalf("at the beat there is %+v", f)
	}
	if r := f.Reports[0]; r.Spent != 1 || r.Back != 0 || !r.Renew || r.Window != g.holdings[of(1)].lease.Load().window {
		t.Errorf("it is reported as %+v", r)
	}
	res := g.decide(f)
	g.after(300 * time.Millisecond)
	are(t, "until then the old one is good", []*caller{g.call("")}, local)
	g.applier.apply(&g.round, res, nil)
	g.after(spends - 300*time.Millisecond - 1)
	are(t, "to the end of the new one", []*caller{g.call("")}, local)
	g.after(1)
	are(t, "from its end", []*caller{g.call("")}, waits)
	// The call's own frame renews it.
	g.steps()
	are(t, "renewed by that", []*caller{g.call("")}, local)
}

// TestSoonerBeatCounts: who waits for a beat and then needs an earlier one gets it.
func TestSoonerBeatCounts(t *testing.T) {
	g := leased(t)
	g.call("")
	for _, wait := range []time.Duration{200, 100, 150} {
		g.waitForBeat(g.holdings[of(1)], g.clock(), int64(wait*time.Millisecond))
	}
	g.after(100*time.Millisecond - 1)
	g.quiet("before the first of the beats")
	g.after(1)
	if f := g.collect(); f == nil || len(f.Reports) != 1 {
		t.Errorf("at the first of the beats there is %+v", f)
	}
}

// TestUnusedLeaseGoesBack at its end: until then somebody may call.
func TestUnusedLeaseGoesBack(t *testing.T) {
	g := leased(t)
	g.after(spends - 200*time.Millisecond)
	g.look()
	g.quiet("a while before its end")
	g.after(100 * time.Millisecond)
	g.look()
	f := g.collect()
	if f == nil || len(f.Reports) != 1 || f.Reports[0] != (quota.Report{Counter: of(1), Window: f.Reports[0].Window, Back: 4}) {
		t.Fatalf("unused, there is %+v", f)
	}
	are(t, "its units are gone before the word is out", []*caller{g.call("")}, waits)
	g.answer(f)
	g.reads("then", 1, 1, 0, quota.Leasing)
	g.steps()
	g.reads("the call that came meanwhile", 1, 2, 4, quota.Leasing)

	// A lease that was used once, and then not, goes too.
	g = leased(t)
	g.call("")
	for range 4 {
		g.after(spends - 500*time.Millisecond)
		g.look()
		g.steps()
	}
	g.reads("in the end", 1, 2, 0, quota.Leasing)
	if g.holdings[of(1)].lease.Load() != nil {
		t.Error("the lease is kept")
	}
	g.look()
	g.quiet("with nothing held")
}

// TestCallersLeaseRestsOnce: a caller's lease that nobody uses is renewed once, since callers
// call at random; then it goes back.
func TestCallersLeaseRestsOnce(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1_000_000, ResetSeconds: 3600, By: quota.ByHeader("x"), MaxCallers: 10})
	g.params = quota.Params{LeaseMillis: quota.DefaultLeaseMillis, LongLeaseMillis: quota.DefaultLongLeaseMillis, MinLease: 4}
	g.collector.leases = g.params
	rest := func(ticks int) {
		for range ticks {
			g.steps()
			g.after(tick)
			g.look()
		}
	}
	g.callAs("kim")
	rest(10)
	g.callAs("kim")
	rest(220) // leases last two seconds
	are(t, "after its first lease", []*caller{g.callAs("kim")}, local)
	rest(400)
	are(t, "after two that were not used", []*caller{g.callAs("kim")}, waits)
	g.steps()
	r := g.state.Callers("d", 0, func(quota.By) []byte { return []byte("kim") })[0]
	if r.Used != 4 || r.Leased != 0 {
		t.Errorf("in the end: %+v", r)
	}
}

// TestLeaseFollowsTheUse: with steady calls the lease grows to what they need,
// and frames become rare; nobody waits. When calls cease, all goes back.
func TestLeaseFollowsTheUse(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1 << 30, ResetSeconds: 3600})
	const perMilli, millis = 5, 6000
	waited, late, frames := 0, 0, 0
	var due int64
	var res quota.Result
	for i := range millis {
		for range perMilli {
			if g.call("").outcome != local {
				waited++
				if i > millis/2 {
					late++
				}
			}
		}
		g.after(time.Millisecond)
		if i%10 == 0 {
			g.look()
		}
		switch { // a frame takes 3 ms
		case due > 0 && g.now.mono >= due:
			g.applier.apply(&g.round, res, nil)
			due = 0
		case due == 0:
			if f := g.collect(); f != nil {
				frames++
				res, due = g.decide(f), g.now.mono+3*ms
			}
		}
	}
	if late > 0 || waited > 10*3*perMilli {
		t.Errorf("%d calls waited, %d of them late", waited, late)
	}
	if frames > 40 {
		t.Errorf("%d frames for %d ms of steady calls", frames, millis)
	}
	if le := g.holdings[of(1)].lease.Load(); le.out > 4*perMilli*1000 {
		t.Errorf("%d units are held at %d a second", le.out, perMilli*1000)
	}
	g.steps()
	for range 4 {
		g.after(500 * time.Millisecond)
		g.look()
		g.steps()
	}
	g.reads("calls have ceased", 1, perMilli*millis, 0, quota.Leasing)
}

// TestDraining: when the window comes near its end, this node's count goes to
// zero before it says so; no call is admitted here from then on, and the last
// unit is found all the same.
func TestDraining(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	g.call("")
	g.steps()
	are(t, "of the lease", []*caller{g.call("")}, local)
	loaded := g.holdings[of(1)].lease.Load() // a caller that has stood still since
	g.take(96)
	g.reads("the pool is empty", 1, 96, 4, quota.Draining)

	f := g.collect()
	if f == nil || len(f.Reports) != 1 || len(f.Takes) != 0 {
		t.Fatalf("told that it drains, the node sends %+v", f)
	}
	if r := f.Reports[0]; r.Spent != 1 || r.Back != 3 || r.Want != 0 || r.Renew {
		t.Errorf("it reports %+v", r)
	}
	if loaded.take(0, 1) || g.left(1) != 0 {
		t.Error("with the word under way, a unit can still be spent")
	}
	one := g.call("")
	are(t, "a call", []*caller{one}, waits)
	g.answer(f)
	g.reads("all is back", 1, 97, 0, quota.Strict)

	four := append(g.calls(3, ""), one)
	f = g.step()
	if len(f.Reports) != 0 {
		t.Errorf("in a strict window the node asks for %+v", f.Reports)
	}
	are(t, "strictly", four, logged, logged, refused, logged) // one has waited longest
	g.reads("at the end", 1, 100, 0, quota.Exhausted)
	are(t, "afterwards", []*caller{g.call("")}, replica)
	g.quiet("afterwards")
}

// TestDrainingOvertakesTheGrant: the word that a counter drains may come before
// the answer that grants a lease of it; the lease goes back at once all the
// same, and not when it is looked after.
func TestDrainingOvertakesTheGrant(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	one := g.call("")
	f := g.collect()
	res := g.decide(f)
	g.take(96)
	g.reads("the pool is empty", 1, 96, 4, quota.Draining)
	g.applier.apply(&g.round, res, nil)
	are(t, "the call", []*caller{one}, logged)
	if f := g.step(); f == nil || len(f.Reports) != 1 || f.Reports[0].Back != 4 {
		t.Errorf("then there is %+v, want all four given back", f)
	}
	g.reads("then", 1, 96, 0, quota.Strict)

	// It may also come before the answer that renews one.
	g = leased(t)
	g.deploy(quota.Condition{Max: 100, ResetSeconds: 60})
	g.after(spends - 500*time.Millisecond)
	g.call("")
	g.look()
	g.toBeat()
	res = g.decide(g.collect())
	g.take(99)
	g.applier.apply(&g.round, res, nil)
	if f := g.step(); f == nil || len(f.Reports) != 1 || f.Reports[0].Back == 0 || g.left(1) != 0 {
		t.Errorf("then there is %+v, and %d units are here", f, g.left(1))
	}
}

// TestMissedDrain: a node whose replica lags gives back when it is told by the
// answer to its next frame, at the beat after half of the lease's time.
func TestMissedDrain(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 100, ResetSeconds: 60})
	g.deaf = true
	g.call("")
	g.steps()
	g.call("")
	g.take(98)
	g.reads("the pool is empty", 1, 96, 4, quota.Draining)
	g.quiet("unheard")
	are(t, "what it holds is good", []*caller{g.call("")}, local)
	g.after(spends - 500*time.Millisecond)
	g.look()
	g.toBeat()
	g.steps()
	g.reads("then", 1, 98, 0, quota.Strict)
	if g.left(1) != 0 {
		t.Errorf("%d units are here still", g.left(1))
	}
}

// TestExpiredHere: where there is no leader, the lease ends; what was spent is
// reported when there is one again, and the rest is good again.
func TestExpiredHere(t *testing.T) {
	g := leased(t)
	are(t, "a call", []*caller{g.call("")}, local)
	g.after(5 * time.Second)
	late := g.calls(2, "")
	are(t, "past the end", late, waits, waits)
	g.look()
	f := g.collect()
	if len(f.Reports) != 1 || f.Reports[0].Spent != 1 || !f.Reports[0].Renew {
		t.Errorf("it is reported as %+v", f.Reports)
	}
	g.answer(f)
	are(t, "then", append(late, g.call("")), logged, logged, local)
	g.reads("one was admitted here, two logged", 1, 4, g.holdings[of(1)].lease.Load().out, quota.Leasing)
}

// TestNewWindowNewLease: a lease of the window before is not topped up.
func TestNewWindowNewLease(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 1})
	g.call("")
	g.steps()
	old := g.holdings[of(1)].lease.Load()
	g.after(time.Second)
	one := g.call("") // nothing was looked after meanwhile
	g.steps()
	are(t, "a call", []*caller{one}, logged)
	g.steps()
	two := g.call("")
	g.steps()
	now := g.holdings[of(1)].lease.Load()
	if now == nil || now == old || now.window == old.window || uint64(g.left(1)) > now.out {
		t.Errorf("the lease is %+v, was %+v", now, old)
	}
	if got := two.is(); got != local && got != logged {
		t.Errorf("the second call is %s", got)
	}
	if r := g.state.Readings("d", 0)[0]; r.Used+r.Leased > 20 {
		t.Errorf("in the new window: %+v", r)
	}
}

// TestWhoIsWorthALease: a caller who calls again while a lease would last is admitted
// here from then on. Calls of one who calls more seldom cost an item each, and no lease.
// A lease that was short because its window had just begun says nothing of the next.
func TestWhoIsWorthALease(t *testing.T) {
	byCaller := quota.Condition{Max: 1_000_000, ResetSeconds: 3600, By: quota.ByHeader("x"), MaxCallers: 10}
	for _, c := range []struct {
		name   string
		longMs uint32
		burst  int // calls at once, before those that come one by one
		pause  time.Duration
		want   []outcome
		leases int // that are asked for
	}{
		{"once a second", 2000, 0, time.Second, []outcome{logged, logged, local, local, local, local}, 1},
		{"every three seconds", 2000, 0, 3 * time.Second, all(6, logged), 0},
		{"once a second, leases of half a second", 500, 0, time.Second, all(6, logged), 0},
		{"at once, then once a second", 2000, 3, time.Second, []outcome{logged, logged, logged, logged, logged, local, local}, 2},
	} {
		g := newRig(t, byCaller)
		g.params = quota.Params{LeaseMillis: quota.DefaultLeaseMillis, LongLeaseMillis: c.longMs, MinLease: 4}
		g.collector.leases = g.params
		asked := 0
		var calls []*caller
		for range c.burst {
			calls = append(calls, g.callAs("kim"))
		}
		for len(calls) < len(c.want) {
			calls = append(calls, g.callAs("kim"))
			for range int64(c.pause) / int64(tick) { // as the ledger's loop does
				for f := g.step(); f != nil; f = g.step() {
					for _, r := range f.Reports {
						if r.Want > 0 && !r.Renew {
							asked++
						}
					}
				}
				g.after(tick)
				g.look()
			}
		}
		are(t, c.name, calls, c.want...)
		if asked != c.leases {
			t.Errorf("%s: %d leases were asked for, want %d", c.name, asked, c.leases)
		}
	}
}

// TestRandomCallsStayHere: a hundred callers call at random. Few of their calls find a lease
// without units, or none, and the leases take little more than a frame a beat.
func TestRandomCallsStayHere(t *testing.T) {
	for _, rate := range []float64{3, 9} { // calls a second of each
		testRandomCallsStayHere(t, rate)
	}
}

func testRandomCallsStayHere(t *testing.T, rate float64) {
	g := newRig(t, quota.Condition{Max: 1_000_000, ResetSeconds: 3600, By: quota.ByHeader("x"), MaxCallers: 1000})
	g.params = quota.Params{LeaseMillis: quota.DefaultLeaseMillis, LongLeaseMillis: quota.DefaultLongLeaseMillis, MinLease: 4}
	g.collector.leases = g.params
	rng := rand.New(rand.NewPCG(1, 2))
	const callers, seconds, warm = 100, 40, 5
	const pause = 5 * time.Millisecond // a frame takes one to eight
	var under *quota.Frame
	made, waited, frames, answered := 0, 0, 0, 0
	for step := range seconds * int(time.Second/pause) {
		counts := step >= warm*int(time.Second/pause)
		for who := range callers {
			if rng.Float64() >= rate*pause.Seconds() {
				continue
			}
			if c := g.callAs(fmt.Sprint(who)); counts {
				made++
				if c.outcome == waits {
					waited++
				}
			}
		}
		if under != nil && step >= answered {
			g.answer(under)
			under = nil
		}
		if g.look(); under == nil {
			under, answered = g.collect(), step+1+rng.IntN(8)
			if under != nil && counts {
				frames++
			}
		}
		g.after(pause)
	}
	if waited > made/1000 {
		t.Errorf("%v calls a second: %d of %d found no units", rate, waited, made)
	}
	if most := (seconds - warm) * int(int64(time.Second)/beat) / 4 * 15 / 14; frames > most { // every fourth beat
		t.Errorf("%v calls a second: %d frames in %d s, want at most %d", rate, frames, seconds-warm, most)
	}
}

// TestStripesAddUp: whatever is taken at once from all sides, extended and
// closed in between, no unit is spent twice and none is lost.
func TestStripesAddUp(t *testing.T) {
	for range 400 {
		le := newLease(of(1), 1, 3)
		at := instant{}
		le.extend(quota.Grant{Units: 500, LeaseMillis: 1000, EndsIn: 1000}, at)
		var taken atomic.Int64
		var left uint64
		var wg sync.WaitGroup
		for core := range 4 {
			wg.Go(func() {
				for range 200 {
					if le.take(core, 1) {
						taken.Add(1)
					}
				}
			})
		}
		wg.Go(func() { // as the ledger does, under its lock
			le.extend(quota.Grant{Units: 600, LeaseMillis: 1000, EndsIn: 1000}, at)
			left = le.close()
		})
		wg.Wait()
		if taken.Load()+int64(left) != 600 {
			t.Fatalf("%d of 600 units were taken, and %d left", taken.Load(), left)
		}
		for core := range 4 {
			if le.take(core, 1) {
				t.Fatal("a closed lease is spent")
			}
		}
		if le.left() != 0 || le.close() != 0 {
			t.Fatal("a closed lease has units")
		}
	}
}
