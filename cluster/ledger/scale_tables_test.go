package ledger

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var scaleTables = flag.String("tables", "", "file that BenchmarkScale writes its figures to, as the tables of bench/SCALE.md")

// scaleRow is a simulation and what it showed.
type scaleRow struct {
	spec scaleSpec
	x    scaleFigures
}

// scaleColumn is a column of a table.
type scaleColumn struct {
	name string
	cell func(*scaleRow) string
}

var scaleColumns = []scaleColumn{
	{"nodes", func(r *scaleRow) string { return fmt.Sprint(r.spec.nodes) }},
	{"counters", func(r *scaleRow) string { return digits(float64(r.spec.counters)) }},
	{"way, ms", func(r *scaleRow) string { return digits(r.spec.delay.Seconds() * 1000) }},
	{"leases, s", func(r *scaleRow) string { return fmt.Sprintf("%v–%v", r.spec.lease.Seconds(), r.spec.long.Seconds()) }},
	{"calls/s", func(r *scaleRow) string { return digits(r.spec.rate) }},
	{"local %", func(r *scaleRow) string { return r.share(r.x.local) }},
	{"undecided %", func(r *scaleRow) string { return r.share(r.x.undecided) }},
	{"waits p50 / p99, ms", func(r *scaleRow) string { return r.x.waits.String() }},
	{"entries/s", func(r *scaleRow) string { return r.second(r.x.entries) }},
	{"frames/s", func(r *scaleRow) string { return r.second(r.x.frames) }},
	{"items/s", func(r *scaleRow) string { return r.second(r.x.takes + r.x.reports) }},
	{"in vain %", func(r *scaleRow) string {
		return fmt.Sprintf("%.0f", 200*float64(min(r.x.asks, r.x.idle))/float64(max(r.x.takes+r.x.reports, 1)))
	}},
	{"leader in / out, MB/s", func(r *scaleRow) string { return r.mega(r.x.in) + " / " + r.mega(r.x.out) }},
	{"log, MB/s", func(r *scaleRow) string { return r.mega(r.x.written) }},
	{"leader cores", func(r *scaleRow) string { return r.cores(r.x.cpu) }},
	{"applying", func(r *scaleRow) string { return r.cores(r.x.applying) }},
	{"leases back, ms", func(r *scaleRow) string { return r.ended(r.x.ends.back) }},
	{"used up, ms", func(r *scaleRow) string { return r.ended(r.x.ends.exhausted) }},
	{"tail p50 / p99, ms", func(r *scaleRow) string { return r.x.tail.String() }},
	{"unused", func(r *scaleRow) string { return fmt.Sprint(r.x.exactness.lost + r.x.exactness.unused) }},
}

// share is a share of the calls, in percent.
func (r *scaleRow) share(n uint64) string {
	return fmt.Sprintf("%.1f", 100*float64(n)/float64(max(r.x.local+r.x.logged+r.x.undecided, 1)))
}

// second is n by the seconds that were measured, mega that in millions.
func (r *scaleRow) second(n uint64) string { return digits(float64(n) / r.spec.measured.Seconds()) }
func (r *scaleRow) mega(n uint64) string {
	return digits(float64(n) / r.spec.measured.Seconds() / 1e6)
}

// cores is how many cores work of so many ns took.
func (r *scaleRow) cores(d int64) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(r.spec.measured))
}

// ended is a time in ms, if all windows have ended that were to.
func (r *scaleRow) ended(d float64) string {
	if r.x.ends.n < r.spec.endings {
		return "-"
	}
	return digits(d)
}

// String tells of waits in ms; of none, that there are none.
func (w scaleWaits) String() string {
	if w.n == 0 {
		return "-"
	}
	return digits(w.p50) + " / " + digits(w.p99)
}

// digits writes a number with three digits that mean something, all of its
// integer part, and a comma after thousands.
func digits(v float64) string {
	if v < 1000 {
		return fmt.Sprintf("%.3g", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeScale writes a table for each group of simulations.
func writeScale(b *testing.B, path string, rows []scaleRow) {
	var s strings.Builder
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].spec.group == rows[0].spec.group {
			n++
		}
		table(&s, rows[:n])
		rows = rows[n:]
	}
	if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
		b.Fatal(err)
	}
}

// table writes a group as a table. What is the same in all rows stands above it.
func table(s *strings.Builder, rows []scaleRow) {
	fmt.Fprintf(s, "### %s\n\n", rows[0].spec.group)
	var same []string
	var columns []scaleColumn
	for _, c := range scaleColumns {
		first := c.cell(&rows[0])
		if slices.ContainsFunc(rows, func(r scaleRow) bool { return c.cell(&r) != first }) {
			columns = append(columns, c)
		} else {
			same = append(same, c.name+": "+first)
		}
	}
	fmt.Fprintf(s, "%s.\n\n", strings.Join(same, "; "))
	for _, c := range columns {
		fmt.Fprintf(s, "| %s ", c.name)
	}
	fmt.Fprintf(s, "|\n|%s\n", strings.Repeat("--:|", len(columns)))
	for i := range rows {
		for _, c := range columns {
			fmt.Fprintf(s, "| %s ", c.cell(&rows[i]))
		}
		s.WriteString("|\n")
	}
	s.WriteString("\n")
}
