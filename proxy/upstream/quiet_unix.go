//go:build unix

package upstream

import "syscall"

// quiet reports whether a socket is open with nothing to read. It takes
// nothing out. For TLS, what can be read is nearly always the peer's goodbye;
// where it is not, a new handshake is all that it costs.
func quiet(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN
}
