//go:build linux

package chaos

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// socketInode finds the loopback socket that is connected from one port to
// another, by the number the kernel has for it.
func socketInode(from, to int) (string, bool) {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", false
	}
	defer f.Close()
	const loopback = "0100007F"
	local, remote := fmt.Sprintf("%s:%04X", loopback, from), fmt.Sprintf("%s:%04X", loopback, to)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st queues timer retransmits uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[1] == local && fields[2] == remote && fields[9] != "0" {
			return fields[9], true
		}
	}
	return "", false
}

// hasSocket reports whether a process has the socket open.
func hasSocket(pid int, inode string) bool {
	if pid == 0 {
		return false
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
