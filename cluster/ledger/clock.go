package ledger

import (
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// instant is one reading of a node's two clocks.
type instant struct {
	// mono is the monotonic clock, ns since the node began.
	mono int64
	// drift is how far the wall clock has moved against it since then, ns. A
	// suspended machine's monotonic clock stands still; its wall clock does
	// not.
	drift int64
}

// clock reads the node's clocks; simulations have their own.
type clock func() instant

// maxDrift is how far the two clocks may come apart while a lease is held: a
// machine that was suspended for less goes on unnoticed, so the cluster waits
// for a lease by more than that (quota.WaitMillis).
const maxDrift = (quota.WaitMillis - 10) * int64(time.Millisecond)

func systemClock() clock {
	begin := time.Now()
	wall := begin.UnixNano()
	return func() instant {
		now := time.Now()
		mono := now.Sub(begin).Nanoseconds()
		return instant{mono, now.UnixNano() - wall - mono}
	}
}

// clusterClock bounds cluster time from above, as far as this node can know:
// the stamp of its newest frame, plus all that has passed since before that
// frame was sent.
type clusterClock struct{ sample atomic.Pointer[stamp] }

type stamp struct {
	now  int64 // cluster time, ms
	sent int64 // mono, ns, before it
}

// steady reads the clocks until they were read without an interruption between
// them, or it gives up: what is leased is held to this reading.
func (c clock) steady() instant {
	at := c()
	for range 8 {
		again := c()
		if d := again.drift - at.drift; d < int64(time.Millisecond) && d > -int64(time.Millisecond) {
			return at
		}
		at = again
	}
	return at
}

// maxStampAge is how long a stamp is of use.
const maxStampAge = int64(10 * time.Second)

func (c *clusterClock) set(now int64, sent instant) { c.sample.Store(&stamp{now, sent.mono}) }

// atMost is a cluster time, ms, that has not been passed, and whether one is
// known. Clocks may run at rates that differ by up to 1 %.
func (c *clusterClock) atMost(at instant) (int64, bool) {
	s := c.sample.Load()
	if s == nil {
		return 0, false
	}
	age := at.mono - s.sent
	return s.now + (age+age/100)/int64(time.Millisecond) + 1, age < maxStampAge
}
