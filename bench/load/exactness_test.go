package load

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/bench/report"
)

// calls on counter 0, each a verdict with the milliseconds it began and ended at.
type at struct {
	verdict    Verdict
	begin, end int
}

func history0(list ...at) []Call {
	calls := make([]Call, len(list))
	for i, a := range list {
		calls[i] = Call{Verdict: a.verdict, Begin: time.Duration(a.begin) * time.Millisecond, End: time.Duration(a.end) * time.Millisecond}
	}
	return calls
}

// times repeats a call.
func times(n int, a at) []at {
	list := make([]at, n)
	for i := range list {
		list[i] = a
	}
	return list
}

func join(parts ...[]at) (all []at) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestExactnessByHand has a limit of 3. Windows are of an hour, or of a second.
func TestExactnessByHand(t *testing.T) {
	const long, second = time.Hour, time.Second
	// Three windows of a second as they should be: the next is opened 1 ms
	// after the one before is over.
	window := func(from int, more ...at) []at {
		return join(times(3, at{Admitted, from, from + 3}), more, times(2, at{Refused, from + 10, from + 12}), times(2, at{Refused, from + 990, from + 995}))
	}
	for _, test := range []struct {
		name   string
		calls  []at
		window time.Duration
		want   report.Exactness // Limit and Counters are filled in
	}{
		{"none", nil, long, report.Exactness{}},
		{"only admitted", times(2, at{Admitted, 0, 5}), long, report.Exactness{Windows: 1}},
		{"all as it should be", join(times(3, at{Admitted, 0, 5}), times(9, at{Refused, 1, 3})), long, report.Exactness{Windows: 1, Used: 1}},
		{"over", join(times(5, at{Admitted, 0, 5}), times(1, at{Refused, 1, 6})), long, report.Exactness{Windows: 1, Used: 5. / 3, Over: 2}},
		{"over, none refused", times(4, at{Admitted, 0, 5}), long, report.Exactness{Windows: 1, Over: 1}},
		{"late", join(times(2, at{Admitted, 0, 5}), []at{{Refused, 2, 6}, {Admitted, 7, 9}}), long, report.Exactness{Windows: 1, Used: 1, Late: 1}},
		{"begun while it was refused", join(times(2, at{Admitted, 0, 5}), []at{{Refused, 2, 6}, {Admitted, 6, 9}}), long, report.Exactness{Windows: 1, Used: 1}},
		{"early", []at{{Admitted, 0, 5}, {Refused, 2, 6}}, long, report.Exactness{Windows: 1, Used: 1. / 3, Early: 2}},
		{"not early: the others may have taken it", []at{{Admitted, 0, 5}, {Unknown, 0, 9}, {Failed, 0, 1}, {Refused, 2, 6}}, long, report.Exactness{Windows: 1, Used: 1. / 3}},
		{"not early: perhaps undecided, and counted", []at{{Admitted, 0, 5}, {Admitted, 0, 5}, {Undecided, 5, 9}, {Refused, 2, 6}}, long, report.Exactness{Windows: 1, Used: 2. / 3}},
		{"early: the others were begun too late", []at{{Admitted, 0, 5}, {Unknown, 7, 9}, {Failed, 7, 10}, {Refused, 2, 6}}, long, report.Exactness{Windows: 1, Used: 1. / 3, Early: 2}},

		{"windows as they should be", join(window(0), window(1001), window(2002)), second, report.Exactness{Windows: 3, Used: 1}},
		{"over in the second", join(window(0), window(1001, at{Admitted, 1001, 1005}, at{Admitted, 1002, 1006}), window(2002)), second, report.Exactness{Windows: 3, Used: 11. / 9, Over: 2}},
		{"late in the second", join(window(0), window(1001, at{Admitted, 1500, 1501}), window(2002)), second, report.Exactness{Windows: 3, Used: 10. / 9, Over: 1, Late: 1}},
		{"late at the end of the second", join(window(0), window(1001, at{Admitted, 1960, 1970}), window(2002)), second, report.Exactness{Windows: 3, Used: 10. / 9, Over: 1, Late: 1}},
		{"late, and on into the next", join(window(0), window(1001, at{Admitted, 1960, 1970}, at{Admitted, 1965, 2004}), window(2002)), second, report.Exactness{Windows: 1, Used: 1, Over: 2, Late: 1}},
		{"late, after one that may not be", join(window(0), window(1001, at{Admitted, 1970, 1999}, at{Admitted, 1971, 1975})), second, report.Exactness{Windows: 2, Used: 1, Late: 1}},
		{"early in the second", join(window(0), times(2, at{Admitted, 1001, 1005}), []at{{Refused, 1007, 1009}, {Refused, 1990, 1992}}, window(2002)), second, report.Exactness{Windows: 3, Used: 8. / 9, Early: 1}},
		{"early in the third, one unknown before", join(window(0), []at{{Unknown, 900, 950}}, times(2, at{Admitted, 1001, 1005}), []at{{Refused, 1007, 1009}, {Refused, 1990, 1992}}, times(2, at{Admitted, 2002, 2005}), []at{{Refused, 2007, 2009}}), second, report.Exactness{Windows: 3, Used: 7. / 9, Early: 1}},
		{"the last not full", join(window(0), window(1001), times(2, at{Admitted, 2002, 2003})), second, report.Exactness{Windows: 2, Used: 1}},
		{"the last over", join(window(0), window(1001), times(7, at{Admitted, 2002, 2003})), second, report.Exactness{Windows: 2, Used: 1, Over: 4}},
		{"never refused", join(times(3, at{Admitted, 0, 3}), times(3, at{Admitted, 500, 501}), times(3, at{Admitted, 1200, 1201})), second, report.Exactness{Over: 3}},
		{"never refused, within what windows could admit", join(times(1, at{Admitted, 0, 3}), times(2, at{Admitted, 900, 901}), times(3, at{Admitted, 1100, 1101}), times(1, at{Admitted, 2200, 2201})), second, report.Exactness{}},
		{"too many around the end of a window", join(times(1, at{Admitted, 0, 3}), times(7, at{Admitted, 1900, 1901}), times(1, at{Admitted, 2500, 2501})), second, report.Exactness{Over: 2}},
		{"too many at once, a while after the first", join(times(1, at{Admitted, 0, 3}), times(7, at{Admitted, 5000, 5001})), second, report.Exactness{Over: 1}},
		{"too many in less than two windows", join(times(1, at{Admitted, 0, 3}), times(4, at{Admitted, 5000, 5001}), times(2, at{Admitted, 6050, 6051}), times(4, at{Admitted, 6900, 6901})), second, report.Exactness{Over: 1}},

		// Nobody may be accused of these.
		{"opened by a call without an answer", join(window(0), []at{{Unknown, 1001, 1005}}, times(2, at{Admitted, 1500, 1503}), []at{{Refused, 1510, 1512}}, window(2002)), second, report.Exactness{Windows: 3, Used: 8. / 9}},
		{"a slow refusal of the window before", join(times(3, at{Admitted, 0, 3}), []at{{Refused, 10, 12}, {Refused, 1003, 1200}}, times(2, at{Admitted, 1002, 1005}), []at{{Admitted, 1980, 1990}, {Refused, 1992, 1995}}), second, report.Exactness{Windows: 1, Used: 1}},
		{"a slow refusal, decided after the last admission", join(times(2, at{Admitted, 0, 3}), []at{{Refused, 100, 1600}, {Admitted, 990, 995}, {Refused, 996, 999}}), second, report.Exactness{}},
		{"refused in a window that nobody is known to be admitted in", join(times(1, at{Admitted, 0, 3}), times(3, at{Unknown, 1100, 1101}), []at{{Refused, 1105, 1107}}), second, report.Exactness{}},
		{"a slow call, admitted in the next window", join([]at{{Admitted, 0, 1500}}, times(3, at{Admitted, 1, 3}), []at{{Refused, 10, 12}}, times(2, at{Admitted, 1001, 1003}), []at{{Refused, 1010, 1012}}), second, report.Exactness{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Limit = 3
			if len(test.calls) > 0 {
				test.want.Counters = 1
			}
			if got := Exactness(history0(test.calls...), 3, test.window, 1); got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestExactnessByCounter(t *testing.T) {
	var calls []Call
	for counter, verdicts := range [][]Verdict{
		{Admitted, Admitted, Refused},           // as it should be
		{Admitted, Refused},                     // early by 1
		{Admitted, Admitted, Admitted, Refused}, // over by 1
		{},                                      // not called
	} {
		for _, v := range verdicts {
			calls = append(calls, Call{Counter: int32(counter), Verdict: v, Begin: time.Millisecond, End: 2 * time.Millisecond})
		}
	}
	calls = append(calls, Call{Counter: -1, Verdict: Admitted}, Call{Counter: 4, Verdict: Refused})
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
	want := report.Exactness{Limit: 2, Windows: 3, Counters: 3, Over: 1, Early: 1, Used: 1}
	if got := Exactness(calls, 2, time.Hour, 4); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// drawSimulation makes up any load on any counter.
func drawSimulation(t *rapid.T) *simulation {
	millis := func(name string, least, most int) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, name)) * time.Millisecond
	}
	return &simulation{
		limit:   uint64(rapid.IntRange(1, 60).Draw(t, "limit")),
		window:  millis("window", 1000, 3000),
		length:  millis("length", 100, 12_000),
		callers: rapid.IntRange(1, 8).Draw(t, "callers"),
		think:   millis("think", 1, 400),
		slowest: millis("slowest", 1, 300),
		lost:    rapid.SampledFrom([]int{0, 0, 1000, 20, 3}).Draw(t, "lost"),
		rng:     rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
	}
}

// TestExactCounterIsNeverAccused has any load on a counter that counts exactly.
func TestExactCounterIsNeverAccused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim := drawSimulation(t)
		calls := sim.run()
		e := Exactness(calls, sim.limit, sim.window, 1)
		if e.Over > 0 || e.Early > 0 || e.Late > 0 {
			t.Fatalf("%d calls, %d windows, %d of them full: %+v", len(calls), sim.windows, sim.full, e)
		}
		if e.Used > 1 || e.Windows > sim.windows {
			t.Fatalf("%d windows, %d of them full: %+v", sim.windows, sim.full, e)
		}
	})
}

// saturated makes up a load that uses each window up in its first third.
func saturated(t *rapid.T) *simulation {
	sim := &simulation{
		limit:   uint64(rapid.IntRange(10, 60).Draw(t, "limit")),
		window:  time.Second,
		length:  time.Duration(rapid.IntRange(1100, 5000).Draw(t, "length")) * time.Millisecond,
		callers: rapid.IntRange(2, 8).Draw(t, "callers"),
		slowest: 2 * time.Millisecond, // there, and back
		rng:     rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
	}
	sim.think = time.Duration(sim.callers) * 300 * time.Millisecond / time.Duration(sim.limit) / 2
	return sim
}

// TestEveryWindowIsJudged has loads that use windows up: each is told apart.
func TestEveryWindowIsJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim := saturated(t)
		e := Exactness(sim.run(), sim.limit, sim.window, 1)
		// What ends the load may be too short to be refused in.
		if e.Windows < sim.full-1 || e.Windows < 1 || e.Used != 1 {
			t.Fatalf("%d windows, %d of them full: %+v", sim.windows, sim.full, e)
		}
	})
}

// TestWrongCounterIsCaught has counters that admit some units more or fewer
// than they say, in every window.
func TestWrongCounterIsCaught(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim := saturated(t)
		calls := sim.run()
		wrong := uint64(rapid.IntRange(1, 9).Draw(t, "wrong"))
		if e := Exactness(calls, sim.limit-wrong, sim.window, 1); e.Over < wrong*uint64(e.Windows) || e.Windows < 1 || e.Early > 0 || e.Late > 0 {
			t.Fatalf("%d more were admitted: %+v", wrong, e)
		}
		if e := Exactness(calls, sim.limit+wrong, sim.window, 1); e.Early != wrong*uint64(e.Windows) || e.Windows < 1 || e.Over > 0 || e.Late > 0 {
			t.Fatalf("%d fewer were admitted: %+v", wrong, e)
		}
	})
}

// TestLateAdmissionIsCaught admits calls that were refused in the middle of
// windows.
func TestLateAdmissionIsCaught(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim := saturated(t)
		calls := sim.run()
		var middle []int // refused in the middle of the first window, which begins within 200 ms
		for i, c := range calls {
			if c.Verdict == Refused && c.Begin > 500*time.Millisecond && c.End < 950*time.Millisecond {
				middle = append(middle, i)
			}
		}
		wrong := rapid.IntRange(1, min(3, len(middle))).Draw(t, "wrong")
		for _, i := range middle[:wrong] {
			calls[i].Verdict = Admitted
		}
		if e := Exactness(calls, sim.limit, sim.window, 1); e.Late != uint64(wrong) || e.Over != uint64(wrong) || e.Early > 0 {
			t.Fatalf("%d were admitted late: %+v", wrong, e)
		}
	})
}
