package ledger

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// call is one call that waits to be decided.
type call struct {
	class *class
	// missing has a bit for each of the class's counters of which the call has no
	// unit yet.
	missing uint64
	// paid are the leases from which it has taken a unit.
	paid []*lease
	// state changes once: the ledger makes it decided, or the caller makes it gone.
	state  atomic.Int32
	answer chan answer // holds one
	budget *time.Timer
}

type answer struct {
	verdict quota.Verdict
	err     error
}

const (
	callWaiting int32 = iota
	callDecided
	callGone
)

var calls = sync.Pool{New: func() any {
	c := &call{answer: make(chan answer, 1), budget: time.NewTimer(time.Hour)}
	c.budget.Stop()
	return c
}}

// Take decides one call. It counts the call on the conditions of the domain, which
// has some, and on those of the endpoint, unless that is empty. It returns within the
// wait budget. After ErrUndecided nothing may be assumed of the call; units that were
// taken for it go back.
func (l *Ledger) Take(domain, endpoint string) (quota.Verdict, error) {
	cl := l.class(domain, endpoint)
	if cl == nil {
		l.metrics.unavailable.Inc()
		return quota.Verdict{}, ErrUndecided
	}
	v, c := l.begin(cl)
	if c == nil {
		return v, nil
	}
	begin := time.Now()
	if !l.enqueue(c) {
		l.mu.Lock()
		l.refund(c)
		l.mu.Unlock()
		calls.Put(c)
		l.metrics.unavailable.Inc()
		return quota.Verdict{}, ErrUndecided
	}
	c.budget.Reset(l.wait)
	var a answer
	select {
	case a = <-c.answer:
	case <-c.budget.C:
		if c.state.CompareAndSwap(callWaiting, callGone) {
			l.metrics.unavailable.Inc()
			return quota.Verdict{}, ErrUndecided // the ledger still holds c
		}
		a = <-c.answer
	}
	c.budget.Stop()
	calls.Put(c)
	l.metrics.waited(a, time.Since(begin))
	return a.verdict, a.err
}
