package ledger

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// call is one call that waits to be decided.
type call struct {
	class *class
	asks  []ask // it has them for itself
	// missing has a bit for each of asks of which the call has no units yet.
	missing uint64
	// paid are the leases from which it has taken units.
	paid    []*lease
	units   uint32
	reserve bool
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

// errSuperseded: a rule is gone that the call was to count on.
var errSuperseded = errors.New("the conditions have changed")

var calls = sync.Pool{New: func() any {
	c := &call{answer: make(chan answer, 1), budget: time.NewTimer(time.Hour)}
	c.budget.Stop()
	return c
}}

// Take decides one call at one stage. It counts the call on the conditions of the
// domain and on those of the endpoint, unless that is empty. It returns within the
// wait budget. After ErrUndecided nothing may be assumed of the call; units that were
// taken for it go back.
func (l *Ledger) Take(c *quota.Call) (quota.Verdict, error) {
	begin := time.Time{}
	for {
		cl := l.class(c)
		if cl == nil {
			return l.undecided()
		}
		v, w := l.begin(cl, c)
		if w == nil {
			l.shadow(cl, c, &v)
			return v, nil
		}
		if begin.IsZero() {
			begin = time.Now()
		}
		moved := l.rulesMoved.Load()
		a := l.wait(w, begin)
		switch {
		case a.err == errSuperseded:
			if !l.waitForRules(*moved, begin) {
				return l.undecided()
			}
		case a.err != nil:
			return a.verdict, a.err
		default:
			l.shadow(cl, c, &a.verdict)
			return a.verdict, nil
		}
	}
}

func (l *Ledger) undecided() (quota.Verdict, error) {
	l.metrics.unavailable.Inc()
	return quota.Verdict{}, ErrUndecided
}

// wait has a call decided in the log, within the budget that began then.
func (l *Ledger) wait(c *call, begin time.Time) (a answer) {
	if !l.enqueue(c) {
		l.mu.Lock()
		l.refund(c)
		l.mu.Unlock()
		calls.Put(c)
		a.verdict, a.err = l.undecided()
		return a
	}
	c.budget.Reset(l.budget - time.Since(begin))
	select {
	case a = <-c.answer:
	case <-c.budget.C:
		if c.state.CompareAndSwap(callWaiting, callGone) {
			a.verdict, a.err = l.undecided()
			return a // the ledger still holds c
		}
		a = <-c.answer
	}
	c.budget.Stop()
	calls.Put(c)
	if a.err != errSuperseded {
		l.metrics.waited(a, time.Since(begin))
	}
	return a
}

// rulesPause is how long a call waits at most for the rules that have come in the place
// of those that it was to count on.
const rulesPause = 50 * time.Millisecond

// waitForRules waits for this node's replica. It reports false at the budget's end.
func (l *Ledger) waitForRules(moved <-chan struct{}, begin time.Time) bool {
	left := l.budget - time.Since(begin)
	if left <= 0 {
		return false
	}
	t := time.NewTimer(min(left, rulesPause))
	defer t.Stop()
	select {
	case <-moved:
	case <-t.C:
	}
	return true
}

// class is what a call counts on. An endpoint without conditions of its own
// counts on the domain's. It is nil for a domain of which this node's replica
// knows no conditions. Such a domain may have been deleted, or may not have arrived
// here yet, so nothing can be said of the call.
func (l *Ledger) class(c *quota.Call) *class {
	d := (*l.classes.Load())[c.Domain]
	cls, ok := d[c.Endpoint]
	if !ok {
		cls = d[""]
	}
	if cls == nil {
		return nil
	}
	return &cls[c.Stage]
}

// shadow counts a call on the conditions that only count, unless a caller's condition
// has refused it.
func (l *Ledger) shadow(cl *class, c *quota.Call, v *quota.Verdict) {
	if len(cl.shadows) == 0 || v.ByCaller {
		return
	}
	var few [8]ask
	at := l.clock()
	for _, a := range l.asks(cl.shadows, nil, c, few[:0]) {
		if ends := a.used(l, at, a.limit); ends > 0 {
			v.Shadowed = true
		}
		l.owe(a, c.Cost())
	}
}

// owe has a counter charged for a call that it is not asked about.
func (l *Ledger) owe(a ask, units uint32) {
	if a.limit > a.owedLimit.Load() {
		a.owedLimit.Store(a.limit)
	}
	if before := a.owed.Add(int64(units)) - int64(units); before == 0 {
		l.mu.Lock()
		l.owing = append(l.owing, a.holding)
		l.mu.Unlock()
	}
}
