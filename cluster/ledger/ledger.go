// Package ledger decides the calls of one node: out of the units of quotas that the
// node has leased, by its replica, or in a frame that the leader puts into the log.
//
// See DESIGN.md.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

const (
	// maxWaiting bounds the calls that wait for a decision at one node. Past
	// it a call is undecided at once.
	maxWaiting = 1 << 16
	// tick is how often leases are looked after and charges of refused calls
	// are sent.
	tick = 10 * time.Millisecond
	// stallPause is between two frames that decided nothing, while units of
	// others are awaited.
	stallPause = 2 * time.Millisecond
	// giveBackWait is how long a node that stops waits to be rid of what it
	// holds. Where there is no leader to tell, it expires.
	giveBackWait = 500 * time.Millisecond
)

// ErrUndecided: a call could not be decided within its wait budget. Nothing may be
// assumed of it.
var ErrUndecided = errors.New("the quota could not be decided in time")

// FrameSender has the leader decide frames.
type FrameSender interface {
	// Send gives a frame to the leader and returns its result, however many
	// attempts it takes; it fails only when ctx ends or the node is no member. The
	// ledger calls it for one frame at a time, without its lock, and writes the
	// next frame into the same bytes once it has returned.
	Send(ctx context.Context, frame []byte) (quota.Result, error)
}

// Config is what a Ledger is opened with; all fields are required.
type Config struct {
	// Node is this node's ID, Incarnation its newest start: the log takes no frames
	// of an earlier one once it has one of this.
	Node        string
	Incarnation uint64
	// Wait is how long a call waits for its decision.
	Wait time.Duration
	// MinLease is how many units are asked for at least, as quota.Params has it.
	MinLease uint32
	Sender   FrameSender
	// Registerer receives the ledger's metrics.
	Registerer prometheus.Registerer
}

// Ledger decides the calls of one node: out of the units it has leased where
// it can, else in the node's next frame. A node has one frame under way, and
// all that waits meanwhile goes into the next, so that the cost is one round
// for many calls.
type Ledger struct {
	node        string
	incarnation uint64
	wait        time.Duration
	minLease    uint32
	sender      FrameSender
	metrics     *metrics
	clock       clock
	stripes     int // of a lease

	// classes is read without a lock by every call.
	classes atomic.Pointer[map[string]map[string]*class]
	cluster clusterClock

	// mu comes after the state machine's lock (store), under which the ledger is told
	// what has changed: nothing that may want that lock is called under mu.
	mu       sync.Mutex
	holdings map[uint64]*holding
	leased   []*holding // those that may have a lease, to look after
	waiting  []*call
	marked   []*holding // to report on
	owing    []*holding // to charge
	returns  []quota.Return
	seq      uint64
	sending  bool // a frame is under way
	closing  bool
	// lastFlush is when charges last had a frame of their own, mono ns; 0 has
	// them sent.
	lastFlush int64
	// answered is the newest frame that was answered; moved is closed, and made
	// anew, whenever one is.
	answered uint64
	moved    chan struct{}
	wake     chan struct{} // has a value when a frame may be due

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// call is one call that waits to be decided.
type call struct {
	class *class
	// missing has a bit for each of the class's counters that the call has
	// yet to take a unit of.
	missing uint64
	// paid are the leases that it has taken a unit of.
	paid []*lease
	// state goes once from waiting to decided, by the ledger, or to gone, by
	// the caller.
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

// Open makes a ledger that knows no counters yet, and begins to send frames. It is to
// be told of the counters: it is a store.QuotaObserver.
func Open(cfg Config) *Ledger {
	l := newLedger(cfg, newMetrics(cfg.Registerer), systemClock())
	l.start()
	return l
}

// newLedger makes a ledger that sends no frames before it is started.
func newLedger(cfg Config, m *metrics, c clock) *Ledger {
	l := &Ledger{
		node: cfg.Node, incarnation: cfg.Incarnation, wait: cfg.Wait, minLease: cfg.MinLease, sender: cfg.Sender, metrics: m, clock: c,
		stripes:  runtime.GOMAXPROCS(0),
		holdings: map[uint64]*holding{}, moved: make(chan struct{}), wake: make(chan struct{}, 1), stop: func() {},
	}
	l.classes.Store(&map[string]map[string]*class{})
	return l
}

// start begins to send frames.
func (l *Ledger) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.wg.Go(func() { l.run(ctx) })
}

// Resume has frames sent under an incarnation from now on. No unit is leased yet.
func (l *Ledger) Resume(incarnation uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.incarnation = incarnation
}

// Take counts one call on the conditions of the domain, which has some, and, if
// endpoint is not empty, of that endpoint, and decides it. It returns within the wait budget;
// ErrUndecided means that nothing may be assumed, and the units, if any were
// taken, are given back.
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

func (l *Ledger) enqueue(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || len(l.waiting) >= maxWaiting {
		return false
	}
	l.waiting = append(l.waiting, c)
	l.due()
	return true
}

// due says that a frame may be due.
func (l *Ledger) due() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// mark has the next frame report on a holding, asking for at least want units.
func (l *Ledger) mark(h *holding, want uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.markLocked(h, want)
	l.due()
}

func (l *Ledger) markLocked(h *holding, want uint32) {
	h.want = max(h.want, want)
	if !h.marked {
		h.marked = true
		l.marked = append(l.marked, h)
	}
}

// Settle says in the log what was spent of a domain's leases and what is owed, and
// returns once that is applied, or ctx ends.
func (l *Ledger) Settle(ctx context.Context, domain string) {
	l.mu.Lock()
	owing := len(l.owing) > 0
	for _, cl := range (*l.classes.Load())[domain] {
		for _, h := range cl.holdings {
			if le := h.lease.Load(); le != nil && le.left() != le.out {
				l.markLocked(h, 0)
			}
		}
	}
	if !l.sending && !owing && len(l.marked) == 0 {
		l.mu.Unlock()
		return
	}
	l.lastFlush = 0   // charges are due
	next := l.seq + 1 // what is under way may have been made before
	if len(l.marked) == 0 && !owing {
		next = l.seq
	}
	l.due()
	for l.answered < next && ctx.Err() == nil {
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
}

// Close ends the ledger: calls that wait are undecided, and what is leased is
// given back, unless ctx ends before. It is idempotent.
func (l *Ledger) Close(ctx context.Context) {
	l.mu.Lock()
	l.closing = true
	for _, h := range l.holdings {
		if h.lease.Load() != nil {
			h.giveUp = true
			l.markLocked(h, 0)
		}
	}
	l.due()
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, giveBackWait)
	defer cancel()
	for l.busy() && ctx.Err() == nil {
		sleep(ctx, time.Millisecond)
	}
	l.stop()
	l.wg.Wait()
}

// busy reports whether there is anything left to send.
func (l *Ledger) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sending || len(l.waiting)+len(l.marked)+len(l.returns)+len(l.owing) > 0
}

// run sends one frame after the other.
func (l *Ledger) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var r round
	for {
		select {
		case <-ctx.Done():
			l.abandon()
			return
		case <-l.wake:
		case <-ticker.C:
			l.look()
		}
		for l.collect(&r) {
			res, err := l.sender.Send(ctx, r.buf)
			if stalled := l.apply(&r, res, err); stalled {
				sleep(ctx, stallPause)
			}
			Gather() // the callers that were just answered call again
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// abandon answers everything that waits when the ledger closes.
func (l *Ledger) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reject(l.waiting, ErrUndecided)
	l.waiting = nil
}

// reject answers calls with an error. What they have paid goes back.
func (l *Ledger) reject(batch []*call, err error) {
	for _, c := range batch {
		l.refund(c)
		if c.state.CompareAndSwap(callWaiting, callDecided) {
			c.answer <- answer{err: err}
		}
	}
}

var errStale = fmt.Errorf("%w: a newer process runs with this node's ID", ErrUndecided)
var errMisfit = errors.New("the leader's answer does not fit the frame")
