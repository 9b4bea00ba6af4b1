package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

const (
	// nearest and farthest bound the percentile axis, log10(1/(1-p)): from 20 %
	// of the calls to all but one in a million.
	nearest, farthest = 0.0969, 6
	// perDecade is how many points a curve has from 90 % to 99 %, and so on.
	perDecade = 24
)

// drawLatency draws latency by percentile, as HdrHistogram's own plots do: the
// axis is 1/(1-p), logarithmic, so that the tail has as much room as the rest.
func (r *Run) drawLatency() []drawing {
	p := newPlot("", "share of the calls that were as fast or faster", "latency, ms")
	p.Add(newGrid())
	p.Y.Scale = plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = percentTicks(), logTicks{}
	names := newLegend()
	n := 0
	for _, res := range r.drawable() {
		if res.System != tollgate || !res.main() {
			continue
		}
		curve := res.Latency.curve()
		if len(curve) < 2 {
			continue
		}
		line, err := plotter.NewLine(curve)
		if err != nil {
			continue // a value that is no number, which no histogram has
		}
		line.LineStyle = lineStyle(n)
		p.Add(line)
		names.Add(res.Name(), line)
		n++
	}
	if n == 0 {
		return nil
	}
	p.X.Min = nearest
	p.Y.Min = math.Max(p.Y.Min/1.2, bottomless)
	p.Y.Max *= 1.2
	return []drawing{{
		name: "latency", title: "Latency by percentile", width: 760, height: 420,
		draw: func(c draw.Canvas) { drawPanels(names.draw(c), [][]*plot.Plot{{p}}) },
	}}
}

// main tells whether a result stands for its scenario in overviews: not if it
// is one of several amounts of something.
func (r *Result) main() bool { return r.Point == nil || !r.Point.amount() }

// amount tells whether the point is an amount, such as 64 connections, 3+2
// nodes or 1MiB, and not a kind, such as the authentication hmac.
func (p *Point) amount() bool {
	return p.Label == "" || strings.ContainsAny(p.Label[:1], "0123456789")
}

// curve is the latency by log10(1/(1-p)), as far as there were calls for it. Without
// the histogram it goes through the percentiles that are known.
func (l Latency) curve() (points plotter.XYs) {
	h, err := hdrhistogram.Decode([]byte(l.Histogram))
	if err != nil || h.TotalCount() == 0 {
		for _, at := range []struct{ p, ms float64 }{{50, l.P50}, {90, l.P90}, {99, l.P99}, {99.9, l.P999}, {99.99, l.P9999}} {
			if at.ms > 0 {
				points = append(points, plotter.XY{X: -math.Log10(1 - at.p/100), Y: at.ms})
			}
		}
		return points
	}
	end := math.Min(math.Log10(float64(h.TotalCount())), farthest)
	for x := nearest; ; x += 1.0 / perDecade {
		x = math.Min(x, end)
		ms := float64(h.ValueAtQuantile(100*(1-math.Pow(10, -x)))) / 1000
		points = append(points, plotter.XY{X: x, Y: math.Max(ms, bottomless)})
		if x >= end {
			return points
		}
	}
}

// percentTicks mark 50 %, 90 %, 99 % and so on. The axis has logarithms for
// values: plot leaves room for the label of a logarithmic scale at the wrong
// place.
func percentTicks() plot.ConstantTicks {
	ticks := plot.ConstantTicks{{Value: math.Log10(2), Label: "50 %"}, {Value: 1, Label: "90 %"}}
	for x := 2; x <= farthest; x++ {
		name := "99"
		if x > 2 {
			name += "." + strings.Repeat("9", x-2)
		}
		ticks = append(ticks, plot.Tick{Value: float64(x), Label: fmt.Sprintf("%s %%", name)})
	}
	return ticks
}
