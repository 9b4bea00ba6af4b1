package quota

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// machine is a state with one domain "d" and the conditions.
func machine(conditions ...Condition) *State {
	s := NewState()
	s.Advance(1_000_000)
	s.SetConditions("d", conditions)
	return s
}

func frameOf(node string, incarnation, seq uint64, calls ...Calls) *Frame {
	return &Frame{Node: node, Incarnation: incarnation, Seq: seq, Calls: calls}
}

func admitted(t *testing.T, res Result) uint32 {
	t.Helper()
	if res.Stale || len(res.Decisions) != 1 {
		t.Fatalf("result %+v: want one decision", res)
	}
	return res.Decisions[0].Admitted
}

func TestEveryConditionIsCharged(t *testing.T) {
	s := machine(Condition{"", 3, 60}, Condition{"GET /x", 10, 60})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, Calls{"d", "GET /x", 5}))); got != 3 {
		t.Fatalf("admitted %d, want 3: the domain's quota", got)
	}
	for _, r := range s.Readings("d", 0) {
		if want := map[string]uint64{"": 3, "GET /x": 5}[r.Endpoint]; r.Used != want {
			t.Errorf("%q used %d, want %d: a call the domain refuses raises the endpoint's usage", r.Endpoint, r.Used, want)
		}
	}
}

func TestEndpointWithoutConditionsCountsOnTheDomain(t *testing.T) {
	s := machine(Condition{"", 3, 60}, Condition{"GET /x", 1, 60})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, Calls{"d", "GET /gone", 5}))); got != 3 {
		t.Errorf("admitted %d, want 3", got)
	}
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, Calls{"gone", "GET /x", 5}))); got != 5 {
		t.Errorf("domain without conditions: admitted %d, want 5", got)
	}
}

func TestWindowEndsByClusterTime(t *testing.T) {
	s := machine(Condition{"", 1, 2})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 1}))
	s.Advance(s.Now() + 500)
	res := s.Apply(frameOf("n1", 1, 2, Calls{"d", "", 1}))
	if d := res.Decisions[0]; d.Admitted != 0 || d.RetryAfter != 1500 {
		t.Fatalf("decision %+v, want refused with 1500 ms left", d)
	}
	s.Advance(s.Now() - 400_000) // a leader whose clock is behind
	if res := s.Apply(frameOf("n1", 1, 3, Calls{"d", "", 1})); res.Decisions[0].RetryAfter != 1500 {
		t.Fatalf("time ran back: %+v", res)
	}
	s.Advance(s.Now() + 1499)
	if got := admitted(t, s.Apply(frameOf("n1", 1, 4, Calls{"d", "", 1}))); got != 0 {
		t.Fatal("admitted a millisecond before the window's end")
	}
	s.Advance(s.Now() + 1)
	if got := admitted(t, s.Apply(frameOf("n1", 1, 5, Calls{"d", "", 1}))); got != 1 {
		t.Fatal("refused in a new window")
	}
}

func TestFrameCountsOnce(t *testing.T) {
	s := machine(Condition{"", 10, 60})
	f := frameOf("n1", 1, 1, Calls{"d", "", 4})
	first := s.Apply(f)
	s.Advance(s.Now() + 5000) // the answer was lost; the frame comes again later
	if again := s.Apply(f); !reflect.DeepEqual(first, again) {
		t.Fatalf("sent again: %+v, first %+v", again, first)
	}
	if used := s.Readings("d", 0)[0].Used; used != 4 {
		t.Fatalf("used %d, want 4", used)
	}
	s.Apply(frameOf("n1", 1, 2, Calls{"d", "", 1}))
	if res := s.Apply(f); !res.Stale {
		t.Errorf("a frame older than the last: %+v, want stale", res)
	}
	s.Apply(frameOf("n1", 2, 1, Calls{"d", "", 1}))
	if res := s.Apply(frameOf("n1", 1, 3, Calls{"d", "", 1})); !res.Stale {
		t.Errorf("a frame of the incarnation before: %+v, want stale", res)
	}
	if used := s.Readings("d", 0)[0].Used; used != 6 {
		t.Errorf("used %d, want 6: stale frames count nothing", used)
	}
}

func TestUnitsAreGivenBackOnce(t *testing.T) {
	s := machine(Condition{"", 10, 60})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 4}))
	f := frameOf("n1", 1, 2)
	f.Returns = []Return{{0, 3}, {0, 3}, {7, 1}}
	s.Apply(f)
	s.Apply(f)
	if used := s.Readings("d", 0)[0].Used; used != 0 {
		t.Fatalf("used %d, want 0: four were taken and no more can be given back", used)
	}
	if got := admitted(t, s.Apply(frameOf("n2", 1, 1, Calls{"d", "", 20}))); got != 10 {
		t.Fatalf("admitted %d, want 10", got)
	}
}

func TestNothingReturnsToAnExhaustedWindow(t *testing.T) {
	s := machine(Condition{"", 2, 60})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 2}))
	s.Apply(frameOf("n2", 1, 1, Calls{"d", "", 1})) // refused: n2 has answered 20004
	f := frameOf("n1", 1, 2, Calls{"d", "", 1})
	f.Returns = []Return{{0, 2}}
	if got := admitted(t, s.Apply(f)); got != 0 {
		t.Fatal("admitted after another node has refused")
	}
	s.SetConditions("d", []Condition{{"", 100, 60}})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 3, Calls{"d", "", 1}))); got != 0 {
		t.Fatal("a redeploy reopened an exhausted window")
	}
}

func TestNothingReturnsToALaterWindow(t *testing.T) {
	s := machine(Condition{"", 2, 1})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 2}))
	s.Advance(s.Now() + 1000)
	s.Apply(frameOf("n2", 1, 1, Calls{"d", "", 1}))
	f := frameOf("n1", 1, 2)
	f.Returns = []Return{{0, 2}}
	s.Apply(f)
	if used := s.Readings("d", 0)[0].Used; used != 1 {
		t.Fatalf("used %d, want 1", used)
	}
}

func TestRedeployKeepsUsage(t *testing.T) {
	s := machine(Condition{"", 5, 60})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 3}))
	s.SetConditions("d", []Condition{{"", 4, 60}})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, Calls{"d", "", 5}))); got != 1 {
		t.Fatalf("admitted %d, want 1 of the lowered maximum", got)
	}
	s = machine(Condition{"", 5, 60})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 5})) // used up, nobody refused
	s.SetConditions("d", []Condition{{"", 7, 60}})
	if got := admitted(t, s.Apply(frameOf("n1", 1, 2, Calls{"d", "", 5}))); got != 2 {
		t.Fatalf("admitted %d, want 2 of the raised maximum", got)
	}
}

func TestForgottenNodeStartsAnew(t *testing.T) {
	s := machine(Condition{"", 5, 60})
	s.Apply(frameOf("n1", 7, 3, Calls{"d", "", 1}))
	s.Forget("n1")
	if got := admitted(t, s.Apply(frameOf("n1", 1, 1, Calls{"d", "", 1}))); got != 1 {
		t.Fatalf("admitted %d, want 1", got)
	}
}

func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Frame{
			Node:        rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "node"),
			Incarnation: rapid.Uint64().Draw(t, "incarnation"),
			Seq:         rapid.Uint64Range(1, 1<<62).Draw(t, "seq"),
			Calls: rapid.SliceOf(rapid.Custom(func(t *rapid.T) Calls {
				return Calls{rapid.StringN(0, 8, 64).Draw(t, "d"), rapid.StringN(0, 30, 200).Draw(t, "e"), rapid.Uint32Range(1, MaxCalls).Draw(t, "n")}
			})).Draw(t, "calls"),
			Returns: rapid.SliceOf(rapid.Custom(func(t *rapid.T) Return {
				return Return{rapid.Uint32Range(0, MaxFrameCalls-1).Draw(t, "i"), rapid.Uint32Range(1, MaxCalls).Draw(t, "n")}
			})).Draw(t, "returns"),
		}
		got, err := DecodeFrame(f.Append(nil))
		if err != nil || !reflect.DeepEqual(normal(f), normal(got)) {
			t.Fatalf("%+v\nbecame %+v, %v", f, got, err)
		}
	})
}

// normal makes empty lists equal.
func normal(f *Frame) Frame {
	g := *f
	if len(g.Calls) == 0 {
		g.Calls = nil
	}
	if len(g.Returns) == 0 {
		g.Returns = nil
	}
	return g
}

func TestBadFramesAreRefused(t *testing.T) {
	good := frameOf("n1", 1, 1, Calls{"d", "GET /x", 3}).Append(nil)
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"truncated":     {good[:len(good)-2], "truncated"},
		"too long":      {append(append([]byte(nil), good...), 0), "1 bytes too many"},
		"oversized":     {make([]byte, MaxFrameBytes+1), "65537 bytes: must be at most 65536"},
		"no calls in n": {frameOf("n1", 1, 1, Calls{"d", "", 0}).Append(nil), "calls 0: must be 1 to 1048576"},
		"too many":      {frameOf("n1", 1, 1, Calls{"d", "", MaxCalls + 1}).Append(nil), "calls 1048577: must be 1 to 1048576"},
		"seq 0":         {frameOf("n1", 1, 0).Append(nil), "seq 0: must be 1"},
		"no node":       {frameOf("", 1, 1).Append(nil), "names no node"},
		"long domain":   {frameOf("n1", 1, 1, Calls{strings.Repeat("d", 65), "", 1}).Append(nil), "domain of 65 bytes: must be at most 64"},
	} {
		if f, err := DecodeFrame(c.frame); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, error %v; want one that says %q", name, f, err, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(frameOf("n1", 1, 1, Calls{"d", "GET /x", 3}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := DecodeFrame(b)
		if err != nil {
			return
		}
		s := machine(Condition{"", 3, 60})
		s.Apply(frame) // must not panic
		again, err := DecodeFrame(frame.Append(nil))
		if err != nil || !reflect.DeepEqual(frame, again) {
			t.Fatalf("%+v\nbecame %+v, %v", frame, again, err)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	s := machine(Condition{"", 3, 60}, Condition{"GET /x", 5, 1})
	s.Apply(frameOf("n1", 1, 1, Calls{"d", "GET /x", 3}))
	f.Add(s.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(b); err == nil {
			s.Advance(s.Now() + 1)
			s.Apply(frameOf("n1", 1<<62, 1, Calls{"d", "GET /x", 3}))
		}
	})
}

// BenchmarkApply is the cost of a frame with calls of ten endpoints.
func BenchmarkApply(b *testing.B) {
	s := machine(Condition{"", 1 << 40, 3600}, Condition{"GET /x", 1 << 40, 3600})
	f := frameOf("n1", 1, 0)
	for range 10 {
		f.Calls = append(f.Calls, Calls{"d", "GET /x", 16})
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Seq++
		s.Apply(f)
	}
}
