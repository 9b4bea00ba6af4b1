package ledger

import "time"

// Bounds of the pause before calls that could not be decided are asked about again. It
// doubles from one to the other.
const (
	leastPause = int64(2 * time.Millisecond)
	mostPause  = int64(50 * time.Millisecond)
)

// parked are calls that could not be decided, because units of other nodes are awaited.
// They are asked about again, behind others, when a phase has changed or after a pause.
// Calls of their kinds that come meanwhile wait with them.
type parked struct {
	calls []*call
	kinds map[batchKey]bool
	// until is when they are asked about again, mono ns, and pause is how long that was put
	// off last, ns.
	until, pause int64
}

// park has calls of a kind wait, under the lock, that could not be decided now.
func (b *books) park(kind batchKey, undecided []*call, now int64) {
	p := &b.parked
	if len(p.calls) == 0 {
		p.pause = min(max(2*p.pause, leastPause), mostPause)
		p.until = now + p.pause
		p.kinds = map[batchKey]bool{}
	}
	p.kinds[kind] = true
	p.calls = append(p.calls, undecided...)
}

// has reports whether calls of a kind are parked.
func (p *parked) has(kind batchKey) bool { return len(p.calls) > 0 && p.kinds[kind] }

// unpark has what is parked wait for the next frame, under the lock.
func (b *books) unpark() {
	p := &b.parked
	b.putBehind(p.calls)
	clear(p.calls)
	p.calls = p.calls[:0]
}

// putBehind puts calls that were asked about in vain, under the lock, behind those of
// other kinds: what waits for units of other nodes, such as a lost holder's, must not keep
// the calls of other domains from being sent. Calls of the same kind that came later go
// behind them.
func (b *books) putBehind(again []*call) {
	if len(again) == 0 {
		return
	}
	for _, c := range again {
		c.class.again = true
	}
	sorted, later := make([]*call, 0, len(b.waiting)+len(again)), []*call(nil)
	for _, c := range b.waiting {
		if c.class.again {
			later = append(later, c)
		} else {
			sorted = append(sorted, c)
		}
	}
	for _, c := range again {
		c.class.again = false
	}
	b.waiting = append(append(sorted, again...), later...)
}
