//go:build !race

package proxy

// allowedAllocations a request.
const allowedAllocations = 0.1
