package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// group is the results of a scenario at several amounts of what it varies.
type group struct {
	scenario, axis string
	results        []*Result
}

// growth groups those of the results that are at an amount of something.
func growth(results []*Result) (groups []group) {
	for _, res := range results {
		if res.main() {
			continue
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.scenario == res.Scenario && g.axis == res.Point.Axis })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{scenario: res.Scenario, axis: res.Point.Axis})
		}
		groups[at].results = append(groups[at].results, res)
	}
	return groups
}

// systems lists who was measured, in the order of the results.
func (g group) systems() (names []string) {
	for _, res := range g.results {
		if !slices.Contains(names, res.System) {
			names = append(names, res.System)
		}
	}
	return names
}

// axisUnits are what an axis counts, where its name does not say it.
var axisUnits = map[string]string{
	"rate":    "calls offered a second",
	"payload": "payload, there and back",
	"limit":   "limit, calls a window",
}

// drawGrowth draws each group: throughput, CPU time and latency, and what was
// written where the nodes tell.
func (r *Run) drawGrowth() (drawings []drawing) {
	for _, g := range growth(r.drawable()) {
		if len(g.results) < 2 {
			continue // no growth to be seen
		}
		x := newGrowthAxis(g)
		rows := [][]*plot.Plot{{
			x.panel(g, "Throughput", "calls/s", func(res *Result) spread { return callsPerSecond.over(res.Slices) }),
			x.panel(g, "CPU time of the gateway", "µs a call", func(res *Result) spread { return cpuPerCall.over(res.Slices) }),
		}, {
			x.panel(g, "Latency at the median", "ms", func(res *Result) spread { return medianLatency.over(res.Slices) }),
			x.panel(g, "Latency at p99", "ms", func(res *Result) spread { return tailLatency.over(res.Slices) }),
		}}
		if slices.ContainsFunc(g.results, func(res *Result) bool { return res.Cluster != nil }) {
			rows = append(rows, []*plot.Plot{
				x.panel(g, "Log entries", "entries/s", func(res *Result) spread { return res.logRate() }),
				x.panel(g, "Written to disk, all nodes", "bytes a call", func(res *Result) spread { return res.diskPerCall() }),
			})
		}
		var names *legend
		if systems := g.systems(); len(systems) > 1 {
			names = newLegend()
			for i, system := range systems {
				names.Add(system, &plotter.Line{LineStyle: lineStyle(i)})
			}
		}
		drawings = append(drawings, drawing{
			name: "growth-" + g.scenario, title: "Scenario " + g.scenario + ": medians of slices, bars from the lowest to the highest",
			width: 720, height: 200*lengthOf(rows) + 44,
			draw: func(c draw.Canvas) {
				if names != nil {
					c = names.draw(c)
				}
				drawPanels(c, rows)
			},
		})
	}
	return drawings
}

// one is a spread of a single value, none if it is no number.
func one(v float64) spread {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return spread{median: math.NaN()}
	}
	return spread{values: []float64{v}, median: v}
}

// logRate is the log entries a second, diskPerCall the bytes that all nodes
// wrote a call.
func (r *Result) logRate() spread {
	if r.Cluster == nil {
		return one(math.NaN())
	}
	return one(r.Cluster.LogEntries / r.seconds())
}

func (r *Result) diskPerCall() spread {
	if r.Cluster == nil {
		return one(math.NaN())
	}
	return one(r.perCall(r.Cluster.DiskBytes))
}

// growthAxis lays out what a group varies: by value, logarithmic where the
// values span more than a decade, or side by side where labels stand for
// values or one of them is 0.
type growthAxis struct {
	title  string
	log    bool
	ranked []string // labels of places 0 and so on; nil if it goes by value
	ticks  plot.ConstantTicks
}

func newGrowthAxis(g group) growthAxis {
	a := growthAxis{title: g.axis}
	if unit := axisUnits[g.axis]; unit != "" {
		a.title = unit
	}
	low, high, labelled := math.Inf(1), 0.0, false
	var values []float64
	for _, res := range g.results {
		v := res.Point.Value
		low, high = min(low, v), max(high, v)
		labelled = labelled || res.Point.Label != ""
		if name := res.Point.tick(); !slices.Contains(a.ranked, name) {
			a.ranked = append(a.ranked, name)
			values = append(values, v)
		}
	}
	a.log = !labelled && low > 0 && high > 10*low
	if !a.log && (labelled || high > 10*low) {
		for i, name := range a.ranked {
			a.ticks = append(a.ticks, plot.Tick{Value: float64(i), Label: name})
		}
		return a
	}
	for i, name := range a.ranked {
		if a.log {
			values[i] = math.Log10(values[i])
		}
		a.ticks = append(a.ticks, plot.Tick{Value: values[i], Label: name})
	}
	a.ranked = nil
	return a
}

// tick is the point on its axis.
func (p *Point) tick() string {
	if p.Label != "" {
		return p.Label
	}
	return plain(p.Value)
}

// at is where a point is on the axis.
func (a growthAxis) at(p *Point) float64 {
	if a.ranked != nil {
		return float64(slices.Index(a.ranked, p.tick()))
	}
	if a.log {
		return math.Log10(p.Value) // as percentTicks says, with no scale of plot's
	}
	return p.Value
}

// points are what a line with bars is drawn from.
type points struct {
	plotter.XYs
	plotter.YErrors
}

// panel draws one value of the group's results, a line for each system; nil if
// no result has it.
func (a growthAxis) panel(g group, title, unit string, value func(*Result) spread) *plot.Plot {
	p := newPlot(title, a.title, unit)
	p.Add(newGrid())
	p.X.Tick.Marker = a.ticks
	drawn := false
	for i, system := range g.systems() {
		var pts points
		for _, res := range g.results {
			if s := value(res); res.System == system && s.known() {
				pts.XYs = append(pts.XYs, plotter.XY{X: a.at(res.Point), Y: s.median})
				pts.YErrors = append(pts.YErrors, struct{ Low, High float64 }{s.median - s.low(), s.high() - s.median})
			}
		}
		drawn = addLine(p, pts, i) || drawn
	}
	if !drawn {
		return nil
	}
	fromZero(&p.Y)
	first, last := math.Inf(1), math.Inf(-1)
	for _, t := range a.ticks {
		first, last = min(first, t.Value), max(last, t.Value)
	}
	room := max(last-first, 1e-9) / 12
	p.X.Min, p.X.Max = first-room, last+room
	return p
}

// addLine adds points, in the order of the axis, joined by a line, with bars.
// It reports whether there are any.
func addLine(p *plot.Plot, pts points, i int) bool {
	if len(pts.XYs) == 0 {
		return false
	}
	line, dots, err := plotter.NewLinePoints(pts.XYs)
	if err != nil {
		return false // a value that is no number
	}
	bars, err := plotter.NewYErrorBars(pts)
	if err != nil {
		return false
	}
	line.LineStyle = lineStyle(i)
	dots.GlyphStyle = draw.GlyphStyle{Color: palette[i%len(palette)], Radius: 2.6, Shape: draw.CircleGlyph{}}
	bars.LineStyle = draw.LineStyle{Color: palette[i%len(palette)], Width: 0.9}
	p.Add(line, bars, dots)
	return true
}
