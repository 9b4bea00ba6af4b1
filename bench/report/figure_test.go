package report

import (
	"slices"
	"testing"
)

// A slice that nothing was answered in counts as one for the throughput, and
// has no latency; one whose CPU time is not known has none.
func TestFigureLeavesOut(t *testing.T) {
	stalled := []Slice{
		{Seconds: 1, Calls: 100, P50: 2, P99: 9, CPUSeconds: 0.01},
		{Seconds: 1},
		{Seconds: 1, Calls: 50, P50: 4, P99: 11},
		{Calls: 7, P50: 3, P99: 10}, // of no length: it has no throughput
	}
	for _, c := range []struct {
		figure figure
		want   []float64
	}{
		{callsPerSecond, []float64{0, 50, 100}},
		{medianLatency, []float64{2, 3, 4}},
		{tailLatency, []float64{9, 10, 11}},
		{cpuPerCall, []float64{100}},
	} {
		s := c.figure.over(stalled)
		if !slices.Equal(s.values, c.want) || s.median != c.want[len(c.want)/2] {
			t.Errorf("%s: got %v, median %v, want %v", c.figure.name, s.values, s.median, c.want)
		}
	}
	if s := callsPerSecond.over(nil); s.known() || s.String() != "-" || s.span() != 0 {
		t.Errorf("of no slices: %v", s)
	}
}

// Medians far apart are not enough while the slices are mixed.
func TestCompareMixedSlices(t *testing.T) {
	run := func(calls ...uint64) *Run {
		r := Result{Scenario: "proxy", System: tollgate, Speed: 1}
		for _, n := range calls {
			r.Slices = append(r.Slices, Slice{Seconds: 1, Calls: n, P50: 1, P99: 1, CPUSeconds: 0.1})
		}
		return &Run{Results: []Result{r}}
	}
	steady := run(1000, 1010, 1020, 1030)
	if c := Compare(steady, run(800, 1600, 1605, 1610)); c.pairs[0].differs() {
		t.Error("a slice of the new run is below all of the old, and yet it is said to be faster")
	}
	if c := Compare(steady, run(1590, 1600, 1605, 1610)); !c.pairs[0].differs() {
		t.Error("all slices of the new run are above all of the old, and yet it is not said to be faster")
	}
}

func TestGrowthAxis(t *testing.T) {
	at := func(values ...float64) (g group) {
		for _, v := range values {
			g.results = append(g.results, &Result{System: tollgate, Point: &Point{Axis: "nodes", Value: v}})
		}
		return g
	}
	labelled := at(1, 3, 5, 5)
	labelled.results[3].Point.Label = "3+2"
	for _, c := range []struct {
		name  string
		group group
		log   bool
		want  []float64 // where the points are
		ticks []string
	}{
		{"close together", at(1, 3, 5), false, []float64{1, 3, 5}, []string{"1", "3", "5"}},
		{"over decades", at(1, 100, 10_000), true, []float64{0, 2, 4}, []string{"1", "100", "10,000"}},
		{"over decades from 0", at(0, 10, 1000), false, []float64{0, 1, 2}, []string{"0", "10", "1,000"}},
		{"with a label", labelled, false, []float64{0, 1, 2, 3}, []string{"1", "3", "5", "3+2"}},
		{"measured twice", at(1, 3, 3), false, []float64{1, 3, 3}, []string{"1", "3"}},
	} {
		a := newGrowthAxis(c.group)
		var places []float64
		for _, res := range c.group.results {
			places = append(places, a.at(res.Point))
		}
		var ticks []string
		for _, tick := range a.ticks {
			ticks = append(ticks, tick.Label)
			if !slices.Contains(places, tick.Value) {
				t.Errorf("%s: the tick %s is at %v, where no point is", c.name, tick.Label, tick.Value)
			}
		}
		if a.log != c.log || !slices.Equal(places, c.want) || !slices.Equal(ticks, c.ticks) {
			t.Errorf("%s: logarithmic %v, points at %v, ticks %v", c.name, a.log, places, ticks)
		}
	}
}
