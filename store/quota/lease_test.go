package quota

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// testLeases are short, and small enough to be shared out to the end.
var testLeases = Params{LeaseMillis: 1000, MinLease: 4}

// wait is for how long a lease of testLeases is waited for.
const wait = 1000 + 1000*WaitPercent/100 + WaitMillis

// desk is a state with the domain "d", for some nodes' frames.
type desk struct {
	*State
	t    *testing.T
	seqs map[string]uint64
}

// newDesk shares units out to so many members.
func newDesk(t *testing.T, members int, conditions ...Condition) *desk {
	s := machine(conditions...)
	s.BeginFrames(testLeases)
	s.SetMembers(members)
	return &desk{s, t, map[string]uint64{}}
}

// from applies a frame of a node's first incarnation.
func (d *desk) from(node string, f Frame) Result {
	d.t.Helper()
	d.seqs[node]++
	f.Node, f.Incarnation, f.Seq = node, 1, d.seqs[node]
	res := d.Apply(&f)
	if res.Stale {
		d.t.Fatalf("frame %+v is stale", f)
	}
	return res
}

// report has a node report on a counter, in the window that runs unless the
// report names one.
func (d *desk) report(node string, r Report) Grant {
	d.t.Helper()
	if r.Window == 0 && d.rules[r.Counter.Rule] != nil {
		r.Window = d.rules[r.Counter.Rule].own.window.serial
	}
	return d.from(node, Frame{Reports: []Report{r}}).Grants[0]
}

// lease has a node ask for units of the first counter.
func (d *desk) lease(node string, want uint32) Grant {
	d.t.Helper()
	return d.report(node, Report{Counter: of(1), Want: want})
}

// call has a node make n calls on the first counter.
func (d *desk) call(node string, n uint32) Decision {
	d.t.Helper()
	return d.from(node, Frame{Takes: []Take{take(n, 1)}}).Decisions[0]
}

// after moves time on, while the log goes on.
func (d *desk) after(ms int64) {
	for range drainEntries {
		d.BeginFrames(d.params)
	}
	d.Advance(d.Now() + ms)
}

// reads compares the reading of a counter.
func (d *desk) reads(name string, id uint64, used, leased, pool uint64, phase Phase) {
	d.t.Helper()
	r := d.rules[id].own.read(d.State, d.now)
	if r.Used != used || r.Leased != leased || r.Pool != pool || r.Phase != phase {
		d.t.Errorf("%s: counter %d is used %d, leased %d, pool %d, %v; want %d, %d, %d, %v",
			name, id, r.Used, r.Leased, r.Pool, r.Phase, used, leased, pool, phase)
	}
}

// says compares a decision.
func (d *desk) says(name string, got Decision, decided, admitted uint32) {
	d.t.Helper()
	if got.Decided != decided || got.Admitted != admitted || (got.RetryAfter > 0) != (admitted < decided) {
		d.t.Errorf("%s: %+v, want %d decided and %d admitted", name, got, decided, admitted)
	}
}

func TestGrantIsAShareOfThePool(t *testing.T) {
	for _, c := range []struct {
		members int
		want    uint32
		first   uint64 // of 999 units in the pool
		second  uint64
	}{
		{1, 1 << 20, 499, 250},
		{3, 1 << 20, 166, 138},
		{3, 10, 10, 10},
		{3, 167, 166, 138},
		{10, 1 << 20, 49, 47},
		{0, 1 << 20, 499, 250}, // nobody is announced yet
	} {
		d := newDesk(t, c.members, condition("", 1000, 60))
		d.call("n1", 1)
		for i, want := range []uint64{c.first, c.second} {
			g := d.lease(fmt.Sprint("n", i), c.want)
			if g.Units != want || g.LeaseMillis != 1000 || g.EndsIn != 60_000 || g.Window != d.serial || g.Phase != Leasing {
				t.Errorf("%+v: grant %d is %+v, want %d units", c, i+1, g, want)
			}
		}
		d.reads("both", 1, 1, c.first+c.second, 999-c.first-c.second, Leasing)
	}
}

func TestGrantAddsToTheLease(t *testing.T) {
	d := newDesk(t, 1, condition("", 1000, 60))
	d.call("n1", 1)
	d.lease("n1", 100)
	if g := d.report("n1", Report{Counter: of(1), Spent: 60, Want: 30}); g.Units != 70 {
		t.Errorf("40 left and 30 more are %+v", g)
	}
	d.reads("then", 1, 61, 70, 869, Leasing)
	if g := d.report("n1", Report{Counter: of(1), Spent: 70, Renew: true}); g.Units != 0 || g.LeaseMillis != 0 {
		t.Errorf("nothing is left, renewed as %+v", g)
	}
	if len(d.rules[1].own.window.leases) != 0 {
		t.Error("an empty lease is kept")
	}
	if g := d.report("n1", Report{Counter: of(1), Want: 5}); g.Units != 5 {
		t.Errorf("a new lease is %+v", g)
	}
}

func TestShareTooSmallDrains(t *testing.T) {
	for pool, want := range map[uint64]Phase{24: Leasing, 23: Draining} { // 2 * 3 members * 4 units
		d := newDesk(t, 3, condition("", 100, 60))
		d.call("n1", 1)
		d.lease("n2", 5)
		d.call("n1", uint32(94-pool))
		d.reads("before", 1, 95-pool, 5, pool, Leasing)
		g := d.lease("n1", 1)
		if g.Phase != want || (g.Units > 0) != (want == Leasing) {
			t.Errorf("a pool of %d: %+v, want %v", pool, g, want)
		}
		if g := d.lease("n2", 0); want == Draining && g.Units != 0 {
			t.Errorf("the other holder may go on: %+v", g)
		}
	}
	// With nobody to wait for it is strict at once.
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 77)
	if g := d.lease("n1", 1); g.Phase != Strict || g.Units != 0 {
		t.Errorf("without leases: %+v", g)
	}
}

func TestDrainingGrantsAndRenewsNothing(t *testing.T) {
	d := newDesk(t, 1, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 40)
	d.says("beyond the pool", d.call("n2", 60), 59, 59)
	d.reads("then", 1, 60, 40, 0, Draining)
	d.TakeChanges()
	expires := d.rules[1].own.window.leases[0].until(&d.terms)
	d.after(10)
	for _, r := range []Report{{Counter: of(1), Renew: true}, {Counter: of(1), Want: 5}, {Counter: of(1), Spent: 1, Renew: true}} {
		if g := d.report("n1", r); g.Units != 0 || g.LeaseMillis != 0 || g.Phase != Draining {
			t.Errorf("%+v of a draining counter: %+v", r, g)
		}
	}
	if l := d.rules[1].own.window.leases[0]; l.until(&d.terms) != expires || l.units != 39 {
		t.Errorf("the lease is %+v now, it was to expire at %d", l, expires)
	}
	if changed := d.TakeChanges(); len(changed) != 0 {
		t.Errorf("phases changed: %+v", changed)
	}
}

func TestDrainingEndsWithTheLastWord(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.lease("n2", 10)
	d.says("all but the leases", d.call("n3", 85), 79, 79)
	d.report("n1", Report{Counter: of(1), Spent: 3, Back: 7})
	d.reads("one is back", 1, 83, 10, 7, Draining)
	d.says("what came back is taken", d.call("n3", 9), 7, 7)
	d.says("no word of the rest", d.call("n3", 2), 0, 0)
	d.report("n2", Report{Counter: of(1), Spent: 4}) // holds six still
	d.says("no word of the rest", d.call("n3", 2), 0, 0)
	d.TakeChanges()
	d.report("n2", Report{Counter: of(1), Back: 6})
	d.reads("both are back", 1, 94, 0, 6, Strict)
	if changed := d.TakeChanges(); len(changed) != 1 || changed[0].ID != of(1) || changed[0].Phase != Strict {
		t.Errorf("told %+v, want that counter 1 is strict", changed)
	}
	d.says("the rest", d.call("n3", 8), 8, 6)
	d.reads("at the end", 1, 100, 0, 0, Exhausted)
}

// TestDrainingWaitsForUnexpiredLeasesOnly, until the millisecond, and counts
// what was not given back as used.
func TestDrainingWaitsForUnexpiredLeasesOnly(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.after(400)
	d.lease("n2", 10)
	d.says("all but the leases", d.call("n3", 85), 79, 79)
	d.after(wait - 400)
	d.says("n1's is over, n2's is not", d.call("n3", 1), 0, 0)
	d.after(399)
	d.says("a millisecond before n2's end", d.call("n3", 1), 0, 0)
	d.reads("then", 1, 80, 20, 0, Draining)
	d.after(1)
	d.says("at its end", d.call("n3", 1), 1, 0)
	d.reads("then", 1, 100, 0, 0, Exhausted)
}

func TestExpiredLeaseCountsAsUsed(t *testing.T) {
	// Of a window that drains, when the draining ends.
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.lease("n2", 10)
	d.call("n3", 85)
	d.after(wait)
	d.report("n2", Report{Counter: of(1), Spent: 2, Back: 8})
	d.reads("n1 is lost, n2 is late and gives back", 1, 92, 0, 8, Strict)
	d.says("the pool", d.call("n3", 9), 9, 8)

	// With the next call, though the pool is enough for it.
	d = newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.lease("n2", 10)
	d.call("n3", 85)
	d.report("n2", Report{Counter: of(1), Spent: 2, Back: 8})
	d.reads("n1 is awaited", 1, 82, 10, 8, Draining)
	d.after(wait)
	d.says("n1 is lost", d.call("n3", 3), 3, 3)
	d.reads("then", 1, 95, 0, 5, Strict)

	// Of one that leases, once it has drained; until then it may be renewed.
	d = newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.after(wait + 5000)
	if g := d.report("n1", Report{Counter: of(1), Spent: 4, Renew: true}); g.Units != 6 || g.LeaseMillis != 1000 {
		t.Errorf("a lease that nobody has missed is renewed as %+v", g)
	}
	d.after(wait)
	d.says("the pool is enough", d.call("n2", 80), 80, 80)
	d.reads("then", 1, 85, 6, 9, Leasing)
	d.says("past it", d.call("n2", 10), 9, 9)
	d.reads("it is missed now", 1, 94, 6, 0, Draining)
	d.after(0)
	d.says("and lost", d.call("n2", 1), 1, 0)
	d.reads("then", 1, 100, 0, 0, Exhausted)
	if r := d.Readings("d", 0)[0]; r.Lost != 6 {
		t.Errorf("it tells of %d lost units, want 6", r.Lost)
	}
}

// TestHoldersAreGivenTime: where the log stood still for longer than a lease, the
// entry that begins the draining comes to holders late. They have some entries
// to give back in, though their leases have expired long ago.
func TestHoldersAreGivenTime(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.lease("n2", 10)
	d.call("n3", 80) // begins the draining
	entry := func(ms int64) {
		d.BeginFrames(d.params)
		d.Advance(d.Now() + ms)
	}
	entry(3 * wait)
	d.says("the next one", d.call("n3", 1), 0, 0)
	entry(1)
	d.report("n1", Report{Counter: of(1), Spent: 7, Back: 3})
	d.says("what came back", d.call("n3", 5), 3, 3)
	for range drainEntries - 3 {
		entry(1)
		d.says("n2 is awaited", d.call("n3", 1), 0, 0)
	}
	d.reads("then", 1, 90, 10, 0, Draining)
	entry(0)
	d.says("n2 is lost", d.call("n3", 1), 1, 0)
	d.reads("at the end", 1, 100, 0, 0, Exhausted)
}

// TestExhaustedOnlyWhenNobodyHoldsAUnit goes through what may be out when a
// call is made that the pool has no unit for.
func TestExhaustedOnlyWhenNobodyHoldsAUnit(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(d *desk)
		want    Phase
	}{
		"a lease":          {func(d *desk) {}, Draining},
		"an expired lease": {func(d *desk) { d.after(wait) }, Draining}, // its holder has not been told
		"a renewed lease": {func(d *desk) {
			d.after(wait - 1)
			d.report("n2", Report{Counter: of(1), Renew: true})
			d.after(wait - 1)
		}, Draining},
		"spent to the last": {func(d *desk) { d.report("n2", Report{Counter: of(1), Spent: 10}) }, Exhausted},
		"a new leader": {func(d *desk) {
			d.after(wait)
			d.BeginTerm(2) // says nothing of when the lease was granted
		}, Draining},
		"the next one of a node": {func(d *desk) {
			d.Apply(&Frame{Node: "n2", Incarnation: 2, Seq: 1, Reports: []Report{{Counter: of(1), Window: d.Now(), Back: 10}}})
		}, Draining},
		"of a node that left": {func(d *desk) { d.Forget("n2"); d.SetMembers(2) }, Draining},
	} {
		d := newDesk(t, 3, condition("", 100, 60))
		d.call("n1", 1)
		d.lease("n2", 10)
		d.call("n1", 89)
		c.prepare(d)
		got := d.call("n1", 1)
		if r := d.rules[1].own.read(d.State, d.now); r.Phase != c.want {
			t.Errorf("%s: %v after %+v, want %v", name, r.Phase, got, c.want)
		}
		if (got.Decided == 1) != (c.want == Exhausted) || got.Admitted != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestGiveBackIsCreditedOnce(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 60))
	d.call("n1", 1)
	d.lease("n1", 100)
	f := &Frame{Node: "n1", Incarnation: 1, Seq: 3, Reports: []Report{{Counter: of(1), Window: d.serial, Spent: 20, Back: 80}}}
	first := d.Apply(f)
	d.after(5)
	if again := d.Apply(f); !reflect.DeepEqual(first, again) {
		t.Errorf("sent again: %+v, first %+v", again, first)
	}
	d.reads("sent twice", 1, 21, 0, 979, Leasing)
	d.seqs["n1"] = 3
	d.report("n1", Report{Counter: of(1), Spent: 20, Back: 80}) // in another frame: there is no lease
	d.reads("said twice", 1, 21, 0, 979, Leasing)

	d.lease("n1", 10)
	d.report("n1", Report{Counter: of(1), Spent: 4, Back: 100}) // more than it has
	d.reads("too much back", 1, 25, 0, 975, Leasing)
	d.lease("n1", 10)
	d.report("n1", Report{Counter: of(1), Spent: 1 << 63, Back: 1 << 63})
	d.reads("too much spent", 1, 35, 0, 965, Leasing)
}

func TestOnlyTheHolderGivesBack(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 60))
	d.call("n1", 1)
	d.lease("n1", 100)
	back := func(node string, incarnation uint64) {
		f := Frame{Node: node, Incarnation: incarnation, Seq: 9, Reports: []Report{{Counter: of(1), Window: d.Now(), Spent: 1, Back: 50, Renew: true}}}
		if g := d.Apply(&f).Grants; len(g) != 1 || g[0].Units != 0 {
			t.Errorf("%s, incarnation %d, renews to %+v", node, incarnation, g)
		}
		d.reads(node, 1, 1, 100, 899, Leasing)
	}
	back("n2", 1)
	back("n", 1)
	back("n1", 2) // the process after the holder: that one may have spent all
	if res := d.Apply(&Frame{Node: "n1", Incarnation: 1, Seq: 10, Reports: []Report{{Counter: of(1), Window: d.Now(), Back: 50}}}); !res.Stale {
		t.Errorf("a frame that the dead process left behind: %+v", res)
	}
	d.reads("and its own word, too late", 1, 1, 100, 899, Leasing)
	g := d.Apply(&Frame{Node: "n1", Incarnation: 2, Seq: 10, Reports: []Report{{Counter: of(1), Want: 20}}}).Grants[0]
	if g.Units != 20 {
		t.Errorf("the new process is granted %+v, want units of its own only", g)
	}
	d.reads("two leases of a node", 1, 1, 120, 879, Leasing)
}

// TestRejoinedNodeIsAnotherHolder: a node that left and came back with an empty
// disk counts its starts anew. What the one before held, and may have spent, is
// not its.
func TestRejoinedNodeIsAnotherHolder(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 60))
	d.call("n1", 1)
	d.lease("n1", 100)
	d.lease("n0", 7)
	d.lease("n2", 7)
	d.Forget("n1")
	d.seqs["n1"] = 0
	if g := d.lease("n1", 20); g.Units != 20 {
		t.Errorf("n1, come back, is granted %+v, want 20 units", g)
	}
	d.reads("both", 1, 1, 134, 865, Leasing)
	d.Forget("n1")
	d.seqs["n1"] = 0
	if g := d.lease("n1", 0); g.Units != 0 {
		t.Errorf("n1, come back again, has %+v", g)
	}
	d.report("n1", Report{Counter: of(1), Back: 120})
	d.reads("nothing of theirs comes back", 1, 1, 134, 865, Leasing)
	d.report("n0", Report{Counter: of(1), Back: 7})
	d.report("n2", Report{Counter: of(1), Back: 7})
	d.reads("the others' does", 1, 1, 120, 879, Leasing)
	restored, err := DecodeState(d.Append(nil), Third)
	if err != nil || !bytes.Equal(restored.Append(nil), d.Append(nil)) {
		t.Fatalf("a snapshot of it: %v", err)
	}
	d.says("it is waited for", d.call("n2", 880), 879, 879)
	d.after(wait)
	d.says("for a lease time", d.call("n2", 1), 1, 0)
}

func TestGiveBackComesTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(d *desk)
		used    uint64
		phase   Phase
	}{
		"exhausted": {func(d *desk) {
			d.call("n2", 95)
			d.after(wait)
			d.call("n2", 1)
		}, 100, Exhausted},
		"lost, but not yet exhausted": {func(d *desk) {
			d.call("n2", 95) // n2 holds eight, and gives five back
			d.after(wait)
			d.report("n2", Report{Counter: of(1), Spent: 3, Back: 5})
		}, 95, Strict},
		"another window": {func(d *desk) {
			d.after(60_000)
			d.call("n2", 7)
		}, 7, Leasing},
		"another window that it leased too": {func(d *desk) {
			d.after(60_000)
			d.call("n2", 7)
		}, 7, Leasing},
	} {
		d := newDesk(t, 3, condition("", 100, 60))
		d.call("n1", 1)
		d.lease("n1", 10)
		if name == "lost, but not yet exhausted" {
			d.lease("n2", 8)
		}
		old := d.Now()
		c.prepare(d)
		leased := uint64(0)
		if name == "another window that it leased too" {
			leased = 10
			d.lease("n1", 10)
		}
		before := d.rules[1].own.read(d.State, d.now)
		d.report("n1", Report{Counter: of(1), Window: old, Spent: 1, Back: 9})
		d.reads(name, 1, c.used, leased, before.Pool, c.phase)
		d.report("n1", Report{Counter: of(1), Window: old, Back: 9, Renew: true})
		d.reads(name+", said again", 1, c.used, leased, before.Pool, c.phase)
	}
	// After the window's end, with no window running, it changes nothing either.
	d := newDesk(t, 3, condition("", 100, 1))
	d.call("n1", 1)
	d.lease("n1", 10)
	old := d.Now()
	d.after(1000)
	if g := d.report("n1", Report{Counter: of(1), Window: old, Back: 10, Want: 5, Renew: true}); g != (Grant{}) {
		t.Errorf("a window that has ended is granted %+v", g)
	}
	if w := &d.rules[1].own.window; w.used != 1 || w.leased() != 10 {
		t.Errorf("the window that has ended changed: %+v", w)
	}
}

func TestBeginTermRenews(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 60), condition("e", 100, 2), condition("f", 100, 60))
	d.from("n1", Frame{Takes: []Take{take(1, 1, 2)}})
	d.from("n1", Frame{Reports: []Report{{Counter: of(1), Want: 50}, {Counter: of(2), Want: 10}}})
	d.BeginTerm(5)
	d.after(300)
	d.lease("n2", 50)
	expiries := func() (list []int64) {
		for id := uint64(1); id <= 3; id++ {
			for _, l := range d.rules[id].own.window.leases {
				list = append(list, l.until(&d.terms)-d.Now())
			}
		}
		return list
	}
	short := 200 + 200*int64(WaitPercent)/100 + WaitMillis // a tenth of its window
	if got, want := expiries(), []int64{wait - 300, wait, short - 300}; !slices.Equal(got, want) {
		t.Fatalf("leases are waited for %v ms, want %v", got, want)
	}
	d.BeginTerm(5)
	d.BeginTerm(4)
	if got, want := expiries(), []int64{wait - 300, wait, short - 300}; !slices.Equal(got, want) {
		t.Errorf("no new term: leases are waited for %v ms, want %v", got, want)
	}
	d.BeginTerm(6)
	if got, want := expiries(), []int64{wait, wait, short}; !slices.Equal(got, want) {
		t.Errorf("a new term: leases are waited for %v ms, want %v", got, want)
	}
	// A leader whose clock is ahead of the one before waits as long.
	d.after(3_000_000)
	d.BeginTerm(7)
	if got, want := expiries(), []int64{wait, wait, short}; !slices.Equal(got, want) {
		t.Errorf("a new term, an hour later by its clock: leases are waited for %v ms, want %v", got, want)
	}
	if got := len(d.TakeChanges()); got != 0 {
		t.Errorf("%d phases changed", got)
	}
}

func TestLeaseOfAShortWindow(t *testing.T) {
	for reset, want := range map[uint32]int64{1: 100, 5: 500, 10: 1000, 3600: 1000} {
		d := newDesk(t, 3, condition("", 1000, reset))
		d.call("n1", 1)
		if g := d.lease("n1", 10); g.LeaseMillis != want {
			t.Errorf("a window of %d s has leases of %d ms, want %d", reset, g.LeaseMillis, want)
		}
	}
	d := newDesk(t, 3, condition("", 1000, 3600))
	d.BeginFrames(Params{LeaseMillis: 1, MinLease: 1})
	d.call("n1", 1)
	if g := d.lease("n1", 10); g.LeaseMillis != MinLeaseMillis {
		t.Errorf("the shortest lease is %d ms, want %d", g.LeaseMillis, MinLeaseMillis)
	}
}

// TestRefusedCallsChargeThroughDebt: a call that one counter refuses counts on
// the other, also where nothing is left there but what others hold.
func TestRefusedCallsChargeThroughDebt(t *testing.T) {
	d := newDesk(t, 3, condition("", 1, 60), condition("e", 100, 60))
	d.from("n1", Frame{Takes: []Take{take(1, 2)}})
	d.report("n1", Report{Counter: of(2), Want: 10})
	d.report("n2", Report{Counter: of(2), Want: 10})
	d.from("n1", Frame{Takes: []Take{take(2, 1)}}) // the domain's is exhausted

	// While the pool lasts, it pays.
	res := d.from("n3", Frame{Takes: []Take{take(70, 1, 2)}})
	d.says("refused", res.Decisions[0], 70, 0)
	d.reads("charged", 2, 71, 20, 9, Leasing)
	for i, taken := range res.Decisions[0].Taken {
		if w := d.rules[uint64(i+1)].own.window; taken.Window != w.serial || taken.Left != w.pool() || taken.Max != w.limit {
			t.Errorf("charged in %+v, which is %+v", taken, w)
		}
	}
	// Past the pool it is owed; the holders are asked for it. Nobody waits.
	d.says("refused", d.from("n3", Frame{Takes: []Take{take(14, 1, 2)}}).Decisions[0], 14, 0)
	d.reads("charged", 2, 80, 20, 0, Draining)
	d.from("n3", Frame{Charges: []Charge{{Counter: of(2), N: 4}}})
	if debt := d.rules[2].own.window.debt; debt != 9 {
		t.Errorf("%d units are owed, want 5 and 4", debt)
	}
	// What comes back pays the debt first.
	d.report("n1", Report{Counter: of(2), Spent: 2, Back: 8})
	d.reads("eight are back", 2, 90, 10, 0, Draining)
	d.report("n2", Report{Counter: of(2), Back: 10})
	d.reads("ten more are back", 2, 91, 0, 9, Strict)
	if debt := d.rules[2].own.window.debt; debt != 0 {
		t.Errorf("%d units are owed still", debt)
	}
	d.says("one more than there are", d.from("n3", Frame{Takes: []Take{take(10, 2)}}).Decisions[0], 10, 9)
}

// TestDebtOfALostLease: what is owed and never comes back is forgotten with the
// window; it never makes the count run over.
func TestDebtOfALostLease(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.from("n3", Frame{Charges: []Charge{{Counter: of(1), N: 95}}})
	d.reads("charged", 1, 90, 10, 0, Draining)
	d.after(wait)
	d.says("past it", d.call("n3", 1), 1, 0)
	d.reads("then", 1, 100, 0, 0, Exhausted)
	if debt := d.rules[1].own.window.debt; debt != 0 {
		t.Errorf("an exhausted window is owed %d units", debt)
	}
	d.from("n3", Frame{Charges: []Charge{{Counter: of(1), N: 95}}})
	d.reads("charged again", 1, 100, 0, 0, Exhausted)
}

// TestDebtIsPaidOfARaisedLimit, once the draining ends.
func TestDebtIsPaidOfARaisedLimit(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 1)
	d.lease("n1", 10)
	d.from("n3", Frame{Charges: []Charge{{Counter: of(1), N: 95}}})
	d.SetConditions("d", []Condition{condition("", 120, 60)}, "")
	d.reads("raised", 1, 90, 10, 20, Draining)
	d.report("n1", Report{Counter: of(1), Spent: 10})
	d.reads("settled", 1, 106, 0, 14, Strict)
}

func TestChargeOpensAWindowAndCounts(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60))
	d.from("n1", Frame{Charges: []Charge{{Counter: of(1), N: 30}, {Counter: of(77), N: 5}}})
	d.reads("charged", 1, 30, 0, 70, Leasing)
	d.from("n1", Frame{Charges: []Charge{{Counter: of(1), N: 71}}})
	d.reads("charged past the end", 1, 100, 0, 0, Exhausted)
}

// TestNarrowestCounterDecides: calls that wait for the units of one counter take
// none of the others before they are decided.
func TestNarrowestCounterDecides(t *testing.T) {
	d := newDesk(t, 3, condition("", 100, 60), condition("e", 1000, 60))
	both := []Take{take(30, 1, 2)}
	d.from("n1", Frame{Takes: both})
	d.lease("n2", 10)
	d.report("n2", Report{Counter: of(2), Want: 10})
	d.from("n1", Frame{Takes: both})
	d.says("beyond the first one's pool", d.from("n1", Frame{Takes: []Take{take(50, 1, 2)}}).Decisions[0], 30, 30)
	d.reads("the narrow one", 1, 90, 10, 0, Draining)
	d.reads("the other one", 2, 90, 10, 900, Leasing)
	d.says("none is left", d.from("n1", Frame{Takes: both}).Decisions[0], 0, 0)
	d.reads("the other one", 2, 90, 10, 900, Leasing)
	d.report("n2", Report{Counter: of(1), Spent: 5, Back: 5})
	d.says("all is back", d.from("n1", Frame{Takes: both}).Decisions[0], 30, 5)
	d.reads("the other one", 2, 120, 10, 870, Leasing)
}

func TestLimitLoweredDrains(t *testing.T) {
	set := func(d *desk, limit uint64) { d.SetConditions("d", []Condition{condition("", limit, 60)}, "") }
	start := func() *desk {
		d := newDesk(t, 3, condition("", 100, 60))
		d.call("n1", 50)
		d.lease("n1", 5)
		d.lease("n2", 5)
		d.TakeChanges()
		return d
	}
	d := start()
	set(d, 60)
	d.reads("to what is used and leased", 1, 50, 10, 0, Leasing)
	set(d, 59)
	d.reads("a unit below that", 1, 50, 10, 0, Draining)
	if changed := d.TakeChanges(); len(changed) != 1 || changed[0].Phase != Draining {
		t.Errorf("told %+v, want that it drains", changed)
	}
	d.report("n1", Report{Counter: of(1), Spent: 2, Back: 3})
	d.report("n2", Report{Counter: of(1), Spent: 0, Back: 5})
	d.reads("all is back", 1, 52, 0, 7, Strict)
	d.says("the rest", d.call("n1", 8), 8, 7)

	d = start()
	set(d, 20)
	d.reads("below what is used", 1, 50, 10, 0, Draining)
	d.says("nobody is refused before all is back", d.call("n1", 1), 0, 0)
	d.report("n1", Report{Counter: of(1), Spent: 5})
	d.report("n2", Report{Counter: of(1), Spent: 1, Back: 4})
	d.reads("all is back", 1, 56, 0, 0, Strict)
	set(d, 60)
	d.reads("raised again", 1, 56, 0, 4, Strict)
	d.says("the rest", d.call("n1", 8), 8, 4)
	set(d, 1000)
	d.says("raised after a refusal", d.call("n1", 1), 1, 0)
	d.after(60_000)
	d.says("from the next window on", d.call("n1", 800), 800, 800)

	d = start()
	set(d, 1000)
	d.reads("raised", 1, 50, 10, 940, Leasing)
	if g := d.lease("n1", 1000); g.Units != 5+156 {
		t.Errorf("of the raised limit: %+v, want a sixth of 940 more", g)
	}

	// Without leases to wait for, it is strict at once.
	d = newDesk(t, 3, condition("", 100, 60))
	d.call("n1", 50)
	set(d, 49)
	d.reads("nobody holds", 1, 50, 0, 0, Strict)
}

// TestSmallWindowStartsStrict: where not even the first share is worth leasing,
// nobody is ever waited for.
func TestSmallWindowStartsStrict(t *testing.T) {
	for limit, want := range map[uint64]Phase{23: Strict, 24: Leasing, 1: Strict} {
		d := newDesk(t, 3, condition("", limit, 60))
		d.call("n1", 1)
		if got := d.rules[1].own.window.phase; got != want {
			t.Errorf("a window of %d for 3 members starts %v, want %v", limit, got, want)
		}
		if got := d.TakeChanges(); len(got) != 0 {
			t.Errorf("a window that starts is told as a change: %+v", got)
		}
	}
	d := newDesk(t, 3, condition("", 23, 60))
	d.call("n1", 1)
	if g := d.lease("n1", 5); g.Units != 0 || g.Phase != Strict {
		t.Errorf("it is leased: %+v", g)
	}
	d.after(60_000)
	d.SetMembers(2)
	d.call("n1", 1)
	if g := d.lease("n1", 5); g.Units != 5 {
		t.Errorf("with fewer members the next window is worth sharing: %+v", g)
	}
}

// TestWantOpensNoWindow: a window is the calls'; a node that wants units before
// anybody has called, or after the last window has ended, gets none.
func TestWantOpensNoWindow(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 1))
	if g := d.lease("n1", 10); g != (Grant{}) {
		t.Errorf("before the first call: %+v", g)
	}
	if d.rules[1].own.window.serial != 0 {
		t.Error("the window began")
	}
	// In the frame of the first call it is granted: calls come before.
	res := d.from("n1", Frame{Reports: []Report{{Counter: of(1), Want: 10}}, Takes: []Take{take(1, 1)}})
	if res.Grants[0].Units != 10 || res.Grants[0].Window != d.serial {
		t.Errorf("with the first call: %+v", res)
	}
	start := d.rules[1].own.window.serial
	d.after(1000)
	if g := d.report("n1", Report{Counter: of(1), Window: start, Want: 10, Renew: true}); g != (Grant{}) {
		t.Errorf("after its end: %+v", g)
	}
	if d.rules[1].own.window.serial != start {
		t.Error("the next window began")
	}
	if g := d.from("n1", Frame{Reports: []Report{{Counter: of(9), Want: 10}}}).Grants[0]; g != (Grant{Phase: Strict}) {
		t.Errorf("a counter that is gone: %+v", g)
	}
}

// TestSessionKeepsGrants: a frame that is sent again, through a snapshot too, is
// granted what it was, and the units are out once.
func TestSessionKeepsGrants(t *testing.T) {
	d := newDesk(t, 3, condition("", 1000, 60))
	f := &Frame{Node: "n1", Incarnation: 1, Seq: 1, Reports: []Report{{Counter: of(1), Want: 10}}, Takes: []Take{take(3, 1)}}
	first := d.Apply(f)
	d.after(500)
	restored, err := DecodeState(d.Append(nil), Third)
	if err != nil {
		t.Fatal(err)
	}
	if again := restored.Apply(f); !reflect.DeepEqual(first, again) {
		t.Errorf("sent again: %+v, first %+v", again, first)
	}
	if r := restored.Readings("d", 0)[0]; r.Leased != 10 || r.Used != 3 {
		t.Errorf("sent again it counts twice: %+v", r)
	}
}

// holding is what a spender has of a counter.
type holding struct {
	window    int64
	out, left uint64
}

// spender is a process that obeys no clock: it spends what it holds whenever it
// likes, and reports truly, or not at all.
type spender struct {
	name             string
	incarnation, seq uint64
	held             map[uint64]*holding
	last             *Frame
	lastResult       Result
	// owing is what it has taken, counter by counter, and may yet give back.
	owing []Return
}

// bazaar is any number of spenders at one state.
type bazaar struct {
	t        *rapid.T
	s        *State
	nodes    []*spender
	old      []*spender // processes that have died, as far as others know
	admitted map[[2]int64]uint64
	limits   map[[2]int64]uint64 // the highest of the window
}

func newBazaar(t *rapid.T) *bazaar {
	b := &bazaar{t: t, s: NewState(), admitted: map[[2]int64]uint64{}, limits: map[[2]int64]uint64{}}
	b.s.Upgrade(rapid.SampledFrom([]Version{First, Third}).Draw(t, "version"))
	b.s.Advance(1_000_000)
	b.s.BeginFrames(testLeases)
	b.s.SetMembers(3)
	b.deploy()
	for i := range 3 {
		b.nodes = append(b.nodes, &spender{name: fmt.Sprint("n", i+1), incarnation: 1, held: map[uint64]*holding{}})
	}
	return b
}

func (b *bazaar) deploy() {
	limit := func() uint64 { return uint64(b.pick(1, 30, 60, 150, 400)) }
	b.s.SetConditions("d", []Condition{condition("", limit(), 3), condition("e", limit(), 1)}, "")
}

// watch notes the windows' limits.
func (b *bazaar) watch() {
	for id, r := range b.s.rules {
		w := &r.own.window
		k := [2]int64{int64(id), w.serial}
		b.limits[k] = max(b.limits[k], w.max())
	}
}

// admit counts units that a call was admitted on.
func (b *bazaar) admit(id uint64, window int64, n uint64) {
	k := [2]int64{int64(id), window}
	b.admitted[k] += n
	if b.admitted[k] > b.limits[k] {
		b.t.Fatalf("counter %d, window %d: %d units admitted, the limit is %d", id, window, b.admitted[k], b.limits[k])
	}
}

// spend has a process spend some of what it holds, whatever the time.
func (b *bazaar) spend(n *spender) {
	for id := uint64(1); id <= 2; id++ {
		if h := n.held[id]; h != nil && h.left > 0 {
			units := h.left / uint64(b.pick(1, 1, 2, 5))
			h.left -= units
			b.admit(id, h.window, units)
		}
	}
}

// frame makes and applies a frame of a process.
func (b *bazaar) frame(n *spender) {
	n.seq++
	f := &Frame{Node: n.name, Incarnation: n.incarnation, Seq: n.seq}
	if len(n.owing) > 0 && rapid.Bool().Draw(b.t, "return") {
		for _, r := range n.owing {
			f.Returns = append(f.Returns, r)
			b.admitted[[2]int64{int64(r.Counter.Rule), r.Window}] -= r.N
		}
		n.owing = nil
	}
	for id := uint64(1); id <= 2; id++ {
		if b.pick(0, 1, 2) == 0 {
			continue // says nothing
		}
		r := Report{Counter: of(id), Want: uint32(b.pick(0, 5, 20, 60)), Renew: rapid.Bool().Draw(b.t, "renew")}
		if h := n.held[id]; h != nil {
			r.Window, r.Spent = h.window, h.out-h.left
			r.Back = h.left * uint64(b.pick(0, 0, 0, 1, 2)) / 2
			h.left -= r.Back
			h.out = h.left
		}
		f.Reports = append(f.Reports, r)
	}
	for range b.pick(0, 1, 1, 2) {
		ids := rapid.SampledFrom([][]uint64{{1}, {1, 2}, {2}}).Draw(b.t, "counters")
		f.Takes = append(f.Takes, take(uint32(b.pick(1, 1, 5, 20, 60)), ids...))
	}
	if b.pick(0, 0, 0, 1) == 1 {
		f.Charges = []Charge{{Counter: of(1), N: uint64(b.pick(1, 5, 40))}}
	}
	n.last, n.lastResult = f, b.s.Apply(f)
	b.watch()
	b.settle(n)
}

// settle takes the result of a process's frame in.
func (b *bazaar) settle(n *spender) {
	if n.lastResult.Stale {
		return
	}
	for i, d := range n.lastResult.Decisions {
		t := n.last.Takes[i]
		if d.Admitted > d.Decided || d.Decided > t.N {
			b.t.Fatalf("of %+v: %+v", t, d)
		}
		if d.Admitted == 0 {
			continue
		}
		for j, item := range t.Items {
			b.admit(item.ID.Rule, d.Taken[j].Window, uint64(d.Admitted))
			n.owing = append(n.owing, Return{item.ID, d.Taken[j].Window, uint64(d.Admitted)})
		}
	}
	if len(n.owing) > 6 {
		n.owing = nil
	}
	for i, g := range n.lastResult.Grants {
		if g.Units == 0 {
			continue
		}
		id := n.last.Reports[i].Counter.Rule
		h := n.held[id]
		if h == nil || h.window != g.Window {
			h = &holding{window: g.Window}
			n.held[id] = h
		}
		if g.Units < h.out {
			b.t.Fatalf("%s holds %d units, and is told it has %d", n.name, h.out, g.Units)
		}
		h.left += g.Units - h.out
		h.out = g.Units
	}
}

// steps are the random events, each as often as it is listed; rapid draws
// numbers that are small for choice, but from a list evenly.
var steps = []string{
	"frame", "frame", "frame", "frame", "frame", "frame", "spend", "spend", "spend", "spend",
	"time", "again", "restart", "rejoin", "term", "deploy", "the dead spend",
}

// step is one random event.
func (b *bazaar) step() {
	i := b.pick(0, 1, 2)
	n := b.nodes[i]
	switch rapid.SampledFrom(steps).Draw(b.t, "step") {
	case "time":
		b.s.Advance(b.s.Now() + int64(b.pick(1, 60, 600, 1100, 4000)))
	case "restart": // the process before it goes on spending, if it likes
		b.old = append(b.old, n)
		b.nodes[i] = &spender{name: n.name, incarnation: n.incarnation + 1, held: map[uint64]*holding{}}
	case "rejoin": // it leaves, and comes back with an empty disk
		b.old = append(b.old, n)
		b.s.Forget(n.name)
		b.nodes[i] = &spender{name: n.name, incarnation: 1, held: map[uint64]*holding{}}
	case "term":
		b.s.BeginTerm(b.s.terms.newest + 1)
	case "deploy":
		b.deploy()
		b.watch()
	case "again":
		if n.last != nil {
			if again := b.s.Apply(n.last); fmt.Sprint(again) != fmt.Sprint(n.lastResult) {
				b.t.Fatalf("%+v sent again: %+v, first %+v", n.last, again, n.lastResult)
			}
		}
	case "the dead spend":
		if len(b.old) > 0 {
			b.spend(rapid.SampledFrom(b.old).Draw(b.t, "dead"))
		}
	case "spend":
		b.spend(n)
	default:
		b.frame(n)
	}
}

func (b *bazaar) pick(list ...int) int { return rapid.SampledFrom(list).Draw(b.t, "pick") }

// books checks what holds of every state.
func (b *bazaar) books() {
	for id, r := range b.s.rules {
		w := &r.own.window
		if w.used <= w.max() && w.used+w.leased()+w.pool() != w.max() && w.used+w.leased() < w.max() {
			b.t.Fatalf("counter %d: %d used, %d leased and %d in the pool make up %d", id, w.used, w.leased(), w.pool(), w.max())
		}
		if (w.phase == Strict || w.phase == Exhausted) && len(w.leases) > 0 {
			b.t.Fatalf("counter %d is %v, with leases %+v", id, w.phase, w.leases)
		}
		if w.phase == Exhausted && (w.pool() > 0 && w.used < w.max() || w.debt > 0) {
			b.t.Fatalf("counter %d is exhausted, with %d in the pool and %d owed", id, w.pool(), w.debt)
		}
		if !slices.IsSortedFunc(w.leases, func(a, b lease) int { return a.holder.compare(b.holder) }) {
			b.t.Fatalf("counter %d: leases are not in order: %+v", id, w.leases)
		}
	}
}

// TestNeverOverWhateverTheClocks: however late holders spend, die, come back,
// report or are heard twice, no window admits more than its limit. Nothing here
// knows what time it is: promise 1 needs no clocks.
func TestNeverOverWhateverTheClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBazaar(t)
		for range b.pick(5, 20, 60) {
			b.step()
			b.books()
		}
	})
}

// TestRestoreWithLeases: a replica that was restored from a snapshot at any
// point has the same bytes and gives the same results as the one that was not.
func TestRestoreWithLeases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBazaar(t)
		for range b.pick(1, 5, 20, 40) {
			b.step()
		}
		bytesOf := b.s.Append(nil)
		restored, err := DecodeState(bytesOf, b.s.version)
		if err != nil {
			t.Fatal(err)
		}
		if again := restored.Append(nil); !bytes.Equal(again, bytesOf) {
			t.Fatalf("restored, the state differs:\n%x\n%x", bytesOf, again)
		}
		b.s.TakeChanges()
		for range 8 {
			n := rapid.SampledFrom(b.nodes).Draw(t, "node")
			ms, term := int64(b.pick(0, 1, 60, 1100)), b.s.terms.newest+uint64(b.pick(0, 0, 1))
			for _, s := range []*State{b.s, restored} {
				s.Advance(s.Now() + ms)
				s.BeginTerm(term)
			}
			// What a term has put off is worked out as it is asked for; in this
			// one, at each term.
			if restored, err = DecodeState(restored.Append(nil), restored.version); err != nil {
				t.Fatal(err)
			}
			b.frame(n)
			if got := restored.Apply(n.last); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", n.lastResult) {
				t.Fatalf("%+v gives %+v after the restore, %+v without", n.last, got, n.lastResult)
			}
			if a, b := b.s.TakeChanges(), restored.TakeChanges(); !reflect.DeepEqual(a, b) {
				t.Fatalf("phases change to %+v after the restore, to %+v without", b, a)
			}
		}
		if !bytes.Equal(b.s.Append(nil), restored.Append(nil)) {
			t.Fatal("the restored state went another way")
		}
		if b.s.lastID != restored.lastID {
			t.Fatal("counters would be numbered differently")
		}
	})
}

// TestLongLeases: leases last long while the pool does, and short as it comes to
// its end.
func TestLongLeases(t *testing.T) {
	d := newDesk(t, 3, condition("", 10_000, 3600))
	d.BeginFrames(Params{LeaseMillis: 200, LongLeaseMillis: 2000, MinLease: 4})
	granted := func(when string, want int64) {
		t.Helper()
		if g := d.lease("n1", 1); g.LeaseMillis != want {
			t.Errorf("%s: leased for %d ms, want %d", when, g.LeaseMillis, want)
		}
	}
	d.call("n1", 1)
	granted("at first", 200)
	d.after(6)
	granted("a few gone in 6 ms", 300) // so the pool lasts for 6 s at least
	d.after(994)
	granted("a few gone in a second", 2000)
	d.call("n2", 2000) // a burst
	granted("a fifth gone in a second", 200)
	d.after(1000)
	granted("and nothing in the next", 300)
	d.call("n2", 4000)
	granted("more than half gone", 200)
}

// TestNewTermWaitsForLongLeases: the first entry of a term has a lease waited for
// as long as it was ever granted for, unless that is over.
func TestNewTermWaitsForLongLeases(t *testing.T) {
	d := newDesk(t, 3, condition("", 10_000, 3600))
	d.BeginFrames(Params{LeaseMillis: 200, LongLeaseMillis: 2000, MinLease: 4})
	d.call("n1", 1)
	d.after(1000)
	d.lease("n1", 10) // for 2000 ms
	d.call("n2", 6000)
	d.report("n1", Report{Counter: of(1), Renew: true}) // for 200 ms, which it may not have heard
	expires := func(when string, want int64) {
		t.Helper()
		if got := d.rules[1].own.window.leases[0].until(&d.terms) - d.Now(); got != want {
			t.Errorf("%s: waited for %d ms more, want %d", when, got, want)
		}
	}
	expires("renewed", 2100)
	d.BeginTerm(2)
	d.after(1000)
	expires("a second later", 1100)
	d.BeginTerm(3)
	expires("a new term", 2100)
	d.after(1900)
	d.report("n1", Report{Counter: of(1), Renew: true})
	expires("renewed again, the long one is over in a moment", 264)
	d.BeginTerm(4)
	expires("a new term", 264)
}
