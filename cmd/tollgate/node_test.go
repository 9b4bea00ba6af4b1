package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/nodetest"
)

// fakeNode is a runningNode that does nothing.
type fakeNode struct {
	done     chan struct{}
	err      error
	closed   int
	budget   time.Duration // until the deadline of Close
	closeErr error
	hang     bool // in Close, for ever
	reloaded func()
}

func (n *fakeNode) Stopping() string { return "the disk" }

func (n *fakeNode) Reload() error {
	if n.reloaded != nil {
		n.reloaded()
	}
	return nil
}

func (*fakeNode) ProxyAddr() string       { return "127.0.0.1:1" }
func (*fakeNode) AdminAddr() string       { return "127.0.0.1:2" }
func (*fakeNode) ClusterAddr() string     { return "127.0.0.1:3" }
func (n *fakeNode) Done() <-chan struct{} { return n.done }
func (n *fakeNode) Err() error            { return n.err }

func (n *fakeNode) Close(ctx context.Context) error {
	n.closed++
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		n.budget = time.Until(deadline)
	}
	if n.hang {
		select {}
	}
	return n.closeErr
}

func opens(n *fakeNode) openFunc {
	return func(context.Context, node.Config) (runningNode, error) { return n, nil }
}

var nodeArgs = words("node --id n1 --data-dir /d --drain-timeout 5s --log-level error")

func TestNodeStops(t *testing.T) {
	for name, c := range map[string]struct {
		node *fakeNode
		want outcome
	}{
		"in good order": {&fakeNode{}, outcome{cli.Done, "", ""}},
		"too late": {&fakeNode{closeErr: context.DeadlineExceeded},
			outcome{cli.Failed, "", "tollgate node: the node did not stop in good order: context deadline exceeded\n"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := command{args: nodeArgs, open: opens(c.node)}.run(ctx)
		if got != c.want || c.node.closed != 1 {
			t.Errorf("%s: %+v, closed %d times", name, got, c.node.closed)
		}
		if want := 5*time.Second + node.StopGrace; c.node.budget <= want-time.Second || c.node.budget > want {
			t.Errorf("%s: %v to close in, want %v", name, c.node.budget, want)
		}
	}
}

func TestNodeEndsByItself(t *testing.T) {
	n := &fakeNode{done: make(chan struct{}), err: errors.New("the disk hangs")}
	close(n.done)
	got := command{args: nodeArgs, open: opens(n)}.run(t.Context())
	if want := (outcome{cli.Failed, "", "tollgate node: the node ended by itself: the disk hangs\n"}); got != want || n.closed != 1 {
		t.Errorf("%+v, closed %d times", got, n.closed)
	}
}

// TestNodeStoppedWhileStarting: being told to stop is no failure.
func TestNodeStoppedWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := command{args: nodeArgs, open: func(ctx context.Context, _ node.Config) (runningNode, error) { return nil, ctx.Err() }}.run(ctx)
	if got != (outcome{cli.Done, "", ""}) {
		t.Errorf("%+v", got)
	}
}

// TestPortTaken runs a real node where it cannot listen.
func TestPortTaken(t *testing.T) {
	taken := listenSomewhere(t)
	var out, errs strings.Builder
	args := []string{"node", "--id", "n1", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--cluster", "127.0.0.1:0", "--admin", taken, "--bootstrap", "--log-level", "error"}
	status := run(t.Context(), args, strings.NewReader(""), &out, &errs, nil)
	if status != cli.Failed || !strings.Contains(errs.String(), "--admin "+taken) || !strings.Contains(errs.String(), "address already in use") {
		t.Errorf("%d %s", status, errs.String())
	}
}

// envChild makes the test binary be the program, with a fake node of the kind
// it names.
const envChild = "TOLLGATE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(envChild) {
	case "":
		os.Exit(m.Run())
	case "stops":
		os.Exit(supervise(opens(&fakeNode{})))
	case "hangs":
		os.Exit(supervise(opens(&fakeNode{hang: true})))
	case "reloads":
		os.Exit(supervise(opens(&fakeNode{reloaded: func() { fmt.Fprintln(os.Stderr, "reloaded") }})))
	case "real":
		os.Exit(supervise(openNode))
	case "hangs in its start":
		os.Exit(supervise(func(context.Context, node.Config) (runningNode, error) {
			fmt.Fprintln(os.Stderr, "starting")
			select {}
		}))
	}
	os.Exit(99)
}

// child is the program as a process of its own.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
}

func startChild(t *testing.T, kind string, args ...string) *child {
	t.Helper()
	return startChildTo(t, nil, kind, args...)
}

// startChildTo starts a child whose standard output is stdout.
func startChildTo(t *testing.T, stdout *os.File, kind string, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], append(words("node --id n1 --data-dir /d"), args...)...)
	cmd.Env = append(os.Environ(), envChild+"="+kind)
	if stdout != nil { // no nil *os.File in an interface
		cmd.Stdout = stdout
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{cmd, bufio.NewReader(stderr)}
}

// signalAfter sends a signal once the child has logged a line with text.
func (c *child) signalAfter(t *testing.T, text string, sig syscall.Signal) {
	t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no line with %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			break
		}
	}
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (c *child) exit(t *testing.T) (status int, rest string) {
	t.Helper()
	raw, _ := io.ReadAll(c.lines)
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode(), string(raw)
}

func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		c := startChild(t, "stops")
		c.signalAfter(t, "node runs", sig)
		if got, _ := c.exit(t); got != cli.Done {
			t.Errorf("%v: exit status %d", sig, got)
		}
	}
	c := startChild(t, "hangs")
	c.signalAfter(t, "node runs", syscall.SIGTERM)
	c.signalAfter(t, "node stops", syscall.SIGTERM)
	if got, _ := c.exit(t); got != cli.Failed {
		t.Errorf("second signal: exit status %d", got)
	}
}

// TestHangUps: SIGHUP ends nothing and reloads, before, while and after the node
// runs, as often as it comes.
func TestHangUps(t *testing.T) {
	c := startChild(t, "reloads")
	for range 2 {
		c.signalAfter(t, "", syscall.SIGHUP)
		c.signalAfter(t, "reloaded", syscall.SIGHUP)
	}
	c.signalAfter(t, "reloaded", syscall.SIGTERM)
	if got, rest := c.exit(t); got != cli.Done {
		t.Errorf("exit status %d: %s", got, rest)
	}
	c = startChild(t, "hangs in its start", "--drain-timeout", "1ms")
	c.signalAfter(t, "starting", syscall.SIGHUP)
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, rest := c.exit(t); got != cli.Failed || !strings.Contains(rest, "the stop hangs at: the start") {
		t.Errorf("SIGHUP while it starts: exit status %d: %s", got, rest)
	}
}

// TestHangingStop: a process whose stop hangs ends all the same, says where it
// hung, and its status is a failure.
func TestHangingStop(t *testing.T) {
	began := time.Now()
	c := startChild(t, "hangs", "--lame-duck", "100ms", "--drain-timeout", "200ms")
	c.signalAfter(t, "node runs", syscall.SIGTERM)
	got, rest := c.exit(t)
	if got != cli.Failed || !strings.Contains(rest, "tollgate node: the stop hangs at: the disk; the process ends without it\n") {
		t.Errorf("exit status %d: %s", got, rest)
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("it ended after %v, before its time", took)
	}
}

// TestSecretsOfAProcess runs a node as an operator does who has made both
// secrets: keys and tokens come from the commands and files, SIGHUP brings new
// tokens, and the node stops in good order.
func TestSecretsOfAProcess(t *testing.T) {
	key := writeFile(t, "cluster.key", command{args: words("keygen")}.run(t.Context()).out)
	const first, second = "first-" + secret32, "second-" + secret32
	tokens, admin := writeFile(t, "admin.tokens", "admin me "+first+"\n"), nodetest.FreeAddr(t)
	c := startChild(t, "real", "--data-dir", t.TempDir(), "--bootstrap", "--founding-wait", "1ms", "--listen", "127.0.0.1:0", "--cluster", "127.0.0.1:0",
		"--admin", admin, "--cluster-key-file", key, "--admin-token-file", tokens)
	env := []string{"TOLLGATE_ADMIN_URL=" + admin, "TOLLGATE_CLUSTER_KEY_FILE=" + key}
	eventually(t, "the node is ready", func() bool {
		return command{args: words("ready"), env: env}.run(t.Context()).status == cli.Done
	})
	list := func(token string) outcome {
		return command{args: words("domains --json --token " + token), env: env}.run(t.Context())
	}
	if got := list(first); got != (outcome{cli.Done, "[]\n", ""}) {
		t.Errorf("%+v", got)
	}
	if got := list(second); got.status != cli.Failed || !strings.Contains(got.err, "(40100)") {
		t.Errorf("a token that is not in the file: %+v", got)
	}
	if err := os.WriteFile(tokens, []byte("admin me "+second+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new token is good", func() bool { return list(second).status == cli.Done })
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, rest := c.exit(t); got != cli.Done || !strings.Contains(rest, "reloading certificates and token files, reopening") {
		t.Errorf("exit status %d: %s", got, rest)
	}
}
