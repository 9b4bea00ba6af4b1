package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much of an answer that streams waits in the system's buffer
// beside what is on its way.
const maxUnsent = 128 << 10

// boundUnsent keeps the system from taking megabytes of an answer for a client
// that does not read them: that is memory nobody counts, and of a client that
// reads slowly it could not be seen that it gets on.
func boundUnsent(c net.Conn) {
	sock, ok := socket(c).(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		// Where it cannot be set, the connection is as good as without.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
	})
}
