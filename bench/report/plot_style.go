package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	margin = vg.Length(12)
	// bottomless is the lowest latency of a logarithmic axis, ms: the
	// histograms' resolution.
	bottomless = 0.001
)

var (
	white = color.Gray{Y: 255}
	black = color.Gray{Y: 20}
	gray  = color.Gray{Y: 110}
	light = color.Gray{Y: 225}

	// palette is that of Okabe and Ito, without its yellow: told apart by
	// readers who are colour-blind.
	palette = []color.Color{
		color.RGBA{R: 0, G: 114, B: 178, A: 255},
		color.RGBA{R: 213, G: 94, B: 0, A: 255},
		color.RGBA{R: 0, G: 158, B: 115, A: 255},
		color.RGBA{R: 204, G: 121, B: 167, A: 255},
		color.RGBA{R: 86, G: 180, B: 233, A: 255},
		color.RGBA{R: 230, G: 159, B: 0, A: 255},
		color.RGBA{R: 70, G: 70, B: 70, A: 255},
	}
	// dashes tell lines apart once the palette is through.
	dashes = [][]vg.Length{nil, {6, 3}, {2, 2}}
)

func textStyle(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		Handler: plot.DefaultTextHandler,
	}
}

// newPlot is an empty panel in the style of all.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle = restyle(p.Title.TextStyle, 10.5, black)
	p.Title.Padding = 6
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = restyle(axis.Label.TextStyle, 9, black)
		axis.Label.Padding = 3
		axis.Tick.Label = restyle(axis.Tick.Label, 8.5, black)
		axis.Tick.Length = 4
		axis.Padding = 0
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = gray, gray
	}
	return p
}

// newGrid is what lines are drawn over.
func newGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = light, light
	return grid
}

// restyle keeps how a text is aligned.
func restyle(old text.Style, size vg.Length, c color.Color) text.Style {
	s := textStyle(size, c)
	s.XAlign, s.YAlign = old.XAlign, old.YAlign
	return s
}

// fromZero has an axis go from 0 to a tick above its highest value, so that
// panels side by side end alike.
func fromZero(a *plot.Axis) {
	ticks := evenTicks(a.Max*1.04, 4)
	a.Min, a.Max = 0, ticks[len(ticks)-1].Value
	a.Tick.Marker = ticks
}

// evenTicks go from 0 past top, or to it, in about n round steps.
func evenTicks(top float64, n int) plot.ConstantTicks {
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	decade := math.Pow10(int(math.Floor(math.Log10(top / float64(n)))))
	step := 10 * decade
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*decade*float64(n) >= top*0.999 {
			step = m * decade
			break
		}
	}
	var ticks plot.ConstantTicks
	for i := 0; ; i++ {
		v := float64(i) * step
		ticks = append(ticks, plot.Tick{Value: v, Label: plain(v)})
		if v >= top*0.999 {
			return ticks
		}
	}
}

// lineStyle is that of line i.
func lineStyle(i int) draw.LineStyle {
	return draw.LineStyle{
		Color:  palette[i%len(palette)],
		Width:  1.6,
		Dashes: dashes[i/len(palette)%len(dashes)],
	}
}

// logTicks mark decades, and 2 and 5 between where there are few of them.
type logTicks struct{}

// Ticks is called by plot.
func (logTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	for e := first; e <= last; e++ {
		for m := 1; m <= 9; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, e)}
			if m == 1 || last-first <= 3 && (m == 2 || m == 5) {
				t.Label = plain(t.Value)
			}
			if t.Value >= low*0.999 && t.Value <= high*1.001 {
				ticks = append(ticks, t)
			}
		}
	}
	return ticks
}

// drawPanels draws panels in rows, their axes in line; a nil one is left out.
func drawPanels(c draw.Canvas, panels [][]*plot.Plot) {
	tiles := draw.Tiles{Rows: len(panels), Cols: len(panels[0]), PadX: 22, PadY: 18}
	for y, row := range plot.Align(panels, tiles, c) {
		for x, at := range row {
			if panels[y][x] != nil {
				panels[y][x].Draw(at)
			}
		}
	}
}

// legend lists lines beside what is drawn, which keeps the rest of the canvas.
type legend struct{ plot.Legend }

func newLegend() *legend {
	l := legend{plot.NewLegend()}
	l.TextStyle = restyle(l.TextStyle, 9, black)
	l.Top, l.Left = true, true
	l.Padding = 4
	l.ThumbnailWidth = 24
	l.YPosition = draw.PosCenter
	return &l
}

// draw draws the legend to the right and returns what is left.
func (l *legend) draw(c draw.Canvas) draw.Canvas {
	box := l.Rectangle(c)
	width := box.Size().X + 16
	l.Draw(draw.Crop(c, c.Size().X-width+8, 0, 0, 0))
	return draw.Crop(c, 0, -width, 0, 0)
}
