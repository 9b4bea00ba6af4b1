package ledger

import (
	"sync"

	"github.com/tollgate/tollgate/store/quota"
)

// maxWaiting bounds the calls that wait for a decision at one node. Past it a call is
// undecided at once.
const maxWaiting = 1 << 16

// books are what the parts of a ledger share: what the node holds, and what waits for
// the next frame.
type books struct {
	// mu comes after the state machine's lock (store), under which the ledger is told
	// what has changed: nothing that may want that lock is called under mu.
	mu sync.Mutex

	// version is that of the frames that may be sent.
	version  quota.Version
	holdings map[quota.ID]*holding // of all calls
	callers  *callers
	leased   agenda

	waiting []*call
	parked  parked
	marked  []*holding // to report on
	patient []*holding // to report on, but not before patience
	owing   []*holding // to charge
	returns []quota.Return
	settles []quota.Settle
	claims  []*claim

	sending bool // a frame is under way
	closing bool
	// patience is when the beat comes that the first of patient waits for, mono ns.
	patience int64
	// answered is the newest frame that was answered; moved is closed, and made
	// anew, whenever one is.
	answered uint64
	moved    chan struct{}
	// wake has a value when a frame may be due.
	wake chan struct{}
}

func newBooks() books {
	return books{version: quota.First, holdings: map[quota.ID]*holding{}, callers: newCallers(), moved: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// enqueue has a call wait for the next frame. It reports false if no more may wait.
func (b *books) enqueue(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing || len(b.waiting)+len(b.parked.calls) >= maxWaiting || b.version < quota.Third && (c.units > 1 || c.reserve) {
		return false
	}
	b.waiting = append(b.waiting, c)
	b.due()
	return true
}

// due says that a frame may be due.
func (b *books) due() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// markLocked has, under the lock, the next frame report on a holding, asking for at
// least want units.
func (b *books) markLocked(h *holding, want uint32) {
	h.want = max(h.want, want)
	if !h.marked {
		h.marked = true
		b.marked = append(b.marked, h)
	}
}

// putBack puts units back that were not used because their lease has expired. From
// there they can go back to the cluster, or be spent once the lease is renewed.
func (b *books) putBack(le *lease, units uint32) {
	if !le.putBack(int64(units)) {
		b.mu.Lock()
		b.giveBack(le, uint64(units))
		b.mu.Unlock()
	}
}

// refund puts back, under the lock, the units that a call has paid and that it is
// not admitted for.
func (b *books) refund(c *call) {
	for _, le := range c.paid {
		if c.reserve {
			b.unreserve(le, c.units)
		} else if !le.putBack(int64(c.units)) {
			b.giveBack(le, uint64(c.units))
		}
	}
	c.paid = c.paid[:0]
}

// giveBack has the next frame give back, under the lock, units that were reported as
// spent and were not.
func (b *books) giveBack(le *lease, n uint64) {
	b.returns = append(b.returns, quota.Return{Counter: le.counter, Window: le.window, N: n})
	b.due()
}

// done says, under the lock, that the frame under way was answered.
func (b *books) done(seq uint64) {
	b.sending = false
	b.answered = seq
	close(b.moved)
	b.moved = make(chan struct{})
}

// reject answers calls with an error, under the lock. What they have paid goes back.
func (b *books) reject(batch []*call, err error) {
	for _, c := range batch {
		b.refund(c)
		if c.state.CompareAndSwap(callWaiting, callDecided) {
			c.answer <- answer{err: err}
		}
	}
}

// busy reports whether there is anything left to send.
func (b *books) busy() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sending || len(b.waiting)+len(b.parked.calls)+len(b.marked)+len(b.returns)+len(b.settles)+len(b.claims)+len(b.owing) > 0
}
