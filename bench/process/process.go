// Package process runs nodes and other programs as child processes, for the
// benchmark, the demo and the tests: it starts and ends them, tells how they
// ended, and what they use of the machine.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// Command is what to run.
type Command struct {
	// Name stands for the process in errors, such as "n1" or "nginx".
	Name string
	// Path is the program's file, and Args what follows it.
	Path string
	Args []string
	// Env, each NAME=VALUE, is added to the environment, which is this
	// process's without what would set up a Tollgate node (TOLLGATE_…).
	Env []string
	// Dir is the working directory; empty means this process's.
	Dir string
	// Log is the file that the output goes to, behind what is in it already.
	Log string
	// Orphaned is the signal that the kernel sends should this process die
	// without having ended the child; 0 means SIGKILL. A program whose own
	// children outlive it when it is killed needs another. Linux only.
	Orphaned syscall.Signal
	// Died, unless it is nil, is called once, from a goroutine of its own, if the
	// process ends without Stop, Kill or MayEnd.
	Died func(*Process)
}

// Process is one life of a child process, with the processes that it started
// itself as far as they stay in its process group. Its methods may be called
// from several goroutines.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
	died func(*Process)
	// signals excludes that the process is signalled while it is being given
	// up to the system, which may then give its number to another.
	signals sync.Mutex
	ended   bool // no signal may be sent any more
	wanted  bool // it was told to end, or may
}

// Start runs a command in a process group of its own, since a Ctrl-C goes to
// the whole group of the terminal, and it is for the benchmark to end its
// children. Should the benchmark be killed, the kernel ends the child (on
// Linux). Whoever starts a process calls Stop or Kill.
func Start(c Command) (*Process, error) {
	out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%s: its log: %w", c.Name, err)
	}
	defer out.Close() // the child has a descriptor of its own
	cmd := exec.Command(c.Path, c.Args...)
	c.prepare(cmd)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", c.Name, err)
	}
	p := &Process{name: c.Name, log: c.Log, cmd: cmd, done: make(chan struct{}), died: c.Died}
	go p.wait() // Stop and Kill wait for it
	return p, nil
}

// Output runs a command to its end, or until ctx ends, and returns what it
// printed. Its Log and Died have no meaning here.
func Output(ctx context.Context, c Command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	c.prepare(cmd)
	return cmd.CombinedOutput()
}

// prepare gives a command its surroundings.
func (c *Command) prepare(cmd *exec.Cmd) {
	orphaned := c.Orphaned
	if orphaned == 0 {
		orphaned = syscall.SIGKILL
	}
	cmd.Dir = c.Dir
	cmd.Env = append(withoutSettings(os.Environ()), c.Env...)
	cmd.SysProcAttr = attributes(orphaned)
}

// wait takes the end of the process in.
func (p *Process) wait() {
	awaitEnd(p.cmd)
	p.signals.Lock()
	if p.cmd.ProcessState == nil { // its number is still its own
		signalGroup(p.cmd.Process, syscall.SIGKILL) // what it has left behind
		_ = p.cmd.Wait()                            // ProcessState tells
	}
	p.ended = true
	wanted := p.wanted
	p.signals.Unlock()
	close(p.done)
	if !wanted && p.died != nil {
		p.died(p)
	}
}

// withoutSettings drops what would change a node behind the benchmark's back.
func withoutSettings(env []string) []string {
	var kept []string
	for _, line := range env {
		if !strings.HasPrefix(line, "TOLLGATE_") {
			kept = append(kept, line)
		}
	}
	return kept
}

// PID is the number of the process, which is its process group's too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is nil while the process runs, then how it ended, with the last of its
// output.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %v\n%s", p.name, p.cmd.ProcessState, Tail(p.log))
	default:
		return nil
	}
}

// State is how the process ended, nil while it runs.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Signal sends a signal to the process and its group, such as SIGSTOP. One that
// has ended gets none.
func (p *Process) Signal(s syscall.Signal) {
	p.signals.Lock()
	defer p.signals.Unlock()
	if !p.ended {
		signalGroup(p.cmd.Process, s)
	}
}

// MayEnd says that the process may end by itself: Died is not called.
func (p *Process) MayEnd() {
	p.signals.Lock()
	defer p.signals.Unlock()
	p.wanted = true
}

// Kill ends the process and its group at once, kill -9, and waits for it. It
// may be called again.
func (p *Process) Kill() {
	p.signals.Lock()
	p.wanted = true
	if !p.ended {
		signalGroup(p.cmd.Process, syscall.SIGKILL)
	}
	p.signals.Unlock()
	<-p.done
}

// Stop has the process stop in good order, by SIGTERM, and kills it if it has
// not when ctx ends. The process has ended when Stop returns. An error tells,
// with the last of its output, that it had to be killed or did not end in good
// order, which a process that had ended before did not either.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Err(); err != nil {
		return err
	}
	p.signals.Lock()
	p.wanted = true
	if !p.ended {
		terminate(p.cmd.Process)
	}
	p.signals.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not stop in time and was killed\n%s", p.name, Tail(p.log))
	}
	if inGoodOrder(p.cmd.ProcessState) {
		return nil
	}
	return fmt.Errorf("%s did not stop in good order: %w", p.name, p.Err())
}
