package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
)

// each is what 100 KiB of a longer body hold, and what a client may hold where
// the memory for all is eight times that.
const each = body.Overhead + 2*body.SmallPiece + 2*body.LargePiece

// TestBodyMemory: all bodies together, and those of one client, hold so much
// and no more: 50301, and the memory is free afterwards.
func TestBodyMemory(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.BodyMemory, c.BodyBuffer = 8*each, 1<<20 }, domainOf("test", up.url(), everything...))
	held := func() float64 { return g.metric(t, "tollgate_proxy_request_body_bytes") }
	some := strings.Repeat("x", 128<<10)
	upload := func(i byte) *client {
		c := dialFrom(t, g.addr, i)
		c.send(post + "Content-Length: 200000\r\n\r\n" + some[:100<<10])
		return c
	}
	c := dialFrom(t, g.addr, 1)
	c.send(post + "Content-Length: 200000\r\n\r\n" + some + some[:200000-len(some)])
	if a := c.read(); a == nil || a.StatusCode != 503 || a.code() != 50301 || !a.Close {
		t.Errorf("more than a client may hold: %+v", a)
	}
	c.Close()
	eventually(t, "nothing is held", func() bool { return held() == 0 })
	for i := byte(1); i <= 8; i++ {
		defer upload(i).Close()
		eventually(t, fmt.Sprintf("client %d holds its eighth", i), func() bool { return held() == float64(i)*each })
	}
	if c = upload(9); c.read().code() != 50301 {
		t.Error("more than all may hold was not refused")
	}
	c.Close()
	if a := ask(t, g.addr, post+"Content-Length: 3\r\n\r\nabc"); a == nil || a.StatusCode != 200 {
		t.Errorf("a short body beside them: %+v", a)
	}
	if heard := up.requests(); len(heard) != 1 {
		t.Errorf("%d requests went on, want 1", len(heard))
	}
}

// TestBodyMemoryComesBack: bodies that are cut off or whole leave nothing held.
func TestBodyMemoryComesBack(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	some := strings.Repeat("x", 100<<10)
	for i := range 8 {
		c := dial(t, g.addr)
		c.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(some)+i%2, some))
		if i%2 == 0 {
			c.read()
		}
		c.Close()
	}
	eventually(t, "nothing is held", func() bool { return g.metric(t, "tollgate_proxy_request_body_bytes") == 0 && g.inFlight("test") == 0 })
}

// dialFrom connects from the i-th loopback address.
func dialFrom(t testing.TB, addr string, i byte) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, i)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Skipf("no connection from 127.0.0.%d here: %v", i, err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return newClient(t, c)
}

// TestClientLimitsStreams: a call is in flight until its answer has ended.
func TestClientLimitsStreams(t *testing.T) {
	end := make(chan bool)
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if strings.HasPrefix(request, "GET /small") {
			return says(ok200)(c, n, request)
		}
		_, _ = fmt.Fprintf(c, "%s186a0\r\n%s\r\n", inChunks, strings.Repeat("x", 100_000))
		<-end
		_, err := c.Write([]byte("0\r\n\r\n"))
		return err == nil
	})
	g := startGateway(t, func(c *Config) { c.MaxCallsPerClient = 1 }, domainOf("test", up.url(), everything...))
	for _, version := range []string{"1.1", "1.0"} {
		c := dial(t, g.addr)
		defer c.Close()
		c.send("GET /test/stream HTTP/" + version + "\r\nHost: h\r\n\r\n")
		if _, err := c.r.Peek(1); err != nil {
			t.Fatal(err)
		}
		if a := g.get(t, "/test/small"); a.code() != 42900 {
			t.Errorf("HTTP/%s: beside a stream: %s", version, a.raw)
		}
		end <- true
		if a := c.read(); a == nil || len(a.body) != 100_000 {
			t.Errorf("HTTP/%s: %+v", version, a)
		}
		eventually(t, "the call is over", func() bool { return g.get(t, "/test/small").StatusCode == 200 })
	}
}

// TestClientLimits: one client cannot take all connections, nor all calls, and
// others do not notice.
func TestClientLimits(t *testing.T) {
	hold := make(chan struct{})
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if strings.Contains(request, "hold") {
			<-hold
		}
		return says(ok200)(c, n, request)
	})
	g := startGateway(t, func(c *Config) { c.MaxConns, c.MaxCallsPerClient = 8, 2 }, domainOf("test", up.url(), everything...))
	var open []*client
	for range 4 { // half of MaxConns
		c := dialFrom(t, g.addr, 1)
		defer c.Close()
		open = append(open, c)
	}
	for i, c := range open {
		if i < 2 {
			c.send("GET /test/hold HTTP/1.1\r\nHost: h\r\n\r\n")
		}
	}
	eventually(t, "two calls are in flight", func() bool { return g.inFlight("test") == 2 })
	const get = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"
	for range 2 {
		open[3].send(get)
		if a := open[3].read(); a == nil || a.StatusCode != 429 || a.code() != 42900 || a.Close {
			t.Errorf("one call too many: %+v", a)
		}
	}
	fifth := dialFrom(t, g.addr, 1)
	defer fifth.Close()
	fifth.send(get)
	if a := fifth.read(); a == nil || a.StatusCode != 429 || a.code() != 42900 || !a.Close || a.Header.Get("Content-Type") != "application/json;charset=UTF-8" || a.Header.Get("Date") == "" {
		t.Errorf("one connection too many: %+v", a)
	}
	fifth.wantClosed()
	if n := g.metric(t, "tollgate_proxy_connections_refused_total", "client"); n != 1 {
		t.Errorf("%v refused connections counted, want 1", n)
	}
	other := dialFrom(t, g.addr, 2)
	defer other.Close()
	other.send(get)
	if a := other.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("another client: %+v", a)
	}
	close(hold)
	for _, c := range open[:2] {
		c.read()
	}
	eventually(t, "its calls are over", func() bool { open[3].send(get); return open[3].read().StatusCode == 200 })
	open[0].Close()
	eventually(t, "its place is free", func() bool {
		c := dialFrom(t, g.addr, 1)
		defer c.Close()
		c.send(get)
		a := c.read()
		return a != nil && a.StatusCode == 200
	})
}

// TestClientKey: who has one address of IPv6 has a /64.
func TestClientKey(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::", "2001:db8:0:0:ffff::1": "2001:db8::", "2001:db8:0:1::1": "2001:db8:0:1::",
	} {
		if got := clientKey(netip.MustParseAddr(ip)); got.String() != want {
			t.Errorf("%s counts as %s, want %s", ip, got, want)
		}
	}
	var none netip.Addr
	if clientKey(none).IsValid() {
		t.Error("an unknown address became one")
	}
}
