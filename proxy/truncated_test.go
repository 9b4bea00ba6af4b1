package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// TestTruncatedUpload: a body that was cut off never reaches the endpoint
// server, least of all as a whole one (pitfalls 2(a) 24; pitfalls 4 17 and 18).
func TestTruncatedUpload(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	const post = "POST /test/a HTTP/1.1\r\nHost: h\r\n"
	const chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	for _, tc := range []struct{ name, raw string }{
		{"in the header", post},
		{"length too big", post + "Content-Length: 10\r\n\r\nabc"},
		{"length and nothing", post + "Content-Length: 10\r\n\r\n"},
		{"chunked and nothing", chunked},
		{"in a chunk size", chunked + "3"},
		{"behind a chunk size", chunked + "3\r\n"},
		{"in a chunk", chunked + "3\r\nab"},
		{"behind a chunk", chunked + "3\r\nabc"},
		{"between chunks", chunked + "3\r\nabc\r\n"},
		{"in the last size", chunked + "3\r\nabc\r\n0"},
		{"behind 0 CR LF", chunked + "3\r\nabc\r\n0\r\n"},
		{"in a trailer", chunked + "3\r\nabc\r\n0\r\nX-T: 1\r\n"},
		{"asked first, between chunks", post + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{"no CR LF behind a chunk", chunked + "3\r\nabcde\r\n0\r\n\r\n"},
		{"chunk size 0x3", chunked + "0x3\r\nabc\r\n0\r\n\r\n"},
		{"chunk line with LF only", chunked + "3\nabc\r\n0\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, g.addr)
			defer c.Close()
			c.send(tc.raw)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			a := c.read()
			if a != nil && a.StatusCode == 100 {
				a = c.read()
			}
			if a != nil && a.code() != 40000 {
				t.Errorf("answered %d %s", a.StatusCode, a.body)
			}
			c.wantClosed()
		})
	}
	for _, got := range up.requests() {
		// What pauses in its chunks goes on, and is cut off there as well.
		if !strings.HasPrefix(got, "BROKEN ") || !strings.Contains(got, "Transfer-Encoding: chunked") {
			t.Errorf("reached the endpoint server: %q", got)
		}
	}
	if n := g.metric(t, "tollgate_proxy_requests_total", "2xx"); n != 0 {
		t.Errorf("%v requests counted as served", n)
	}
}

// TestTruncatedAnswer: half an answer of the endpoint server is no answer, one
// try, nothing of it shown (pitfalls 4 28).
func TestTruncatedAnswer(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, say := range []string{
		"HTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		chunked,
		chunked + "3",
		chunked + "3\r\nab",
		chunked + "3\r\nabc",
		chunked + "3\r\nabc\r\n",
		chunked + "3\r\nabc\r\n0",
		chunked + "3\r\nabc\r\n0\r\n",
		chunked + "3\r\nabc\r\n0\r\nX-T: 1\r\n",
	} {
		up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
			_, _ = io.WriteString(c, say)
			return false
		})
		g := startGateway(t, nil, domainOf("test", up.url(), everything...))
		c := dial(t, g.addr)
		c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		a := c.read()
		if a == nil || a.StatusCode != 502 || a.code() != 50200 || strings.Contains(a.raw, "abc") {
			t.Errorf("%q: answered %+v", say, a)
		}
		if n := len(up.requests()); n != 1 {
			t.Errorf("%q: %d requests, want 1", say, n)
		}
		c.Close()
	}
}

// TestSlowClient: a request that does not come in time is refused, and others
// are not held up (pitfalls 4 20).
func TestSlowClient(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) {
		c.HeaderTimeout, c.BodyTimeout = 50*time.Millisecond, 100*time.Millisecond
		c.IdleTimeout = 150 * time.Millisecond
	}, domainOf("test", up.url(), everything...))
	for raw, code := range map[string]int{
		"GET /test/a HTTP/1.1\r\nHo":                                                              40000,
		"POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab":                         40800,
		"POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n":                  40800,
		"POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n":      40800,
		"POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n": 40800,
	} {
		c := dial(t, g.addr)
		c.send(raw)
		if a := c.read(); a == nil || a.StatusCode != code/100 || a.code() != code {
			t.Errorf("%q: answered %+v, want %d", raw, a, code)
		}
		c.wantClosed()
		c.Close()
	}
	idle := dial(t, g.addr)
	defer idle.Close()
	idle.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	if a := idle.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("answered %+v", a)
	}
	idle.wantClosed()
	// A body may take longer than a header.
	g = startGateway(t, func(c *Config) { c.HeaderTimeout = 50 * time.Millisecond }, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	c.send("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n")
	time.Sleep(70 * time.Millisecond) // slowness is what is tested
	c.send("x")
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("slow body: answered %+v", a)
	}
}

// TestExpect: who asks before sending a body learns the verdict first, and the
// quota is charged once (pitfalls 4 21).
func TestExpect(t *testing.T) {
	up := startRecorder(t, says(ok200))
	taken := 0
	verdict := quota.Verdict{Admitted: true}
	d := domainOf("test", up.url(), "POST /a", "POST /mock")
	d.Plugins.UsageQuota = oneCondition("")
	d.Endpoints[1].Plugins.Mock = mockOf(201, "made")
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { taken++; return verdict, nil })
	}, d)
	ask := func(path string) *client {
		c := dial(t, g.addr)
		c.send("POST /test" + path + " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
		return c
	}

	c := ask("/a")
	if a := c.read(); a == nil || a.StatusCode != 100 {
		t.Fatalf("admitted: %+v, want 100 first", a)
	}
	if taken != 1 {
		t.Errorf("%d calls taken before the body, want 1", taken)
	}
	c.send("x")
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("admitted: %+v", a)
	}
	heard := up.requests()
	if taken != 1 || len(heard) != 1 || strings.Contains(heard[0], "Expect") || !strings.HasSuffix(heard[0], "\r\n\r\nx") {
		t.Errorf("%d calls taken, went on as %q", taken, heard)
	}
	c.send("GET /test/nope HTTP/1.1\r\nHost: h\r\n\r\n")
	if a := c.read(); a == nil || a.code() != 40401 {
		t.Errorf("the next request of the connection: %+v", a)
	}
	c.Close()

	c = ask("/a")
	if a := c.read(); a == nil || a.StatusCode != 100 {
		t.Fatalf("admitted: %+v, want 100 first", a)
	}
	c.Close() // the body never comes: the domain must be let go
	eventually(t, "the domain is released", func() bool { return g.table.Load().domains["test"].inFlight.Load() == 0 })

	verdict = quota.Verdict{RetryAfter: time.Second}
	for path, want := range map[string]int{"/a": 20004, "/nope": 40401} {
		c = ask(path)
		if a := c.read(); a == nil || a.code() != want {
			t.Errorf("%s: %+v, want %d at once", path, a, want)
		}
		c.wantClosed()
		c.Close()
	}
	verdict = quota.Verdict{Admitted: true}
	c = ask("/mock")
	if a := c.read(); a == nil || a.StatusCode != 201 || a.body != "made" {
		t.Errorf("mock: %+v, want it at once", a)
	}
	c.wantClosed()
	c.Close()
}

// TestExpectAmongOthers: calls are reused, so a call that waits for its body
// must belong to nobody else.
func TestExpectAmongOthers(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		_, path, _ := strings.Cut(request, " ")
		path, _, _ = strings.Cut(path, " ")
		return says(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path))(c, n, request)
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c := dial(t, g.addr)
			defer c.Close()
			for n := range 100 {
				path := fmt.Sprintf("/%d-%d", i, n)
				if n%2 == 0 {
					c.send("POST /test" + path + " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
					if a := c.read(); a == nil || a.StatusCode != 100 {
						t.Errorf("%s: %+v, want 100", path, a)
						return
					}
					c.send("x")
				} else {
					c.send("GET /test" + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
				}
				if a := c.read(); a == nil || a.body != path {
					t.Errorf("%s: %+v", path, a)
					return
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "nothing is held", func() bool { return g.inFlight("test") == 0 })
}

// TestAbandoned: clients that go away in the middle, or do not read their
// answer, cost nothing for long (pitfalls 4 20 and 23).
func TestAbandoned(t *testing.T) {
	body := strings.Repeat("x", 8<<20)
	up := startRecorder(t, says("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n"+body))
	g := startGateway(t, func(c *Config) { c.WriteTimeout = time.Second }, domainOf("test", up.url(), everything...))
	const get, post = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n", "POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"
	for _, raw := range []string{get, post, get[:20]} {
		for range 5 {
			c := dial(t, g.addr)
			c.send(raw)
			_ = c.Conn.(*net.TCPConn).SetLinger(0) // close with a reset
			c.Close()
		}
	}
	slow := dial(t, g.addr) // sends and never reads
	defer slow.Close()
	slow.send(get)
	eventually(t, "all are gone", func() bool {
		return g.metric(t, "tollgate_proxy_connections") == 0 && g.inFlight("test") == 0
	})
	if a := g.get(t, "/test/a"); a.StatusCode != 200 || len(a.body) != len(body) {
		t.Errorf("the next client: %d, %d bytes", a.StatusCode, len(a.body))
	}
}
