package ledger

import (
	"flag"
	"testing"
)

var (
	simSeeds = flag.Uint64("seeds", simDefault, "schedules of the quota simulation")
	simFrom  = flag.Uint64("seed", 1, "seed of the first schedule")
	// Where a rule is switched off, every schedule has faults.
	simBroken = flag.String("broken", "", "rule that is switched off; see type mutation")
)

const simLength = 1500 * ms

// TestSimulation runs schedules from seeds, and checks every promise of spec
// section 10 in each.
func TestSimulation(t *testing.T) {
	t.Parallel()
	var admitted, refused int
	for seed := *simFrom; seed < *simFrom+*simSeeds; seed++ {
		w := newWorld(seed, mutation(*simBroken))
		w.run(simLength)
		admitted += w.check.admittedCalls
		refused += w.check.refusedCalls
		if len(w.check.failed) > 0 {
			t.Fatalf("seed %d: %s\n%d more; to replay: go test ./cluster/ledger -run 'TestSimulation$' -seed %d -seeds 1",
				seed, w.check.failed[0], len(w.check.failed)-1, seed)
		}
	}
	t.Logf("%d schedules, %d calls admitted, %d refused", *simSeeds, admitted, refused)
}
