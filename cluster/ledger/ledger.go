// Package ledger decides the calls of one node: out of the units of quotas that the
// node has leased, by its replica, or in a frame that the leader puts into the log.
//
// See DESIGN.md.
package ledger

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

const (
	// tick is how often leases are looked after and charges of refused calls
	// are sent.
	tick = 10 * time.Millisecond
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
	// Leases are what this node would have leases granted by. MinLease is how many units it
	// asks for at least; the others tell it how long a lease is likely to last.
	Leases quota.Params
	Sender FrameSender
	// Registerer receives the ledger's metrics.
	Registerer prometheus.Registerer
}

// Ledger decides the calls of one node: out of the units it has leased where
// it can, else in the node's next frame. A node has one frame under way, and
// all that waits meanwhile goes into the next, so that the cost is one round
// for many calls.
type Ledger struct {
	budget  time.Duration
	sender  FrameSender
	metrics *metrics
	clock   clock

	// classes is read without a lock by every call.
	classes atomic.Pointer[map[string]map[string]*classes]
	cluster clusterClock
	// rulesMoved is closed, and made anew, when rules have changed.
	rulesMoved atomic.Pointer[chan struct{}]

	stop context.CancelFunc
	wg   sync.WaitGroup

	// What is locked comes last: a call that needs no lock does not share a cache line
	// with it.
	books
	collector collector
	applier   applier
}

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
		budget: cfg.Wait, sender: cfg.Sender, metrics: m, clock: c,
		books: newBooks(), stop: func() {},
	}
	l.collector = collector{
		books: &l.books, node: cfg.Node, incarnation: cfg.Incarnation, leases: cfg.Leases,
		clock: c, cluster: &l.cluster, metrics: m,
	}
	l.applier = applier{books: &l.books, ledger: l, stripes: runtime.GOMAXPROCS(0), cluster: &l.cluster, metrics: m}
	l.classes.Store(&map[string]map[string]*classes{})
	moved := make(chan struct{})
	l.rulesMoved.Store(&moved)
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
	l.collector.incarnation = incarnation
}

// Settle says in the log what was spent of a domain's leases and what is owed, and
// returns once that is applied, or ctx ends.
func (l *Ledger) Settle(ctx context.Context, domain string) {
	l.mu.Lock()
	owing := len(l.owing) > 0
	rules := map[uint64]bool{}
	for _, cls := range (*l.classes.Load())[domain] {
		for _, cl := range cls {
			for _, r := range cl.rules {
				rules[r.ID] = true
			}
		}
	}
	for _, h := range l.leased {
		if le := h.lease.Load(); rules[h.id.Rule] && le != nil && le.left() != le.out {
			l.markLocked(h.holding, 0)
		}
	}
	if !l.sending && !owing && len(l.marked) == 0 {
		l.mu.Unlock()
		return
	}
	l.collector.flushNow()
	next := l.collector.seq + 1 // what is under way may have been made before
	if len(l.marked) == 0 && !owing {
		next = l.collector.seq
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
	for _, h := range l.leased {
		if h.lease.Load() != nil {
			h.giveUp = true
			l.markLocked(h.holding, 0)
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

// run sends one frame after the other.
func (l *Ledger) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	var r round
	for {
		select {
		case <-ctx.Done():
			l.abandon()
			return
		case <-l.wake:
		case <-ticker.C:
			l.look()
		case <-retry.C:
		}
		for l.collector.collect(&r) {
			res, err := l.sender.Send(ctx, r.buf)
			l.applier.apply(&r, res, err)
			Gather() // the callers that were just answered call again
		}
		retry.Reset(l.collector.untilDue(l.clock()))
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
	l.unpark()
	l.reject(l.waiting, ErrUndecided)
	for _, c := range l.claims {
		c.answer <- claimAnswer{err: ErrUndecided}
	}
	l.waiting, l.claims = nil, nil
}

// look looks after the leases: used ones are renewed when half their time is
// over, unused ones go back at their end, those of ended windows are dropped.
func (l *Ledger) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers.forget()
	at := l.clock()
	for h := l.leased.next(at.mono); h != nil; h = l.leased.next(at.mono) {
		if next := l.lookAfter(h, at); next > 0 {
			l.leased.add(h, max(next, at.mono+1))
		}
	}
}

// lookAfter looks after what the node has leased of a counter. It returns when to do so
// again, mono ns: 0 is never.
func (l *Ledger) lookAfter(h *holding, at instant) (next int64) {
	le := h.lease.Load()
	if le == nil || h.id.Caller == (quota.Digest{}) && l.holdings[h.id] != h {
		return 0
	}
	switch left := le.deadline.Load() - at.mono; {
	case h.asking:
		// A grant counts what was held as the frame was made. Without the lease nobody
		// would know what has been spent of that since.
	case at.mono >= le.windowEnds.Load() && le.left() < le.out:
		// By the cluster's clock the window may run on: it stands still where a new
		// leader's is behind. What was spent must be said before more is asked for.
		h.giveUp = true
		l.waitForBeat(h, at, l.collector.untilBeat(at, beat))
	case at.mono >= le.windowEnds.Load(), left <= 0 && le.out == 0:
		h.lease.Store(nil)
		le.close()
		return 0
	case left > le.length/2:
		return le.remains(2)
	case h.marked:
	case le.left() == le.out && !h.rests(le): // nobody used it, and somebody may until it ends
		if left < le.length/8 {
			h.giveUp = true
			l.markLocked(h, 0)
		}
	case left > le.length/4 && le.canWait():
		l.waitForBeat(h, at, l.collector.untilBeat(at, le.beat()))
		return le.remains(4)
	default:
		l.markLocked(h, 0)
	}
	return at.mono // with the next tick
}
