package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// maxWaiting bounds the calls that wait for a decision at one node. Past it a
// call is undecided at once.
const maxWaiting = 1 << 16

// frameSender gives a frame to the leader and returns its result, however many
// attempts it takes; it fails only when ctx ends or the node is no member.
type frameSender interface {
	send(ctx context.Context, frame []byte) (quota.Result, error)
}

// Ledger decides the calls of one node. A call joins the next frame; the node
// has one frame under way, and all that waits meanwhile goes into the next. So
// the cost is one round for many calls.
type Ledger struct {
	node        string
	incarnation uint64
	wait        time.Duration
	sender      frameSender
	metrics     *metrics

	mu      sync.Mutex
	waiting []*call
	closed  bool
	wake    chan struct{} // has a value when waiting may not be empty

	seq     uint64
	returns []quota.Return // of the last frame, for the next

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// call is one call that waits to be decided.
type call struct {
	class class
	// state goes once from waiting to decided, by the ledger, or to gone, by
	// the caller.
	state  atomic.Int32
	answer chan answer // holds one
	budget *time.Timer
}

// class is the set of conditions that a call counts on.
type class struct{ domain, endpoint string }

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

func newLedger(node string, incarnation uint64, wait time.Duration, s frameSender, m *metrics) *Ledger {
	ctx, stop := context.WithCancel(context.Background())
	l := &Ledger{
		node: node, incarnation: incarnation, wait: wait, sender: s, metrics: m,
		wake: make(chan struct{}, 1), stop: stop,
	}
	l.wg.Go(func() { l.run(ctx) })
	return l
}

// Take counts one call on the conditions of the domain and, if endpoint is not
// empty, of that endpoint, and decides it. It returns within the wait budget;
// ErrUndecided means that nothing may be assumed, and the unit, if one was
// taken, is given back.
func (l *Ledger) Take(domain, endpoint string) (quota.Verdict, error) {
	c := calls.Get().(*call)
	c.class = class{domain, endpoint}
	c.state.Store(callWaiting)
	if !l.enqueue(c) {
		calls.Put(c)
		l.metrics.undecided.Inc()
		return quota.Verdict{}, ErrUndecided
	}
	c.budget.Reset(l.wait)
	var a answer
	select {
	case a = <-c.answer:
	case <-c.budget.C:
		if c.state.CompareAndSwap(callWaiting, callGone) {
			l.metrics.undecided.Inc()
			return quota.Verdict{}, ErrUndecided // the ledger still holds c
		}
		a = <-c.answer
	}
	c.budget.Stop()
	calls.Put(c)
	l.metrics.count(a)
	return a.verdict, a.err
}

func (l *Ledger) enqueue(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting) >= maxWaiting {
		return false
	}
	l.waiting = append(l.waiting, c)
	if len(l.waiting) == 1 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// close ends the ledger; calls that wait are undecided.
func (l *Ledger) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.wg.Wait()
}

// run sends one frame after the other.
func (l *Ledger) run(ctx context.Context) {
	var f round
	for {
		select {
		case <-ctx.Done():
			l.abandon()
			return
		case <-l.wake:
		}
		for l.collect(&f) {
			l.decide(ctx, &f)
			gather() // the callers that were just answered call again
		}
	}
}

// round is one frame and the calls in it. It is used again for the next.
type round struct {
	frame quota.Frame
	// batches has the calls behind each of frame.Calls.
	batches [][]*call
	index   map[class]int
	buf     []byte
}

// collect moves what waits into the round, as far as a frame goes. It reports
// false if there is nothing to send.
func (l *Ledger) collect(r *round) bool {
	r.reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	taken, size := 0, 512 // node, numbers, returns
	for _, c := range l.waiting {
		if c.state.Load() == callGone {
			taken++
			continue
		}
		i, ok := r.index[c.class]
		if !ok {
			size += quota.CallsBytes(c.class.domain, c.class.endpoint)
			if len(r.frame.Calls) == quota.MaxFrameCalls || size+12*len(l.returns) > quota.MaxFrameBytes {
				break
			}
			i = r.add(c.class)
		}
		r.frame.Calls[i].N++
		r.batches[i] = append(r.batches[i], c)
		taken++
	}
	rest := copy(l.waiting, l.waiting[taken:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	if len(r.frame.Calls) == 0 {
		// Units that nobody was there for go back at once, calls or no calls:
		// another node may be about to refuse for want of them.
		return len(l.returns) > 0
	}
	return true
}

func (r *round) reset() {
	if r.index == nil {
		r.index = map[class]int{}
	}
	clear(r.index)
	r.frame.Calls = r.frame.Calls[:0]
	for i := range r.batches {
		clear(r.batches[i])
		r.batches[i] = r.batches[i][:0]
	}
}

// add opens a place in the frame for calls of a class.
func (r *round) add(c class) int {
	i := len(r.frame.Calls)
	r.index[c] = i
	r.frame.Calls = append(r.frame.Calls, quota.Calls{Domain: c.domain, Endpoint: c.endpoint})
	if i == len(r.batches) {
		r.batches = append(r.batches, nil)
	}
	return i
}

// decide sends the round's frame and answers its calls. The frame keeps its
// number until it is answered, so that it counts once.
func (l *Ledger) decide(ctx context.Context, r *round) {
	l.seq++
	r.frame.Node, r.frame.Incarnation, r.frame.Seq = l.node, l.incarnation, l.seq
	r.frame.Returns = l.returns
	r.buf = r.frame.Append(r.buf[:0])
	res, err := l.sender.send(ctx, r.buf)
	l.returns = l.returns[:0]
	if err == nil && res.Stale {
		err = fmt.Errorf("%w: a newer process runs with this node's ID", ErrUndecided)
	} else if err == nil && len(res.Decisions) != len(r.frame.Calls) {
		err = fmt.Errorf("%w: the leader's answer does not fit the frame", ErrUndecided)
	}
	for i := range r.frame.Calls {
		if err != nil {
			reject(r.batches[i], err)
			continue
		}
		if back := settle(r.batches[i], res.Decisions[i]); back > 0 {
			l.returns = append(l.returns, quota.Return{Index: uint32(i), N: back})
		}
	}
}

// settle answers a batch: the first callers that are still there are admitted,
// as many as the decision allows, the others refused. It returns the number of
// admitted units that nobody was there for.
func settle(batch []*call, d quota.Decision) (back uint32) {
	admitted := quota.Verdict{Admitted: true}
	refused := quota.Verdict{RetryAfter: time.Duration(d.RetryAfter) * time.Millisecond}
	left := d.Admitted
	for _, c := range batch {
		if !c.state.CompareAndSwap(callWaiting, callDecided) {
			continue
		}
		if left > 0 {
			left--
			c.answer <- answer{verdict: admitted}
		} else {
			c.answer <- answer{verdict: refused}
		}
	}
	return left
}

// reject answers a batch with an error.
func reject(batch []*call, err error) {
	for _, c := range batch {
		if c.state.CompareAndSwap(callWaiting, callDecided) {
			c.answer <- answer{err: err}
		}
	}
}

// abandon answers everything that waits when the ledger closes.
func (l *Ledger) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	reject(l.waiting, ErrUndecided)
	l.waiting = nil
}
