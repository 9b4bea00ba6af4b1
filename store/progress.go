package store

import "sync"

// Progress is an index that only grows, and that can be waited for. The zero
// value stands at 0.
type Progress struct {
	mu    sync.Mutex
	index uint64
	waits []wait
}

// wait is somebody who waits until index is reached.
type wait struct {
	index uint64
	done  chan struct{}
}

// Reach moves the index to i, unless it is there already.
func (p *Progress) Reach(i uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index = max(p.index, i)
	kept := p.waits[:0]
	for _, w := range p.waits {
		if w.index <= p.index {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	p.waits = kept
}

// Wait returns a channel that is closed once the index has reached i.
func (p *Progress) Wait(i uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := make(chan struct{})
	if p.index >= i {
		close(done)
	} else {
		p.waits = append(p.waits, wait{i, done})
	}
	return done
}
