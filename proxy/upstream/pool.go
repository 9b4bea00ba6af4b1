package upstream

import (
	"errors"
	"sync"
	"time"
)

// pool keeps the connections to a server: the freshest is used first, for when
// that one is stale the rest is as well. It has no goroutine of its own and
// needs no closing: a timer runs while connections are idle.
type pool struct {
	// dial makes a connection by a time.
	dial func(by time.Time) (*conn, error)
	// fits reports whether a connection may be used again as far as its address
	// goes.
	fits func(*conn) bool

	max                     int
	wait, idleTime, maxTime time.Duration

	mu   sync.Mutex
	idle []*conn // the longest unused first
	// open counts the connections that are idle, in use or being made.
	open     int
	waiting  []*waiter // the longest waiting first
	sweeping bool
}

// waiter is a call that waits for a connection. It is given one, or nil: it may
// then make its own.
type waiter struct{ given chan *conn }

var errBusy = errors.New("all connections are in use")

// acquire gives a connection that is the caller's until release or discard.
func (p *pool) acquire(by time.Time) (*conn, error) {
	now := time.Now()
	if !now.Before(by) {
		return nil, errTimeout
	}
	for {
		c, mayDial := p.take()
		if mayDial {
			return p.make(by)
		}
		if c == nil {
			return p.queue(by, now)
		}
		if p.usable(c, now) {
			return c, nil
		}
		p.discard(c)
	}
}

// take gives an idle connection or leave to make one, if there is either.
func (p *pool) take() (c *conn, mayDial bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		c = p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		return c, false
	}
	if p.open < p.max {
		p.open++
		return nil, true
	}
	return nil, false
}

func (p *pool) make(by time.Time) (*conn, error) {
	ok := false
	defer func() { // also when something panics
		if !ok {
			p.leave()
		}
	}()
	c, err := p.dial(by)
	ok = err == nil
	return c, err
}

// queue waits for what another call lets go.
func (p *pool) queue(by, now time.Time) (*conn, error) {
	w := &waiter{make(chan *conn, 1)}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	timer := time.NewTimer(min(p.wait, by.Sub(now)))
	defer timer.Stop()
	var c *conn
	select {
	case c = <-w.given:
	case <-timer.C:
		if p.withdraw(w) {
			return nil, errBusy
		}
		c = <-w.given // just now
	}
	if c == nil {
		return p.make(by)
	}
	return c, nil
}

// withdraw takes a waiter out of the queue; false: it has been served.
func (p *pool) withdraw(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.waiting {
		if p.waiting[i] == w {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next takes the first waiter out of the queue, nil when there is none.
func (p *pool) next() *waiter {
	if len(p.waiting) == 0 {
		return nil
	}
	w := p.waiting[0]
	p.waiting = append(p.waiting[:0], p.waiting[1:]...)
	return w
}

// usable reports whether an idle connection may carry a request.
func (p *pool) usable(c *conn, now time.Time) bool {
	return now.Sub(c.lastUse) <= p.idleTime && now.Sub(c.born) <= p.maxTime && p.fits(c)
}

// release puts a connection back.
func (p *pool) release(c *conn) {
	c.used, c.lastUse = true, time.Now()
	if c.lastUse.Sub(c.born) > p.maxTime || !p.fits(c) {
		p.discard(c)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.next(); w != nil {
		w.given <- c
		return
	}
	p.idle = append(p.idle, c)
	if !p.sweeping {
		p.sweeping = true
		time.AfterFunc(p.idleTime, p.sweep)
	}
}

// discard closes a connection.
func (p *pool) discard(c *conn) {
	_ = c.Close()
	p.leave()
}

// leave gives the place of a connection away.
func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.next(); w != nil {
		w.given <- nil
		return
	}
	p.open--
}

// sweep closes what has been idle too long.
func (p *pool) sweep() {
	now := time.Now()
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].lastUse) >= p.idleTime {
		n++
	}
	old := append([]*conn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	clear(p.idle[len(p.idle):cap(p.idle)])
	if p.sweeping = len(p.idle) > 0; p.sweeping {
		time.AfterFunc(max(p.idleTime-now.Sub(p.idle[0].lastUse), time.Millisecond), p.sweep)
	}
	p.mu.Unlock()
	for _, c := range old {
		p.discard(c)
	}
}

// closeIdle closes the connections that no call is using.
func (p *pool) closeIdle() {
	p.mu.Lock()
	old := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, c := range old {
		p.discard(c)
	}
}

func (p *pool) conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}
