package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// preAPIOf is the plugin of an endpoint.
func preAPIOf(method, url string) string {
	return fmt.Sprintf(`"PRE_API":{"method":%q,"url":%q}`, method, url)
}

// TestPreAPIRequest: what a Pre API is asked, to the byte: its own method and
// URL, the client's header, and nothing of its body.
func TestPreAPIRequest(t *testing.T) {
	up, pre := startRecorder(t, says(ok200)), startRecorder(t, says(ok200))
	host := pre.Addr().String()
	var endpoints []string
	for _, m := range []string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"} {
		endpoints = append(endpoints, "POST /"+m+" "+preAPIOf(m, pre.url()+"/check/%61?k=1&&k=%zz"))
	}
	endpoints = append(endpoints, "POST /bare "+preAPIOf("GET", pre.url()), "POST /query "+preAPIOf("GET", pre.url()+"?a"),
		"POST /set "+preAPIOf("GET", pre.url())+`,"HEADER":{"requestHeaders":{"Authorization":"other","X-A":"9"}}`)
	g := startGateway(t, nil, parsed(t, "test", up.url(), "", endpoints...))

	const fields = "x-A: 1\r\nAuthorization: mine\r\nX-TC-Timestamp: t\r\nCookie: a=1; b\r\nX-a: 2\r\nOrigin: https://a.example\r\n"
	const without = "Content-Type: text/plain\r\nContent-Encoding: identity\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\nIf-Modified-Since: x\r\n" +
		"Connection: keep-alive, X-Own\r\nX-Own: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: x\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n"
	const tail = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\nForwarded: for=127.0.0.1;host=\"h:1\";proto=http\r\n"
	for target, want := range map[string]string{
		"/GET":     "GET /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
		"/POST":    "POST /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "Content-Length: 0\r\n\r\n",
		"/PUT":     "PUT /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "Content-Length: 0\r\n\r\n",
		"/PATCH":   "PATCH /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "Content-Length: 0\r\n\r\n",
		"/DELETE":  "DELETE /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
		"/OPTIONS": "OPTIONS /check/%61?k=1&&k=%zz HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
		"/bare":    "GET / HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
		"/query":   "GET /?a HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
		"/set":     "GET / HTTP/1.1\r\nHost: " + host + "\r\n" + fields + tail + "\r\n",
	} {
		a := ask(t, g.addr, "POST /test"+target+"?q=1 HTTP/1.1\r\nHost: h:1\r\n"+fields+without+"Content-Length: 3\r\n\r\nabc")
		if heard := strings.Join(pre.requests(), "|"); a == nil || a.StatusCode != 200 || heard != want {
			t.Errorf("%s: answered %+v, asked\n%q, want\n%q", target, a, heard, want)
		}
		heard := strings.Join(up.requests(), "|")
		if !strings.HasPrefix(heard, "POST "+target+"?q=1 HTTP/1.1\r\n") || !strings.HasSuffix(heard, "\r\n\r\nabc") ||
			!strings.Contains(heard, "Range: bytes=0-1\r\n") || !strings.Contains(heard, "Content-Type: text/plain\r\n") {
			t.Errorf("%s: went on as %q", target, heard)
		}
		if target == "/set" != strings.Contains(heard, "Authorization: other\r\nX-A: 9\r\n") {
			t.Errorf("%s: went on as %q", target, heard)
		}
	}
	if n := pre.accepted(); n != 1 {
		t.Errorf("%d connections to the Pre API, one was enough", n)
	}
	if n := g.metric(t, "tollgate_proxy_pre_api_seconds", "test"); n != 9 {
		t.Errorf("%v calls of the Pre API counted, want 9", n)
	}
}

// TestPreAPIAnswer: 200 lets the call go on and leaves no trace; anything else
// is the answer, without what concerns the connection to the Pre API.
func TestPreAPIAnswer(t *testing.T) {
	var say string
	pre := startRecorder(t, func(c net.Conn, n int, request string) bool { return says(say)(c, n, request) })
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if strings.HasPrefix(request, "HEAD ") {
			return says("HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 10\r\n\r\n")(c, n, request)
		}
		if strings.Contains(request, " /head ") {
			return says("HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 2\r\n\r\nok")(c, n, request)
		}
		return says("HTTP/1.1 204 No Content\r\nX-Up: 1\r\n\r\n")(c, n, request)
	})
	g := startGateway(t, nil, parsed(t, "test", up.url(), corsAny,
		"GET /get "+preAPIOf("GET", pre.url())+`,"HEADER":{"responseHeaders":{"X-Set":"1"}}`, "HEAD /get "+preAPIOf("GET", pre.url()),
		"GET /head "+preAPIOf("HEAD", pre.url()), "HEAD /head "+preAPIOf("HEAD", pre.url()),
		"GET /mock "+preAPIOf("GET", pre.url())+`,"MOCK":{"statusCode":200}`))
	const passed = "HTTP/1.1 204 No Content\r\nX-Up: 1\r\nX-Set: 1\r\nVary: Origin\r\n\r\n"
	for _, tc := range []struct{ name, method, path, say, want string }{
		{"200 goes on", "GET", "/get", "HTTP/1.1 200 OK\r\nX-Pre: 1\r\nSet-Cookie: a=1\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\npre", passed},
		{"200 in chunks goes on", "GET", "/get", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\npre\r\n0\r\nX-T: 1\r\n\r\n", passed},
		{"200 to HEAD goes on", "GET", "/head", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: 1\r\nVary: Origin\r\n\r\nok"},
		{"200 before a HEAD", "HEAD", "/get", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\npre", "HTTP/1.1 200 OK\r\nX-Up: 1\r\nContent-Length: 10\r\nVary: Origin\r\n\r\n"},
		{"200 before a mock", "GET", "/mock", "HTTP/1.1 200 OK\r\nX-Pre: 1\r\nContent-Length: 3\r\n\r\npre", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVary: Origin\r\n\r\n"},
		{"refusal", "GET", "/get",
			"HTTP/1.1 403 Not You\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nServer: pre\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nWWW-Authenticate: X\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: 5\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\nX-T: 1\r\n\r\n",
			"HTTP/1.1 403 Not You\r\nContent-Length: 3\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nServer: pre\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nWWW-Authenticate: X\r\nVary: Origin\r\n\r\nno!"},
		{"redirect is not followed", "GET", "/get", "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://169.254.169.254/\r\nVary: Origin\r\n\r\n"},
		{"another 2xx is not 200", "GET", "/get", "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 201 Created\r\nContent-Length: 1\r\nVary: Origin\r\n\r\nx"},
		{"no content", "GET", "/get", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nVary: Origin\r\n\r\n"},
		{"server error", "GET", "/get", "HTTP/1.1 503 Down\r\nRetry-After: 9\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 503 Down\r\nContent-Length: 1\r\nRetry-After: 9\r\nVary: Origin\r\n\r\nx"},
		{"to HEAD, with a length", "GET", "/head", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\n", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nVary: Origin\r\n\r\n"},
		{"to HEAD for HEAD", "HEAD", "/head", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\n", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\nVary: Origin\r\n\r\n"},
		{"to GET for HEAD", "HEAD", "/get", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nVary: Origin\r\n\r\n"},
	} {
		say = tc.say
		c := dial(t, g.addr)
		for range 2 { // a second one on the same connections
			c.send(tc.method + " /test" + tc.path + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.readFor(tc.method); a == nil || undated(a) != tc.want {
				t.Errorf("%s: answered\n%q, want\n%q", tc.name, undated(a), tc.want)
			}
		}
		c.Close()
		if n, want := len(up.requests()), 2; strings.Contains(tc.want, "X-Up") != (n == want) {
			t.Errorf("%s: %d requests went on", tc.name, n)
		}
	}
	if n := g.metric(t, "tollgate_proxy_pre_api_answers_total", "test"); n != 16 {
		t.Errorf("%v calls counted as ended by the Pre API, want 16", n)
	}
}

// undated is an answer without a Date of our own.
func undated(a *answer) string {
	if date := a.Header.Get("Date"); !strings.Contains(date, " 2006 ") {
		return strings.Replace(a.raw, "Date: "+date+"\r\n", "", 1)
	}
	return a.raw
}

// TestPreAPIFails: no answer that can be passed on is 20008; it is asked once,
// whatever the method, and the endpoint server never.
func TestPreAPIFails(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	up := startRecorder(t, says(ok200))
	gone := startRecorder(t, says(ok200))
	_ = gone.Close()
	const exact = `{"header":{"resultCode":20008,"resultMessage":"20008 Pre api connection failed","isSuccessful":false}}`
	for name, say := range map[string]string{
		"closed":      "",
		"garbage":     "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"cut":         "HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nabc",
		"cut chunks":  "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"switching":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"too large":   "HTTP/1.1 403 No\r\nContent-Length: 1048577\r\n\r\n" + long + "x",
		"200, but it": "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n" + long + "x",
	} {
		pre := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
			_, _ = io.WriteString(c, say)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			return false
		})
		g := startGateway(t, nil, parsed(t, "test", up.url(), "", "GET /get "+preAPIOf("GET", pre.url()), "GET /post "+preAPIOf("POST", pre.url())))
		for _, path := range []string{"/get", "/post"} {
			if a := g.get(t, "/test"+path); a.StatusCode != 502 || a.body != exact || len(a.Header) != 4 {
				t.Errorf("%s: answered %.300q", name, a.raw)
			}
			if n := len(pre.requests()); n != 1 {
				t.Errorf("%s: asked %d times", name, n)
			}
		}
	}
	g := startGateway(t, nil, parsed(t, "test", up.url(), "", "GET /gone "+preAPIOf("GET", gone.url()), "GET /unknown "+preAPIOf("GET", "http://nowhere.invalid")))
	for _, path := range []string{"/gone", "/unknown"} {
		if a := g.get(t, "/test"+path); a.body != exact {
			t.Errorf("%s: answered %s", path, a.raw)
		}
	}
	if n := g.metric(t, "tollgate_proxy_pre_api_failures_total", "test", "connect"); n != 2 {
		t.Errorf("%v failures counted, want 2", n)
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
	// Just as much as it may be.
	full := startRecorder(t, says("HTTP/1.1 403 No\r\nContent-Length: 1048576\r\n\r\n"+long))
	g.deploy(t, 2, parsed(t, "test", up.url(), "", "GET /full "+preAPIOf("GET", full.url())))
	if a := g.get(t, "/test/full"); a.StatusCode != 403 || len(a.body) != 1<<20 {
		t.Errorf("1 MiB: answered %d with %d bytes", a.StatusCode, len(a.body))
	}
}

// TestPreAPITimeout: one that is silent costs its own time, not that of the
// endpoint server, and is asked once although it was on a kept connection.
func TestPreAPITimeout(t *testing.T) {
	up := startRecorder(t, says(ok200))
	pre := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if n == 1 {
			return says(ok200)(c, n, request)
		}
		return hangs(c, n, request)
	})
	g := startGateway(t, nil, parsed(t, "test", up.url(), "", `GET /a "PRE_API":{"method":"GET","url":"`+pre.url()+`","timeoutMillis":60}`))
	if a := g.get(t, "/test/a"); a.StatusCode != 200 {
		t.Fatalf("answered %s", a.raw)
	}
	start := time.Now()
	if a := g.get(t, "/test/a"); a.StatusCode != 502 || a.code() != 20008 {
		t.Errorf("answered %s", a.raw)
	}
	if took := time.Since(start); took < 60*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v, want 60ms", took)
	}
	if asked, passed := len(pre.requests()), len(up.requests()); asked != 2 || passed != 1 {
		t.Errorf("asked %d times, %d went on; want 2 and 1", asked, passed)
	}
	if n := g.metric(t, "tollgate_proxy_pre_api_failures_total", "test", "timeout"); n != 1 {
		t.Errorf("%v timeouts counted, want 1", n)
	}
}

// TestPreAPIStale: a kept connection that breaks under a request is not tried
// again, not even for GET; one that was closed before is replaced.
func TestPreAPIStale(t *testing.T) {
	up := startRecorder(t, says(ok200))
	breaks := startRecorder(t, func(c net.Conn, n int, request string) bool { return n == 1 && says(ok200)(c, n, request) })
	closes := startRecorder(t, func(c net.Conn, n int, request string) bool { says(ok200)(c, n, request); return false })
	g := startGateway(t, nil, parsed(t, "test", up.url(), "", "GET /breaks "+preAPIOf("GET", breaks.url()), "GET /closes "+preAPIOf("GET", closes.url())))
	g.get(t, "/test/breaks")
	if a := g.get(t, "/test/breaks"); a.code() != 20008 {
		t.Errorf("broken: answered %s", a.raw)
	}
	if n := len(breaks.requests()); n != 2 {
		t.Errorf("broken: asked %d times, want 2", n)
	}
	for range 3 {
		if a := g.get(t, "/test/closes"); a.StatusCode != 200 {
			t.Errorf("closed while idle: answered %s", a.raw)
		}
		eventually(t, "the Pre API has closed", func() bool { return closes.open() == 0 })
	}
}

// TestPreAPIOnce: a call that asks before it sends its body asks the Pre API
// once, and who is refused by it sends none. Its connections go with the
// deployment.
func TestPreAPIOnce(t *testing.T) {
	up := startRecorder(t, says(ok200))
	status := "200 OK"
	pre := startRecorder(t, func(c net.Conn, n int, request string) bool {
		return says("HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\nok")(c, n, request)
	})
	taken := 0
	g := startGateway(t, func(c *Config) {
		c.UpstreamIdleTimeout = time.Minute
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { taken++; return quota.Verdict{Admitted: true}, nil })
	}, parsed(t, "test", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]}`, "POST /a "+preAPIOf("GET", pre.url())))
	c := dial(t, g.addr)
	defer c.Close()
	const post = "POST /test/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
	c.send(post)
	if a := c.read(); a == nil || a.StatusCode != 100 {
		t.Fatalf("%+v, want 100", a)
	}
	c.send("x")
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("answered %+v", a)
	}
	if heard := pre.requests(); len(heard) != 1 || strings.Contains(heard[0], "Expect") || taken != 1 {
		t.Errorf("asked %q, %d taken", heard, taken)
	}
	status = "402 Pay"
	if a := ask(t, g.addr, post); a == nil || a.StatusCode != 402 || a.body != "ok" {
		t.Errorf("refused: %+v, want it at once", a)
	}
	g.deploy(t, 2, parsed(t, "test", up.url(), "", "POST /a"))
	eventually(t, "the Pre API's connections are closed", func() bool { return pre.open() == 0 })
}
