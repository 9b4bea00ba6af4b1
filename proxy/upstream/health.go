package upstream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// How a Group takes targets out by itself.
const (
	// rowOfFailures is how many failures in a row eject a target: connections
	// that fail, answers 502, 503 and 504, and what the gateway answers so
	// because the target did not answer, or not well. A 500 is an answer like any
	// other: it says something of the call, not of the server.
	rowOfFailures = 5
	// firstEjection is how long a target is ejected; each further time it is
	// twice as long, up to longestEjection, unless the last one has been over for
	// forgetAfter.
	firstEjection, longestEjection, forgetAfter = 10 * time.Second, 5 * time.Minute, 5 * time.Minute
	// slowReturn is how long a target that is back gets fewer calls than its
	// share, from a tenth on.
	slowReturn = 10 * time.Second
	// holdOff is how long a target is left alone that has refused a connection;
	// then one call tries it.
	holdOff = time.Second
)

// moment is a time in nanoseconds since the process began, by the clock that
// nobody sets.
type moment int64

var processStart = time.Now()

func (g *Group) moment() moment { return moment(g.now().Sub(processStart)) }

// health is what is known of a target. Groups that follow each other share it.
type health struct {
	inFlight atomic.Int64
	// row is how many calls have failed in a row.
	row atomic.Int32
	// refused is until when it is left alone, 0: nothing was refused.
	refused atomic.Int64
	// from is since when it is in, or from when on it will be again; 0: always.
	from atomic.Int64
	// away is true until somebody has seen that an ejection is over.
	away atomic.Bool
	// failing is true where its check says so.
	failing atomic.Bool

	mu sync.Mutex
	// ejections is how often it was ejected, each time soon after the last.
	ejections int
	// refusals is true when its last ejection was for refused connections.
	refusals bool
}

// Event is what has become of a target.
type Event uint8

// The events.
const (
	// Ejected: too many calls in a row have failed.
	Ejected Event = iota
	// Returned: an ejection is over.
	Returned
	// Failing: its check fails.
	Failing
	// Passing: its check passes again.
	Passing
	// Events is their number.
	Events
)

func (e Event) String() string {
	return [Events]string{"ejected", "returned", "failing", "passing"}[e]
}

// Change is an Event with what is to be said about it.
type Change struct {
	Event Event
	// For is how long it is ejected.
	For time.Duration
	// Cause is the last failure, nil with Returned and Passing.
	Cause error
}

// judge learns from how a call has ended. hasTime is false where the call had
// too little time left for a connection to be blamed.
func (g *Group) judge(t *target, status int, err error, hasTime bool) {
	failed, isOurs := err.(*Error) // errors.As would allocate
	switch {
	case err == nil && (status == 502 || status == 503 || status == 504):
		t.reached()
		g.failed(t, fmt.Errorf("status %d", status), false)
	case err == nil:
		t.reached()
		if t.row.Load() != 0 {
			t.row.Store(0)
		}
	case !isOurs:
		t.reached() // the request itself broke off
	case failed.Unsent && (failed.Reason == Connect || failed.Reason == Timeout && hasTime):
		t.refused.Store(int64(g.moment()) + int64(holdOff))
		g.failed(t, err, true)
	case failed.Unsent: // all its connections are in use, or there was no time
	default:
		t.reached()
		if failed.Reason == Broken || failed.Reason == Timeout {
			g.failed(t, err, false)
		}
	}
}

// fails tells whether a target fails its check, of a Group that has one.
func (g *Group) fails(t *target) bool { return g.check != nil && t.failing.Load() }

// reached: there was a connection.
func (h *health) reached() {
	if h.refused.Load() != 0 {
		h.refused.Store(0)
	}
}

func (h *health) refuses(now moment) bool {
	until := h.refused.Load()
	return until != 0 && int64(now) < until
}

// claim makes a call the one that tries a target which has refused; false:
// another call is doing so.
func (h *health) claim(now moment) bool {
	until := h.refused.Load()
	return until == 0 || h.refused.CompareAndSwap(until, int64(now)+int64(holdOff))
}

func (g *Group) failed(t *target, cause error, refused bool) {
	if t.row.Add(1) < rowOfFailures {
		return
	}
	if length := g.eject(t, refused); length > 0 {
		t.observer.Changed(Change{Event: Ejected, For: length, Cause: cause})
	}
}

// eject takes a target out for a time, which it returns; 0: it was out already,
// or more than half of them would be.
func (g *Group) eject(t *target, refused bool) (length time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.moment()
	out := 1
	for _, other := range g.targets {
		isOut := g.fails(other) || int64(now) < other.from.Load()
		if other == t && isOut {
			return 0
		}
		if isOut {
			out++
		}
	}
	if 2*out > len(g.targets) {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if from := t.from.Load(); int64(now)-from > int64(forgetAfter) {
		t.ejections = 0
	}
	length = longestEjection
	if t.ejections < 5 {
		length = min(length, firstEjection<<t.ejections)
	}
	t.ejections++
	t.refusals = refused
	t.from.Store(int64(now) + int64(length))
	t.away.Store(true)
	return length
}

// returning is how much of its share a target gets, of whole.
func (g *Group) returning(t *target, now moment) int64 {
	from := t.from.Load()
	if from == 0 {
		return whole
	}
	since := int64(now) - from
	if since < 0 {
		return 0
	}
	if t.away.Load() && t.away.CompareAndSwap(true, false) {
		t.observer.Changed(Change{Event: Returned})
	}
	if since >= int64(slowReturn) {
		return whole
	}
	return max(whole/10, whole*since/int64(slowReturn))
}

// checked learns from a check; it is called for those of one target one after
// the other. failed is how many failed in a row before. It returns how many
// have now.
func (g *Group) checked(t *target, err error, failed int) int {
	if err != nil {
		if failed++; failed >= checksToFail && !t.failing.Swap(true) {
			t.observer.Changed(Change{Event: Failing, Cause: err})
		}
		return failed
	}
	t.reached()
	if g.passes(t) {
		t.observer.Changed(Change{Event: Passing})
	}
	return 0
}

// passes takes a target in again that has passed a check; it reports whether it
// failed the one before.
func (g *Group) passes(t *target) (failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, from := int64(g.moment()), t.from.Load()
	if t.refusals && now < from { // it can be connected to
		from = now
		t.from.Store(from)
		t.row.Store(0)
	}
	if failed = t.failing.Load(); failed {
		t.from.Store(max(now, from))
		t.failing.Store(false)
	}
	return failed
}

// out says why a target is not tried.
func (g *Group) out(t *target, now moment) string {
	switch left := t.from.Load() - int64(now); {
	case g.fails(t):
		return "fails its health check"
	case t.refuses(now):
		return "has just refused a connection"
	case left > 0:
		return fmt.Sprintf("is ejected for %v more, after %d failures in a row", time.Duration(left).Round(time.Second), rowOfFailures)
	}
	return ""
}

// Healthy tells by label which targets are in the balance.
func (g *Group) Healthy(tell func(label string, healthy bool)) {
	now := int64(g.moment())
	for _, t := range g.targets {
		tell(t.label, !g.fails(t) && now >= t.from.Load())
	}
}
