package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy/turns"
)

// BenchmarkUpload measures bodies of several sizes on their way to an endpoint
// server that only counts bytes.
func BenchmarkUpload(b *testing.B) {
	for _, length := range []int{1 << 10, 100 << 10, 1 << 20, 10 << 20} {
		body := strings.Repeat("x", length)
		var chunks bytes.Buffer
		for rest := body; rest != ""; rest = rest[min(len(rest), 16<<10):] {
			piece := rest[:min(len(rest), 16<<10)]
			fmt.Fprintf(&chunks, "%x\r\n%s\r\n", len(piece), piece)
		}
		const head = "POST /test/a HTTP/1.1\r\nHost: h\r\n"
		for name, raw := range map[string]string{
			"length":  fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, length, body),
			"chunked": head + "Transfer-Encoding: chunked\r\n\r\n" + chunks.String() + "0\r\n\r\n",
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, length>>10), func(b *testing.B) {
				g := startGateway(b, nil, domainOf("test", swallow(b, length), everything...))
				c := turns.Dial(b, g.addr)
				defer c.Close()
				request, end := []byte(raw), []byte("\r\n\r\nok")
				b.SetBytes(int64(length))
				b.ReportAllocs()
				for b.Loop() {
					c.Ask(b, request, end)
				}
			})
		}
	}
}

// swallow is an endpoint server that takes requests with bodies of a length.
func swallow(b *testing.B, length int) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for left := 0; ; {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if left == 0 {
						left = bytes.Index(buf[:n], []byte("\r\n\r\n")) + 4 + length
					}
					if left -= n; left == 0 {
						_, _ = io.WriteString(c, ok200)
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}
