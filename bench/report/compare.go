package report

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

const (
	// alpha is how likely slices that do not differ may be to look as if they
	// did.
	alpha = 0.05
	// leastSlices is what the test of Mann and Whitney needs on both sides to
	// find anything at alpha.
	leastSlices = 4
	// mostNoise is the noise up to which figures that do not differ are said to
	// agree; beyond it that would say nothing. What happens in a few slices
	// only, as a failover's latencies do, is told by its plot, not by medians.
	mostNoise = 0.5
)

// Comparison is what Compare finds.
type Comparison struct {
	a, b *Run
	// pairs are the figures that both have, by figure and then in the order of
	// a's results; apart names results that cannot be paired, with the reason.
	pairs []pair
	apart []reason
	// broken names results that failed in one run only.
	broken []reason
}

// reason is why a result is told of by itself.
type reason struct{ name, why string }

// pair is one figure of one result in both runs.
type pair struct {
	name   string
	figure figure
	a, b   spread
	noise  float64 // a share
	p      float64
	// drift is how the machine's speed around the result differed, b's to a's:
	// 0.1 is a tenth faster, 0 that it was not measured.
	drift float64
}

// Compare sets two runs beside each other, result by result. Results are
// paired by their names, which are unique within a run.
func Compare(a, b *Run) *Comparison {
	c := &Comparison{a: a, b: b}
	type both struct {
		a, b  *Result
		drift float64
	}
	var paired []both
	for i := range a.Results {
		old := &a.Results[i]
		at := slices.IndexFunc(b.Results, func(r Result) bool { return r.Name() == old.Name() })
		if at < 0 {
			c.apart = append(c.apart, reason{old.Name(), "only in the old run"})
			continue
		}
		now := &b.Results[at]
		switch {
		case len(old.Failed) > 0 && len(now.Failed) > 0:
			c.apart = append(c.apart, reason{old.Name(), "failed in both runs"})
		case len(old.Failed) > 0:
			c.broken = append(c.broken, reason{old.Name(), "failed in the old run: " + old.Failed[0]})
		case len(now.Failed) > 0:
			c.broken = append(c.broken, reason{old.Name(), "failed in the new run: " + now.Failed[0]})
		case old.Load != now.Load:
			c.apart = append(c.apart, reason{old.Name(), "loaded in another way: " + old.Load + ", then " + now.Load})
		default:
			paired = append(paired, both{old, now, b.speedAround(at)/a.speedAround(i) - 1})
		}
	}
	for i := range b.Results {
		name := b.Results[i].Name()
		if !slices.ContainsFunc(a.Results, func(r Result) bool { return r.Name() == name }) {
			c.apart = append(c.apart, reason{name, "only in the new run"})
		}
	}
	for _, f := range figures {
		for _, r := range paired {
			if p := newPair(f, r.a, r.b, r.drift); p.a.known() && p.b.known() {
				c.pairs = append(c.pairs, p)
			}
		}
	}
	return c
}

// speedAround is the machine's speed before result i and after it, which is
// that before the next: one short look says little on a machine with neighbours
// that come and go. It is NaN if there is none.
func (r *Run) speedAround(i int) float64 {
	before := r.Results[i].Speed
	if before <= 0 {
		return math.NaN()
	}
	if i+1 < len(r.Results) && r.Results[i+1].Speed > 0 {
		return (before + r.Results[i+1].Speed) / 2
	}
	return before
}

func newPair(f figure, a, b *Result, drift float64) pair {
	p := pair{name: a.Name(), figure: f, a: f.over(a.Slices), b: f.over(b.Slices), p: 1}
	if !math.IsNaN(drift) {
		p.drift = drift
	}
	if !p.a.known() || !p.b.known() {
		return p
	}
	p.noise = noise(f, p.a, p.b, p.drift)
	thresholds := benchmath.Thresholds{CompareAlpha: alpha}
	p.p = benchmath.AssumeNothing.Compare(
		benchmath.NewSample(p.a.values, &thresholds), benchmath.NewSample(p.b.values, &thresholds)).P
	return p
}

// noise is how far a figure may differ between two runs of the same code, a
// share of it.
//
// A test of the slices alone would not do. It takes them for independent, and
// finds a difference whenever one run was slowed as a whole, by a neighbour on
// the machine or by where its threads came to lie: all slices of it then lie to
// one side. So what is allowed for comes from two sources that are told apart
// and multiply: the seconds of a run differ among each other, by the wider of
// both spans, or by the figure's floor where that is more, since a span may be
// small by chance; and the machine's speed differs between the runs, as the
// fixed work before and after each result shows.
//
// The spans are whole ones, from lowest to highest. Of two times five slices
// drawn alike, normally distributed, the medians are further apart than the
// wider span once in 260 times, so that of the 200 figures of a run less than
// one is beyond it by chance; with spans half as wide it would be 18, with p
// alone at 0.05 six.
func noise(f figure, a, b spread, drift float64) float64 {
	faster := math.Exp(math.Abs(math.Log1p(drift))) // whichever run it was
	return (1+max(f.floor, a.span(), b.span()))*faster - 1
}

// delta is how the median changed, a share of the old one; NaN if that is 0.
func (p pair) delta() float64 {
	if p.a.median == 0 {
		return math.NaN()
	}
	return p.b.median/p.a.median - 1
}

// few tells that there are too few slices to tell of a difference.
func (p pair) few() bool { return min(len(p.a.values), len(p.b.values)) < leastSlices }

// differs tells that the figure has changed by more than its noise, and that
// its slices are not mixed with those of before. Up and down are held to the
// same: a half is as far from the whole as the double.
func (p pair) differs() bool {
	if p.few() || p.p >= alpha {
		return false
	}
	d := p.delta()
	if math.IsNaN(d) {
		return p.b.median != 0
	}
	return math.Abs(math.Log1p(d)) > math.Log1p(p.noise)
}

// blind tells that neither a difference nor agreement is to be told.
func (p pair) blind() bool { return p.few() || p.noise > mostNoise && !p.differs() }

// better tells whether a change is one for the better.
func (p pair) better() bool { return (p.b.median > p.a.median) == p.figure.higher }

// same tells whether both runs are of the same commit, as far as is known.
func (c *Comparison) same() bool {
	return c.a.Commit == c.b.Commit && c.a.Commit != "" && c.a.Commit != unknownCommit
}

// Differing is the number of figures that differ by more than their noise, and
// of results that failed in one of the runs only.
func (c *Comparison) Differing() int {
	n := len(c.broken)
	for _, p := range c.pairs {
		if p.differs() {
			n++
		}
	}
	return n
}
