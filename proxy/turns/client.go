// Package turns compares what kinds of requests cost in CPU time. The kinds take
// turns in one process, so that what else the machine does hits all of them.
//
// Its client and its endpoint server allocate nothing, and know only as much of
// HTTP as that takes.
package turns

import (
	"bytes"
	"fmt"
	"net"
	"testing"
)

// Client is a connection that requests are sent on, one after the other.
type Client struct {
	net.Conn
	buf []byte
}

// Dial connects to an address.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{c, make([]byte, 16<<10)}
}

// Ask sends a request and reads an answer that ends with the given bytes. It is
// of at most 16 KiB.
func (c *Client) Ask(t testing.TB, request, end []byte) {
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; {
		m, err := c.Read(c.buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		if n += m; bytes.HasSuffix(c.buf[:n], end) {
			return
		}
	}
}

// Serve answers 200 with the body to whatever it reads, which must come in one
// piece. It returns its address.
func Serve(t testing.TB, body string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ServeOn(t, ln, body)
	return ln.Addr().String()
}

// ServeOn is Serve on a listener, which it closes when the test ends.
func ServeOn(t testing.TB, ln net.Listener, body string) {
	t.Cleanup(func() { _ = ln.Close() })
	say := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(say); err != nil {
						return
					}
				}
			}()
		}
	}()
}
