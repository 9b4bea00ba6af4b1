package process

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes puts a child into a process group of its own, and has the kernel
// signal it should we die.
func attributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

// awaitEnd returns once the process has ended, and leaves it to be waited for:
// until then no other process or group gets its number.
func awaitEnd(cmd *exec.Cmd) {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
