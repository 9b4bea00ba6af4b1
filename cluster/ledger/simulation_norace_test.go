//go:build !race

package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// simDefault is the number of schedules of a test run. The simulation runs in
// one goroutine, where the race detector has nothing to find.
const simDefault = 2500

// simMutated is how many schedules there are to find a missing rule in.
const simMutated = 3000

// TestSimulationCanFail switches off one rule at a time. Each time the
// simulation must find a schedule that breaks a promise.
func TestSimulationCanFail(t *testing.T) {
	for _, m := range []mutation{timerFromReceipt, stopAfterReport, trustStoredExpiry, retryUnderNewID, windowByNodesClock} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= simMutated; seed++ {
				w := newWorld(seed, m)
				w.run(simLength)
				if len(w.check.failed) > 0 {
					t.Logf("seed %d: %s", seed, w.check.failed[0])
					return
				}
			}
			t.Error("no schedule broke a promise: the simulation would not notice that this rule is missing")
		})
	}
	for name, changes := range sourceChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := simulateChanged(t, changes)
			broke := regexp.MustCompile(`seed \d+: .*`).FindString(out)
			if broke == "" {
				t.Fatalf("no schedule broke a promise: the simulation would not notice that this rule is missing\n%s", out)
			}
			t.Log(broke)
		})
	}
}

// sourceChange takes a rule out of the source, the state machine's above all. What is
// replicated has no switch to break a promise by, not even for a test.
type sourceChange struct{ file, is, becomes string }

// sourceChanges are several where two rules keep the same promise.
var sourceChanges = map[string][]sourceChange{
	"a caller is removed before its window's end": {{
		file:    "../../store/quota/callers.go",
		is:      "if !ok || first.at > s.now {",
		becomes: "if !ok || first.at > s.now+300 {",
	}},
	"a caller gets a counter of its own while the shared window runs": {{
		file:    "../../store/quota/callers.go",
		is:      "shared != nil && shared.running(s.now) {",
		becomes: "shared != nil && shared.running(s.now) && r.callers.count() >= int(r.cond.MaxCallers) {",
	}},
	"a caller that the node does not remember gets a lease": {{
		file:    "collector.go",
		is:      "seldom || c.callers.find(a.id) != a.holding {",
		becomes: "seldom {",
	}, {
		file:    "../../store/quota/lease.go",
		is:      "r.Want > 0 && !w.is(r.Window) {",
		becomes: "false {",
	}},
	"a refusal of costly calls exhausts the window": {{
		file:    "../../store/quota/decide.go",
		is:      "\tif units == 1 {\n\t\tc.exhaust(s)\n",
		becomes: "\tif units >= 1 {\n\t\tc.exhaust(s)\n",
	}},
	"a window's name comes again": {{
		file:    "../../store/quota/counter.go",
		is:      "\ts.serial = max(s.serial, s.now) + 1\n",
		becomes: "\ts.serial = s.now\n",
	}},
	"an expired lease is credited": {{
		file:    "../../store/quota/counter.go",
		is:      "\tw.used += w.leased()\n\tw.lost += w.leased()\n",
		becomes: "",
	}},
	"units come back to an exhausted window": {{
		file:    "../../store/quota/counter.go",
		is:      " || !w.is(serial) || w.phase == Exhausted {\n\t\treturn\n\t}\n",
		becomes: " || !w.is(serial) {\n\t\treturn\n\t}\n\tw.phase, w.refusedFrom = min(w.phase, Strict), 0\n",
	}},
}

// simulateChanged runs the simulation in a process of its own, which is built from the
// changed source, and returns what it says.
func simulateChanged(t *testing.T, changes []sourceChange) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for i, c := range changes {
		source, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), c.is); n != 1 {
			t.Fatalf("%s has the rule %d times, want once:\n%s", c.file, n, c.is)
		}
		original, err := filepath.Abs(c.file)
		if err != nil {
			t.Fatal(err)
		}
		changed := filepath.Join(dir, fmt.Sprintf("changed%d.go", i))
		write(t, changed, []byte(strings.Replace(string(source), c.is, c.becomes, 1)))
		replace[original] = changed
	}
	overlay := filepath.Join(dir, "overlay.json")
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, raw)
	out, err := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", overlay, "-run", "TestSimulation$", ".",
		"-args", "-broken", string(sourceChanged), "-seeds", fmt.Sprint(simMutated)).CombinedOutput()
	if err != nil {
		t.Logf("go test: %v", err)
	}
	return string(out)
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
