//go:build unix

package report

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// kernel is the system's name and release.
func kernel() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
}
