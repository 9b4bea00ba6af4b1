package peers

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// TestClosedLoop: two callers whose calls take 10 ms, but for one that takes
// 150 ms, in time that is not real.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made [2]atomic.Int64
		var borders []time.Duration
		var shown []load.Progress
		began := time.Now()
		loop := closedLoop{
			callers: 2, warmup: 100 * time.Millisecond, slice: 500 * time.Millisecond, slices: 3, patience: time.Second,
			counter: 7,
			call: func(_ context.Context, caller int) load.Verdict {
				n := made[caller].Add(1)
				switch {
				case caller == 0 && n == 70:
					time.Sleep(140 * time.Millisecond)
				case caller == 1 && n == 20:
					time.Sleep(10 * time.Millisecond)
					return load.Failed
				case caller == 1 && n > 30:
					time.Sleep(10 * time.Millisecond)
					return load.Refused
				}
				time.Sleep(10 * time.Millisecond)
				return load.Admitted
			},
			onSlice:  func(int) { borders = append(borders, time.Since(began)) },
			progress: func(p load.Progress) { shown = append(shown, p) },
		}
		out, err := loop.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// A call that ends on a border is of the slice that begins there. The
		// long one is made at 690 ms.
		if want := []uint64{100, 86, 100}; !slices.Equal(calls(out.Slices), want) {
			t.Errorf("calls of the slices are %v, expected %v", calls(out.Slices), want)
		}
		want := report.Counts{Offered: 286, Admitted: 50 + 36 + 50 + 21 - 1, Refused: 29 + 50 + 50, Failed: 1}
		if out.Counts != want {
			t.Errorf("counts are %+v, expected %+v", out.Counts, want)
		}
		if len(out.Calls) != 160-14+160 {
			t.Errorf("%d calls are kept, expected all %d, the warm-up's too", len(out.Calls), 160-14+160)
		}
		for _, c := range out.Calls {
			if took := c.End - c.Begin; c.Counter != 7 || took != 10*time.Millisecond && took != 150*time.Millisecond {
				t.Errorf("a call is kept as %+v", c)
			}
		}
		if got := out.Latency.Max(); out.Latency.TotalCount() != 286 || got < 149_900 || got > 150_100 {
			t.Errorf("latencies are of %d calls, at most %d µs; expected 286, 150000", out.Latency.TotalCount(), got)
		}
		if p := out.Slices[1]; p.P50 < 9.99 || p.P50 > 10.01 || p.P99 < 9.99 || p.P99 > 150.1 {
			t.Errorf("the second slice has P50 %v ms and P99 %v ms", p.P50, p.P99)
		}
		if want := []time.Duration{100, 600, 1100, 1600}; !slices.EqualFunc(borders, want, func(a, b time.Duration) bool { return a == b*time.Millisecond }) {
			t.Errorf("slices began at %v, expected %v ms", borders, want)
		}
		if len(shown) != 1 || shown[0].Whole != 1600*time.Millisecond || shown[0].Elapsed != time.Second || shown[0].Failed != 1 ||
			shown[0].Calls == 0 || shown[0].Seconds != 1 || shown[0].Warming {
			t.Errorf("progress was shown as %+v", shown)
		}
	})
}

func calls(slices []report.Slice) (list []uint64) {
	for _, s := range slices {
		list = append(list, s.Calls)
	}
	return list
}

// TestClosedLoopGivesUp: calls that nothing answers do not hold the load up
// for ever, and do not count as answered.
func TestClosedLoopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		loop := closedLoop{
			callers: 3, slice: time.Second, slices: 2, patience: time.Minute, counter: -1,
			call: func(ctx context.Context, caller int) load.Verdict {
				if caller == 0 {
					<-ctx.Done()
				}
				return load.Unknown
			},
		}
		out, err := loop.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 62*time.Second {
			t.Errorf("it took %v, expected the load and the patience", took)
		}
		// A caller without an answer waits for 10 ms.
		if want := (report.Counts{Offered: 400, Unknown: 400}); out.Counts != want {
			t.Errorf("counts are %+v, expected %+v", out.Counts, want)
		}
		if n := out.Latency.TotalCount(); n != 0 || len(out.Calls) != 0 {
			t.Errorf("there are %d latencies and %d calls", n, len(out.Calls))
		}
	})
}

func TestClosedLoopStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		loop := closedLoop{
			callers: 1, slice: time.Hour, slices: 1, patience: time.Hour, counter: -1,
			call: func(ctx context.Context, _ int) load.Verdict {
				cancel()
				<-ctx.Done()
				return load.Unknown
			},
		}
		if _, err := loop.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a load that is stopped: %v", err)
		}
	})
}
