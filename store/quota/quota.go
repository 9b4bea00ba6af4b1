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

import (
	"bytes"
	"crypto/sha256"
	"time"
)

// Verdict is the decision on one call.
type Verdict struct {
	// Admitted is true when no condition was exceeded.
	Admitted bool
	// RetryAfter is the time until the last of the exceeded conditions' windows
	// ends; zero when admitted. Of a call that is refused for now alone, because
	// others may come to pay for less than they have reserved, it is a second.
	RetryAfter time.Duration
	// ByCaller is true when it was a condition with By that refused the call.
	ByCaller bool
	// Shadowed is true when a shadow condition would have refused the call.
	Shadowed bool
	// Reservation is what an admitted call that asked to Reserve has reserved;
	// else nil.
	Reservation Reservation
}

// Reservation is units that a call has taken and whose number is not final. One of
// its methods is to be called, once; they do not block.
type Reservation interface {
	// Settle says how many units the call was worth. What was reserved beyond that
	// goes back, though not to an exhausted window; what it was worth beyond what
	// was reserved is charged.
	Settle(units uint64)
	// Refund says that a condition behind these has refused the call. It does not
	// count on those with By; nor, if the one that refused has By, on those
	// without.
	Refund(byCaller bool)
}

// Phase is where a counter's window stands. Phases only go forward within a
// window.
type Phase uint8

const (
	// Leasing: nodes hold blocks of units and spend them without asking.
	Leasing Phase = iota
	// Draining: nothing more is leased, and what is leased comes back.
	Draining
	// Strict: nobody holds units; every call takes its own in the log.
	Strict
	// Exhausted: a call has been refused; none is admitted until the window
	// ends, whatever is given back or redeployed.
	Exhausted
)

func (p Phase) String() string {
	return [...]string{"leasing", "draining", "strict", "exhausted"}[p]
}

// Params bound the leases. They travel with each log entry, so that replicas
// agree on them whatever their nodes are configured to.
type Params struct {
	// LeaseMillis is how long a holder may spend a lease as its counter nears
	// its end, in ms: 10 to 60,000. A window shorter than ten leases has leases of a tenth of it.
	LeaseMillis uint32
	// LongLeaseMillis is how long a lease may last while the pool is far from
	// its end, in ms: up to 60,000; less than LeaseMillis means that.
	LongLeaseMillis uint32
	// MinLease is the smallest block worth leasing, in units, 1 to 10^6: a
	// counter whose share falls below it starts draining.
	MinLease uint32
}

// Bounds and defaults of Params. A lease outlives its holder, and near a window's end
// all calls wait until it has expired. When a leader that held leases is lost, they
// wait for an election too. The default keeps both together below a second as a rule.
const (
	DefaultLeaseMillis, MinLeaseMillis, MaxLeaseMillis = 200, 10, 60_000
	DefaultLongLeaseMillis                             = 2000
	DefaultMinLease, MaxMinLease                       = 16, 1_000_000
)

// ID names a counter for ever; another counter never has it.
type ID struct {
	// Rule is the condition as it is deployed.
	Rule uint64
	// Caller is whose calls are counted, zero for all.
	Caller Digest
}

// Digest stands for a caller: no address or key stands in the log.
type Digest [16]byte

// Seed makes digests of one rule mean nothing to another.
type Seed [16]byte

// DigestOf is the digest of a caller by its value. It takes one block of SHA-256 for
// up to 39 bytes.
func DigestOf(seed Seed, value []byte) Digest {
	var few [128]byte
	sum := sha256.Sum256(append(append(few[:0], seed[:]...), value...))
	return Digest(sum[:])
}

func (d Digest) compare(o Digest) int { return bytes.Compare(d[:], o[:]) }

// Rule is what a node's ledger has to know of a condition.
type Rule struct {
	ID uint64
	Condition
	// Seed is for the digests of its callers.
	Seed Seed
	// Info is of the counter of all calls; of none where there is By.
	Info
}

// Info is what a node's ledger has to know of a counter.
type Info struct {
	ID ID
	// Phase, Window and Ends are of the running window; Window is 0 when none has run.
	// A window has a name that no other has, and that is greater than any before it.
	Phase  Phase
	Window int64
	Ends   int64 // cluster time, ms
	// Max is the window's maximum.
	Max uint64
}

// Reading is one condition as a person reads it out.
type Reading struct {
	Condition
	// Used is the number of units that the running window has admitted or
	// charged, as far as the nodes have reported; zero when no window runs.
	// It is more than Max once that was lowered below it.
	Used uint64
	// Lost is those of Used that were leased to nodes that did not come to say
	// what became of them: they may have admitted calls, or may not.
	Lost uint64
	// Leased is the number of units that nodes hold, and may have spent, Holders how
	// they are spread.
	Leased  uint64
	Holders []Holding
	// Reserved is those of Used that calls have reserved and not settled.
	Reserved uint64
	// Pool is the number of units that nobody has taken.
	Pool uint64
	// WindowMax is the maximum of the running window, with what was adjusted.
	WindowMax uint64
	// Phase is meaningless when no window runs.
	Phase Phase
	// Window names the running window; zero when none runs.
	Window int64
	// WindowEnds is the cluster time, in milliseconds since the Unix epoch,
	// at which the running window ends; zero when none runs.
	WindowEnds int64
	// Callers is how many callers have a counter each, and Shared is true while those
	// beyond share one.
	Callers int
	Shared  bool
}

// Holding is how many units of a window a node holds.
type Holding struct {
	Node  string
	Units uint64
}
