package proxy

import (
	"net"
	"testing"
	"time"
)

// TestBoundUnsent: of an answer that nobody reads the system takes little.
func TestBoundUnsent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	took := func(bound bool) (sum int) {
		reader, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		_ = reader.(*net.TCPConn).SetReadBuffer(64 << 10)
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if bound {
			boundUnsent(c)
		}
		piece := make([]byte, 16<<10)
		for {
			_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			n, err := c.Write(piece)
			if sum += n; err != nil {
				return sum
			}
		}
	}
	free, bounded := took(false), took(true)
	t.Logf("taken: %d KiB, bounded %d KiB", free>>10, bounded>>10)
	if bounded > 1<<20 {
		t.Errorf("%d KiB were taken", bounded>>10)
	}
}
