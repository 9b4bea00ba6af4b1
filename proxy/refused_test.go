package proxy

import (
	"strings"
	"testing"
)

// TestRefused is the raw-byte corpus of what must not get past the gate
// (pitfalls section 4, rows 1 to 15): an envelope, the connection closed, and
// nothing at the endpoint server.
func TestRefused(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))

	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	with := func(header string) string {
		return "POST /test/a HTTP/1.1\r\nHost: h\r\n" + header + "\r\n\r\nabc"
	}
	const smuggled = "GET /test/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	cases := []struct{ name, raw string }{
		{"CL and TE", with("Content-Length: 3\r\nTransfer-Encoding: chunked")},
		{"TE and CL", "POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + smuggled},
		{"TE identity and CL", with("Transfer-Encoding: identity\r\nContent-Length: 3")},
		{"TE identity", with("Transfer-Encoding: identity")},
		{"TE xchunked", with("Transfer-Encoding: xchunked")},
		{"TE gzip, chunked", with("Transfer-Encoding: gzip, chunked")},
		{"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
		{"TE with VT", with("Transfer-Encoding: \vchunked")},
		{"TE in HTTP/1.0", "POST /test/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"CL twice equal", with("Content-Length: 3\r\nContent-Length: 3")},
		{"CL twice", with("Content-Length: 3\r\nContent-Length: 4")},
		{"CL list", with("Content-Length: 3, 3")},
		{"CL +3", with("Content-Length: +3")},
		{"CL 0x3", with("Content-Length: 0x3")},
		{"CL -1", with("Content-Length: -1")},
		{"CL 20 digits", with("Content-Length: 99999999999999999999")},
		{"CL empty", with("Content-Length: ")},

		{"space before colon", with("Content-Length : 3")},
		{"space in name", with("Content Length: 3")},
		{"space in a custom name", with("Foo Bar: 3")},
		{"no name", with(": v")},
		{"no colon", with("nocolon")},
		{"leading space line", "GET /test/a HTTP/1.1\r\n Host: h\r\n\r\n"},
		{"fold hides TE", with("X: a\r\n Transfer-Encoding: chunked")},
		{"fold hides a key", with("X: a\r\n\tX-Api-Key: b")},
		{"empty fold", with("X: a\r\n \r\nY: b")},
		{"name in UTF-8", with("Hé: 1")},
		{"underscore", with("X_Api_Key: 1")},
		{"underscore beside", with("X-Api-Key: 1\r\nX_Api_Key: 2")},
		{"bare LF", with("X: 1\nY: 2")},
		{"bare LF at the end", "GET /test/a HTTP/1.1\r\nHost: h\r\nX: 1\n\r\n" + smuggled},
		{"two LF and a second request", "GET /test/a HTTP/1.1\r\nHost: h\r\nX: 1\n\n" + smuggled},
		{"bare CR", with("X: 1\rY: 2")},
		{"CR CR LF", with("X: 1\r")},
		{"NUL", with("X: a\x00b")},
		{"DEL", with("X: a\x7fb")},

		{"HTTP/0.9", "GET /test/a HTTP/0.9\r\nHost: h\r\n\r\n"},
		{"HTTP/1.2", "GET /test/a HTTP/1.2\r\nHost: h\r\n\r\n"},
		{"HTTP/2.0", "GET /test/a HTTP/2.0\r\nHost: h\r\n\r\n"},
		{"version with a space", "GET /test/a HTTP/1.1 \r\nHost: h\r\n\r\n"},
		{"no version", "GET /test/a\r\nHost: h\r\n\r\n"},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
		{"method get", "get /test/a HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"method FOO", "FOO /test/a HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"CONNECT to a path", "CONNECT /test/a HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"TRACE", "TRACE /test/a HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"long method", strings.Repeat("A", 10<<10) + " /test/a HTTP/1.1\r\nHost: h\r\n\r\n"},

		{"no Host", "GET /test/a HTTP/1.1\r\n\r\n"},
		{"empty Host", "GET /test/a HTTP/1.1\r\nHost:\r\n\r\n"},
		{"Host twice", "GET /test/a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"},
		{"Host with userinfo", "GET /test/a HTTP/1.1\r\nHost: u:p@x\r\nAuthorization: mine\r\n\r\n"},
		{"Host with a space", "GET /test/a HTTP/1.1\r\nHost: x y\r\n\r\n"},
		{"Host with a path", "GET /test/a HTTP/1.1\r\nHost: x/..\r\n\r\n"},
		{"Host half a bracket", "GET /test/a HTTP/1.1\r\nHost: [::1\r\n\r\n"},
		{"Host port 99999", "GET /test/a HTTP/1.1\r\nHost: x:99999\r\n\r\n"},
		{"Host port x", "GET /test/a HTTP/1.1\r\nHost: x:8x\r\n\r\n"},
		{"Host in 1.0", "GET /test/a HTTP/1.0\r\nHost: u@x\r\n\r\n"},

		{"absolute-form", get("http://evil/test/a")},
		{"absolute-form with userinfo", "GET http://u:p@h/test/a HTTP/1.1\r\nHost: h\r\nAuthorization: mine\r\n\r\n"},
		{"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"no slash", get("test/a")},
		{"dot segments", get("/test/a/../admin")},
		{"dot segments at the end", get("/test/a/..")},
		{"one dot", get("/test/./a")},
		{"dot segment as key", get("/../test/a")},
		{"encoded dots", get("/test/a/%2e%2e/admin")},
		{"half encoded dots", get("/test/a/.%2E/admin")},
		{"dots with params", get("/test/a/..;/admin")},
		{"encoded dots with params", get("/test/a/%2e%2e;x=1/admin")},
		{"dots with encoded params", get("/test/a/..%3bx/admin")},
		{"one dot with params", get("/test/a/.;x/admin")},
		{"encoded slash", get("/test/a%2fb")},
		{"encoded slash in the key", get("/test%2Fa")},
		{"encoded backslash", get("/test/a%5cb")},
		{"backslash", get(`/test/a\b`)},
		{"bad encoding", get("/test/%zz")},
		{"short encoding", get("/test/%2")},
		{"lone percent", get("/test/100%")},
		{"encoded NUL", get("/test/%00")},
		{"encoded CR LF", get("/test/a%0d%0aX:%20y")},
		{"encoded DEL", get("/test/%7f")},
		{"overlong dot", get("/test/%c0%ae%c0%ae/admin")},
		{"overlong slash", get("/test/%e0%80%af")},
		{"half a character", get("/test/%ea%b0")},
		{"encoded NEL", get("/test/%c2%85")},
		{"encoded line separator", get("/test/%e2%80%a8")},
		{"raw UTF-8", get("/test/é")},
		{"raw UTF-8 in the query", get("/test/a?é")},
		{"fragment", get("/test/a#b")},
		{"fragment in the query", get("/test/a?b#c")},
		{"control in the target", get("/test/a\tb")},
		{"CR in the target", get("/test/a\rb")},
		{"space in the target", get("/test/a b")},

		{"Authorization twice", with("Authorization: a\r\nAuthorization: b")},
		{"timestamp twice", with("X-TC-Timestamp: a\r\nx-tc-timestamp: b")},
		{"Content-Type twice", with("Content-Type: a/b\r\nContent-Type: c/d")},
		{"Origin twice", with("Origin: http://a\r\nOrigin: http://b")},
		{"Expect twice", with("Expect: 100-continue\r\nExpect: 100-continue")},
		{"unknown Expect", with("Expect: the worst")},
		{"Connection names Authorization", with("Authorization: a\r\nConnection: close, authorization")},
		{"Connection names a timestamp", with("X-TC-Timestamp: a\r\nConnection: x-tc-timestamp")},
		{"Connection names any X-TC", with("Connection: keep-alive\r\nConnection: X-TC-Other")},
		{"Connection names Content-Length", with("Content-Length: 3\r\nConnection: Content-Length")},
		{"Connection names X-Forwarded-For", with("Connection: X-Forwarded-For")},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, g.addr)
			defer c.Close()
			c.send(tc.raw)
			// What needs more bytes before it can be judged gets an end instead.
			_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			a := c.read()
			if a == nil {
				t.Fatal("closed without an answer")
			}
			if a.StatusCode != 400 || a.code() != 40000 {
				t.Errorf("answered %d %s, want 400 and 40000", a.StatusCode, a.body)
			}
			if got := a.Header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
				t.Errorf("Content-Type %q", got)
			}
			c.wantClosed()
		})
	}
	t.Cleanup(func() { // after the parallel ones
		if got := up.requests(); len(got) > 0 {
			t.Errorf("reached the endpoint server: %q", got)
		}
	})
}

// TestTooLarge: rows 11 and 17.
func TestTooLarge(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.MaxRequestBody = 1024 }, domainOf("test", up.url(), everything...))
	const post = "POST /test/a HTTP/1.1\r\nHost: h\r\n"
	big := strings.Repeat("x", 20<<10)
	for _, tc := range []struct {
		name, raw    string
		status, code int
	}{
		{"target", "GET /test/" + big + " HTTP/1.1\r\nHost: h\r\n\r\n", 431, 43100},
		{"header", post + "X: " + big + "\r\n\r\n", 431, 43100},
		{"1000 fields", post + strings.Repeat("X: y\r\n", 1000) + "\r\n", 431, 43100},
		{"field without end", post + "X: " + strings.Repeat("x", 1<<20), 431, 43100},
		{"length", post + "Content-Length: 1025\r\n\r\n", 413, 41300},
		{"length, body sent", post + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000), 413, 41300},
		{"length, asking first", post + "Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n", 413, 41300},
		{"chunk", post + "Transfer-Encoding: chunked\r\n\r\n401\r\n" + big, 413, 41300},
		{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 2000), 413, 41300},
		{"chunk size overflow", post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx", 400, 40000},
		{"largest chunk size", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nx", 413, 41300},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, g.addr)
			defer c.Close()
			go c.send(tc.raw)
			a := c.read()
			if a == nil || a.StatusCode != tc.status || a.code() != tc.code {
				t.Fatalf("answered %+v, want %d and %d", a, tc.status, tc.code)
			}
			c.wantClosed()
		})
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
	if a := ask(t, g.addr, post+"Content-Length: 1024\r\n\r\n"+big[:1024]); a.StatusCode != 200 {
		t.Errorf("a body of exactly the limit: %d", a.StatusCode)
	}
}

// TestRefusedWhileSending: a client that is told 413 in the middle of its body
// is not reset before it has stopped (pitfall 28).
func TestRefusedWhileSending(t *testing.T) {
	g := startGateway(t, func(c *Config) { c.MaxRequestBody = 1024 }, domainOf("test", "http://127.0.0.1:1", everything...))
	c := dial(t, g.addr)
	defer c.Close()
	some := []byte(strings.Repeat("x", 10<<10))
	c.send("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + string(some))
	if a := c.read(); a == nil || a.code() != 41300 {
		t.Fatalf("answered %+v", a)
	}
	for i := range 5 {
		if _, err := c.Write(some); err != nil {
			t.Fatalf("piece %d: %v", i, err)
		}
	}
	_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	c.wantClosed()
}
