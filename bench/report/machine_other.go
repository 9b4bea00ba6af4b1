//go:build !unix

package report

import "runtime"

// kernel is the system's name.
func kernel() string { return runtime.GOOS }
