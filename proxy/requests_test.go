package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

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
	for _, target := range []string{"*", "http://h", "*"} {
		c.send("OPTIONS " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.read(); a == nil || a.StatusCode != 200 || a.body != "" || !strings.Contains(a.Header.Get("Allow"), "PATCH") {
			t.Errorf("OPTIONS %s: answered %+v", target, a)
		}
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
