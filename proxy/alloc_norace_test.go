//go:build !race

package proxy

// allowedAllocations a request.
const allowedAllocations = 0.1

// raced is true under the race detector, which needs memory of its own.
const raced = false
