//go:build race

package ledger

// simDefault is small under the race detector; make test runs the simulation
// without it as well.
const simDefault = 100
