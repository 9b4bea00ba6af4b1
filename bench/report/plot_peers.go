package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lengthOf counts rows, for sums with lengths.
func lengthOf[T any](rows []T) vg.Length { return vg.Length(len(rows)) }

// besides groups those of the results that are of scenarios which others did,
// we as well or not.
func besides(results []*Result) (groups []group) {
	for _, res := range results {
		if res.Point != nil {
			continue
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.scenario == res.Scenario })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{scenario: res.Scenario})
		}
		groups[at].results = append(groups[at].results, res)
	}
	return slices.DeleteFunc(groups, func(g group) bool { return slices.Equal(g.systems(), []string{tollgate}) })
}

// drawPeers draws what several systems did in the same scenario, as bars.
func (r *Run) drawPeers() (drawings []drawing) {
	for _, g := range besides(r.drawable()) {
		names := make([]string, len(g.results))
		for i, res := range g.results {
			names[i] = res.System
		}
		ours := slices.Index(names, tollgate)
		panels := []*plot.Plot{
			bars(names, ours, "Throughput", "calls/s", g.each(func(res *Result) float64 { return callsPerSecond.over(res.Slices).median })),
			bars(nil, ours, "CPU time", "µs a call", g.each(func(res *Result) float64 { return cpuPerCall.over(res.Slices).median })),
			bars(nil, ours, "Latency at p99", "ms", g.each(func(res *Result) float64 { return tailLatency.over(res.Slices).median })),
		}
		if slices.ContainsFunc(g.results, func(res *Result) bool { return res.Exactness != nil }) {
			panels = append(panels, bars(nil, ours, "Over the limit", "units", g.each(func(res *Result) float64 {
				if res.Exactness == nil {
					return math.NaN()
				}
				return float64(res.Exactness.Over)
			})))
		}
		drawings = append(drawings, drawing{
			name: "peers-" + g.scenario, title: "Scenario " + g.scenario + " by several, in the same run on the same machine: medians of slices",
			width: 240 + 150*lengthOf(panels), height: 110 + 30*lengthOf(names),
			draw: func(c draw.Canvas) { drawPanels(c, [][]*plot.Plot{panels}) },
		})
	}
	return drawings
}

// each is a value of every result.
func (g group) each(value func(*Result) float64) []float64 {
	values := make([]float64, len(g.results))
	for i, res := range g.results {
		values[i] = value(res)
	}
	return values
}

// bars draws a bar for each value, the first one on top, with the number at its
// end; "-" is where there is none. Names, if not nil, are to the left. The bar
// number ours, if there is one, is set off.
func bars(names []string, ours int, title, unit string, values []float64) *plot.Plot {
	p := newPlot(title, unit, "")
	grid := newGrid()
	grid.Horizontal.Color = nil // names are not values, and the numbers stay legible
	p.Add(grid)
	ticks := make(plot.ConstantTicks, len(values))
	top := 0.0
	style := textStyle(8.5, black)
	style.YAlign = draw.YCenter
	for i, v := range values {
		y := float64(len(values) - 1 - i)
		ticks[i].Value = y
		ticks[i].Label = " " // a tick with no text at all is a minor one
		if names != nil {
			ticks[i].Label = names[i]
		}
		label := plotter.Labels{
			XYs:       plotter.XYs{{Y: y}},
			Labels:    []string{digits(v)},
			TextStyle: []text.Style{style},
			Offset:    vg.Point{X: 4},
		}
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			top = max(top, v)
			label.XYs[0].X = v
			bar := &plotter.BarChart{Values: plotter.Values{v}, Width: 15, XMin: y, Horizontal: true, Color: palette[4]}
			if i == ours {
				bar.Color = palette[0]
			}
			p.Add(bar)
		}
		p.Add(&label)
	}
	p.Y.Tick.Marker, p.Y.Tick.Length = ticks, 0
	p.Y.Min, p.Y.Max = -0.6, float64(len(values))-0.4
	p.X.Tick.Marker = evenTicks(top, 2)
	p.X.Min, p.X.Max = 0, 1.05*top
	if top == 0 {
		p.X.Max = 1
	}
	return p
}
