package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// pngDPI makes a plot of 720 points 1,200 pixels wide.
const pngDPI = 120

// drawing is one picture.
type drawing struct {
	name, title   string // of the files, without an ending; over the picture
	width, height vg.Length
	draw          func(draw.Canvas) // below the title
}

// Plots draws the run into the folder dir, which is made if it is missing,
// each picture as PNG and as SVG, and returns the paths of the files, dir
// included. What the run has no results for is not drawn, nor are results that
// failed or were not measured; the files are named by what they show:
//
//	latency          latency by percentile of the main scenarios
//	growth-S         scenario S against what it varies
//	peers-S          the systems that scenario S was measured with
//	time-S           scenario S, in which something happens, second by second
//	log              log entries and disk bytes a call
func (r *Run) Plots(dir string) ([]string, error) { return r.plots(dir, pngDPI) }

func (r *Run) plots(dir string, dpi int) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var drawings []drawing
	drawings = append(drawings, r.drawLatency()...)
	drawings = append(drawings, r.drawGrowth()...)
	drawings = append(drawings, r.drawPeers()...)
	drawings = append(drawings, r.drawTime()...)
	drawings = append(drawings, r.drawLog()...)
	var paths []string
	for _, d := range drawings {
		for _, format := range []struct {
			ending string
			canvas vg.CanvasWriterTo
		}{
			{".png", vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(d.width, d.height), vgimg.UseDPI(dpi))}},
			{".svg", vgsvg.New(d.width, d.height)},
		} {
			r.drawFramed(draw.New(format.canvas), d)
			path := filepath.Join(dir, d.name+format.ending)
			if err := writeCanvas(path, format.canvas); err != nil {
				return paths, fmt.Errorf("plot %s: %w", d.name, err)
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func writeCanvas(path string, canvas vg.CanvasWriterTo) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

// drawFramed draws a picture with its title above, and below it what run it is
// of.
func (r *Run) drawFramed(c draw.Canvas, d drawing) {
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	title, foot := textStyle(13, black), textStyle(7.5, gray)
	title.YAlign = draw.YTop
	c.FillText(title, vg.Point{X: c.Min.X, Y: c.Max.Y}, d.title)
	c.FillText(foot, c.Min, fmt.Sprintf("%s, commit %s; %s", r.Began.UTC().Format(timeLayout), shortCommit(r.Commit), r.Machine))
	d.draw(draw.Crop(c, 0, 0, 18, -26))
}

// drawable are the results with figures that can be relied on.
func (r *Run) drawable() (results []*Result) {
	for i := range r.Results {
		if res := &r.Results[i]; len(res.Failed) == 0 && callsPerSecond.over(res.Slices).known() {
			results = append(results, res)
		}
	}
	return results
}
