//go:build !unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// attributes has nothing to ask for: there are no process groups here.
func attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// awaitEnd waits for the process as a whole; what it left behind is on its own.
func awaitEnd(cmd *exec.Cmd) { _ = cmd.Wait() }

// signalGroup ends the process, which is all that a signal can do here.
func signalGroup(p *os.Process, _ syscall.Signal) { _ = p.Kill() }

// terminate ends the process: there is no way to ask it.
func terminate(p *os.Process) { _ = p.Kill() }

// inGoodOrder takes the end that terminate gives for good.
func inGoodOrder(*os.ProcessState) bool { return true }
