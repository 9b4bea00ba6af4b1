package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// scaleBase is what the simulations have in common where they do not say
// otherwise: a local network and production's leases.
var scaleBase = scaleSpec{
	delay: 200 * time.Microsecond, lease: quota.DefaultLeaseMillis * time.Millisecond, long: quota.DefaultLongLeaseMillis * time.Millisecond,
	rate: 300_000, skew: 1.1,
	warmup: 3 * time.Second, measured: time.Second, endings: 3, endingRate: 10_000, seed: 1,
}

// scaleSpecs lists what BenchmarkScale simulates: nodes against counters, short
// leases only, loads, distant nodes, and calls that have no favourites.
func scaleSpecs() (specs []scaleSpec) {
	group := ""
	add := func(nodes, counters int, change func(*scaleSpec)) {
		s := scaleBase
		s.group, s.nodes, s.counters = group, nodes, counters
		change(&s)
		// Leases find their size and are renewed before anything is measured.
		if s.delay > time.Millisecond {
			s.warmup, s.measured = max(6*time.Second, s.long), 2*time.Second
		}
		specs = append(specs, s)
	}
	group = "Nodes and counters"
	for _, nodes := range []int{3, 10, 50, 200} {
		for _, counters := range []int{1_000, 10_000, 100_000, 1_000_000} {
			add(nodes, counters, func(*scaleSpec) {})
		}
	}
	group = "Short leases only"
	for _, nodes := range []int{10, 50, 200} {
		add(nodes, 100_000, func(s *scaleSpec) { s.long = s.lease })
	}
	group = "Load"
	for _, nodes := range []int{10, 50, 200} {
		for _, rate := range []float64{100_000, 1_000_000} {
			add(nodes, 100_000, func(s *scaleSpec) { s.rate = rate })
		}
	}
	group = "Calls that have no favourites"
	for _, counters := range []int{1_000, 10_000} {
		add(50, counters, func(s *scaleSpec) { s.skew = 0 })
	}
	group = "Far apart"
	for _, delay := range []time.Duration{20 * time.Millisecond, 80 * time.Millisecond} {
		far := func(s *scaleSpec) { s.delay = delay }
		farther := func(s *scaleSpec) { s.delay, s.lease, s.long = delay, 2*time.Second, 10*time.Second }
		for _, leases := range []func(*scaleSpec){far, farther} {
			add(5, 1_000, leases)
			add(5, 100_000, leases)
			add(50, 1_000, leases)
		}
		add(50, 100_000, far)
	}
	add(200, 10_000, func(s *scaleSpec) { s.delay = 20 * time.Millisecond })
	return specs
}

// String names the simulation as benchmarks are named.
func (s *scaleSpec) String() string {
	law := "even"
	if s.skew > 0 {
		law = fmt.Sprintf("zipf%g", s.skew)
	}
	return fmt.Sprintf("nodes=%d/counters=%d/delay=%gms/lease=%g-%gms/calls=%.0fk/law=%s",
		s.nodes, s.counters, s.delay.Seconds()*1000, s.lease.Seconds()*1000, s.long.Seconds()*1000, s.rate/1000, law)
}

// TestScale: a simulation of scale gives the same figures for the same seed, and
// counts exactly, near by and far away, and where windows end.
func TestScale(t *testing.T) {
	for name, delay := range map[string]time.Duration{"near": scaleBase.delay, "far": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			spec := scaleBase
			spec.nodes, spec.counters, spec.delay, spec.rate, spec.endingRate = 5, 300, delay, 8000, 4000
			spec.warmup, spec.measured = 400*time.Millisecond, 400*time.Millisecond
			f := newFleet(spec)
			x := f.run()
			if again := newFleet(spec).run(); again != x {
				t.Errorf("the same seed gave other figures:\n%+v\n%+v", x, again)
			}
			spec.seed++
			if other := newFleet(spec).run(); other.scaleTally == x.scaleTally {
				t.Error("another seed gave the same calls")
			}
			if x.exactness != (scaleExactness{}) {
				t.Errorf("what went wrong: %+v", x.exactness)
			}
			if !x.settled || x.ends.n != spec.endings {
				t.Errorf("%d of %d windows ended, settled is %t", x.ends.n, spec.endings, x.settled)
			}
			for i, e := range f.windows.ends {
				if n := f.windows.admits[spec.counters+i]; uint64(n) != e.limit {
					t.Errorf("window %d admitted %d calls, its limit is %d", i, n, e.limit)
				}
			}
			if calls := x.local + x.logged; x.local < calls/2 || x.undecided > 0 {
				t.Errorf("of %d calls %d were decided at their nodes, and %d by nobody", calls, x.local, x.undecided)
			}
		})
	}
}

// BenchmarkScale simulates clusters beyond this machine. An iteration is a
// simulation of some virtual seconds; all it reports is in virtual time and the
// same for the same seed, but for apply-ns, which is real.
func BenchmarkScale(b *testing.B) {
	var rows []scaleRow
	for _, spec := range scaleSpecs() {
		b.Run(spec.String(), func(b *testing.B) {
			var x scaleFigures
			var wall scaleWall
			for b.Loop() {
				f := newFleet(spec)
				x = f.run()
				wall = f.scaleWall
			}
			x.report(b, spec.measured)
			rows = append(rows, scaleRow{spec, x})
			b.ReportMetric(float64(wall.perFrame.ValueAtPercentile(50)), "apply-ns/frame")
			b.ReportMetric(float64(wall.perItem.ValueAtPercentile(50)), "apply-ns/item")
			if e := x.exactness; e.over+e.early+e.late > 0 || x.settled && e.miscounted > 0 {
				b.Errorf("a promise is broken: %+v", e)
			}
		})
	}
	if *scaleTables != "" {
		writeScale(b, *scaleTables, rows)
	}
}

// report reports the figures of so long.
func (x *scaleFigures) report(b *testing.B, measured time.Duration) {
	second, entries := measured.Seconds(), float64(max(x.entries, 1))
	calls := float64(max(x.local+x.logged+x.undecided, 1))
	for unit, v := range map[string]float64{
		"local-%": 100 * float64(x.local) / calls, "undecided-%": 100 * float64(x.undecided) / calls,
		"p99-ms": x.calls.p99, "wait-p50-ms": x.waits.p50, "wait-p99-ms": x.waits.p99,
		"round-ms":  float64(x.round) / float64(max(x.answered, 1)) / float64(ms),
		"entries/s": entries / second, "frames/s": float64(x.frames) / second, "again/s": float64(x.retries) / second,
		"reports/s": float64(x.reports) / second, "takes/s": float64(x.takes) / second,
		"asks/s": float64(x.asks) / second, "idle/s": float64(x.idle) / second,
		"in-MB/s": float64(x.in) / second / 1e6, "out-MB/s": float64(x.out) / second / 1e6, "log-MB/s": float64(x.written) / second / 1e6,
		"cores": float64(x.cpu) / float64(measured), "apply-cores": float64(x.applying) / float64(measured),
		"cores-bound-%": 100 * float64(x.byCores) / entries, "wire-bound-%": 100 * float64(x.byWire) / entries,
		"back-ms": x.ends.back, "exhausted-ms": x.ends.exhausted, "known-ms": x.ends.known,
		"tail-p50-ms": x.tail.p50, "tail-p99-ms": x.tail.p99, "tail-max-ms": x.tail.max,
		"ended": float64(x.ends.n), "lost": float64(x.exactness.lost), "unused": float64(x.exactness.unused), "snapshot-MB": float64(x.snapshot) / 1e6,
	} {
		b.ReportMetric(v, unit)
	}
}
