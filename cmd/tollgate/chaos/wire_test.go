//go:build linux

package chaos

import (
	"net"
	"sync"
)

// wire is one connection between two nodes, as a proxy has it: in two parts.
type wire struct {
	dialler, to int
	stop        chan struct{} // closed when the wire is to end

	mu        sync.Mutex
	cutOff    bool
	near, far net.Conn // far is nil until it is made
}

// join gives the wire its far part, unless it was cut meanwhile.
func (c *wire) join(far net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cutOff {
		reset(far)
		return false
	}
	c.far = far
	return true
}

// cut ends a wire: what blocks in its reads and writes returns.
func (c *wire) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cutOff {
		return
	}
	c.cutOff = true
	close(c.stop)
	reset(c.near)
	if c.far != nil {
		reset(c.far)
	}
}
