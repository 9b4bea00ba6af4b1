package quota

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// caller is a digest that stands for the n-th caller.
func caller(n uint64) (d Digest) {
	binary.BigEndian.PutUint64(d[:], n)
	d[15] = 1
	return d
}

// calling is n calls of a caller on a rule, and on others of all calls.
func calling(n uint32, rule, who uint64, others ...uint64) Take {
	t := take(n)
	for _, id := range append([]uint64{rule}, others...) {
		item := Item{ID: of(id)}
		if id == rule {
			item.ID.Caller = caller(who)
		}
		t.Items = append(t.Items, item)
	}
	return t
}

// decides applies one Take.
func (d *desk) decides(t Take) Decision {
	d.t.Helper()
	return d.from("n1", Frame{Takes: []Take{t}}).Decisions[0]
}

// strictDesk has windows that are not leased, of those conditions.
func strictDesk(t *testing.T, conditions ...Condition) *desk {
	return &desk{machine(conditions...), t, map[string]uint64{}}
}

// TestCallersCountByThemselves: each caller has its maximum, from its first call to the
// end of its window; then it is removed.
func TestCallersCountByThemselves(t *testing.T) {
	d := strictDesk(t, byIP(2))
	d.says("one", d.decides(calling(3, 1, 1)), 3, 2)
	d.Advance(d.Now() + 30_000)
	d.says("another", d.decides(calling(1, 1, 2)), 1, 1)
	if n := d.Readings("d", 0)[0].Callers; n != 2 {
		t.Errorf("%d callers", n)
	}
	d.Advance(d.Now() + 30_000)
	d.says("the first, in its next window", d.decides(calling(1, 1, 1)), 1, 1)
	d.Advance(d.Now() + 60_000)
	d.BeginFrames(strictly)
	if n := d.Readings("d", 0)[0].Callers; n != 0 || d.sweep.Len() != 0 {
		t.Errorf("%d callers at the end", n)
	}
}

// TestCallersBeyond: those beyond maxCallers share a counter of the smallest maximum.
// While its window runs nobody new gets a counter, and those that have one keep it.
func TestCallersBeyond(t *testing.T) {
	cond := byIP(5)
	cond.Plans = []Plan{{"free", 3}}
	cond.By = ByConsumer
	d := strictDesk(t, cond)
	for who := range uint64(3) {
		d.says("with a counter", d.decides(calling(1, 1, who)), 1, 1)
	}
	d.Advance(d.Now() + 1000)
	d.says("one beyond", d.decides(calling(2, 1, 8)), 2, 2)
	d.says("another beyond", d.decides(calling(2, 1, 9)), 2, 1)
	d.says("one with a counter", d.decides(calling(5, 1, 0)), 5, 4)
	if events := d.TakeEvents(); len(events) != 1 || events[0].Percent != 0 || !events[0].Shared || !d.Readings("d", 0)[0].Shared {
		t.Errorf("%+v are told", events)
	}
	d.Advance(d.Now() + 59_500) // the three are over, the shared one is not
	d.says("there is room", d.decides(calling(1, 1, 8)), 1, 0)
	d.Advance(d.Now() + 500)
	d.says("the shared window is over", d.decides(calling(5, 1, 8)), 5, 5)
	if r := d.Readings("d", 0)[0]; r.Shared || r.Callers != 1 {
		t.Errorf("%+v", r)
	}
}

// TestWhoIsCharged: what a caller's condition refuses counts nowhere else; what a
// condition of all refuses counts on the others of all, and makes no caller.
func TestWhoIsCharged(t *testing.T) {
	d := strictDesk(t, byIP(2), condition("", 10, 60), condition("e", 4, 60)) // rules 1, 2, 3
	used := func(name string, all, endpoint uint64) {
		t.Helper()
		r := d.Readings("d", 0)
		if r[0].Used != all || r[2].Used != endpoint {
			t.Errorf("%s: %d and %d are used, want %d and %d", name, r[0].Used, r[2].Used, all, endpoint)
		}
	}
	d.says("a caller's limit", d.decides(calling(5, 1, 1, 2, 3)), 5, 2)
	used("refused by the caller's", 2, 2)
	dec := d.decides(calling(5, 1, 1, 2, 3))
	if d.says("again", dec, 5, 0); !dec.ByCaller {
		t.Error("it does not say that a caller's refused")
	}
	used("again", 2, 2)
	d.says("the endpoint is used up", d.decides(take(3, 2, 3)), 3, 2)
	used("refused by the endpoint", 5, 4)
	d.says("a new caller", d.decides(calling(2, 1, 7, 2, 3)), 2, 0)
	used("counts on the domain", 7, 4)
	if n := d.Readings("d", 0)[1].Callers; n != 1 {
		t.Errorf("%d callers, want the first alone", n)
	}
}

// TestPlans: the highest plan that a caller has shown holds in its window, an exhausted
// one's too; a lower one from the next.
func TestPlans(t *testing.T) {
	cond := byIP(2)
	cond.By, cond.Plans = ByConsumer, []Plan{{"pro", 5}}
	d := strictDesk(t, cond)
	by := func(n uint32, limit uint64) Take {
		c := calling(n, 1, 1)
		c.Items[0].Limit = limit
		return c
	}
	d.says("no plan", d.decides(by(3, 2)), 3, 2)
	before := d.rules[1].peek(caller(1)).window
	d.says("pro", d.decides(by(2, 5)), 2, 2)
	after := d.rules[1].peek(caller(1)).window
	if after.serial == before.serial || after.ends != before.ends {
		t.Errorf("the exhausted window goes on as %+v, was %+v", after, before)
	}
	d.says("no plan again", d.decides(by(2, 2)), 2, 1)
	d.Advance(d.Now() + 60_000)
	d.says("in the next window", d.decides(by(3, 2)), 3, 2)
}

func cost(units uint32, reserve bool, t Take) Take {
	t.Units, t.Reserve = units, reserve
	return t
}

// TestCost: a call that does not fit is refused for good, and so are those that cost as
// much or more; cheaper ones pass.
func TestCost(t *testing.T) {
	d := strictDesk(t, condition("", 10, 60))
	d.says("two of four", d.decides(cost(4, false, take(3, 1))), 3, 2)
	d.giveBackOne(t)
	d.says("as much again, though there is room", d.decides(cost(4, false, take(1, 1))), 1, 0)
	d.says("more", d.decides(cost(5, false, take(1, 1))), 1, 0)
	d.says("cheaper", d.decides(cost(3, false, take(1, 1))), 1, 1)
	d.says("one each", d.decides(take(9, 1)), 9, 3)
	if r := d.Readings("d", 0)[0]; r.Used != 10 || r.Phase != Exhausted {
		t.Errorf("%+v", r)
	}
}

// giveBackOne gives back the four units of a call.
func (d *desk) giveBackOne(t *testing.T) {
	t.Helper()
	d.from("n1", Frame{Returns: []Return{{of(1), d.rules[1].own.window.serial, 4}}})
	if r := d.Readings("d", 0)[0]; r.Used != 4 {
		t.Fatalf("%+v", r)
	}
}

// TestReservations: a call that unsettled ones may yet pay for is refused for now. What
// is settled comes back, unless the window is exhausted; what its holder never settles,
// because it is gone, is used.
func TestReservations(t *testing.T) {
	d := strictDesk(t, condition("", 100, 60))
	d.says("80 reserved", d.decides(cost(40, true, take(2, 1))), 2, 2)
	dec := d.decides(cost(40, true, take(1, 1)))
	if d.says("for now", dec, 1, 0); dec.RetryAfter != 1000 {
		t.Errorf("%+v", dec)
	}
	window := d.rules[1].own.window.serial
	d.from("n1", Frame{Settles: []Settle{{of(1), window, 40, 35, 0}}})
	d.says("there is room now", d.decides(cost(40, true, take(1, 1))), 1, 1)
	d.reserved(t, 85, 80)
	d.from("n1", Frame{Settles: []Settle{{of(1), window, 40, 0, 3}}})
	d.reserved(t, 88, 40)
	dec = d.decides(cost(53, false, take(1, 1)))
	if d.says("more than could come back", dec, 1, 0); dec.RetryAfter != 60_000 {
		t.Errorf("%+v", dec)
	}
	d.says("all that is left", d.decides(take(13, 1)), 13, 12)
	d.reserved(t, 100, 40)
	if p := d.Readings("d", 0)[0].Phase; p == Exhausted {
		t.Error("exhausted, with 40 units that may come back")
	}
	d.Apply(&Frame{Node: "n1", Incarnation: 2, Seq: 1}) // the process that had reserved is gone
	d.seqs["n2"] = 0
	d.says("nothing comes back", d.from("n2", Frame{Takes: []Take{take(1, 1)}}).Decisions[0], 1, 0)
	if p := d.Readings("d", 0)[0].Phase; p != Exhausted {
		t.Errorf("%v", p)
	}
}

func (d *desk) reserved(t *testing.T, used, reserved uint64) {
	t.Helper()
	if r := d.Readings("d", 0)[0]; r.Used != used || r.Reserved != reserved {
		t.Errorf("%d used, %d reserved, want %d and %d", r.Used, r.Reserved, used, reserved)
	}
}

// TestReset: the next call opens another window. Late words about the one that was
// change nothing.
func TestReset(t *testing.T) {
	d := strictDesk(t, condition("", 5, 60), byIP(2))
	d.says("five", d.decides(take(6, 1)), 6, 5)
	was := d.rules[1].own.window.serial
	if err := d.Reset(Target{Domain: "d", Window: was}); !errors.Is(err, ErrNoCondition) {
		t.Errorf("no such condition: %v", err)
	}
	target := Target{Domain: "d", Name: ConditionName{ResetSeconds: 60}, Window: was}
	if err := d.Reset(target); err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(target); !errors.Is(err, ErrWindow) {
		t.Errorf("again: %v", err)
	}
	d.says("five more, in the same millisecond", d.decides(take(6, 1)), 6, 5)
	d.from("n1", Frame{Returns: []Return{{of(1), was, 3}}})
	d.says("late returns", d.decides(take(1, 1)), 1, 0)
	d.says("a caller", d.decides(calling(2, 2, 1)), 2, 2)
	target = Target{Domain: "d", Name: ConditionName{ResetSeconds: 60, By: ByIP}, Caller: caller(1)}
	if err := d.Reset(target); err != nil {
		t.Fatal(err)
	}
	d.says("a caller, reset", d.decides(calling(3, 2, 1)), 3, 2)
}

// TestAdjust: what is added holds at once and outlives a deployment. An exhausted window
// goes on as another.
func TestAdjust(t *testing.T) {
	d := strictDesk(t, condition("", 5, 60))
	d.says("five", d.decides(take(6, 1)), 6, 5)
	was := d.rules[1].own.window.serial
	target := Target{Domain: "d", Name: ConditionName{ResetSeconds: 60}, Window: was}
	if err := d.Adjust(target, 3); err != nil {
		t.Fatal(err)
	}
	if err := d.Adjust(target, 3); !errors.Is(err, ErrWindow) {
		t.Errorf("repeated: %v", err)
	}
	d.says("three more", d.decides(take(2, 1)), 2, 2)
	d.SetConditions("d", []Condition{condition("", 6, 60)}, "")
	d.says("six and three", d.decides(take(4, 1)), 4, 2)
	target.Window = 0
	if err := d.Adjust(target, -100); err != nil {
		t.Fatal(err)
	}
	d.says("nothing", d.decides(take(1, 1)), 1, 0)
	d.Advance(d.Now() + 60_000)
	d.says("in the next window", d.decides(take(7, 1)), 7, 6)
}

// TestCalendar: a window ends when the log has said so, for callers too; a call before
// anybody has is not decided.
func TestCalendar(t *testing.T) {
	monthly := Condition{Max: 3, Period: Period{Month, "Asia/Seoul"}}
	mine := Condition{Max: 2, Period: Period{Day, "UTC"}, By: ByIP, MaxCallers: 10}
	d := strictDesk(t, monthly, mine)
	d.says("nobody knows", d.decides(take(1, 1)), 0, 0)
	due, periods := d.CalendarDue(d.Now(), 10)
	if len(due) != 2 || periods[0] != monthly.Period {
		t.Fatalf("%+v %+v are due", due, periods)
	}
	d.SetEnd(CalendarEnd{1, d.Now()}) // it is over
	d.says("nobody knows better", d.decides(take(1, 1)), 0, 0)
	d.SetEnd(CalendarEnd{1, d.Now() + 5000})
	d.SetEnd(CalendarEnd{1, d.Now() + 9000}) // too late
	d.SetEnd(CalendarEnd{2, d.Now() + 2000})
	d.says("known", d.decides(take(4, 1)), 4, 3)
	d.says("a caller", d.decides(calling(3, 2, 1)), 3, 2)
	d.Advance(d.Now() + 2000)
	d.says("the caller's day is over", d.decides(calling(1, 2, 1)), 0, 0)
	d.SetEnd(CalendarEnd{2, d.Now() + 2000})
	d.says("the next", d.decides(calling(3, 2, 1)), 3, 2)
	d.Advance(d.Now() + 2999)
	d.says("the month runs", d.decides(take(1, 1)), 1, 0)
	d.Advance(d.Now() + 1)
	d.says("and is over", d.decides(take(1, 1)), 0, 0)
	if due, _ := d.CalendarDue(d.Now(), 10); len(due) != 2 {
		t.Errorf("%+v are due", due)
	}
}

// TestShadow: a shadow condition counts beyond its maximum, and says so.
func TestShadow(t *testing.T) {
	cond := condition("", 5, 60)
	cond.Shadow = true
	d := strictDesk(t, cond)
	d.from("n1", Frame{Charges: []Charge{{Counter: of(1), N: 5}}})
	if r := d.Readings("d", 0)[0]; r.Used != 5 || r.Phase == Exhausted {
		t.Errorf("%+v", r)
	}
	d.from("n1", Frame{Charges: []Charge{{Counter: of(1), N: 3}}})
	if r := d.Readings("d", 0)[0]; r.Used != 8 || r.Phase != Exhausted {
		t.Errorf("%+v", r)
	}
}

// TestAlerts: a window makes an event at each threshold, once.
func TestAlerts(t *testing.T) {
	cond := byIP(10)
	cond.Alerts = []uint8{50, 100}
	d := strictDesk(t, cond)
	for i, want := range []string{"", "\x32", "\x64", "", "\x32\x64"} {
		if i == 4 {
			d.Advance(d.Now() + 60_000)
		}
		d.decides(calling([]uint32{4, 4, 4, 4, 10}[i], 1, 1))
		var got []uint8
		for _, e := range d.TakeEvents() {
			got = append(got, e.Percent)
		}
		if string(got) != want {
			t.Errorf("after %d: %v, want %q", i, got, want)
		}
	}
}

// TestClaims: a signature is good once, as long as it may be used at all, whatever its
// plugin's clockSkew becomes.
func TestClaims(t *testing.T) {
	d := strictDesk(t)
	claim := func(name string, who uint64, at int64, want ClaimResult) {
		t.Helper()
		if got := d.from("n1", Frame{Claims: []Claim{{"d", caller(who), at}}}).Claims[0]; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	now := d.Now()
	claim("not deployed", 1, now, ClaimSuperseded)
	d.SetSingleUse("d", true, 60_000)
	claim("the first", 1, now, Claimed)
	claim("the second", 1, now, ClaimRefused)
	claim("another", 2, now, Claimed)
	claim("the oldest that may be", 3, now-64_999, Claimed)
	claim("too old", 4, now-65_000, ClaimRefused)
	claim("the newest that may be", 5, now+65_000, Claimed)
	claim("too new", 6, now+65_001, ClaimRefused)
	d.SetSingleUse("d", false, 0)
	d.SetSingleUse("d", true, 60_000)
	claim("after a deploy without", 1, now, ClaimRefused)
	d.Advance(now + 64_999)
	claim("at the edge", 1, now, ClaimRefused)
	d.Advance(now + 65_000)
	d.BeginFrames(strictly)
	if n := d.State.claims.count; n != 1 {
		t.Errorf("%d are kept, want the newest alone", n)
	}
	d.SetSingleUse("d", true, 600_000)
	claim("forgotten, by a wider skew", 1, now, ClaimRefused)
	claim("the newest, still", 5, now+65_000, ClaimRefused)
	d.SetSingleUse("d", false, 0)
	d.Advance(now + 1<<40)
	d.BeginFrames(strictly)
	d.BeginFrames(strictly)
	if n := d.State.claims.domains.Len(); n != 0 {
		t.Errorf("%d domains are kept", n)
	}
}

// TestLeasedCallers: a caller's units are leased like those of all, and removed with its
// window whatever is out.
func TestLeasedCallers(t *testing.T) {
	d := newDesk(t, 3, Condition{Max: 1000, ResetSeconds: 60, By: ByIP, MaxCallers: 10})
	id := ID{1, caller(1)}
	if g := d.from("n1", Frame{Reports: []Report{{Counter: id, Want: 10}}}).Grants[0]; g.Units != 0 {
		t.Errorf("without a window: %+v", g)
	}
	d.decides(calling(1, 1, 1))
	g := d.from("n1", Frame{Reports: []Report{{Counter: id, Want: 10}}}).Grants[0]
	if g.Units != 10 || d.rules[1].callers.busy.Len() != 1 {
		t.Errorf("%+v", g)
	}
	g = d.from("n1", Frame{Reports: []Report{{Counter: id, Window: g.Window, Spent: 4, Back: 6}}}).Grants[0]
	if w := d.rules[1].peek(caller(1)).window; g.Units != 0 || w.used != 5 || d.rules[1].callers.resting.Len() != 1 || d.rules[1].callers.busy.Len() != 0 {
		t.Errorf("%+v, %+v", g, w)
	}
	g = d.from("n1", Frame{Reports: []Report{{Counter: id, Want: 10}}}).Grants[0]
	d.Advance(d.Now() + 60_000)
	d.BeginFrames(testLeases)
	d.decides(calling(1, 1, 1))
	d.from("n1", Frame{Reports: []Report{{Counter: id, Window: g.Window, Spent: 4, Back: 6}}, Returns: []Return{{id, g.Window, 5}}})
	if w := d.rules[1].peek(caller(1)).window; w.used != 1 {
		t.Errorf("late words count: %+v", w)
	}
}

// TestCallersByRandom: random frames on rules of every kind. At any point the state has
// the bytes that it has after a snapshot and a restore, at once or begun earlier; what a
// snapshot has does not change; and no window admits more than its maximum.
func TestCallersByRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newCrowd(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			b.step()
		}
		b.end()
	})
}

// crowd drives two replicas, one of which is restored now and then.
type crowd struct {
	t        *rapid.T
	s, other *State
	seq      uint64
	shots    []*Snapshot
	were     [][]byte
	admitted map[int64]uint64 // by window
	most     map[int64]uint64
}

func newCrowd(t *rapid.T) *crowd {
	b := &crowd{t: t, s: NewState(), other: NewState(), admitted: map[int64]uint64{}, most: map[int64]uint64{}}
	b.both(func(s *State) {
		s.Upgrade(Third)
		s.SetMembers(2)
		s.Advance(1_000_000)
	})
	b.deploy()
	return b
}

func (b *crowd) both(do func(*State)) {
	do(b.s)
	do(b.other)
}

func (b *crowd) pick(n int) int { return rapid.IntRange(0, n-1).Draw(b.t, "pick") }

func (b *crowd) deploy() {
	limit := func() uint64 { return uint64(5 + b.pick(40)) }
	list := []Condition{
		condition("", 10*limit(), 3),
		{Max: limit(), ResetSeconds: 2, By: ByIP, MaxCallers: 3},
		{Max: limit(), Period: Period{Minute, "UTC"}, By: ByConsumer, MaxCallers: 4, Plans: []Plan{{"pro", 60}}, Alerts: []uint8{80}},
	}
	b.both(func(s *State) { s.SetConditions("d", list, "salt") })
}

func (b *crowd) step() {
	switch b.pick(8) {
	case 0:
		ms := int64(b.pick(1500))
		b.both(func(s *State) { s.Advance(s.Now() + ms) })
	case 1:
		b.shots = append(b.shots, b.s.Snapshot())
		b.were = append(b.were, b.s.Append(nil))
	case 2:
		restored, err := DecodeState(b.other.Append(nil), Third)
		if err != nil {
			b.t.Fatal(err)
		}
		b.other = restored
	case 3:
		b.deploy()
	case 4:
		target := Target{Domain: "d", Name: ConditionName{ResetSeconds: 2, By: ByIP}, Caller: caller(uint64(b.pick(5)))}
		add := int64(b.pick(30)) - 10
		adjust := b.pick(2) == 0
		b.both(func(s *State) {
			if adjust {
				_ = s.Adjust(target, add)
			} else {
				_ = s.Reset(target)
			}
		})
	default:
		b.frame()
	}
}

func (b *crowd) frame() {
	b.seq++
	f := &Frame{Node: "n1", Incarnation: 1, Seq: b.seq, Version: Third}
	for range 1 + b.pick(3) {
		t := Take{N: uint32(1 + b.pick(12)), Units: uint32(1 + b.pick(3)), Reserve: b.pick(4) == 0, Items: []Item{{ID: of(1)}}}
		for _, rule := range []uint64{2, 3} {
			if b.pick(2) == 0 {
				item := Item{ID: ID{rule, caller(uint64(b.pick(6)))}}
				if rule == 3 {
					item.Limit = []uint64{20, 60}[b.pick(2)]
				}
				t.Items = append(t.Items, item)
			}
		}
		f.Takes = append(f.Takes, t)
	}
	id := ID{2, caller(uint64(b.pick(6)))}
	var window int64
	if c := b.s.rules[2].peek(id.Caller); c != nil {
		window = c.window.serial
	}
	f.Reports = append(f.Reports, Report{Counter: id, Window: window, Spent: uint64(b.pick(3)), Back: uint64(b.pick(3)), Want: uint32(b.pick(6))})
	end := CalendarEnd{3, b.s.Now() + 700}
	var results [2]Result
	for i, s := range []*State{b.s, b.other} {
		s.SetEnd(end)
		s.BeginFrames(Params{LeaseMillis: 50, MinLease: 2})
		results[i] = s.Apply(f)
	}
	if got, want := results[1].Append(nil), results[0].Append(nil); !bytes.Equal(got, want) {
		b.t.Fatalf("the replica that was restored answers\n%+v, the other\n%+v", results[1], results[0])
	}
	for i, d := range results[0].Decisions {
		for _, taken := range d.Taken {
			if taken.Window == 0 {
				continue
			}
			b.most[taken.Window] = max(b.most[taken.Window], taken.Max)
			b.admitted[taken.Window] += uint64(d.Admitted) * uint64(f.Takes[i].Units)
			if b.admitted[taken.Window] > b.most[taken.Window] {
				b.t.Fatalf("window %d admits %d of %d", taken.Window, b.admitted[taken.Window], b.most[taken.Window])
			}
		}
	}
}

func (b *crowd) end() {
	if !bytes.Equal(b.s.Append(nil), b.other.Append(nil)) {
		b.t.Fatal("the replicas differ")
	}
	for i, shot := range b.shots {
		var buf bytes.Buffer
		_, _ = shot.WriteTo(&buf)
		if !bytes.Equal(buf.Bytes(), b.were[i]) {
			b.t.Fatalf("snapshot %d has changed", i)
		}
	}
	for id, r := range b.s.rules {
		if r.callers != nil && r.callers.ends.Len() != r.callers.count() {
			b.t.Fatalf("rule %d has %d callers, and %d ends", id, r.callers.count(), r.callers.ends.Len())
		}
	}
}

// TestGoneCallersAreLetGo: what was used to decide on a caller does not keep the rule in
// memory that is gone since, and all its callers.
func TestGoneCallersAreLetGo(t *testing.T) {
	d := strictDesk(t, byIP(5))
	d.says("a call", d.decides(calling(1, 1, 1)), 1, 1)
	d.SetConditions("d", nil, "")
	d.decides(calling(1, 1, 1)) // superseded
	for _, c := range d.spares.all {
		if c.rule != nil {
			t.Errorf("rule %d is kept", c.rule.id)
		}
	}
}
