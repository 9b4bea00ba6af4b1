package node_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// TestLameDuck: a node that is told to stop says so at once, and serves on for
// as long as it is to; then it turns calls away.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.LameDuck = node.MaxLameDuck })
	c.Deploy(swagger("live", "Live", "an answer", ""))
	n := c.Nodes[0]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan error, 1)
	running := n.Node
	go func() { stopped <- running.Close(ctx) }()
	nodetest.Eventually(t, "/readyz says that it stops", func() bool {
		r := api(t, n, "GET", "/readyz", "")
		return r.status == 503 && strings.Contains(r.body, "serving: stopping\n")
	})
	for range 20 {
		if r := call(t, web, "GET", n.ProxyAddr(), "/live/x", ""); r.status != 200 || r.body != "an answer" {
			t.Fatalf("a lame duck answers %v", r)
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("it stopped before its time: %v", err)
	default:
	}
	if got := running.Stopping(); got != "lame duck" {
		t.Errorf("it is at %q", got)
	}
	cancel() // its patience is over
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", n.ProxyAddr()); err == nil {
		t.Error("the client port still answers")
	}
	n.Node = nil
}

// TestNoLameDuckWithoutClients: a node that never served has nobody to wait for.
func TestNoLameDuckWithoutClients(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t, 0).Add(func(cfg *nodetest.Config) { cfg.LameDuck = node.MaxLameDuck })
	n.Start()
	n.Stop() // or the test never ends
}

// TestHangingStep: whichever step of a stop hangs, the others are gone through,
// the error names it, and the stop is over in its time.
func TestHangingStep(t *testing.T) {
	t.Parallel()
	probe := nodetest.Start(t, 1)
	steps := probe.Nodes[0].StopSteps()
	if want := "membership domains clients admin statistics events cluster store listeners"; strings.Join(steps, " ") != want {
		t.Errorf("a stop goes through %v, want %s", steps, want)
	}
	for _, name := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const drain = 100 * time.Millisecond
			cfg := alone(t)
			cfg.DrainTimeout = drain
			n, err := node.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			release := n.HangIn(name)
			defer release()
			began := time.Now()
			err = n.Close(t.Context())
			took := time.Since(began)
			if want := name + ": hangs; it was left behind"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, want %q", err, want)
			}
			// What is promised is the bound of the timers; the machine is busy.
			if took > nodetest.Patience {
				t.Errorf("the stop took %v", took)
			}
			if again := n.Close(t.Context()); fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("the second Close says %v", again)
			}
		})
	}
}

// TestStopTimesFit: the steps' own times, all used up, fit into StopGrace.
func TestStopTimesFit(t *testing.T) {
	if sum := node.StopStepTimes(); sum > node.StopGrace {
		t.Errorf("the steps have %v together, StopGrace is %v", sum, node.StopGrace)
	}
}

// TestStopDuringAdminCall: an admin call that does not end, such as a body that
// never comes, does not keep a node from stopping.
func TestStopDuringAdminCall(t *testing.T) {
	t.Parallel()
	cfg := alone(t)
	cfg.DrainTimeout = 200 * time.Millisecond
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", n.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/domains HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
	began := time.Now()
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > nodetest.Patience/3 {
		t.Errorf("the stop took %v", took)
	}
}
