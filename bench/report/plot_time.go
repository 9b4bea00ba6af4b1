package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// eventful are the scenarios in which something happens during the load.
var eventful = []string{"failover", "deploy"}

// drawTime draws the slices of results in which something happens, one after
// the other.
func (r *Run) drawTime() (drawings []drawing) {
	for _, res := range r.drawable() {
		if !slices.Contains(eventful, res.Scenario) || res.System != tollgate || res.Point != nil || len(res.Slices) < 2 {
			continue
		}
		panels := []*plot.Plot{
			res.timeline("Throughput", "calls/s", callsPerSecond),
			res.timeline("Latency at the median", "ms", medianLatency),
			res.timeline("Latency at p99", "ms", tailLatency),
		}
		panels = slices.DeleteFunc(panels, func(p *plot.Plot) bool { return p == nil })
		if len(panels) == 0 {
			continue
		}
		drawings = append(drawings, drawing{
			name: "time-" + res.Scenario, title: fmt.Sprintf("Scenario %s over time (%s), a point each slice of %.3g s", res.Scenario, res.Load, res.Slices[0].Seconds),
			width: 780, height: 250,
			draw: func(c draw.Canvas) { drawPanels(c, [][]*plot.Plot{panels}) },
		})
	}
	return drawings
}

// timeline draws a figure by slice, each in the middle of its stretch of time;
// nil if no slice has it.
func (r *Result) timeline(title, unit string, f figure) *plot.Plot {
	p := newPlot(title, "seconds since the figures began", unit)
	p.Add(newGrid())
	var pts points
	at := 0.0
	for _, s := range r.Slices {
		if v := one(f.of(s)); v.known() {
			pts.XYs = append(pts.XYs, plotter.XY{X: at + s.Seconds/2, Y: v.median})
			pts.YErrors = append(pts.YErrors, struct{ Low, High float64 }{})
		}
		at += s.Seconds
	}
	if !addLine(p, pts, 0) {
		return nil
	}
	fromZero(&p.Y)
	p.X.Tick.Marker = evenTicks(at, 5)
	p.X.Min, p.X.Max = 0, at
	return p
}
