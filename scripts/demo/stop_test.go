package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for a state before it fails.
const patience = time.Minute

// running is the demo as a process of its own, in a process group of its own
// as from a terminal, with its temporary directory.
type running struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	text   strings.Builder // of out, as far as it was read
	dir    string
	admins []string
}

// startProcess runs the demo under the words of wrapper, and returns when it
// has shown what to paste.
func startProcess(t *testing.T, wrapper ...string) *running {
	t.Helper()
	args := append(wrapper, os.Args[0], "-tollgate", tollgate(t), "-base-port", "0")
	p := &running{cmd: exec.Command(args[0], args[1:]...), dir: t.TempDir()}
	p.cmd.Env = append(os.Environ(), envChild+"=1", "TMPDIR="+p.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -p.cmd.Process.Pid
	over := time.AfterFunc(patience, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	t.Cleanup(func() { over.Stop(); _ = syscall.Kill(group, syscall.SIGKILL) })
	for !strings.HasSuffix(p.text.String(), "Ctrl-C stops all of it.\n") {
		line, err := p.out.ReadString('\n')
		p.text.WriteString(line)
		if err != nil {
			t.Fatalf("the demo ended: %v\n%s", err, p.text.String())
		}
	}
	p.admins = adminAddresses(t, p.text.String())
	return p
}

func (p *running) signal(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// end waits until nothing writes to the demo's output any more, and returns the
// status of the process that was started.
func (p *running) end() int {
	_, _ = io.Copy(&p.text, p.out)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// gone fails unless the nodes stop listening.
func (p *running) gone(t *testing.T) {
	t.Helper()
	for _, addr := range p.admins {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // between two looks
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				break
			}
			conn.Close()
			if time.Now().After(deadline) {
				t.Fatalf("%s still listens", addr)
			}
		}
	}
}

// TestSignals: the whole group gets a Ctrl-C, one process a kill.
func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		sig   syscall.Signal
		group bool
	}{
		"Ctrl-C":  {syscall.SIGINT, true},
		"kill":    {syscall.SIGTERM, false},
		"hang-up": {syscall.SIGHUP, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t)
			pid := p.cmd.Process.Pid
			if c.group {
				pid = -pid
			}
			p.signal(t, pid, c.sig)
			if status := p.end(); status != 0 || !strings.HasSuffix(p.text.String(), "\nStopping.\n") {
				t.Errorf("status %d\n%s", status, p.text.String())
			}
			p.gone(t)
			nothingIn(t, p.dir)
		})
	}
}

// TestParentDies: as `go run` does when it is told to stop.
func TestParentDies(t *testing.T) {
	p := startProcess(t, "sh", "-c", `"$0" "$@" & wait`)
	p.signal(t, p.cmd.Process.Pid, syscall.SIGKILL)
	p.end()
	if !strings.HasSuffix(p.text.String(), "\nStopping.\n") {
		t.Error(p.text.String())
	}
	p.gone(t)
	nothingIn(t, p.dir)
}

// TestNodeDies: the others go on, and the demo ends as if nothing had been.
func TestNodeDies(t *testing.T) {
	p := startProcess(t)
	_, line, _ := strings.Cut(p.text.String(), "\nkill -9 ")
	line, _, _ = strings.Cut(line, "\n")
	if out, err := exec.Command("kill", "-9", line).CombinedOutput(); err != nil {
		t.Fatalf("kill -9 %s: %v %s", line, err, out)
	}
	for !strings.Contains(p.text.String(), "\n2 of 3 nodes are left. To start it again:\n") {
		line, err := p.out.ReadString('\n')
		p.text.WriteString(line)
		if err != nil {
			t.Fatalf("the demo ended: %v\n%s", err, p.text.String())
		}
	}
	p.signal(t, p.cmd.Process.Pid, syscall.SIGINT)
	if status := p.end(); status != 0 {
		t.Errorf("status %d\n%s", status, p.text.String())
	}
	nothingIn(t, p.dir)
}
