package load

import (
	"sync/atomic"
	"time"
)

// pacer wakes the connections of an open loop when their calls are due. Call i
// of the whole load, from 0, is made by connection i modulo the connections, so
// one goroutine finds them in order, however many connections there are.
//
// Each connection could sleep by itself, but a Go timer wakes an idle process
// up to 1 ms late, since the runtime waits in whole milliseconds. Measured on
// two cores: a sleep of 50 µs ends 1.04 ms late at the median, one of 700 µs
// 0.4 ms; calls of an open loop were sent 0.6 ms late, several at once, and that
// is latency. With an alarm (timerfd) they are sent 0.05 to 0.1 ms late, at
// their own times. It wakes for each of them, which at 5,000 calls a second is
// 0.3 of a core more, an empty server's share included. Spinning would take a
// whole one of those that the gateway is measured on.
type pacer struct {
	rate    float64
	whole   time.Duration
	stopped *atomic.Bool
	// passed is how many calls have come due, as far as the pacer has come.
	passed atomic.Int64
	places []place
}

// place is where a connection waits for its next call to be due.
type place struct {
	// call is what it waits for, plus one; 0 when it does not wait.
	call atomic.Int64
	wake chan struct{}
}

// nap is the least that the pacer sleeps. It bounds what waking costs where
// calls are due more often, and makes them that much late at most.
const nap = 100 * time.Microsecond

// longestSleep bounds how long it takes to see that the load was stopped.
const longestSleep = 50 * time.Millisecond

func newPacer(p *Plan, stopped *atomic.Bool) *pacer {
	s := &pacer{rate: p.Rate, whole: p.whole(), stopped: stopped, places: make([]place, p.Connections)}
	for i := range s.places {
		s.places[i].wake = make(chan struct{}, 1)
	}
	return s
}

// due is when call i is due.
func (s *pacer) due(i int64) time.Duration {
	return time.Duration(float64(i) / s.rate * float64(time.Second))
}

// run wakes who waits until the last call was due or the load is stopped; then
// nobody waits any more.
func (s *pacer) run(clock func() time.Duration, a *alarm) error {
	now := clock()
	for i := int64(0); ; {
		due := s.due(i)
		stop := s.stopped.Load()
		switch {
		case due >= s.whole && !stop:
			return nil
		case stop:
			s.releaseAll()
			return nil
		case due <= now:
			s.passed.Store(i + 1)
			s.release(i)
			i++
			continue
		}
		if err := a.sleep(min(max(due-now, nap), longestSleep)); err != nil {
			return err
		}
		now = clock()
	}
}

// release wakes the connection that waits for call i.
func (s *pacer) release(i int64) {
	p := &s.places[i%int64(len(s.places))]
	if p.call.CompareAndSwap(i+1, 0) {
		p.wake <- struct{}{}
	}
}

// releaseAll wakes everybody, whatever they wait for.
func (s *pacer) releaseAll() {
	s.passed.Store(1<<63 - 1)
	for i := range s.places {
		if s.places[i].call.Swap(0) != 0 {
			s.places[i].wake <- struct{}{}
		}
	}
}

// wait returns once call i of the load, which is the connection's, is due or
// the load is stopped.
func (s *pacer) wait(conn int, i int64) {
	p := &s.places[conn]
	p.call.Store(i + 1)
	// The pacer stores passed, then looks at call; here it is the other way
	// about, so one of the two sees the other.
	if s.passed.Load() > i && p.call.CompareAndSwap(i+1, 0) {
		return
	}
	<-p.wake
}
