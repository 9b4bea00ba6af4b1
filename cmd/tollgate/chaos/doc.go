// Package chaos is a test: real nodes, as processes of the real binary, under
// load from many clients while they are killed, paused, cut off from each other
// and moved about, and the history of all calls checked against what Tollgate
// promises of quotas. It looks at the cluster only from outside.
//
// `go test ./cmd/tollgate/chaos` is a short form; `make chaos` goes on for
// minutes. Everything that is random comes from -chaos.seed, so that a seed
// makes the same plan of faults again; when exactly they strike is up to the
// machine.
package chaos
