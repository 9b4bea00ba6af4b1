package log

import (
	"context"
	"sync"
)

// Progress is an index that only grows, and that can be waited for. The zero
// value stands at 0.
type Progress struct {
	mu    sync.Mutex
	index uint64
	waits map[chan struct{}]uint64 // the indexes that are waited for
}

// Reach moves the index to i, unless it is there already.
func (p *Progress) Reach(i uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index = max(p.index, i)
	for done, until := range p.waits {
		if until <= p.index {
			close(done)
			delete(p.waits, done)
		}
	}
}

// Index is where it stands.
func (p *Progress) Index() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.index
}

// Wait returns once the index has reached i; its error is ctx's.
func (p *Progress) Wait(ctx context.Context, i uint64) error {
	reached, stop := p.wait(i)
	defer stop()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns a channel that is closed once the index has reached i. Who does
// not wait any more calls stop.
func (p *Progress) wait(i uint64) (reached <-chan struct{}, stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := make(chan struct{})
	if p.index >= i {
		close(done)
		return done, func() {}
	}
	if p.waits == nil {
		p.waits = map[chan struct{}]uint64{}
	}
	p.waits[done] = i
	return done, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waits, done)
	}
}
