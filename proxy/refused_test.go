package proxy

import (
	"cmp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
)

// TestRefused is the raw-byte corpus of what must not get past the gate, nor
// past the reader of bodies (pitfalls section 4, rows 1 to 19): an envelope, the
// connection closed, and nothing at the endpoint server. What is not said
// otherwise is answered 40000.
func TestRefused(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))

	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	with := func(header string) string {
		return "POST /test/a HTTP/1.1\r\nHost: h\r\n" + header + "\r\n\r\nabc"
	}
	const smuggled = "GET /test/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	chunked := func(body string) string {
		return "POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	cases := []struct {
		name, raw string
		code      int // 0: 40000
	}{
		{"CL and TE", with("Content-Length: 3\r\nTransfer-Encoding: chunked"), 0},
		{"TE and CL", "POST /test/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + smuggled, 0},
		{"TE identity and CL", with("Transfer-Encoding: identity\r\nContent-Length: 3"), 0},
		{"TE identity", with("Transfer-Encoding: identity"), 0},
		{"TE xchunked", with("Transfer-Encoding: xchunked"), 0},
		{"TE gzip, chunked", with("Transfer-Encoding: gzip, chunked"), 0},
		{"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 0},
		{"TE with VT", with("Transfer-Encoding: \vchunked"), 0},
		{"TE in HTTP/1.0", "POST /test/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0},
		{"CL twice equal", with("Content-Length: 3\r\nContent-Length: 3"), 0},
		{"CL twice", with("Content-Length: 3\r\nContent-Length: 4"), 0},
		{"CL list", with("Content-Length: 3, 3"), 0},
		{"CL +3", with("Content-Length: +3"), 0},
		{"CL 0x3", with("Content-Length: 0x3"), 0},
		{"CL -1", with("Content-Length: -1"), 0},
		{"CL 20 digits", with("Content-Length: 99999999999999999999"), 0},
		{"CL empty", with("Content-Length: "), 0},

		{"space before colon", with("Content-Length : 3"), 0},
		{"space in name", with("Content Length: 3"), 0},
		{"space in a custom name", with("Foo Bar: 3"), 0},
		{"no name", with(": v"), 0},
		{"no colon", with("nocolon"), 0},
		{"leading space line", "GET /test/a HTTP/1.1\r\n Host: h\r\n\r\n", 0},
		{"fold hides TE", with("X: a\r\n Transfer-Encoding: chunked"), 0},
		{"fold hides a key", with("X: a\r\n\tX-Api-Key: b"), 0},
		{"empty fold", with("X: a\r\n \r\nY: b"), 0},
		{"name in UTF-8", with("Hé: 1"), 0},
		{"underscore", with("X_Api_Key: 1"), 0},
		{"underscore beside", with("X-Api-Key: 1\r\nX_Api_Key: 2"), 0},
		{"bare LF", with("X: 1\nY: 2"), 0},
		{"bare LF at the end", "GET /test/a HTTP/1.1\r\nHost: h\r\nX: 1\n\r\n" + smuggled, 0},
		{"two LF and a second request", "GET /test/a HTTP/1.1\r\nHost: h\r\nX: 1\n\n" + smuggled, 0},
		{"LF behind the request line", "GET /test/a HTTP/1.1\nHost: h\r\n\r\n", 0},
		{"LF everywhere", "GET /test/a HTTP/1.1\nHost: h\n\n", 0},
		{"LF before the request line", "\nGET /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		{"bare CR", with("X: 1\rY: 2"), 0},
		{"CR CR LF", with("X: 1\r"), 0},
		{"NUL", with("X: a\x00b"), 0},
		{"DEL", with("X: a\x7fb"), 0},

		{"HTTP/0.9", "GET /test/a HTTP/0.9\r\nHost: h\r\n\r\n", 0},
		{"HTTP/1.2", "GET /test/a HTTP/1.2\r\nHost: h\r\n\r\n", 0},
		{"HTTP/2.0", "GET /test/a HTTP/2.0\r\nHost: h\r\n\r\n", 0},
		{"version with a space", "GET /test/a HTTP/1.1 \r\nHost: h\r\n\r\n", 0},
		{"no version", "GET /test/a\r\nHost: h\r\n\r\n", 0},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 0},
		{"method get", "get /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"method FOO", "FOO /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"CONNECT to a path", "CONNECT /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"TRACE", "TRACE /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"long method", strings.Repeat("A", 10<<10) + " /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 50100},
		{"method with a comma", "GE,T /test/a HTTP/1.1\r\nHost: h\r\n\r\n", 0},

		{"no Host", "GET /test/a HTTP/1.1\r\n\r\n", 0},
		{"empty Host", "GET /test/a HTTP/1.1\r\nHost:\r\n\r\n", 0},
		{"Host twice", "GET /test/a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 0},
		{"Host with userinfo", "GET /test/a HTTP/1.1\r\nHost: u:p@x\r\nAuthorization: mine\r\n\r\n", 0},
		{"Host with a space", "GET /test/a HTTP/1.1\r\nHost: x y\r\n\r\n", 0},
		{"Host with a path", "GET /test/a HTTP/1.1\r\nHost: x/..\r\n\r\n", 0},
		{"Host half a bracket", "GET /test/a HTTP/1.1\r\nHost: [::1\r\n\r\n", 0},
		{"Host port 99999", "GET /test/a HTTP/1.1\r\nHost: x:99999\r\n\r\n", 0},
		{"Host port x", "GET /test/a HTTP/1.1\r\nHost: x:8x\r\n\r\n", 0},
		{"Host in 1.0", "GET /test/a HTTP/1.0\r\nHost: u@x\r\n\r\n", 0},

		{"absolute-form of another host", get("http://evil/test/a"), 0},
		{"absolute-form of another port", get("http://h:81/test/a"), 0},
		{"absolute-form without a host", "GET http:///test/a HTTP/1.0\r\n\r\n", 0},
		{"absolute-form, Host missing", "GET http://h/test/a HTTP/1.0\r\n\r\n", 0},
		{"absolute-form of another scheme", get("ftp://h/test/a"), 0},
		{"authority-form", get("h:80"), 0},
		{"absolute-form with userinfo", "GET http://u:p@h/test/a HTTP/1.1\r\nHost: h\r\nAuthorization: mine\r\n\r\n", 0},
		{"asterisk-form of GET", get("*"), 0},
		{"no slash", get("test/a"), 0},
		{"dot segments", get("/test/a/../admin"), 0},
		{"dot segments at the end", get("/test/a/.."), 0},
		{"one dot", get("/test/./a"), 0},
		{"dot segment as key", get("/../test/a"), 0},
		{"encoded dots", get("/test/a/%2e%2e/admin"), 0},
		{"half encoded dots", get("/test/a/.%2E/admin"), 0},
		{"dots with params", get("/test/a/..;/admin"), 0},
		{"encoded dots with params", get("/test/a/%2e%2e;x=1/admin"), 0},
		{"dots with encoded params", get("/test/a/..%3bx/admin"), 0},
		{"one dot with params", get("/test/a/.;x/admin"), 0},
		{"encoded slash", get("/test/a%2fb"), 0},
		{"encoded slash in the key", get("/test%2Fa"), 0},
		{"encoded backslash", get("/test/a%5cb"), 0},
		{"backslash", get(`/test/a\b`), 0},
		{"bad encoding", get("/test/%zz"), 0},
		{"short encoding", get("/test/%2"), 0},
		{"lone percent", get("/test/100%"), 0},
		{"encoded NUL", get("/test/%00"), 0},
		{"encoded CR LF", get("/test/a%0d%0aX:%20y"), 0},
		{"encoded DEL", get("/test/%7f"), 0},
		{"overlong dot", get("/test/%c0%ae%c0%ae/admin"), 0},
		{"overlong slash", get("/test/%e0%80%af"), 0},
		{"half a character", get("/test/%ea%b0"), 0},
		{"encoded NEL", get("/test/%c2%85"), 0},
		{"encoded line separator", get("/test/%e2%80%a8"), 0},
		{"raw UTF-8", get("/test/é"), 0},
		{"raw UTF-8 in the query", get("/test/a?é"), 0},
		{"fragment", get("/test/a#b"), 0},
		{"fragment in the query", get("/test/a?b#c"), 0},
		{"control in the target", get("/test/a\tb"), 0},
		{"CR in the target", get("/test/a\rb"), 0},
		{"space in the target", get("/test/a b"), 0},

		{"Authorization twice", with("Authorization: a\r\nAuthorization: b"), 0},
		{"timestamp twice", with("X-TC-Timestamp: a\r\nx-tc-timestamp: b"), 0},
		{"Content-Type twice", with("Content-Type: a/b\r\nContent-Type: c/d"), 0},
		{"Origin twice", with("Origin: http://a\r\nOrigin: http://b"), 0},
		{"Expect twice", with("Expect: 100-continue\r\nExpect: 100-continue"), 0},
		{"unknown Expect", with("Expect: the worst"), 41700},
		{"Connection names Authorization", with("Authorization: a\r\nConnection: close, authorization"), 0},
		{"Connection names a timestamp", with("X-TC-Timestamp: a\r\nConnection: x-tc-timestamp"), 0},
		{"Connection names any X-TC", with("Connection: keep-alive\r\nConnection: X-TC-Other"), 0},
		{"Connection names Content-Length", with("Content-Length: 3\r\nConnection: Content-Length"), 0},
		{"Connection names X-Forwarded-For", with("Connection: X-Forwarded-For"), 0},

		{"chunk line with LF", chunked("3\nabc\r\n0\r\n\r\n"), 0},
		{"chunk line with CR alone", chunked("3\rabc\r\n0\r\n\r\n"), 0},
		{"chunk line with CR CR LF", chunked("3\r\r\nabc\r\n0\r\n\r\n"), 0},
		{"LF behind a chunk", chunked("3\r\nabc\n0\r\n\r\n"), 0},
		{"nothing behind a chunk", chunked("3\r\nabc0\r\n\r\n"), 0},
		{"chunk longer than its size", chunked("3\r\nabcde\r\n0\r\n\r\n"), 0},
		{"chunk size empty", chunked("\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size 0x3", chunked("0x3\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size +3", chunked("+3\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size -1", chunked("-1\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size g", chunked("g\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size overflow", chunked("ffffffffffffffff1\r\nx"), 0},
		{"chunk size overflow to 3", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), 0},
		{"chunk size of 17 digits", chunked("00000000000000003\r\nabc\r\n0\r\n\r\n"), 0},
		{"space behind a chunk size", chunked("2 \r\nab\r\n0\r\n\r\n"), 0},
		{"space before a chunk size", chunked(" 2\r\nab\r\n0\r\n\r\n"), 0},
		{"tab behind a chunk size", chunked("2\t\r\nab\r\n0\r\n\r\n"), 0},
		{"space before an extension", chunked("2 ;a=b\r\nab\r\n0\r\n\r\n"), 0},
		{"space behind the last size", chunked("2\r\nab\r\n0 \r\n\r\n"), 0},
		{"NUL in an extension", chunked("2;a\x00b\r\nab\r\n0\r\n\r\n"), 0},
		{"control in an extension", chunked("2;a=\x01\r\nab\r\n0\r\n\r\n"), 0},
		{"DEL in an extension", chunked("2;a=\x7f\r\nab\r\n0\r\n\r\n"), 0},
		{"LF in an extension", chunked("2;a\nb\r\nab\r\n0\r\n\r\n"), 0},
		{"CR in an extension", chunked("2;a\rb\r\nab\r\n0\r\n\r\n"), 0},
		{"extension of 257 bytes", chunked("2;" + strings.Repeat("a", 256) + "\r\nab\r\n0\r\n\r\n"), 0},
		{"extension of 3 MB", chunked("2;" + strings.Repeat("a", 3<<20)), 0},
		{"extensions that outweigh the data", chunked(strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 1000) + "0\r\n\r\n"), 0},
		{"LF ends the body", chunked("3\r\nabc\r\n0\r\n\n" + smuggled), 0},
		{"LF behind the last size", chunked("3\r\nabc\r\n0\n\r\n" + smuggled), 0},
		{"LF behind a trailer", chunked("0\r\nX: 1\n\n" + smuggled), 0},
		{"LF behind a trailer, CR LF then", chunked("0\r\nX: 1\n\r\n" + smuggled), 0},
		{"trailer name with a space", chunked("0\r\nX Y: 1\r\n\r\n"), 0},
		{"space before a trailer's colon", chunked("0\r\nX : 1\r\n\r\n"), 0},
		{"trailer without a name", chunked("0\r\n: 1\r\n\r\n"), 0},
		{"trailer without a colon", chunked("0\r\nnocolon\r\n\r\n"), 0},
		{"folded trailer", chunked("0\r\nX: 1\r\n Y: 2\r\n\r\n"), 0},
		{"NUL in a trailer", chunked("0\r\nX: a\x00\r\n\r\n"), 0},
		{"CR in a trailer", chunked("0\r\nX: a\rb\r\n\r\n"), 0},
		{"trailers of 20 KB", chunked("0\r\n" + strings.Repeat("X: y\r\n", 3000) + "\r\n"), 43100},
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
			want := cmp.Or(tc.code, 40000)
			if a.StatusCode != want/100 || a.code() != want {
				t.Errorf("answered %d %s, want %d", a.StatusCode, a.body, want)
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

// TestTooLarge: pitfalls 4 11 and 17.
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
// is not reset before it has stopped (pitfalls 2(a) 28).
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

// TestTooLargeComesLast: who may not call is told that, and a call whose head
// announces too much counts on the quota, as one does whose chunks grow too
// large. Only what asks another server or needs the body is behind it.
func TestTooLargeComesLast(t *testing.T) {
	up, pre := startRecorder(t, says(ok200)), startRecorder(t, says(ok200))
	taken, admitted := 0, true
	deny := `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.1"}]}`
	g := startGateway(t, func(c *Config) {
		c.MaxRequestBody = 1024
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			taken++
			return quota.Verdict{Admitted: admitted}, nil
		})
	}, domainOf("plain", up.url(), "POST /a"),
		parsed(t, "acl", up.url(), deny, "POST /a"),
		parsed(t, "down", up.url(), `"MAINTENANCE":{"isUse":true,"statusCode":503,"headers":{},"body":"later"}`, "POST /a"),
		parsed(t, "signed", up.url(), `"HMAC":{"secretKey":"test","clockSkew":0}`, "POST /a"),
		parsed(t, "counted", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]}`, "POST /a "+preAPIOf("GET", pre.url()),
			`POST /mock "MOCK":{"statusCode":200,"headers":{},"body":"x"}`))
	send := func(path string) *answer {
		return ask(t, g.addr, "POST "+path+" HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n")
	}
	for path, code := range map[string]int{
		"/plain/a": 41300, "/nope/a": 40400, "/plain/b": 40401, "/acl/a": 40300, "/signed/a": 20001, "/counted/a": 41300, "/counted/mock": 41300,
	} {
		if a := send(path); a.code() != code {
			t.Errorf("%s: answered %s, want %d", path, a.raw, code)
		}
	}
	if a := send("/down/a"); a.StatusCode != 503 || a.body != "later" {
		t.Errorf("answered %s, want what MAINTENANCE says", a.raw)
	}
	if taken != 2 {
		t.Errorf("%d calls are counted, want the 2 that a quota applies to", taken)
	}
	if admitted = false; send("/counted/a").code() != 20004 {
		t.Error("a call over the quota is told of its size")
	}
	if asked := append(up.requests(), pre.requests()...); len(asked) > 0 {
		t.Errorf("asked for a body that nobody takes: %q", asked)
	}
}
