package report

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// WritePage writes the run as a page in Markdown, tables and pictures. plots
// are the files that Plots has made, by paths relative to the page; those that
// are not among them are left out.
func (r *Run) WritePage(w io.Writer, plots []string) error {
	p := &page{run: r, plots: plots}
	p.head()
	p.mains()
	p.peers()
	p.exactness()
	p.growth()
	p.written()
	p.noise()
	p.again()
	_, err := p.WriteTo(w)
	return err
}

// page is a page while it is written.
type page struct {
	bytes.Buffer
	run   *Run
	plots []string
	notes footnotes
}

// sayf adds a paragraph.
func (p *page) sayf(format string, args ...any) {
	fmt.Fprintf(p, format+"\n\n", args...)
}

// table adds a table; the first columns, as many as left says, are text.
func (p *page) table(left int, head []string, rows [][]string) {
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "--:"
		if i < left {
			rule[i] = "---"
		}
	}
	for _, row := range slices.Concat([][]string{head, rule}, rows) {
		p.WriteByte('|')
		for _, cell := range row {
			fmt.Fprintf(p, " %s |", strings.ReplaceAll(cell, "|", `\|`))
		}
		p.WriteByte('\n')
	}
	p.WriteByte('\n')
}

// picture shows the plot of a name, and leads to it in SVG, if they are there.
func (p *page) picture(name, title string) {
	var png, svg string
	for _, file := range p.plots {
		file = filepath.ToSlash(file)
		link := (&url.URL{Path: file}).String()
		switch path.Base(file) {
		case name + ".png":
			png = link
		case name + ".svg":
			svg = link
		}
	}
	switch {
	case png == "":
	case svg == "":
		p.sayf("![%s](%s)", title, png)
	default:
		p.sayf("[![%s](%s)](%s)", title, png, svg)
	}
}

// head tells what the run is.
func (p *page) head() {
	r := p.run
	p.sayf("# Results of the benchmark")
	p.sayf("The newest run, as `tollgate-bench page` writes it from the run's report; nothing here is entered by hand.")
	p.table(2, []string{"", ""}, [][]string{
		{"begun", r.Began.UTC().Format(timeLayout)},
		{"took", time.Duration(r.Seconds * float64(time.Second)).Round(time.Second).String()},
		{"commit", "`" + r.Commit + "`"},
		{"command", "`" + r.Command + "`"},
		{"machine", r.Machine.String()},
	})
	if failed := r.failed(); len(failed) > 0 {
		p.sayf("**%d of %s FAILED:**", len(failed), plural(uint64(len(r.Results)), "result"))
		for _, res := range failed {
			for _, why := range res.Failed {
				fmt.Fprintf(p, "- `%s`: %s\n", res.Name(), why)
			}
		}
		p.WriteByte('\n')
	}
	p.sayf("The load and the endpoint server share the machine's cores with what is measured, hence the CPU time a call beside the\n" +
		"throughput: it is that of all processes of the gateway together, and of nothing else. Figures are medians of slices of time,\n" +
		"± half of what lies between the lowest and the highest slice; p99.9 and beyond are of all slices together. The latency of an\n" +
		"open loop counts from the time that a call was due.")
}

// all are the run's results.
func (p *page) all() (results []*Result) {
	for i := range p.run.Results {
		results = append(results, &p.run.Results[i])
	}
	return results
}

// marked is a name with what is to be known of the result.
func (p *page) marked(name string, r *Result) string {
	if refs := p.notes.of(r); refs != "" {
		return name + " " + refs
	}
	return name
}

// footnotes adds the notes of the tables since the last, and begins anew.
func (p *page) footnotes() {
	for i, text := range p.notes.texts {
		fmt.Fprintf(p, "- [%d] %s\n", i+1, text)
	}
	if len(p.notes.texts) > 0 {
		p.WriteByte('\n')
	}
	p.notes = footnotes{}
}

// noise tells how much the figures of the run vary by themselves.
func (p *page) noise() {
	var rows [][]string
	for _, f := range figures {
		var halves []float64
		for _, res := range p.run.drawable() {
			if s := f.over(res.Slices); len(s.values) > 1 {
				halves = append(halves, s.span()/2)
			}
		}
		if len(halves) == 0 {
			continue
		}
		slices.Sort(halves)
		rows = append(rows, []string{f.name, plusMinus(halves[0]), plusMinus(halves[len(halves)/2]), plusMinus(halves[len(halves)-1]), plusMinus(f.floor)})
	}
	if len(rows) == 0 {
		return
	}
	p.sayf("## Noise")
	p.sayf("How far slices of one result are from its median, over all results. `tollgate-bench compare` holds two runs of one commit to the\n" +
		"whole of what lies between the slices, or the floor where that is more, and to how much the machine's speed differed.")
	p.table(1, []string{"figure", "least", "in the middle", "most", "floor between runs"}, rows)
	var speeds []float64
	for _, res := range p.all() {
		if res.Speed > 0 {
			speeds = append(speeds, res.Speed)
		}
	}
	if len(speeds) > 1 {
		slices.Sort(speeds)
		middle := speeds[len(speeds)/2]
		p.sayf("The machine's speed, a fixed work on one core before each result, was between %s and %s of its median.",
			change(speeds[0]/middle-1), change(speeds[len(speeds)-1]/middle-1))
	}
}

// again tells how to repeat the run.
func (p *page) again() {
	p.sayf("## Again")
	p.sayf("```\nmake bench-peers    # installs the peers that are to be had\n%s\ntollgate-bench compare OLD NEW\ntollgate-bench page NEW -o bench/RESULTS.md\n```", p.run.Command)
	p.WriteString("OLD and NEW are folders of results, which `tollgate-bench run` names by date and commit.\n")
}
