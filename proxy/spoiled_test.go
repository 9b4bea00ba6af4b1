package proxy

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

// TestSpoiledConnections: a kept connection that the server has closed, or on
// which it has sent what nobody asked for, carries no further request, and no
// client notices: not even one whose request cannot be sent twice.
func TestSpoiledConnections(t *testing.T) {
	spoil := map[string]func(net.Conn){
		"closed": func(c net.Conn) { _ = c.Close() },
		"bytes":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") },
	}
	for name, how := range spoil {
		for _, body := range []int{3, 30_000, 100_000} { // in one piece, in several, coming
			spoiled := make(chan bool)
			up := startRecorder(t, func(c net.Conn, n int, r string) bool {
				if !says(ok200)(c, n, r) {
					return false
				}
				if n == 1 {
					<-spoiled
					how(c)
					spoiled <- true
				}
				return true
			})
			g := startGateway(t, func(c *Config) { c.UpstreamIdleTimeout = time.Minute }, domainOf("test", up.url(), everything...))
			if a := g.get(t, "/test/a"); a.body != "ok" {
				t.Fatalf("answered %s", a.raw)
			}
			spoiled <- true
			<-spoiled
			go func() { spoiled <- true; <-spoiled }() // the next connection's
			a := ask(t, g.addr, post+"Content-Length: "+strconv.Itoa(body)+"\r\n\r\n"+pattern(body))
			if a == nil || a.StatusCode != 200 || a.body != "ok" {
				t.Errorf("%s, a body of %d bytes: answered %+v", name, body, a)
			}
			if n := up.accepted(); n != 2 {
				t.Errorf("%s, a body of %d bytes: %d connections", name, body, n)
			}
			if n := g.metric(t, "tollgate_proxy_upstream_retries_total"); n != 0 {
				t.Errorf("%s, a body of %d bytes: sent twice", name, body)
			}
		}
	}
}
