//go:build unix

package process

import (
	"os"
	"syscall"
)

// signalGroup sends to the process and to what it started. An error says that
// they have ended already.
func signalGroup(p *os.Process, s syscall.Signal) { _ = syscall.Kill(-p.Pid, s) }

// terminate tells the process to stop; what it started is its own affair.
func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

// inGoodOrder tells whether a process that got a SIGTERM ended as it should.
// One that had not come so far as to handle it dies of it.
func inGoodOrder(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return state.Success() || ok && (status.Signaled() && status.Signal() == syscall.SIGTERM ||
		status.Exited() && status.ExitStatus() == 128+int(syscall.SIGTERM)) // as a shell says it, and HAProxy
}
