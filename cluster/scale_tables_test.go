package cluster

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var scaleTables = flag.String("tables", "", "file that BenchmarkScale writes its figures to, as tables in Markdown, such as those of bench/SCALE.md")

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

var whatColumns = []scaleColumn{
	{"nodes", func(r *scaleRow) string { return fmt.Sprint(r.spec.nodes) }},
	{"counters", func(r *scaleRow) string { return fmt.Sprint(r.spec.counters) }},
	{"way, ms", func(r *scaleRow) string { return fmt.Sprint(r.spec.delay.Seconds() * 1000) }},
	{"leases, s", func(r *scaleRow) string { return fmt.Sprintf("%v-%v", r.spec.lease.Seconds(), r.spec.long.Seconds()) }},
	{"calls/s", func(r *scaleRow) string { return short(r.spec.rate) }},
}

var costColumns = []scaleColumn{
	{"local %", func(r *scaleRow) string { return fmt.Sprintf("%.1f", r.share(r.x.local)) }},
	{"undecided %", func(r *scaleRow) string { return fmt.Sprintf("%.1f", r.share(r.x.undecided)) }},
	{"p99, ms", func(r *scaleRow) string { return fmt.Sprintf("%.3g", r.x.calls.p99) }},
	{"waits p50 / p99, ms", func(r *scaleRow) string { return fmt.Sprintf("%.3g / %.3g", r.x.waits.p50, r.x.waits.p99) }},
	{"entries/s", func(r *scaleRow) string { return short(r.second(float64(r.x.entries))) }},
	{"frames/s", func(r *scaleRow) string { return short(r.second(float64(r.x.frames))) }},
	{"items/s", func(r *scaleRow) string { return short(r.second(float64(r.x.takes + r.x.reports))) }},
	{"in vain %", func(r *scaleRow) string {
		return fmt.Sprintf("%.0f", 100*float64(2*min(r.x.asks, r.x.idle))/float64(max(r.x.takes+r.x.reports, 1)))
	}},
	{"in / out / log, MB/s", func(r *scaleRow) string {
		return fmt.Sprintf("%.2g / %.3g / %.2g", r.second(float64(r.x.in))/1e6, r.second(float64(r.x.out))/1e6, r.second(float64(r.x.written))/1e6)
	}},
	{"cores", func(r *scaleRow) string { return fmt.Sprintf("%.2f", r.second(float64(r.x.cpu))/1e9) }},
	{"applying", func(r *scaleRow) string { return fmt.Sprintf("%.2f", r.second(float64(r.x.applying))/1e9) }},
}

var endColumns = []scaleColumn{
	{"leases back, ms", func(r *scaleRow) string { return r.ended(fmt.Sprintf("%.3g", r.x.ends.back)) }},
	{"used up, ms", func(r *scaleRow) string { return r.ended(fmt.Sprintf("%.4g", r.x.ends.exhausted)) }},
	{"known to all, ms", func(r *scaleRow) string { return r.ended(fmt.Sprintf("%.4g", r.x.ends.known)) }},
	{"waits p50 / p99 / most, ms", func(r *scaleRow) string {
		return r.ended(fmt.Sprintf("%.3g / %.3g / %.3g", r.x.tail.p50, r.x.tail.p99, r.x.tail.max))
	}},
	{"units lost, unused", func(r *scaleRow) string { return fmt.Sprint(r.x.exactness.lost, ", ", r.x.exactness.unused) }},
}

// share is a share of the calls, in percent.
func (r *scaleRow) share(n uint64) float64 {
	return 100 * float64(n) / float64(max(r.x.local+r.x.logged+r.x.undecided, 1))
}

// second is n for each second that was measured.
func (r *scaleRow) second(n float64) float64 { return n / r.spec.measured.Seconds() }

// ended is the text if the windows have ended.
func (r *scaleRow) ended(text string) string {
	if r.x.ends.n < r.spec.endings {
		return fmt.Sprintf("%d of %d ended", r.x.ends.n, r.spec.endings)
	}
	return text
}

// short writes a number with three figures.
func short(v float64) string {
	switch {
	case v >= 999_500:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 9_995:
		return fmt.Sprintf("%.3gk", v/1e3)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// writeScale writes the tables: for each group of simulations what they cost, and
// for all how windows ended.
func writeScale(b *testing.B, path string, rows []scaleRow) {
	var s strings.Builder
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].spec.group == rows[0].spec.group {
			n++
		}
		fmt.Fprintf(&s, "### %s\n\n", rows[0].spec.group)
		table(&s, rows[:n], costColumns)
		table(&s, rows[:n], endColumns)
		rows = rows[n:]
	}
	if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
		b.Fatal(err)
	}
}

func table(s *strings.Builder, rows []scaleRow, columns []scaleColumn) {
	columns = append(append([]scaleColumn(nil), whatColumns...), columns...)
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
