package main

import (
	"syscall"
	"testing"
)

// TestKilled: the kernel ends the nodes when the demo cannot.
func TestKilled(t *testing.T) {
	p := startProcess(t)
	p.signal(t, p.cmd.Process.Pid, syscall.SIGKILL)
	p.end()
	p.gone(t)
}
