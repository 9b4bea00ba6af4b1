package report

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
)

// drawLog draws what the main scenarios wrote: log entries and disk bytes by
// their calls.
func (r *Run) drawLog() []drawing {
	var names []string
	var g group
	for _, res := range r.drawable() {
		if res.System == tollgate && res.main() && res.Cluster != nil {
			names = append(names, res.Name())
			g.results = append(g.results, res)
		}
	}
	if len(names) == 0 {
		return nil
	}
	panels := []*plot.Plot{
		bars(names, -1, "Log entries", "entries/s", g.each(func(res *Result) float64 { return res.logRate().median })),
		bars(nil, -1, "Log entries by calls", "entries a 1,000 calls", g.each(func(res *Result) float64 { return 1000 * res.perCall(res.Cluster.LogEntries) })),
		bars(nil, -1, "Written to disk, all nodes", "bytes a call", g.each(func(res *Result) float64 { return res.diskPerCall().median })),
	}
	return []drawing{{
		name: "log", title: "What the main scenarios wrote",
		width: 720, height: 110 + 24*lengthOf(names),
		draw: func(c draw.Canvas) { drawPanels(c, [][]*plot.Plot{panels}) },
	}}
}
