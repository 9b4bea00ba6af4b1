// Package load is the load generator: calls over keep-alive connections, as
// fast as they are answered or at a given rate, and what became of them.
package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/report"
)

// Plan is a load.
type Plan struct {
	// Addresses are the host:port that connections go to, in equal shares. All
	// connections are made before the load begins; one that breaks later is
	// made again, to the same address, as part of the next call.
	Addresses []string
	// Connections is how many calls may be under way at once, 1 to
	// MostConnections. Each has one connection, and makes one call after the
	// other.
	Connections int
	// Rate is the calls a second of an open loop, spread evenly over time and
	// connections; latency then counts from the time that a call was due, so
	// that a stall is not hidden by the calls it kept from being made
	// (coordinated omission): call k of connection c is due at
	// (k × Connections + c) / Rate. At most MostRate; 0 is a closed loop: each
	// connection calls again once it is answered.
	Rate float64
	// Warmup is how long calls are made before they count in the figures. What
	// quotas do is recorded from the first call on.
	Warmup time.Duration
	// Slices is the number of stretches of Slice, 1 ms or more, that are
	// measured, 1 to MostSlices.
	Slice  time.Duration
	Slices int
	// Timeout is how long an answer is waited for, and a connection, 1 ms to
	// 60 s; an answer perhaps an eighth of it longer. 0 means 10 s.
	Timeout time.Duration
	// Prepare makes a call of its own ready: number n of the connection conn,
	// both from 0. It is called by one goroutine a connection, with a request
	// that has what the call before it left, and returns the counter that the
	// call counts on, below Counters, or -1. The request's URI is path and
	// query, as they go on the request line; Host, where it sets none, is the
	// address. Plain, HMAC and JWT make one.
	Prepare func(req *fasthttp.Request, conn, n int) (counter int)
	// Counters is how many quota counters the calls are on.
	Counters int
	// Judge tells what an answer means; nil is Tollgate's own way of telling.
	Judge func(*fasthttp.Response) Verdict
	// Progress, if not nil, is called about once a second.
	Progress func(Progress)
	// OnSlice, if not nil, is called as each measured slice begins, with its
	// number, and with Slices once the last one has ended, while the calls that
	// are still under way then are awaited. Neither it nor Progress may take
	// long: one goroutine calls both.
	OnSlice func(i int)
}

// Bounds of plans.
const (
	MostConnections = 20_000
	MostRate        = 1e6 // calls a second
	MostSlices      = 1000
	// MostTimeout is as much as histograms hold.
	MostTimeout = mostLatency * time.Microsecond

	defaultTimeout = 10 * time.Second
)

// Verdict is what became of a call.
type Verdict uint8

// What becomes of calls.
const (
	Admitted  Verdict = iota
	Refused           // 20004, or a peer's 429
	Undecided         // 50300
	Failed            // another status
	Unknown           // no answer
)

// Progress is where a load stands.
type Progress struct {
	Elapsed, Whole time.Duration
	Warming        bool
	// Calls were answered since the last report, P99 is theirs.
	Calls   uint64
	Seconds float64
	P99     time.Duration
	Failed  uint64 // since the beginning, failed or without an answer
}

// Outcome is what a load showed.
type Outcome struct {
	// Slices has one entry for each measured slice; CPUSeconds is the caller's
	// to fill in.
	Slices []report.Slice
	// Latency is of the answered calls of the slices, Lateness how long after
	// they were due, or their connection was free again, they were sent: what
	// the generator itself is behind. Both are in µs; more than 60 s counts as
	// 60 s. Lateness is nil of a closed loop.
	Latency, Lateness *hdrhistogram.Histogram
	// Counts are of the calls answered, or given up, within the measured
	// slices, and of those without an answer and Unsent by the end of the last.
	// Calls that are answered after it are not among them.
	Counts report.Counts
	// Calls are all calls on counters that were sent, those of the warm-up and
	// those answered after the last slice too, for Exactness: one connection's
	// after the other's, 24 bytes each.
	Calls []Call
}

// Call is one call on a counter. It was sent after Begin and answered, or given
// up, before End; both are since the load began.
type Call struct {
	Counter    int32
	Verdict    Verdict
	Begin, End time.Duration
}
