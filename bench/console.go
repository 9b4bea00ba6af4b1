package bench

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// console tells a person how far the run is: on a terminal in one line that is
// written again each second, and in a line for each result, which is all that
// there is elsewhere.
type console struct {
	w        io.Writer
	terminal bool
}

// Codes of terminals: back to the beginning of the line, and clear it.
const clearLine = "\r\x1b[K"

// widest is what fits in a line of any terminal.
const widest = 79

// line writes a line that stays.
func (c console) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.terminal {
		text = clearLine + text
	}
	fmt.Fprintln(c.w, text) // nobody to tell if it fails
}

// state writes over the state that was shown before.
func (c console) state(text string) {
	if !c.terminal {
		return
	}
	if r := []rune(text); len(r) > widest {
		text = string(r[:widest])
	}
	fmt.Fprint(c.w, clearLine+text)
}

// progress shows a load under way.
func (c console) progress(name string) func(load.Progress) {
	return func(p load.Progress) {
		text := fmt.Sprintf("%s  %s of %s  %.0f calls/s  p99 %.2f ms", name, seconds(p.Elapsed), seconds(p.Whole), float64(p.Calls)/p.Seconds, millis(p.P99))
		if p.Warming {
			text += "  warming up"
		}
		if p.Failed > 0 {
			text += fmt.Sprintf("  %d FAILED", p.Failed)
		}
		c.state(text)
	}
}

// result writes the line of a result; number is which of all it is.
func (c console) result(number string, r *report.Result) {
	calls, span := uint64(0), 0.0
	for _, s := range r.Slices {
		calls += s.Calls
		span += s.Seconds
	}
	text := fmt.Sprintf("%s  %-28s", number, r.Name())
	if span > 0 {
		text += fmt.Sprintf("  %8.0f calls/s  p99 %.2f ms", float64(calls)/span, r.Latency.P99)
	}
	for _, why := range r.Failed {
		text += "\n    FAILED: " + strings.ReplaceAll(why, "\n", "\n    ")
	}
	c.line("%s", text)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
