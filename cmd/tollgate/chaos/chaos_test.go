//go:build linux

package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seedFlag     = flag.Uint64("chaos.seed", 1, "what everything random comes from; the runs of a long form take it and those that follow")
	durationFlag = flag.Duration("chaos.duration", 0, "how long to go on, run after run; 0: one short run")
	nodesFlag    = flag.Int("chaos.nodes", 0, "nodes of the cluster; 0: 3, in a long form sometimes 5")
	roundsFlag   = flag.Int("chaos.rounds", 0, "rounds of a run, each with fresh domains; 0: 1, in a long form 4")
	faultsFlag   = flag.Int("chaos.faults", 0, "faults in a round; 0: 4, in a long form 8")
	kindsFlag    = flag.String("chaos.kinds", "", "the only kinds of faults to draw from, to close in on a finding: "+strings.Join(kindNames, ","))
	binaryFlag   = flag.String("chaos.binary", "", "tollgate binary to test; empty: built from this checkout")
	raceFlag     = flag.Bool("chaos.race", false, "build the binary with the race detector")
)

// TestMain removes the binary that the tests built.
func TestMain(m *testing.M) {
	status := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // nothing to tell
	}
	os.Exit(status)
}

// built is the binary under test.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// tollgate is the path of the binary under test, built once.
func tollgate(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.path = *binaryFlag; built.path != "" {
			built.path, built.err = filepath.Abs(built.path)
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "tollgate-chaos-bin-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "tollgate")
		args := []string{"build", "-o", built.path}
		if *raceFlag {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "github.com/tollgate/tollgate/cmd/tollgate")...).CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// run is one cluster's life: everything that a seed determines.
type run struct {
	test                  string
	seed                  uint64
	nodes, rounds, faults int
}

// newRun is the run of a seed, as the flags say.
func newRun(test string, seed uint64) run {
	r := run{test, seed, 3, 1, 4}
	if *durationFlag > 0 {
		r.rounds, r.faults = 4, 8
		if rand.New(rand.NewPCG(seed, 0)).IntN(4) == 0 {
			r.nodes = 5
		}
	}
	for _, f := range []struct{ given, to *int }{{nodesFlag, &r.nodes}, {roundsFlag, &r.rounds}, {faultsFlag, &r.faults}} {
		if *f.given > 0 {
			*f.to = *f.given
		}
	}
	return r
}

// flags are those that make the run again.
func (r run) flags() []string {
	list := []string{
		"-test.run=^" + r.test + "$", "-test.count=1", "-test.v",
		fmt.Sprintf("-chaos.seed=%d", r.seed), fmt.Sprintf("-chaos.nodes=%d", r.nodes),
		fmt.Sprintf("-chaos.rounds=%d", r.rounds), fmt.Sprintf("-chaos.faults=%d", r.faults),
	}
	if *kindsFlag != "" {
		list = append(list, "-chaos.kinds="+*kindsFlag)
	}
	if *raceFlag {
		list = append(list, "-chaos.race")
	}
	return list
}

// replay is the command that makes the run again.
func (r run) replay() string {
	words := strings.ReplaceAll(strings.Join(r.flags(), " "), "-test.", "-")
	return "go test ./cmd/tollgate/chaos " + strings.Replace(words, "-run=^"+r.test+"$", "-run='^"+r.test+"$'", 1)
}

// do makes the run on a network.
func (r run) do(t *testing.T, net network, binary string) {
	t.Logf("to make this run again: %s", r.replay())
	only, err := kindsNamed(*kindsFlag)
	if err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, binary, net, r.nodes)
	for i := range r.rounds {
		rd := newRound(c, r, i, only)
		begin := clock()
		figures, found, err := rd.run()
		t.Logf("seed %d, round %d, %d nodes, %d faults, took %v: %v", r.seed, i, r.nodes, len(rd.faults), (clock() - begin).Round(time.Millisecond), figures)
		for _, v := range found {
			t.Errorf("seed %d, round %d: %v", r.seed, i, v)
		}
		if err != nil {
			t.Errorf("seed %d, round %d: %v", r.seed, i, err)
		}
		if t.Failed() {
			t.Errorf("to make this run again: %s", r.replay())
			return
		}
	}
}

// eachRun calls do for one run, or for run after run until their time is over.
func eachRun(test string, duration time.Duration, do func(run)) {
	begin := time.Now()
	for seed := *seedFlag; ; seed++ {
		do(newRun(test, seed))
		if time.Since(begin) >= duration {
			return
		}
	}
}

// TestHealthy: without faults, exactly the limits are admitted.
func TestHealthy(t *testing.T) {
	r := newRun("TestHealthy", *seedFlag)
	r.rounds, r.faults = 1, 0
	net, err := newWires(r.nodes)
	if err != nil {
		t.Fatal(err)
	}
	r.do(t, net, tollgate(t))
}

// TestChaos: the promises hold under every kind of fault. The nodes are on
// loopback, with proxies between them.
func TestChaos(t *testing.T) {
	binary := tollgate(t)
	eachRun("TestChaos", *durationFlag*2/3, func(r run) {
		t.Run(fmt.Sprintf("seed=%d", r.seed), func(t *testing.T) {
			net, err := newWires(r.nodes)
			if err != nil {
				t.Fatal(err)
			}
			r.do(t, net, binary)
		})
	})
}
