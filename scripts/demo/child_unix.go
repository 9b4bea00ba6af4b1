//go:build unix && !linux

package main

import "syscall"

// childAttributes puts a child into a process group of its own, since a
// Ctrl-C goes to the whole group of the terminal and a node takes its second
// signal for an order to drop everything. Nothing here ends the child should
// the demo be killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
