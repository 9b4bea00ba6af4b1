package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestOrphaned: the kernel ends the children of a benchmark that is killed.
func TestOrphaned(t *testing.T) {
	address := freeAddress(t)
	p := child(t, "starter", true, "serves", address)
	if err := p.AwaitListening(t.Context(), patience, address); err != nil {
		t.Fatal(err)
	}
	// Only it: its child has a process group of its own.
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the orphan was gone", refused(address))
}

func TestCPU(t *testing.T) {
	busy, idle := child(t, "busy", true), child(t, "sleep", true)
	before := cpu(t, busy)
	await(t, "a busy child has used 100 ms more", func() bool { return cpu(t, busy) > before+0.1 })
	both, last := cpu(t, busy, idle), cpu(t, busy)
	if both < before+0.1 {
		t.Errorf("a busy child and an idle one have used %v s, the busy one alone %v s", both, last)
	}
	busy.Kill()
	if ended := cpu(t, busy); ended < last-0.01 { // in steps of 10 ms before
		t.Errorf("a child had used %v s, and once it has ended %v s", last, ended)
	}
	if ended := cpu(t, busy, idle); ended < last-0.01 {
		t.Errorf("a child that has ended counts for %v s beside one that runs, it had used %v s", ended, last)
	}
}

// TestCPUOfGroup: what works may be a child's child, as nginx's workers are.
func TestCPUOfGroup(t *testing.T) {
	p := child(t, "parent", true, "busy")
	before := cpu(t, p)
	await(t, "a child's busy child has used 100 ms", func() bool { return cpu(t, p) > before+0.1 })
}

func TestFigures(t *testing.T) {
	const most = 64 << 20
	p := child(t, "hungry", true, filepath.Join(t.TempDir(), "file"))
	peak, err := p.PeakMemory()
	if err != nil || peak < most || peak > 40*most {
		t.Errorf("a child with 64 MiB has had %d bytes: %v", peak, err)
	}
	said := output(t, p)
	_, number, _ := strings.Cut(said, "written ")
	number, _, _ = strings.Cut(number, "\n")
	want, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatalf("the child said %q: %v", said, err)
	}
	// What it has said since is written too.
	got, err := p.DiskWritten()
	if err != nil || got < want || got > want+1<<20 {
		t.Errorf("a child that wrote %d bytes is said to have written %d: %v", want, got, err)
	}
	p.Kill()
	if got, err := p.DiskWritten(); err != nil || got < want || got > want+1<<20 {
		t.Errorf("once it has ended, a child that wrote %d bytes is said to have written %d: %v", want, got, err)
	}
	if peak, err := p.PeakMemory(); err == nil {
		t.Errorf("once it has ended, a child is said to have had %d bytes", peak)
	}
}

func TestNoProc(t *testing.T) {
	if _, err := proc(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNoProc) {
		t.Errorf("no /proc: %v", err)
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Errorf("there is a /proc: %v", err)
	}
}

func cpu(t *testing.T, processes ...*Process) float64 {
	t.Helper()
	seconds, err := CPU(processes...)
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}

// TestSignal: a process that is paused makes no progress until it may go on.
func TestSignal(t *testing.T) {
	p := child(t, "busy", true)
	p.Signal(syscall.SIGSTOP)
	await(t, "the child is paused", func() bool { return state(t, p) == "T" })
	p.Signal(syscall.SIGCONT)
	await(t, "the child goes on", func() bool { return state(t, p) != "T" })
	p.Kill()
	p.Signal(syscall.SIGCONT) // is too late, and does nothing
}

// state is the letter that /proc has for a process.
func state(t *testing.T, p *Process) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}
