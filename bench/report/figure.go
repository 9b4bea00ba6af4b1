package report

import (
	"math"

	"golang.org/x/perf/benchmath"
)

// tollgate is the System of our own results.
const tollgate = "tollgate"

// figure is what can be told of every slice of a result.
type figure struct {
	name string // with the unit
	of   func(Slice) float64
	// higher tells that more of it is better.
	higher bool
	// floor is the noise that is allowed at the least between two runs, a
	// share of the figure; see noise.
	floor float64
}

// The figures that results are judged by. Between starts of the same binary
// more differs than between seconds of one: which node leads, where the kernel
// places the threads and memory, when the collector begins. What one call in a
// hundred meets varies most by that.
var (
	callsPerSecond = figure{"calls/s", Slice.Throughput, true, 0.05}
	medianLatency  = figure{"p50 ms", latencyOf(func(s Slice) float64 { return s.P50 }), false, 0.05}
	tailLatency    = figure{"p99 ms", latencyOf(func(s Slice) float64 { return s.P99 }), false, 0.10}
	cpuPerCall     = figure{"CPU µs/call", cpuOf, false, 0.05}

	figures = []figure{callsPerSecond, medianLatency, tailLatency, cpuPerCall}
)

// latencyOf leaves out slices without calls, as a failover can have them: they
// have no latency.
func latencyOf(of func(Slice) float64) func(Slice) float64 {
	return func(s Slice) float64 {
		if s.Calls == 0 {
			return math.NaN()
		}
		return of(s)
	}
}

// cpuOf leaves out slices without calls, and those whose CPU time could not be
// read, which no gateway does its work in: outside Linux that is all.
func cpuOf(s Slice) float64 {
	if s.Calls == 0 || s.CPUSeconds <= 0 {
		return math.NaN()
	}
	return s.CPUPerCall()
}

// spread is a figure over the slices of a result.
type spread struct {
	values []float64 // in ascending order
	median float64   // NaN without values
}

// over is the figure of the slices that have it.
func (f figure) over(slices []Slice) spread {
	var values []float64
	for _, s := range slices {
		if v := f.of(s); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return spread{median: math.NaN()}
	}
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	// A confidence of 0: the few slices of a run have no interval at 95 %.
	return spread{values: sample.Values, median: benchmath.AssumeNothing.Summary(sample, 0).Center}
}

// known tells whether there is a value.
func (s spread) known() bool { return len(s.values) > 0 }

// low and high are the slices at the ends.
func (s spread) low() float64  { return s.values[0] }
func (s spread) high() float64 { return s.values[len(s.values)-1] }

// span is how far apart the slices at the ends are, as a share of the median;
// 0 where that cannot be told.
func (s spread) span() float64 {
	if !s.known() || s.median <= 0 {
		return 0
	}
	return (s.high() - s.low()) / s.median
}

// perCall is an amount of the whole load as a share of the calls answered; NaN
// without any.
func (r *Result) perCall(amount float64) float64 {
	var calls uint64
	for _, s := range r.Slices {
		calls += s.Calls
	}
	if calls == 0 {
		return math.NaN()
	}
	return amount / float64(calls)
}

// seconds is how long was measured.
func (r *Result) seconds() (sum float64) {
	for _, s := range r.Slices {
		sum += s.Seconds
	}
	return sum
}
