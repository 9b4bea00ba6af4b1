package main

import "syscall"

// childAttributes puts a child into a process group of its own, since a
// Ctrl-C goes to the whole group of the terminal and a node takes its second
// signal for an order to drop everything. Should the demo be killed, the
// kernel kills the child.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
