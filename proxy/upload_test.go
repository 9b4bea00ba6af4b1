package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

const (
	post        = "POST /test/a HTTP/1.1\r\nHost: h\r\n"
	postChunked = post + "Transfer-Encoding: chunked\r\n\r\n"
)

// bodyOf is what an endpoint server got behind the head, out of its chunks.
func bodyOf(request string) string {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	if strings.Contains(head, "Transfer-Encoding: chunked") {
		whole, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body)))
		if err != nil {
			return fmt.Sprintf("broken behind %d bytes: %v", len(whole), err)
		}
		body = string(whole)
	}
	return body
}

// TestBodies: bodies of every size and framing arrive whole, with their length,
// and the connection is at the start of the next request behind them.
func TestBodies(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	for _, length := range []int{0, 1, 100, 3900, 4096, 5000, 16 << 10, 16<<10 + 1, 64 << 10, 64<<10 + 1, 70_000, 300_000, 20 << 20} {
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
			sent := fmt.Sprintf("Content-Length: %d\r\n", length)
			if framing == "chunked" && length > 64<<10 {
				sent = "Transfer-Encoding: chunked\r\n"
			}
			if len(heard) != 2 || bodyOf(heard[0]) != body || strings.Contains(heard[0], "Trailer") ||
				!strings.Contains(heard[0], sent) || !strings.HasPrefix(heard[1], "GET /b ") {
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

// TestReadingPace: over all writes of an answer, a client that hardly reads is
// given up, and one that has read a lot may pause.
func TestReadingPace(t *testing.T) {
	g := newGateway(t, nil)
	for moved, want := range map[int64]bool{100: false, 1 << 20: true} {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		c := newClientConn(near, newListener(nil, g.Proxy))
		c.readPace = pace{timeout: patience, moved: moved, waited: 11 * time.Second}
		if _, err := c.Write([]byte("x")); (err == nil) != want {
			t.Errorf("%d bytes in 11 s: %v", moved, err)
		}
		_ = near.Close()
		_ = far.Close()
	}
}
