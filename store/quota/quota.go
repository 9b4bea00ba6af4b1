// Package quota is the state machine that counts calls against usage quotas.
//
// It is pure: state and command in, state and result out. It reads no clock,
// does no I/O, draws no random numbers, depends on no map order and knows
// nothing of Raft or of the rest of Tollgate. Replicas that apply the same
// commands in the same order hold equal states, byte for byte (State.Append).
//
// Time is cluster time: milliseconds since the Unix epoch as leaders stamp
// them into the log. It stands still rather than run back.
package quota

import "time"

// Condition limits the calls of a domain, or of one endpoint of it, to Max in
// a window of ResetSeconds.
type Condition struct {
	// Endpoint is empty for a condition of the whole domain, else the
	// endpoint's ID such as "GET /x/**".
	Endpoint string
	// Max is the number of calls a window admits, 1 to 10^12.
	Max uint64
	// ResetSeconds is the window's length, 1 to 31,536,000 s. Domain,
	// Endpoint and ResetSeconds together name the counter.
	ResetSeconds uint32
}

// Verdict is the decision on one call.
type Verdict struct {
	// Admitted is true when no condition was exceeded.
	Admitted bool
	// RetryAfter is the time until the last of the exceeded conditions'
	// windows ends; zero when admitted.
	RetryAfter time.Duration
}

// Phase is where a counter's window stands. Phases only go forward within a
// window.
type Phase uint8

const (
	// Strict: every call takes its unit in the log.
	Strict Phase = iota
	// Exhausted: a call has been refused; none is admitted until the window
	// ends, whatever is given back or redeployed.
	Exhausted
)

func (p Phase) String() string {
	if p == Exhausted {
		return "exhausted"
	}
	return "strict"
}

// Reading is one condition as a person reads it out.
type Reading struct {
	Condition
	// Used is the number of calls that the running window has admitted or
	// charged, which is more than Max once that was lowered below it; zero
	// when no window runs.
	Used uint64
	// Phase is meaningless when no window runs.
	Phase Phase
	// WindowEnds is the cluster time, in milliseconds since the Unix epoch,
	// at which the running window ends; zero when none runs.
	WindowEnds int64
}
