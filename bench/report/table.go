package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// shorter makes a Load fit its column: what it is a loop of says which.
var shorter = strings.NewReplacer("closed loop, ", "", "open loop, ", "", " connections", " conns", " connection", " conn", " calls/s", "/s")

const tableLegend = `
load: connections of a closed loop; calls offered a second and connections of an open one, in which latency counts from
the time that a call was due. calls/s: answered, median of the slices ± half of what lies between the lowest and the
highest. p50 to max: latency in ms, of all slices together. µs CPU: the gateway's CPU time a call, all its processes
together. refused: share of the calls made. quota: exact, if calls were refused, and none was admitted or refused that
should not have been; not reached, where none was refused; not over, where no window could be told from the next.
`

// WriteTable writes the run for people, in lines of some 140 characters: what
// it is, a line for each result, what is to be known of them, and the peers
// that are missing.
func (r *Run) WriteTable(w io.Writer) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s, commit %s, %s\n", r.Began.UTC().Format(timeLayout), shortCommit(r.Commit), r.Command)
	fmt.Fprintf(&out, "%s\n\n", r.Machine)
	var notes footnotes
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	// The first two columns are set to the left by hand: a tabwriter has one
	// direction for all.
	names, loads := []string{"result"}, []string{"load"}
	for i := range r.Results {
		names = append(names, r.Results[i].Name())
		loads = append(loads, shorter.Replace(r.Results[i].Load))
	}
	pad(names)
	pad(loads)
	fmt.Fprintf(tw, "%s\t%s\tcalls/s\tp50\tp99\tp99.9\tp99.99\tmax ms\tµs CPU\trefused\tquota\t\n", names[0], loads[0])
	for i := range r.Results {
		res := &r.Results[i]
		l := res.Latency
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", names[i+1], loads[i+1],
			callsPerSecond.over(res.Slices), latencyText(res, l.P50), latencyText(res, l.P99), latencyText(res, l.P999),
			latencyText(res, l.P9999), latencyText(res, l.Max), digits(cpuPerCall.over(res.Slices).median),
			res.Counts.refused(), res.Exactness, notes.of(res))
	}
	_ = tw.Flush() // table is memory
	for line := range strings.Lines(table.String()) {
		out.WriteString(strings.TrimSpace(line) + "\n")
	}
	out.WriteString(tableLegend)
	notes.write(&out)
	r.writeEnd(&out)
	_, err := out.WriteTo(w)
	return err
}

// latencyText is a latency, or that nothing was answered.
func latencyText(r *Result, ms float64) string {
	if r.Latency.Max == 0 {
		return nothing
	}
	return digits(ms)
}

// writeEnd tells what is missing and what has failed.
func (r *Run) writeEnd(out *bytes.Buffer) {
	if len(r.Missing) > 0 {
		out.WriteString("\nmissing, not measured:\n")
		for _, m := range r.Missing {
			fmt.Fprintf(out, "  %s: %s\n", m.System, m.Why)
		}
	}
	took := time.Duration(r.Seconds * float64(time.Second)).Round(time.Second)
	failed := r.failed()
	if len(failed) == 0 {
		fmt.Fprintf(out, "\n%s in %v; none has failed\n", plural(uint64(len(r.Results)), "result"), took)
		return
	}
	fmt.Fprintf(out, "\n%s in %v; %d FAILED:\n", plural(uint64(len(r.Results)), "result"), took, len(failed))
	for _, res := range failed {
		for _, why := range res.Failed {
			fmt.Fprintf(out, "  %s: %s\n", res.Name(), why)
		}
	}
}

// failed are the results with something wrong.
func (r *Run) failed() (failed []*Result) {
	for i := range r.Results {
		if len(r.Results[i].Failed) > 0 {
			failed = append(failed, &r.Results[i])
		}
	}
	return failed
}

// notes are the result's own, and what its figures say of themselves.
func (r *Result) notes() []string {
	notes := slices.Clone(r.Notes)
	if r.Lateness != nil && r.Lateness.P99 > r.Latency.P99/10 {
		notes = append(notes, fmt.Sprintf("the load generator was late itself, by %s ms at p99", digits(r.Lateness.P99)))
	}
	for _, c := range []struct {
		n    uint64
		what string
	}{{r.Counts.Undecided, "not decided in time (50300)"}, {r.Counts.Failed, "answered with an error"}, {r.Counts.Unknown, "without an answer"}, {r.Counts.Unsent, "due and not made in time, as all connections were busy"}} {
		if c.n > 0 {
			notes = append(notes, plural(c.n, "call")+" "+c.what)
		}
	}
	return notes
}

// footnotes are what results refer to by number; what several say is there
// once.
type footnotes struct{ texts []string }

// of is the reference to a result's notes, after FAILED if it has failed.
func (f *footnotes) of(r *Result) string {
	var numbers []string
	for _, text := range r.notes() {
		at := slices.Index(f.texts, text)
		if at < 0 {
			f.texts = append(f.texts, text)
			at = len(f.texts) - 1
		}
		numbers = append(numbers, fmt.Sprint(at+1))
	}
	var words []string
	if len(r.Failed) > 0 {
		words = append(words, "FAILED")
	}
	if len(numbers) > 0 {
		words = append(words, "["+strings.Join(numbers, ",")+"]")
	}
	return strings.Join(words, " ")
}

func (f *footnotes) write(out *bytes.Buffer) {
	if len(f.texts) > 0 {
		out.WriteByte('\n')
	}
	for i, text := range f.texts {
		fmt.Fprintf(out, "[%d] %s\n", i+1, text)
	}
}

// pad makes texts equally long.
func pad(texts []string) {
	width := 0
	for _, t := range texts {
		width = max(width, len([]rune(t)))
	}
	for i, t := range texts {
		texts[i] = fmt.Sprintf("%-*s", width, t)
	}
}
