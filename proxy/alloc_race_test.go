//go:build race

package proxy

// allowedAllocations a request: under the race detector sync.Pool throws away
// every fourth thing it is given, on purpose.
const allowedAllocations = 30

// raced is true under the race detector, which needs memory of its own.
const raced = true
