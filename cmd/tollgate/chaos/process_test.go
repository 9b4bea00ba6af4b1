//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one life of a node's process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended

	mu sync.Mutex
	// wanted is set before the test ends it: any other end is the node's own.
	wanted bool
}

// startProcess runs a command in a process group of its own, its output behind
// what is in log already. Should the test die, the kernel kills it. died is
// called if it ends without being told to.
func startProcess(log, name string, args []string, died func(*process)) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has a descriptor of its own
	cmd := exec.Command(name, args...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "--- %.3f s: process %d: %s %s\n", clock().Seconds(), cmd.Process.Pid, name, strings.Join(args, " "))
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() { // whoever ends the process waits for it
		_ = cmd.Wait() // ProcessState tells
		close(p.done)
		p.mu.Lock()
		wanted := p.wanted
		p.mu.Unlock()
		if !wanted {
			died(p)
		}
	}()
	return p, nil
}

// withoutSettings drops what would change a node behind the test's back.
func withoutSettings(env []string) []string {
	var kept []string
	for _, line := range env {
		if !strings.HasPrefix(line, "TOLLGATE_") {
			kept = append(kept, line)
		}
	}
	return kept
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal sends to the whole group, which is the process.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.pid(), s) }

// want says that the process is about to be ended.
func (p *process) want() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
}

// kill ends the process at once, a paused one too, and waits for it.
func (p *process) kill() {
	p.want()
	p.signal(syscall.SIGKILL)
	<-p.done
}

// terminate has the process stop in good order. An error is a process that did
// not; it is dead in any case.
func (p *process) terminate(patience time.Duration) error {
	p.want()
	p.signal(syscall.SIGTERM)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		p.kill()
		return fmt.Errorf("it had not stopped %v after SIGTERM", patience)
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	// One that had not come so far as to handle the signal dies of it.
	if p.cmd.ProcessState.Success() || ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
		return nil
	}
	return fmt.Errorf("after SIGTERM it ended with %v", p.cmd.ProcessState)
}
