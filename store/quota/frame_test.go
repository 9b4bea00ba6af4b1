package quota

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// strictly has every window strict from its first call: no share is as large.
var strictly = Params{LeaseMillis: DefaultLeaseMillis, MinLease: MaxMinLease}

// machine is a state with one domain "d" and the conditions, in strict windows.
func machine(conditions ...Condition) *State {
	s := NewState()
	s.Upgrade(Third)
	s.BeginFrames(strictly)
	s.SetMembers(3)
	s.Advance(1_000_000)
	s.SetConditions("d", conditions, "")
	return s
}

// on lists the counters that calls of an endpoint of a domain count on.
func (s *State) on(domain, endpoint string) (ids []uint64) {
	for _, r := range s.Rules(domain) {
		if r.Endpoint == "" || r.Endpoint == endpoint {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// calls is n calls of an endpoint of "d".
func (s *State) calls(endpoint string, n uint32) Take { return take(n, s.on("d", endpoint)...) }

func frameOf(node string, incarnation, seq uint64, takes ...Take) *Frame {
	return &Frame{Node: node, Incarnation: incarnation, Seq: seq, Takes: takes}
}

func admitted(t *testing.T, res Result) uint32 {
	t.Helper()
	if res.Stale || len(res.Decisions) != 1 {
		t.Fatalf("result %+v: want one decision", res)
	}
	return res.Decisions[0].Admitted
}

func TestEveryConditionIsCharged(t *testing.T) {
	s := machine(condition("", 3, 60), condition("GET /x", 10, 60))
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, s.calls("GET /x", 5)))); got != 3 {
		t.Fatalf("admitted %d, want 3: the domain's quota", got)
	}
	for _, r := range s.Readings("d", 0) {
		if want := map[string]uint64{"": 3, "GET /x": 5}[r.Endpoint]; r.Used != want {
			t.Errorf("%q used %d, want %d: a call the domain refuses raises the endpoint's usage", r.Endpoint, r.Used, want)
		}
	}
}

func TestCounterThatIsGoneAllowsEverything(t *testing.T) {
	s := NewState() // the first version
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, take(5, 77)))); got != 5 {
		t.Errorf("admitted %d, want 5", got)
	}
}

// TestRuleThatIsGone: calls on it are decided by what has come in its place, which the
// node has yet to hear of.
func TestRuleThatIsGone(t *testing.T) {
	s := machine(condition("", 3, 60))
	d := s.Apply(frameOf("n1", 1, 1, take(2, 1, 77))).Decisions[0]
	if !d.Superseded || d.Decided != 0 || s.Readings("d", 0)[0].WindowEnds != 0 {
		t.Errorf("%+v, and a window ends at %d", d, s.Readings("d", 0)[0].WindowEnds)
	}
}

func TestWindowEndsByClusterTime(t *testing.T) {
	s := machine(condition("", 1, 2))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 1)))
	s.Advance(s.Now() + 500)
	res := s.Apply(frameOf("n1", 1, 2, s.calls("", 1)))
	if d := res.Decisions[0]; d.Admitted != 0 || d.RetryAfter != 1500 {
		t.Fatalf("decision %+v, want refused with 1500 ms left", d)
	}
	s.Advance(s.Now() - 400_000) // a leader whose clock is behind
	if res := s.Apply(frameOf("n1", 1, 3, s.calls("", 1))); res.Decisions[0].RetryAfter != 1500 {
		t.Fatalf("time ran back: %+v", res)
	}
	s.Advance(s.Now() + 1499)
	if got := admitted(t, s.Apply(frameOf("n1", 1, 4, s.calls("", 1)))); got != 0 {
		t.Fatal("admitted a millisecond before the window's end")
	}
	s.Advance(s.Now() + 1)
	if got := admitted(t, s.Apply(frameOf("n1", 1, 5, s.calls("", 1)))); got != 1 {
		t.Fatal("refused in a new window")
	}
}

func TestFrameCountsOnce(t *testing.T) {
	s := machine(condition("", 10, 60))
	f := frameOf("n1", 1, 1, s.calls("", 4))
	first := s.Apply(f)
	s.Advance(s.Now() + 5000) // the answer was lost; the frame comes again later
	if again := s.Apply(f); !reflect.DeepEqual(first, again) {
		t.Fatalf("sent again: %+v, first %+v", again, first)
	}
	if used := s.Readings("d", 0)[0].Used; used != 4 {
		t.Fatalf("used %d, want 4", used)
	}
	s.Apply(frameOf("n1", 1, 2, s.calls("", 1)))
	if res := s.Apply(f); !res.Stale {
		t.Errorf("a frame older than the last: %+v, want stale", res)
	}
	s.Apply(frameOf("n1", 2, 1, s.calls("", 1)))
	if res := s.Apply(frameOf("n1", 1, 3, s.calls("", 1))); !res.Stale {
		t.Errorf("a frame of the incarnation before: %+v, want stale", res)
	}
	if used := s.Readings("d", 0)[0].Used; used != 6 {
		t.Errorf("used %d, want 6: stale frames count nothing", used)
	}
}

// returning is a frame that gives back units taken in the window that runs.
func (s *State) returning(node string, seq uint64, n uint32, takes ...Take) *Frame {
	f := frameOf(node, 1, seq, takes...)
	info := s.Rules("d")[0].Info
	f.Returns = []Return{{info.ID, info.Window, uint64(n)}}
	return f
}

func TestUnitsAreGivenBackOnce(t *testing.T) {
	s := machine(condition("", 10, 60))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 4)))
	f := s.returning("n1", 2, 3)
	s.Apply(f)
	s.Apply(f)
	if used := s.Readings("d", 0)[0].Used; used != 1 {
		t.Fatalf("used %d, want 1: four were taken and three given back", used)
	}
	if got := admitted(t, s.Apply(frameOf("n2", 1, 1, s.calls("", 20)))); got != 9 {
		t.Fatalf("admitted %d, want 9", got)
	}
}

func TestNothingReturnsToAnExhaustedWindow(t *testing.T) {
	s := machine(condition("", 2, 60))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 2)))
	s.Apply(frameOf("n2", 1, 1, s.calls("", 1))) // refused: n2 has answered 20004
	if got := admitted(t, s.Apply(s.returning("n1", 2, 2, s.calls("", 1)))); got != 0 {
		t.Fatal("admitted after another node has refused")
	}
	s.SetConditions("d", []Condition{condition("", 100, 60)}, "")
	if got := admitted(t, s.Apply(frameOf("n1", 1, 3, s.calls("", 1)))); got != 0 {
		t.Fatal("a redeploy reopened an exhausted window")
	}
}

func TestNothingReturnsToALaterWindow(t *testing.T) {
	s := machine(condition("", 2, 1))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 2)))
	f := s.returning("n1", 2, 2)
	s.Advance(s.Now() + 1000)
	s.Apply(frameOf("n2", 1, 1, s.calls("", 1)))
	s.Apply(f)
	if used := s.Readings("d", 0)[0].Used; used != 1 {
		t.Fatalf("used %d, want 1", used)
	}
}

func TestRedeployKeepsUsage(t *testing.T) {
	s := machine(condition("", 5, 60))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 3)))
	s.SetConditions("d", []Condition{condition("", 4, 60)}, "")
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, s.calls("", 5)))); got != 1 {
		t.Fatalf("admitted %d, want 1 of the lowered maximum", got)
	}
	s = machine(condition("", 5, 60))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 5))) // used up, nobody refused
	s.SetConditions("d", []Condition{condition("", 7, 60)}, "")
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, s.calls("", 5)))); got != 2 {
		t.Fatalf("admitted %d, want 2 of the raised maximum", got)
	}
}

func TestForgottenNodeStartsAnew(t *testing.T) {
	s := machine(condition("", 5, 60))
	s.Apply(frameOf("n1", 7, 3, s.calls("", 1)))
	s.Forget("n1")
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, s.calls("", 1)))); got != 1 {
		t.Fatalf("admitted %d, want 1", got)
	}
}

// draws of what frames are made of.
var (
	anyUnits  = rapid.Uint64Range(1, MaxCalls)
	anyWindow = rapid.Int64Range(0, 1<<50)
	anyRule   = rapid.Uint64Range(1, 1<<40)
)

// anyID is a counter that a frame of the version may name.
func anyID(t *rapid.T, v Version) ID {
	id := ID{Rule: anyRule.Draw(t, "rule")}
	if v >= Third && rapid.Bool().Draw(t, "caller") {
		id.Caller = anyDigest(t)
	}
	return id
}

func anyDigest(t *rapid.T) (d Digest) {
	copy(d[:], rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "digest"))
	d[15] = 1
	return d
}

func anyTake(t *rapid.T, v Version) Take {
	rules := rapid.SliceOfNDistinct(anyRule, 1, 5, rapid.ID).Draw(t, "rules")
	slices.Sort(rules)
	one := take(uint32(anyUnits.Draw(t, "n")), rules...)
	if v < Third {
		return one
	}
	for i := range one.Items {
		one.Items[i].ID.Caller = anyID(t, v).Caller
		one.Items[i].Limit = rapid.Uint64Range(0, 1<<40).Draw(t, "limit")
	}
	one.Units, one.Reserve = rapid.Uint32Range(1, MaxUnits).Draw(t, "units"), rapid.Bool().Draw(t, "reserve")
	return one
}

func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Frame{
			Node:        rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "node"),
			Incarnation: rapid.Uint64().Draw(t, "incarnation"),
			Seq:         rapid.Uint64Range(1, 1<<62).Draw(t, "seq"),
			Version:     rapid.SampledFrom([]Version{First, Third}).Draw(t, "version"),
		}
		number := func(name string) uint64 { return rapid.Uint64().Draw(t, name) }
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			f.Returns = append(f.Returns, Return{anyID(t, f.Version), anyWindow.Draw(t, "window"), anyUnits.Draw(t, "n")})
			f.Charges = append(f.Charges, Charge{Counter: anyID(t, f.Version), N: anyUnits.Draw(t, "n")})
			f.Reports = append(f.Reports, Report{
				Counter: anyID(t, f.Version), Window: anyWindow.Draw(t, "window"), Spent: number("spent"), Back: number("back"),
				Want: rapid.Uint32().Draw(t, "want"), Renew: rapid.Bool().Draw(t, "renew"),
			})
			f.Takes = append(f.Takes, anyTake(t, f.Version))
			if f.Version >= Third {
				i := len(f.Reports) - 1
				f.Reports[i].Reserved, f.Charges[i].Limit = number("reserved"), anyUnits.Draw(t, "limit")
				f.Settles = append(f.Settles, Settle{anyID(t, f.Version), anyWindow.Draw(t, "window"), anyUnits.Draw(t, "reserved"), anyUnits.Draw(t, "back"), anyUnits.Draw(t, "over")})
				f.Claims = append(f.Claims, Claim{"d", anyDigest(t), anyWindow.Draw(t, "at")})
			}
		}
		got, err := DecodeFrame(f.Append(nil), Third)
		if err != nil || !reflect.DeepEqual(f, got) {
			t.Fatalf("%+v\nbecame %+v, %v", f, got, err)
		}
		if _, err := DecodeFrame(f.Append(nil), First); (err == nil) != (f.Version == First) {
			t.Fatalf("of version %d, by the first: %v", f.Version, err)
		}
	})
}

func TestBadFramesAreRefused(t *testing.T) {
	first := func(seq uint64, takes ...Take) []byte { return frameOf("n1", 1, seq, takes...).Append(nil) }
	third := func(seq uint64, takes ...Take) []byte {
		f := frameOf("n1", 1, seq, takes...)
		f.Version = Third
		return f.Append(nil)
	}
	costly := take(1, 1)
	costly.Units = MaxUnits + 1
	good := first(1, take(3, 1, 2))
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"truncated":            {good[:len(good)-2], "truncated"},
		"too long":             {append(slices.Clone(good), 0), "1 bytes too many"},
		"oversized":            {make([]byte, MaxFrameBytes+1), "65537 bytes: must be at most 65536"},
		"no calls":             {first(1, take(0, 1)), "calls is 0, must be 1 to 1048576"},
		"too many":             {first(1, take(MaxCalls+1, 1)), "calls is 1048577, must be 1 to 1048576"},
		"seq 0":                {first(0), "seq is 0, must be 1"},
		"no node":              {[]byte{0, 0}, "node length is 0, must be 1 to 64"},
		"counter twice":        {first(1, take(1, 5, 5)), "distance of counters is 0, must be 1"},
		"no counters":          {first(1, take(1)), "number of counters is 0, must be 1 to 64"},
		"truncated, third":     {third(1, take(3, 1, 2))[:12], "truncated"},
		"counter twice, third": {third(1, take(1, 5, 5)), "rule is 0, must be 2"},
		"no counters, third":   {third(1, take(1)), "number of counters is 0, must be 1 to 64"},
		"cost":                 {third(1, costly), "units is 1000000001, must be 1 to 1000000000"},
	} {
		if f, err := DecodeFrame(c.frame, Third); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, error %v; want one that says %q", name, f, err, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for _, v := range []Version{First, Third} {
		frame := frameOf("n1", 1, 1, take(3, 1, 2))
		frame.Version = v
		f.Add(frame.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := DecodeFrame(b, Third)
		if err != nil {
			return
		}
		s := machine(condition("", 300, 60), condition("GET /x", 500, 1), byIP(5))
		s.BeginFrames(Params{LeaseMillis: 100, MinLease: 1})
		s.Apply(frame) // must not panic
		again, err := DecodeFrame(frame.Append(nil), Third)
		if err != nil || !reflect.DeepEqual(frame, again) {
			t.Fatalf("%+v\nbecame %+v, %v", frame, again, err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	s := machine(condition("", 300, 60), condition("GET /x", 500, 1), byIP(5))
	s.BeginFrames(Params{LeaseMillis: 100, MinLease: 1})
	s.Apply(frameOf("n1", 1, 1, s.calls("GET /x", 3)))
	s.Apply(&Frame{Node: "n1", Incarnation: 1, Seq: 2, Reports: []Report{{Counter: of(1), Want: 10}}})
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(b, Third); err == nil {
			s.Advance(s.Now() + 1)
			s.Apply(frameOf("n1", 1<<62, 1, take(3, 1)))
		}
	})
}

// BenchmarkApply is the cost of a frame with calls of ten endpoints.
func BenchmarkApply(b *testing.B) {
	s := machine(condition("", 1<<40, 3600), condition("GET /x", 1<<40, 3600))
	f := frameOf("n1", 1, 0)
	for range 10 {
		f.Takes = append(f.Takes, s.calls("GET /x", 16))
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Seq++
		s.Apply(f)
	}
}
