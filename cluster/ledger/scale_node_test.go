package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// scaleNode is one node: its ledger, and the loop that sends its frames.
type scaleNode struct {
	f      *fleet
	ledger *Ledger
	// classes are of the counters that the node was called on.
	classes map[uint64]*class
	heard   int // announcements of the leader

	calling bool
	nextAt  int64 // when the next call is due
	ticks   int
	waiting map[*call]scaleCall
	// queue has the calls that wait, in the order they came, answered ones
	// among them; free those to be used again.
	queue []queuedCall
	gone  int // of queue
	free  []*call

	r       round
	sending bool
	retried int64 // when what is parked is asked about again
	attempt int   // at sending the frame
	sentAt  int64
	tried   int64 // when the attempt began
}

// What the cluster allows an attempt to have a frame decided, and pauses after one that
// failed.
const (
	frameAttempt = time.Second
	retryPause   = 20 * time.Millisecond
)

// scaleCall is a call that waits.
type scaleCall struct {
	counter uint64
	begun   int64
}

// queuedCall names a call that waited since: it may be another one by now.
type queuedCall struct {
	call  *call
	begun int64
}

func newScaleNode(f *fleet, i int) *scaleNode {
	n := &scaleNode{f: f, classes: map[uint64]*class{}, waiting: map[*call]scaleCall{}, calling: true}
	n.ledger = newLedger(Config{Node: fmt.Sprintf("n%03d", i+1), Incarnation: 1, Wait: scaleWait, Leases: f.params()}, simMetrics, n.clock)
	n.ledger.applier.stripes = 2 // whatever this machine has: a seed gives the same figures anywhere
	n.nextAt = n.gap()
	f.after(scaleBatch*int64(i)/int64(f.spec.nodes), n.batch) // not all at once
	return n
}

func (n *scaleNode) clock() instant { return instant{mono: n.f.now} }

// gap is the time to the node's next call, ns.
func (n *scaleNode) gap() int64 {
	s := &n.f.spec
	rate := (s.rate + float64(s.endings)*s.endingRate) / float64(s.nodes)
	return int64(n.f.rng.ExpFloat64() / rate * float64(time.Second))
}

// batch makes the calls that were due, and does what the ledger's ticker does.
func (n *scaleNode) batch() {
	n.f.after(scaleBatch, n.batch)
	n.expire()
	for n.calling && n.nextAt <= n.f.now {
		n.call(n.f.counter())
		n.nextAt += n.gap()
	}
	if n.ticks++; int64(n.ticks)*scaleBatch%int64(tick) == 0 {
		n.ledger.look()
	}
	if n.sending && n.f.now-n.tried >= int64(frameAttempt) {
		n.retry()
	}
	n.step()
}

// call makes one call, as Ledger.begin and Take do.
func (n *scaleNode) call(id uint64) {
	l, f := n.ledger, n.f
	cl := n.class(id)
	if _, ok := l.refuse(cl.together, 1, 0); ok {
		f.decided(scaleCall{id, f.now}, false, true)
		return
	}
	var few [8]*lease
	paid, missing := l.spend(cl.together, 1, false, 0, few[:0])
	if missing == 0 {
		f.decided(scaleCall{id, f.now}, true, true)
		return
	}
	c := n.newCall()
	c.class, c.missing, c.paid, c.units = cl, missing, append(c.paid[:0], paid...), 1
	c.asks = append(c.asks[:0], cl.together...)
	c.state.Store(callWaiting)
	if !l.enqueue(c) {
		l.refund(c)
		n.free = append(n.free, c)
		f.givenUp(id)
		return
	}
	n.waiting[c] = scaleCall{id, f.now}
	n.queue = append(n.queue, queuedCall{c, f.now})
}

func (n *scaleNode) newCall() *call {
	if last := len(n.free) - 1; last >= 0 {
		c := n.free[last]
		n.free = n.free[:last]
		return c
	}
	return &call{answer: make(chan answer, 1)}
}

// class is what calls of a counter count on: the counter alone.
func (n *scaleNode) class(id uint64) *class {
	cl := n.classes[id]
	if cl == nil {
		h := &holding{id: of(id)}
		for _, info := range n.f.leader.changes[:n.heard] {
			if info.ID == of(id) {
				h.learn(info.Phase, span{info.Window, info.Ends, info.Max})
			}
		}
		n.ledger.holdings[of(id)] = h
		cl = &class{together: []ask{{holding: h}}}
		n.classes[id] = cl
	}
	return cl
}

// expire has calls that have waited for as long as they may go away.
func (n *scaleNode) expire() {
	for ; n.gone < len(n.queue); n.gone++ {
		q := n.queue[n.gone]
		if n.f.now-q.begun < int64(scaleWait) {
			break
		}
		if w, ok := n.waiting[q.call]; ok && w.begun == q.begun && q.call.state.CompareAndSwap(callWaiting, callGone) {
			delete(n.waiting, q.call) // the ledger still holds it
			n.f.givenUp(w.counter)
		}
	}
	if n.gone > len(n.queue)/2 {
		n.queue = slices.Delete(n.queue, 0, n.gone)
		n.gone = 0
	}
}

// step does what the ledger's loop does: one frame after the other.
func (n *scaleNode) step() {
	if n.sending {
		return
	}
	if !n.ledger.collector.collect(&n.r) {
		if p := &n.ledger.parked; len(p.calls) > 0 && n.retried != p.until { // its turn comes
			n.retried = p.until
			n.f.after(p.until-n.f.now, n.step)
		}
		return
	}
	n.sending, n.sentAt = true, n.f.now
	n.f.sent(&n.r)
	n.send()
}

// send sends the frame to the leader, and the answer back.
func (n *scaleNode) send() {
	n.tried = n.f.now
	leader, attempt := &n.f.leader, n.attempt
	frame := scaleFrame{from: n, bytes: slices.Clone(n.r.buf), answer: func(res quota.Result) {
		if n.sending && n.attempt == attempt {
			n.answered(res)
		}
	}}
	n.f.after(n.f.way(n, leader.node()), func() { leader.receive(frame) })
}

// retry gives an attempt up and makes another, as the cluster does: the answer
// to the one before is not heard any more.
func (n *scaleNode) retry() {
	n.attempt++
	n.f.retries++
	n.tried = n.f.now + int64(retryPause)
	attempt := n.attempt
	n.f.after(int64(retryPause), func() {
		if n.attempt == attempt {
			n.send()
		}
	})
}

// answered takes the frame's result in.
func (n *scaleNode) answered(res quota.Result) {
	n.sending = false
	n.attempt++
	n.f.round += n.f.now - n.sentAt
	n.f.answered++
	n.ledger.applier.apply(&n.r, res, nil)
	for i := range n.r.frame.Takes {
		for _, c := range n.r.batches[i] {
			select {
			case a := <-c.answer:
				n.decided(c, a)
			default:
			}
		}
	}
	n.step()
}

// decided tells what became of a call that waited.
func (n *scaleNode) decided(c *call, a answer) {
	w := n.waiting[c]
	delete(n.waiting, c)
	if a.err != nil {
		n.f.givenUp(w.counter)
	} else {
		n.f.decided(w, a.verdict.Admitted, false)
	}
	n.free = append(n.free, c)
}

// hear has the node's replica apply what the leader's had applied so far.
func (n *scaleNode) hear(changes int) {
	if changes <= n.heard {
		return
	}
	news := n.f.leader.changes[n.heard:changes]
	n.heard = changes
	n.ledger.PhasesChanged(news)
	n.f.windows.told(n.f.now, news, n.f.spec.nodes)
	n.step()
}

// giveBack has the ledger give back all that it holds, as when it closes.
func (n *scaleNode) giveBack() {
	l := n.ledger
	before := len(l.marked)
	l.closing = true
	for _, h := range l.holdings {
		if h.lease.Load() != nil {
			h.giveUp = true
			l.markLocked(h, 0)
		}
	}
	slices.SortFunc(l.marked[before:], func(a, b *holding) int { return int(a.id.Rule) - int(b.id.Rule) })
	n.step()
}
