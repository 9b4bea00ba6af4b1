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
	s.BeginFrames(strictly)
	s.SetMembers(3)
	s.Advance(1_000_000)
	s.SetConditions("d", conditions)
	return s
}

// on lists the counters that calls of an endpoint of a domain count on.
func (s *State) on(domain, endpoint string) (ids []uint64) {
	for _, info := range s.Counters(domain) {
		if info.Endpoint == "" || info.Endpoint == endpoint {
			ids = append(ids, info.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// calls is n calls of an endpoint of "d".
func (s *State) calls(endpoint string, n uint32) Take { return Take{s.on("d", endpoint), n} }

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
	s := machine(condition("", 3, 60))
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, Take{[]uint64{77}, 5}))); got != 5 {
		t.Errorf("admitted %d, want 5", got)
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
	info := s.Counters("d")[0]
	f.Returns = []Return{{info.ID, info.Window, n}}
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
	s.SetConditions("d", []Condition{condition("", 100, 60)})
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
	s.SetConditions("d", []Condition{condition("", 4, 60)})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, s.calls("", 5)))); got != 1 {
		t.Fatalf("admitted %d, want 1 of the lowered maximum", got)
	}
	s = machine(condition("", 5, 60))
	s.Apply(frameOf("n1", 1, 1, s.calls("", 5))) // used up, nobody refused
	s.SetConditions("d", []Condition{condition("", 7, 60)})
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

func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Frame{
			Node:        rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "node"),
			Incarnation: rapid.Uint64().Draw(t, "incarnation"),
			Seq:         rapid.Uint64Range(1, 1<<62).Draw(t, "seq"),
		}
		id, units := rapid.Uint64Range(1, 1<<40), rapid.Uint32Range(1, MaxCalls)
		window := rapid.Int64Range(0, 1<<50)
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			f.Returns = append(f.Returns, Return{id.Draw(t, "id"), window.Draw(t, "window"), units.Draw(t, "n")})
			f.Charges = append(f.Charges, Charge{id.Draw(t, "id"), units.Draw(t, "n")})
			f.Reports = append(f.Reports, Report{
				id.Draw(t, "id"), window.Draw(t, "window"), rapid.Uint64().Draw(t, "spent"), rapid.Uint64().Draw(t, "back"),
				rapid.Uint32().Draw(t, "want"), rapid.Bool().Draw(t, "renew"),
			})
			ids := rapid.SliceOfNDistinct(id, 1, 5, rapid.ID).Draw(t, "ids")
			slices.Sort(ids)
			f.Takes = append(f.Takes, Take{ids, units.Draw(t, "n")})
		}
		got, err := DecodeFrame(f.Append(nil))
		if err != nil || !reflect.DeepEqual(f, got) {
			t.Fatalf("%+v\nbecame %+v, %v", f, got, err)
		}
	})
}

func TestBadFramesAreRefused(t *testing.T) {
	good := frameOf("n1", 1, 1, Take{[]uint64{1, 2}, 3}).Append(nil)
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"truncated":     {good[:len(good)-2], "truncated"},
		"too long":      {append(slices.Clone(good), 0), "1 bytes too many"},
		"oversized":     {make([]byte, MaxFrameBytes+1), "65537 bytes: must be at most 65536"},
		"no calls":      {frameOf("n1", 1, 1, Take{[]uint64{1}, 0}).Append(nil), "calls is 0, must be 1 to 1048576"},
		"too many":      {frameOf("n1", 1, 1, Take{[]uint64{1}, MaxCalls + 1}).Append(nil), "calls is 1048577, must be 1 to 1048576"},
		"seq 0":         {frameOf("n1", 1, 0).Append(nil), "seq is 0, must be 1"},
		"no node":       {frameOf("", 1, 1).Append(nil), "names no node"},
		"counter twice": {frameOf("n1", 1, 1, Take{[]uint64{5, 5}, 1}).Append(nil), "distance of counters is 0, must be 1"},
		"no counters":   {frameOf("n1", 1, 1, Take{nil, 1}).Append(nil), "number of counters is 0, must be 1 to 64"},
	} {
		if f, err := DecodeFrame(c.frame); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, error %v; want one that says %q", name, f, err, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(frameOf("n1", 1, 1, Take{[]uint64{1, 2}, 3}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := DecodeFrame(b)
		if err != nil {
			return
		}
		s := machine(condition("", 300, 60), condition("GET /x", 500, 1))
		s.BeginFrames(Params{LeaseMillis: 100, MinLease: 1})
		s.Apply(frame) // must not panic
		again, err := DecodeFrame(frame.Append(nil))
		if err != nil || !reflect.DeepEqual(frame, again) {
			t.Fatalf("%+v\nbecame %+v, %v", frame, again, err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	s := machine(condition("", 300, 60), condition("GET /x", 500, 1))
	s.BeginFrames(Params{LeaseMillis: 100, MinLease: 1})
	s.Apply(frameOf("n1", 1, 1, s.calls("GET /x", 3)))
	s.Apply(&Frame{Node: "n1", Incarnation: 1, Seq: 2, Reports: []Report{{Counter: 1, Want: 10}}})
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(b); err == nil {
			s.Advance(s.Now() + 1)
			s.Apply(frameOf("n1", 1<<62, 1, Take{[]uint64{1}, 3}))
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
