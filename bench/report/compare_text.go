package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// timeLayout is how times are shown, in UTC.
const timeLayout = "2006-01-02 15:04:05 UTC"

// shownDiffering bounds the figures that a verdict lists.
const shownDiffering = 12

// Write writes the comparison for people, in the manner of benchstat: what the
// runs are, a table for each figure, and at the end a verdict in words.
func (c *Comparison) Write(w io.Writer) error {
	var out bytes.Buffer
	c.writeHead(&out)
	for _, f := range figures {
		c.writeFigure(&out, f)
	}
	writeReasons(&out, "not compared:", c.apart)
	writeReasons(&out, "failed in one run only:", c.broken)
	c.writeLegend(&out)
	fmt.Fprintf(&out, "\n%s\n", c.verdict())
	var text strings.Builder
	for line := range strings.Lines(out.String()) {
		text.WriteString(strings.TrimRight(line, " \n") + "\n") // the tables leave blanks
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// writeHead tells what both runs are, and what speaks against comparing them.
func (c *Comparison) writeHead(out *bytes.Buffer) {
	for _, run := range []struct {
		name string
		*Run
	}{{"old", c.a}, {"new", c.b}} {
		fmt.Fprintf(out, "%s: %s, %s, %s\n     %s\n", run.name, shortCommit(run.Commit), run.Began.UTC().Format(timeLayout), run.Machine, run.Command)
	}
	if median, low, high, ok := c.drift(); ok {
		fmt.Fprintf(out, "machine's speed, new to old: %s in the median, %s to %s around single results\n", change(median), change(low), change(high))
	} else {
		fmt.Fprintln(out, "machine's speed: not measured in both runs, so that no drift of it is allowed for")
	}
	if c.a.Machine != c.b.Machine {
		fmt.Fprintln(out, "WARNING: the machines differ; what the code does cannot be told from what they do")
	}
	if c.a.Command != c.b.Command {
		fmt.Fprintln(out, "WARNING: the commands differ; results of one name may have been measured in different ways")
	}
	if c.same() && strings.HasSuffix(c.a.Commit, dirtySuffix) {
		fmt.Fprintln(out, "WARNING: both were built with changes that are in no commit; the code may differ")
	}
}

// drift is how the machine's speed before results differed between the runs.
func (c *Comparison) drift() (median, low, high float64, ok bool) {
	var drifts []float64
	seen := map[string]bool{}
	for _, p := range c.pairs {
		if !seen[p.name] && p.drift != 0 {
			seen[p.name] = true
			drifts = append(drifts, p.drift)
		}
	}
	if len(drifts) == 0 {
		return 0, 0, 0, false
	}
	s := benchmath.NewSample(drifts, &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(s, 0).Center, drifts[0], drifts[len(drifts)-1], true
}

// writeFigure is the table of one figure over all results.
func (c *Comparison) writeFigure(out *bytes.Buffer, f figure) {
	var rows []pair
	for _, p := range c.pairs {
		if p.figure.name == f.name {
			rows = append(rows, p)
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(out)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\told\tnew\tdelta\tnoise\t\n", f.name)
	for _, p := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t(p=%.3f n=%s)\n", p.name, p.a, p.b, p.told(), plusMinus(p.noise), p.p, p.sizes())
	}
	if a, b, n := geomean(rows); n > 0 {
		fmt.Fprintf(tw, "geomean of %d\t%s\t%s\t%s\t\t\n", n, digits(a), digits(b), change(b/a-1))
	}
	_ = tw.Flush() // out is memory
}

// told is the change of a figure, "~" for none that can be told from noise.
func (p pair) told() string {
	switch {
	case p.blind():
		return "?"
	case !p.differs():
		return "~"
	case p.a.median == 0:
		return "from 0"
	}
	return change(p.delta())
}

// sizes is how many slices there were, on both sides if they differ.
func (p pair) sizes() string {
	if a, b := len(p.a.values), len(p.b.values); a != b {
		return fmt.Sprintf("%d+%d", a, b)
	}
	return fmt.Sprint(len(p.a.values))
}

// geomean is the geometric mean of the medians that have one, and of how many
// there are.
func geomean(rows []pair) (a, b float64, n int) {
	for _, p := range rows {
		if p.a.median > 0 && p.b.median > 0 {
			a += math.Log(p.a.median)
			b += math.Log(p.b.median)
			n++
		}
	}
	return math.Exp(a / float64(n)), math.Exp(b / float64(n)), n
}

func writeReasons(out *bytes.Buffer, title string, reasons []reason) {
	if len(reasons) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range reasons {
		fmt.Fprintf(tw, "  %s\t%s\n", r.name, r.why)
	}
	_ = tw.Flush()
}

// writeLegend says what the columns mean, and where the noise is from.
func (c *Comparison) writeLegend(out *bytes.Buffer) {
	if len(c.pairs) == 0 {
		return
	}
	var floors []string
	for _, f := range figures {
		floors = append(floors, fmt.Sprintf("%s %.0f %%", f.name, 100*f.floor))
	}
	fmt.Fprintf(out, `
Figures are medians of a result's slices, ± half of what lies between its lowest and its highest.
Noise is what may differ between two runs of the same code: what lies between the lowest and the highest
slice, in the run where that is more, or %s, where that is
more; and how much the machine's speed differed around the two, since what slows a run slows all its slices.
A delta is shown where a median changed by more than that and the slices are apart by the test of Mann and
Whitney (p < %.2f): with so many figures, some are below that p by chance alone. Otherwise it is ~, or ? where that
says nothing: of less than %d slices on a side, or with a noise of more than %.0f %%.
`, strings.Join(floors, ", "), alpha, leastSlices, 100*mostNoise)
}

// verdict says in words whether the runs differ.
func (c *Comparison) verdict() string {
	var told, differ []pair
	for _, p := range c.pairs {
		if !p.blind() {
			told = append(told, p)
		}
		if p.differs() {
			differ = append(differ, p)
		}
	}
	words := ""
	switch blind := len(c.pairs) - len(told); {
	case len(c.broken) > 0 || len(differ) > 0:
		words = c.disagreement(differ)
	case len(c.pairs) == 0:
		words = "the runs cannot be compared: they have no figure in common"
	case len(told) <= blind:
		words = fmt.Sprintf("the runs cannot be compared: %d of %s have too few slices or too much noise", blind, plural(uint64(len(c.pairs)), "figure"))
		if len(told) > 0 {
			words += "; " + within("of the others none", told)
		}
	case c.same():
		words = "the runs agree: " + within("none of "+plural(uint64(len(told)), "figure"), told) + c.leftOut(blind)
	default:
		words = "no difference is to be told: " + within("none of "+plural(uint64(len(told)), "figure"), told) + c.leftOut(blind)
	}
	if n := len(c.apart); n > 0 {
		words += "\nnot compared: " + plural(uint64(n), "result")
	}
	return words
}

// leftOut tells of figures that a verdict does not stand on.
func (c *Comparison) leftOut(blind int) string {
	if blind == 0 {
		return ""
	}
	return fmt.Sprintf("\nleft out, of too few slices or too much noise: %s of %d", plural(uint64(blind), "figure"), len(c.pairs))
}

// within tells what noise the figures that do not differ have.
func within(none string, told []pair) string {
	noises := make([]float64, len(told))
	for i, p := range told {
		noises[i] = p.noise
	}
	slices.Sort(noises)
	return fmt.Sprintf("%s differs by more than its noise, which is %s to %s, %s in the middle", none,
		plusMinus(noises[0]), plusMinus(noises[len(noises)-1]), plusMinus(noises[len(noises)/2]))
}

// disagreement is the verdict where something differs.
func (c *Comparison) disagreement(differ []pair) string {
	var parts []string
	if len(c.broken) > 0 {
		parts = append(parts, plural(uint64(len(c.broken)), "result")+" failed in one of them only")
	}
	if len(differ) > 0 {
		better := 0
		for _, p := range differ {
			if p.better() {
				better++
			}
		}
		words := fmt.Sprintf("%d of %s differ beyond their noise, %d for the better", len(differ), plural(uint64(len(c.pairs)), "figure"), better)
		var names []string
		for _, p := range differ[:min(len(differ), shownDiffering)] {
			names = append(names, fmt.Sprintf("%s %s %s (noise %s)", p.name, p.figure.name, p.told(), plusMinus(p.noise)))
		}
		if rest := len(differ) - len(names); rest > 0 {
			names = append(names, fmt.Sprintf("and %d more", rest))
		}
		parts = append(parts, words+":\n  "+strings.Join(names, "\n  ")+"\n")
	}
	words := "the runs differ: "
	if c.same() {
		words = "the runs do NOT agree: "
	}
	return words + strings.TrimSuffix(strings.Join(parts, "; "), "\n")
}
