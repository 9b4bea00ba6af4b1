//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
)

// attributes puts a child into a process group of its own. Nothing here ends
// it should we die.
func attributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitEnd waits for the process as a whole; what it left behind is on its own.
func awaitEnd(cmd *exec.Cmd) { _ = cmd.Wait() }
