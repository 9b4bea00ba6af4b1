package peers

import (
	"errors"
	"testing"

	"github.com/tollgate/tollgate/bench/process"
)

// TestRunning: what a started peer tells of itself.
func TestRunning(t *testing.T) {
	running := startFake(t, &fakePeers()[3], "")
	if running.Version != "9.8.7-fake, redis-server 9.8.7-fake" || len(running.Addresses) != 3 {
		t.Errorf("the version is %q, addresses are %q", running.Version, running.Addresses)
	}
	if _, err := running.CPU(); err != nil && !errors.Is(err, process.ErrNoProc) {
		t.Error(err)
	}
	if len(running.processes) != 4 {
		t.Errorf("%d processes are counted, expected three instances and Redis", len(running.processes))
	}
}
