// Package soak has no code but its tests: one node under calls of every kind at
// once, for as long as one likes, whose memory, goroutines and descriptors are
// watched. `make soak DURATION=10m` is its long form.
package soak
