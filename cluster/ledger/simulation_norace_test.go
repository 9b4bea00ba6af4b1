//go:build !race

package ledger

import "testing"

// simDefault is the number of schedules of a test run. The simulation runs in
// one goroutine, where the race detector has nothing to find.
const simDefault = 2500

// TestSimulationCanFail switches off one rule at a time. Each time the
// simulation must find a schedule that breaks a promise.
func TestSimulationCanFail(t *testing.T) {
	for _, m := range []mutation{
		creditOnExpiry, timerFromReceipt, stopAfterReport, trustStoredExpiry,
		refundExhausted, retryUnderNewID, windowByNodesClock,
	} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 3000; seed++ {
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
}
