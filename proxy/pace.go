package proxy

import "time"

// A client that sends or reads slowly is waited for as long as it gets on: a
// pause may last for the timeout, and when it has been waited for longer than
// slowStart, slowRate bytes must have moved for each second of that.
const (
	slowStart = 10 * time.Second
	slowRate  = 240 // bytes a second
)

// pace is what one client did while it was waited for.
type pace struct {
	timeout time.Duration
	moved   int64
	waited  time.Duration
	// paused is the wait since the last byte.
	paused time.Duration
}

// patience is how long to wait for the next byte.
func (p *pace) patience() time.Duration {
	return min(p.timeout-p.paused, max(slowStart, time.Duration(p.moved)*(time.Second/slowRate))-p.waited)
}

// note adds one wait and what it brought.
func (p *pace) note(n int, waited time.Duration) {
	p.moved += int64(n)
	p.waited += waited
	if p.paused += waited; n > 0 {
		p.paused = 0
	}
}
