package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/store/quota"
)

const (
	post        = "POST /test/a HTTP/1.1\r\nHost: h\r\n"
	postChunked = post + "Transfer-Encoding: chunked\r\n\r\n"
)

// bodyOf is what an endpoint server got behind the head.
func bodyOf(request string) string {
	_, body, _ := strings.Cut(request, "\r\n\r\n")
	return body
}

// TestBodies: bodies of every size and framing arrive whole, with their length,
// and the connection is at the start of the next request behind them.
func TestBodies(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	for _, length := range []int{0, 1, 100, 3900, 4096, 5000, 16 << 10, 16<<10 + 1, 70_000, 300_000} {
		body := strings.Repeat("0123456789abcdef!", length/17+1)[:length]
		chunk := fmt.Sprintf("%x;a=\"b c\"\r\n%s\r\n", max(1, length/3), body[:max(length/3, min(1, length))])
		rest := body[max(length/3, min(1, length)):]
		if length == 0 {
			chunk = ""
		}
		if rest != "" {
			chunk += fmt.Sprintf("%X\r\n%s\r\n", len(rest), rest)
		}
		for framing, raw := range map[string]string{
			"length":  fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, length, body),
			"chunked": postChunked + chunk + "0\r\nX-Trailer: 1\r\n\r\n",
		} {
			c.send(raw + "GET /test/b HTTP/1.1\r\nHost: h\r\n\r\n") // pipelined
			for i := range 2 {
				if a := c.read(); a == nil || a.StatusCode != 200 {
					t.Fatalf("%s, %d bytes, request %d: %+v", framing, length, i, a)
				}
			}
			heard := up.requests()
			if len(heard) != 2 || bodyOf(heard[0]) != body || strings.Contains(heard[0], "Trailer") ||
				!strings.Contains(heard[0], fmt.Sprintf("Content-Length: %d\r\n", length)) || !strings.HasPrefix(heard[1], "GET /b ") {
				t.Fatalf("%s, %d bytes: went on as %.200q", framing, length, heard)
			}
		}
	}
	if n := g.metric(t, "tollgate_proxy_request_body_bytes"); n != 0 {
		t.Errorf("%v bytes are held in the end", n)
	}
}

// TestByteByByte: requests are cut out rightly however they come.
func TestByteByByte(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	stream := "\r\n" + postChunked + "2;x\r\nab\r\n1\r\nc\r\n0\r\nT: x\r\n\r\n" +
		post + "Content-Length: 3\r\n\r\ndef" + "HEAD /test/a HTTP/1.1\r\nHost: h\r\n\r\n" + "\r\n\r\n" + "GET /test/b HTTP/1.0\r\n\r\n"
	go func() {
		for i := range stream {
			c.send(stream[i : i+1])
		}
	}()
	for i, method := range []string{"POST", "POST", "HEAD", "GET"} {
		a := c.readFor(method)
		if a == nil || a.StatusCode != 200 || a.Close != (i == 3) {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
	c.wantClosed()
	heard := up.requests()
	if len(heard) != 4 || bodyOf(heard[0]) != "abc" || bodyOf(heard[1]) != "def" {
		t.Errorf("went on as %q", heard)
	}
}

// TestSlowUpload: a body that gets on is not cut off, however long it takes in
// all, and one that stops is (40800).
func TestSlowUpload(t *testing.T) {
	up := startRecorder(t, says(ok200))
	const pause = time.Second
	g := startGateway(t, func(c *Config) { c.BodyTimeout, c.HeaderTimeout = pause, pause }, domainOf("test", up.url(), everything...))
	for _, raw := range []string{post + "Content-Length: 30\r\n\r\n", postChunked + "1e\r\n"} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			c := dial(t, g.addr)
			defer c.Close()
			c.send(raw)
			for range 10 {
				time.Sleep(pause / 8) // being slow is what is tested
				c.send("abc")
			}
			if strings.Contains(raw, "chunked") {
				c.send("\r\n0\r\n\r\n")
			}
			if a := c.read(); a == nil || a.StatusCode != 200 {
				t.Errorf("answered %+v", a)
			}
			c.send(raw + "a")
			if a := c.read(); a == nil || a.code() != 40800 || !a.Close {
				t.Errorf("stopped: answered %+v", a)
			}
			c.wantClosed()
		})
	}
}

// TestPace: how long a client is waited for.
func TestPace(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		moved  int64
		waited time.Duration
		want   time.Duration
	}{
		{0, 0, 10 * s}, {0, 4 * s, 6 * s}, {0, 10 * s, 0}, {239, 9 * s, s}, {2400, 10 * s, 0}, {2640, 10 * s, s},
		{24_000, 10 * s, 30 * s}, {10 << 20, 10_000 * s, 30 * s}, {240, 11 * s, -s},
	} {
		p := pace{timeout: 30 * s, moved: tc.moved, waited: tc.waited}
		if got := p.patience(); got.Round(time.Millisecond) != tc.want {
			t.Errorf("%d bytes in %v: %v left, want %v", tc.moved, tc.waited, got, tc.want)
		}
	}
	p := pace{timeout: s}
	p.note(300, s)
	if got := p.patience(); got != s {
		t.Errorf("a pause of %v is left, want the timeout", got)
	}
}

// TestSlowReader: an answer that is read slowly but steadily is not cut off by
// WriteTimeout.
func TestSlowReader(t *testing.T) {
	body := strings.Repeat("x", 8<<20)
	up := startRecorder(t, says("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n"+body))
	g := startGateway(t, func(c *Config) { c.WriteTimeout = time.Second }, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	_ = c.Conn.(*net.TCPConn).SetReadBuffer(256 << 10)
	_ = c.SetDeadline(time.Now().Add(6 * patience))
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	n, buf := 0, make([]byte, 512<<10)
	for n < len(body) {
		time.Sleep(100 * time.Millisecond) // being slow is what is tested
		m, err := io.ReadAtLeast(c.Conn, buf, min(len(buf)/2, len(body)-n))
		if n += m; err != nil {
			t.Fatalf("cut off after %d bytes: %v", n, err)
		}
	}
}

// TestDecidedOnTheHead: whoever is refused, or answered by the gateway itself,
// learns it although not a byte of the body has come.
func TestDecidedOnTheHead(t *testing.T) {
	up := startRecorder(t, says(ok200))
	mock := domainOf("mock", up.url(), "POST /a")
	mock.Endpoints[0].Plugins.Mock = mockOf(201, "made")
	used := domainOf("used", up.url(), "POST /a")
	used.Plugins.UsageQuota = oneCondition("")
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(domain, _ string) (quota.Verdict, error) {
			return quota.Verdict{Admitted: domain != "used"}, nil
		})
	}, domainOf("test", up.url(), "POST /a"), mock, used,
		parsed(t, "jwt", up.url(), `"JWT":{"secretKey":"test","clockSkew":60}`, "POST /a"),
		parsed(t, "acl", up.url(), `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.0/8"}]}`, "POST /a"))
	for target, status := range map[string]int{
		"/nope/a": 404, "/test/nope": 404, "/mock/a": 201, "/used/a": 403, "/jwt/a": 401, "/acl/a": 403, "/test/%zz": 400,
	} {
		for framing, closes := range map[string]bool{
			"Content-Length: 10485760\r\n": true, "Content-Length: 5\r\n": status == 400, "Transfer-Encoding: chunked\r\n": status == 400,
			"Expect: 100-continue\r\nContent-Length: 5\r\n": true,
		} {
			c := dial(t, g.addr)
			c.send("POST " + target + " HTTP/1.1\r\nHost: h\r\n" + framing + "\r\n")
			a := c.read()
			if a == nil || a.StatusCode != status || a.Close != closes {
				t.Errorf("%s, %q: answered %+v, want %d, closing %v", target, framing, a, status, closes)
			}
			if closes {
				c.wantClosed()
			} else { // the body comes after all, and then the next request
				if strings.HasPrefix(framing, "C") {
					c.send("abcde")
				} else {
					c.send("5\r\nabcde\r\n0\r\n\r\n")
				}
				c.send("GET /nope HTTP/1.1\r\nHost: h\r\n\r\n")
				if a := c.read(); a == nil || a.code() != 40400 {
					t.Errorf("%s, %q: the next request: %+v", target, framing, a)
				}
			}
			c.Close()
		}
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
}

// TestUnwantedBody: what is left of a refused body is never taken for a request,
// nor read for ever.
func TestUnwantedBody(t *testing.T) {
	g := startGateway(t, func(c *Config) { c.BodyTimeout = 500 * time.Millisecond }, domainOf("test", "http://127.0.0.1:1", "GET /a"))
	for name, body := range map[string]string{
		"silent": "", "malformed": "5 \r\nabcde", "cut": "5\r\nab",
		"without end": strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 100),
	} {
		c := dial(t, g.addr)
		c.send("POST /nope HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
		if a := c.read(); a == nil || a.code() != 40400 {
			t.Errorf("%s: %+v", name, a)
		}
		go c.send(body)
		if rest, err := io.ReadAll(c.r); isTimeout(err) || len(rest) > 0 {
			t.Errorf("%s: %q, %v, want the end", name, rest, err)
		}
		c.Close()
	}
}

// TestContinue: leave to send is given only to who asks, and only when the body
// is wanted.
func TestContinue(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	const expect = "Expect: 100-continue\r\n"
	for name, tc := range map[string]struct {
		raw  string
		want int
	}{
		"asked":                   {post + expect + "Content-Length: 3\r\n\r\n", 100},
		"asked, chunked":          {post + expect + "Transfer-Encoding: chunked\r\n\r\n", 100},
		"did not ask":             {post + "Content-Length: 3\r\n\r\nabc", 200},
		"asked and sent":          {post + expect + "Content-Length: 3\r\n\r\nabc", 200},
		"asked and sent, chunked": {post + expect + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200},
		"asked for nothing":       {post + expect + "Content-Length: 0\r\n\r\n", 200},
		"asked without a body":    {"GET /test/a HTTP/1.1\r\nHost: h\r\n" + expect + "\r\n", 200},
		"asked in HTTP/1.0":       {"POST /test/a HTTP/1.0\r\n" + expect + "Content-Length: 3\r\n\r\nabc", 200},
	} {
		c := dial(t, g.addr)
		c.send(tc.raw)
		if a := c.read(); a == nil || a.StatusCode != tc.want {
			t.Errorf("%s: %+v, want %d", name, a, tc.want)
		}
		c.Close()
	}
}

// TestVersions: HTTP/1.0 closes unless asked to stay, HTTP/1.1 stays unless
// asked to close.
func TestVersions(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	for head, closes := range map[string]bool{
		"HTTP/1.1\r\nHost: h\r\n": false, "HTTP/1.1\r\nHost: h\r\nConnection: close\r\n": true,
		"HTTP/1.0\r\n": true, "HTTP/1.0\r\nConnection: keep-alive\r\n": false, "HTTP/1.0\r\nConnection: keep-alive, close\r\n": true,
	} {
		c := dial(t, g.addr)
		c.send("GET /test/a " + head + "\r\n")
		a := c.read()
		if a == nil || a.StatusCode != 200 || a.Close != closes {
			t.Fatalf("%q: %+v, want closing %v", head, a, closes)
		}
		if strings.HasPrefix(head, "HTTP/1.0") && !closes && a.Header.Get("Connection") != "keep-alive" {
			t.Errorf("%q: the answer does not say that it stays", head)
		}
		if closes {
			c.wantClosed()
		} else if c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"); c.read() == nil {
			t.Errorf("%q: closed", head)
		}
		c.Close()
	}
}

// TestTargets: the forms of a target besides the usual one.
func TestTargets(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	for target, want := range map[string]string{
		"http://h:80/test/a%20b?c=/": "GET /a%20b?c=/ ", "HTTPS://H:80/test": "GET / ", "http://h:80/test?x": "GET /?x ",
	} {
		a := ask(t, g.addr, "GET "+target+" HTTP/1.1\r\nHost: h:80\r\n\r\n")
		heard := up.requests()
		if a == nil || a.StatusCode != 200 || len(heard) != 1 || !strings.HasPrefix(heard[0], want) {
			t.Errorf("%s: answered %+v, went on as %q", target, a, heard)
		}
	}
	for target, want := range map[string]int{"http://h": 40400, "http://h?test": 40400, "http://h#x": 40000} {
		if a := ask(t, g.addr, "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"); a == nil || a.code() != want {
			t.Errorf("%s: answered %+v, want %d", target, a, want)
		}
	}
	c := dial(t, g.addr)
	defer c.Close()
	for range 2 {
		c.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.read(); a == nil || a.StatusCode != 200 || a.body != "" || !strings.Contains(a.Header.Get("Allow"), "PATCH") {
			t.Errorf("OPTIONS *: answered %+v", a)
		}
	}
}

// each is what 100 KiB of a longer body hold, and what a client may hold where
// the memory for all is eight times that.
const each = body.Overhead + 4*body.SmallPiece + body.LargePiece

// TestBodyMemory: all bodies together, and those of one client, hold so much
// and no more: 50301, and the memory is free afterwards.
func TestBodyMemory(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.BodyMemory = 8 * each }, domainOf("test", up.url(), everything...))
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
	if a := fifth.read(); a == nil || a.StatusCode != 429 || a.code() != 42900 || !a.Close || a.Header.Get("Content-Type") != "application/json;charset=UTF-8" {
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

// TestBuffersAreKept: a connection that had a large head has a small buffer
// again for the next, and both are read rightly.
func TestBuffersAreKept(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	var all bytes.Buffer
	for _, n := range []int{10, 15 << 10, 10, 3500, 4000, 4100, 15 << 10, 10} {
		fmt.Fprintf(&all, "%sX: %s\r\nContent-Length: 600\r\n\r\n%s", post, strings.Repeat("x", n), strings.Repeat("y", 600))
	}
	go c.send(all.String())
	for i := range 8 {
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
	for i, request := range up.requests() {
		if bodyOf(request) != strings.Repeat("y", 600) {
			t.Errorf("request %d: body %.100q", i, bodyOf(request))
		}
	}
	exact := "GET /test/a HTTP/1.1\r\nHost: h\r\nX: "
	for spare, want := range map[int]int{0: 200, 1: 431} {
		if a := ask(t, g.addr, exact+strings.Repeat("x", 16<<10-len(exact)-4+spare)+"\r\n\r\n"); a == nil || a.StatusCode != want {
			t.Errorf("%d bytes over the largest head: %+v", spare, a)
		}
	}
}
