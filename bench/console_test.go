package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// TestConsole: a terminal has one line for the load under way, written over by
// what stays; elsewhere there is only that.
func TestConsole(t *testing.T) {
	at := load.Progress{Elapsed: 2 * time.Second, Whole: 6 * time.Second, Calls: 500, Seconds: 0.5, P99: 1500 * time.Microsecond, Failed: 3}
	result := report.Result{Scenario: "s", System: "tollgate", Slices: []report.Slice{{Seconds: 2, Calls: 100}, {Seconds: 2, Calls: 300}},
		Latency: report.Latency{P99: 2.5}, Failed: []string{"wrong\nin two lines"}}
	const stays = "[1/2]  s                                  100 calls/s  p99 2.50 ms\n    FAILED: wrong\n    in two lines\n"
	for terminal, want := range map[bool]string{
		false: stays,
		true:  clearLine + "s  2 s of 6 s  1000 calls/s  p99 1.50 ms  3 FAILED" + clearLine + stays,
	} {
		var out strings.Builder
		c := console{&out, terminal}
		c.progress("s")(at)
		c.result("[1/2]", &result)
		if out.String() != want {
			t.Errorf("terminal %v:\n%q\nwant\n%q", terminal, out.String(), want)
		}
	}
	var out strings.Builder
	console{&out, true}.state(strings.Repeat("é", 200))
	if n := len([]rune(strings.TrimPrefix(out.String(), clearLine))); n != widest {
		t.Errorf("a state of %d characters", n)
	}
}
