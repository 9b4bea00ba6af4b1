//go:build !unix

package proxy

import "net"

// idle is what there is for other systems.
type idle struct{}

func (c *clientConn) idleAt(net.Conn) {}

// await waits for the first bytes of a head.
func (c *clientConn) await() (int, error) { return c.Conn.Read(c.buf.b) }
