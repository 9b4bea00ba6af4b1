//go:build race

package proxy

// allowedAllocations a request: under the race detector sync.Pool throws away
// every fourth thing it is given, on purpose.
const allowedAllocations = 30
