package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func short(c *Config) {
	c.UpstreamTimeout = 100 * time.Millisecond
	c.UpstreamConnectTimeout = 50 * time.Millisecond
}

// TestSilentEndpointServer: one try, then 50400 (pitfalls 4 25; pitfalls 2(a) 33).
func TestSilentEndpointServer(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if n == 1 {
			return says(ok200)(c, n, request) // so that the next one is on a kept connection
		}
		_, _ = io.Copy(io.Discard, c)
		return false
	})
	g := startGateway(t, short, domainOf("test", up.url(), everything...))
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if a := g.get(t, "/test/warm"); a.StatusCode != 200 {
			t.Fatalf("warm-up answered %d", a.StatusCode)
		}
		up.requests()
		c := dial(t, g.addr)
		c.send(method + " /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.readFor(method); a == nil || a.StatusCode != 504 || method != "HEAD" && a.code() != 50400 {
			t.Errorf("%s: answered %+v", method, a)
		}
		if n := len(up.requests()); n != 1 {
			t.Errorf("%s: sent %d times", method, n)
		}
		c.Close()
	}
	if n := g.metric(t, "tollgate_proxy_upstream_failures_total", "test", "timeout"); n != 7 {
		t.Errorf("%v timeouts counted, want 7", n)
	}
}

// TestStaleConnection: the endpoint server closes a kept connection just when a
// request arrives. GET and HEAD are sent once more, nothing else is (pitfalls 4 26).
func TestStaleConnection(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if n > 1 {
			return false // closed without a byte
		}
		return says(strings.Replace(ok200, "ok", map[bool]string{true: "", false: "ok"}[strings.HasPrefix(request, "HEAD")], 1))(c, n, request)
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	for _, tc := range []struct {
		method       string
		status, sent int
	}{
		{"GET", 200, 2}, {"HEAD", 200, 2},
		{"POST", 502, 1}, {"PUT", 502, 1}, {"DELETE", 502, 1}, {"PATCH", 502, 1}, {"OPTIONS", 502, 1},
	} {
		g.deploy(t, uint64(tc.method[0])<<8|uint64(tc.method[1]), domainOf("test", up.url(), everything...)) // a new pool
		if a := g.get(t, "/test/warm"); a.StatusCode != 200 {
			t.Fatalf("warm-up answered %d", a.StatusCode)
		}
		up.requests()
		c := dial(t, g.addr)
		c.send(tc.method + " /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.readFor(tc.method); a == nil || a.StatusCode != tc.status {
			t.Errorf("%s: answered %+v, want %d", tc.method, a, tc.status)
		}
		if n := len(up.requests()); n != tc.sent {
			t.Errorf("%s: sent %d times, want %d", tc.method, n, tc.sent)
		}
		c.Close()
	}
	if n := g.metric(t, "tollgate_proxy_upstream_retries_total", "test"); n != 2 {
		t.Errorf("%v retries counted, want 2", n)
	}
}

// TestFreshConnectionClosed: a server that takes a new connection and closes it
// is broken, not stale: one try, also for GET.
func TestFreshConnectionClosed(t *testing.T) {
	up := startRecorder(t, func(net.Conn, int, string) bool { return false })
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	if a := g.get(t, "/test/a"); a.code() != 50200 {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
	if n := len(up.requests()); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestClosedWhileIdle: the endpoint server closed the kept connection before
// the request. Nothing was sent yet, so even a POST goes to a new one.
func TestClosedWhileIdle(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		says(ok200)(c, n, request)
		return false
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	for i := range 5 {
		a := ask(t, g.addr, "POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
		if a == nil || a.StatusCode != 200 {
			t.Fatalf("POST %d: answered %+v", i, a)
		}
		eventually(t, "the server has closed", func() bool { return up.open() == 0 })
	}
	if n := len(up.requests()); n != 5 {
		t.Errorf("sent %d times, want 5", n)
	}
}

// TestUnaskedBytes: what the endpoint server says beyond an answer is never the
// answer to the next client (pitfalls 4 29; pitfalls 2(a) 23), whether it comes with the
// answer or after it.
func TestUnaskedBytes(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, tc := range []struct{ method, say string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		for _, late := range []bool{false, true} {
			more := make(chan struct{})
			up := startRecorder(t, func(c net.Conn, n int, request string) bool {
				if !strings.Contains(request, " /first ") {
					return says(ok200)(c, n, request)
				}
				if !late {
					return says(tc.say+evil)(c, n, request)
				}
				says(tc.say)(c, n, request)
				<-more
				says(evil)(c, n, request)
				more <- struct{}{}
				return true
			})
			g := startGateway(t, nil, domainOf("test", up.url(), everything...))
			c := dial(t, g.addr)
			c.send(tc.method + " /test/first HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.readFor(tc.method); a == nil || strings.Contains(a.raw, "evil") {
				t.Errorf("%s: first answer %+v", tc.say, a)
			}
			if late {
				more <- struct{}{}
				<-more
			}
			if a := g.get(t, "/test/next"); a.body != "ok" {
				t.Errorf("%q, late=%v: the next client got %q", tc.say, late, a.raw)
			}
			if n := up.accepted(); n != 2 {
				t.Errorf("%q, late=%v: %d connections, want 2: the first is in doubt", tc.say, late, n)
			}
			c.Close()
		}
	}
}

// TestEarlyRefusal: the endpoint server refuses an upload in the middle and
// closes; its answer is passed on (pitfalls 4 30).
func TestEarlyRefusal(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, 100)
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
			_ = c.Close()
		}
	}()
	g := startGateway(t, nil, domainOf("test", "http://"+ln.Addr().String(), everything...))
	for range 5 {
		a := ask(t, g.addr, fmt.Sprintf("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", 8<<20, strings.Repeat("x", 8<<20)))
		if a == nil || a.StatusCode != 413 || a.body != "big" {
			t.Errorf("answered %+v", a)
		}
	}
}

// TestUnreachable: refused, unknown, busy (pitfalls 4 31), each within its budget.
func TestUnreachable(t *testing.T) {
	free := startRecorder(t, says(ok200))
	gone := free.url()
	_ = free.Close()
	hold := make(chan struct{})
	busy := startRecorder(t, func(c net.Conn, n int, request string) bool {
		<-hold
		return says(ok200)(c, n, request)
	})
	g := startGateway(t, func(c *Config) { c.UpstreamMaxConns = 2 },
		domainOf("gone", gone, everything...), domainOf("unknown", "http://nowhere.invalid", everything...), domainOf("busy", busy.url(), everything...))
	for _, key := range []string{"gone", "unknown"} {
		if a := g.get(t, "/"+key+"/a"); a.code() != 50200 {
			t.Errorf("%s: answered %d %s", key, a.StatusCode, a.body)
		}
	}
	answers := make(chan int, 2)
	for range 2 {
		go func() { answers <- g.get(t, "/busy/a").StatusCode }()
	}
	eventually(t, "both connections are in use", func() bool { return busy.accepted() == 2 })
	start := time.Now()
	if a := g.get(t, "/busy/a"); a.code() != 50200 {
		t.Errorf("busy: answered %d %s", a.StatusCode, a.body)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("busy: took %v", took)
	}
	if n := g.metric(t, "tollgate_proxy_upstream_failures_total", "busy"); n != 1 {
		t.Errorf("%v failures counted, want 1", n)
	}
	close(hold)
	for range 2 {
		if status := <-answers; status != 200 {
			t.Errorf("a call that had a connection: %d", status)
		}
	}
}

// TestSilentHandshake: a server that accepts and then says nothing to TLS.
func TestSilentHandshake(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, short, domainOf("test", strings.Replace(up.url(), "http:", "https:", 1), everything...))
	a := g.get(t, "/test/a")
	if a.code() != 50400 && a.code() != 50200 {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
	eventually(t, "the connection is closed", func() bool { return up.open() == 0 })
}
