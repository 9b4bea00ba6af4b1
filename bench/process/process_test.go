package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	p := child(t, "polite", true)
	if err := p.Err(); err != nil {
		t.Errorf("a child that runs: %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("a child that stops when it is told to: %v", err)
	}
	if !strings.Contains(output(t, p), "bye") {
		t.Error("the child was not asked to stop")
	}
}

func TestStopAtOnce(t *testing.T) {
	if err := child(t, "sleep", true).Stop(t.Context()); err != nil {
		t.Errorf("a child that SIGTERM ends, as it does before a program has come so far as to handle it: %v", err)
	}
}

func TestStopWrongly(t *testing.T) {
	p := child(t, "untidy", true)
	err := p.Stop(t.Context())
	for _, want := range []string{"the child did not stop in good order", "exit status 3", "lost my files"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected an error with %q, got %v", want, err)
		}
	}
}

func TestStopUnwilling(t *testing.T) {
	p := child(t, "stubborn", true)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(ctx) }() // received below
	await(t, "the child was asked to stop", func() bool { return strings.Contains(output(t, p), "no\n") })
	cancel()
	err := <-stopped
	if err == nil || !strings.Contains(err.Error(), "the child did not stop in time and was killed") {
		t.Errorf("expected it to be told that the child had to be killed, got %v", err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("the child goes on after Stop")
	}
}

func TestEndedByItself(t *testing.T) {
	p := child(t, "fails", false)
	<-p.Done()
	for _, err := range []error{p.Err(), p.Stop(t.Context())} {
		for _, want := range []string{"the child has ended", "exit status 1", "the disk is full"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("expected an error with %q, got %v", want, err)
			}
		}
	}
	p.Kill() // is too late, and does nothing
}

func TestKillWholeGroup(t *testing.T) {
	address := freeAddress(t)
	p := child(t, "parent", true, "serves", address)
	if err := p.AwaitListening(t.Context(), patience, address); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	await(t, "what the child had started was gone too", refused(address))
}

func TestLeaveNothingBehind(t *testing.T) {
	address := freeAddress(t)
	p := child(t, "leaver", false, "serves", address)
	<-p.Done()
	await(t, "what the child left behind was gone", refused(address))
}

func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := Start(Command{Name: "n1", Path: filepath.Join(dir, "none"), Log: filepath.Join(dir, "log")}); err == nil ||
		!strings.Contains(err.Error(), "n1 does not start") {
		t.Errorf("no such program: %v", err)
	}
	if _, err := Start(Command{Name: "n1", Path: os.Args[0], Log: filepath.Join(dir, "none", "log")}); err == nil ||
		!strings.Contains(err.Error(), "n1: its log") {
		t.Errorf("no such folder for its log: %v", err)
	}
}

// TestEnvironment: what sets up a node does not reach a child, what it is given
// does; its output is behind what the log had.
func TestEnvironment(t *testing.T) {
	t.Setenv("TOLLGATE_LISTEN", "elsewhere")
	t.Setenv("OTHER_SETTING", "kept")
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if err := os.WriteFile(log, []byte("an earlier life\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Start(Command{
		Name: "the child", Path: os.Args[0], Dir: dir, Log: log,
		Env: []string{roleVariable + "=environment", quickExit, "TOLLGATE_OWN=given"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	<-p.Done()
	got := output(t, p)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"an earlier life\n", "OTHER_SETTING=kept\n", "TOLLGATE_OWN=given\n", "in " + real + "\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("expected %q in the output, got\n%s", want, got)
		}
	}
	if strings.Contains(got, "TOLLGATE_LISTEN") {
		t.Error("a setting of a node reached the child")
	}
}

func TestTail(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if got := Tail(log); !strings.Contains(got, "cannot be read") {
		t.Errorf("no log: %q", got)
	}
	write := func(text string) {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if write("\n"); Tail(log) != "  (it wrote nothing)" {
		t.Errorf("an empty log: %q", Tail(log))
	}
	write(strings.Repeat(strings.Repeat("x", 99)+"\n", 1000) + strings.Repeat("y\n", lastLines-1) + "z\n")
	if want := strings.Repeat("  y\n", lastLines-1) + "  z"; Tail(log) != want {
		t.Errorf("a long log: expected its last lines, got %q", Tail(log))
	}
}

func TestAwait(t *testing.T) {
	address := freeAddress(t)
	p := child(t, "serves", false, address)
	if err := p.AwaitListening(t.Context(), patience, address); err != nil {
		t.Error(err)
	}
	if err := p.AwaitOK(t.Context(), patience, "http://"+address+"/ready"); err != nil {
		t.Error(err)
	}
}

// TestAwaitNotices: nobody waits for what has died.
func TestAwaitNotices(t *testing.T) {
	p := child(t, "fails", false)
	err := p.AwaitListening(t.Context(), time.Hour, freeAddress(t))
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("expected to be told how the child died, got %v", err)
	}
}

func TestAwaitInVain(t *testing.T) {
	p := child(t, "sleep", true)
	never := errors.New("it is not there")
	err := p.Await(t.Context(), time.Millisecond, "it comes", func(context.Context) error { return never })
	if !errors.Is(err, never) || !strings.Contains(err.Error(), "until it comes") {
		t.Errorf("expected to be told what was waited for and the last error, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Await(ctx, time.Hour, "it comes", func(context.Context) error { return never }); !errors.Is(err, never) {
		t.Errorf("a wait that is given up: %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestFreePort(t *testing.T) {
	const n = 1000
	seen := map[int]bool{}
	for range n {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if port < 10_000 || port > 29_999 {
			t.Fatalf("port %d is not among 10000 to 29999", port)
		}
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
}
