package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTargetAsSpelled: what passes the gate reaches the endpoint server byte
// for byte (pitfalls 4 12), behind the path of HTTP_PROXY.
func TestTargetAsSpelled(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil,
		domainOf("bare", up.url(), everything...),
		domainOf("base", up.url()+"/v1/x%20y/", everything...))
	for _, tc := range []struct{ target, want string }{
		{"/bare/a", "/a"},
		{"/bare/a/", "/a/"},
		{"/bare/", "/"},
		{"/bare", "/"},
		{"/bare?q", "/?q"},
		{"/bare?", "/?"},
		{"/bare/a?", "/a?"},
		{"/bare//a//b", "//a//b"},
		{"/bare/%61%7e/%ea%b0%80", "/%61%7e/%ea%b0%80"},
		{"/bare/a%252fb", "/a%252fb"},
		{"/bare/...", "/..."},
		{"/bare/..a/.b/c..", "/..a/.b/c.."},
		{"/bare/;a=..", "/;a=.."},
		{"/bare/a;v=1/b", "/a;v=1/b"},
		{"/bare/{x}|^`<>\"", "/{x}|^`<>\""},
		{"/bare/a?b=%2f..%2e&c=%zz&&d;e=1?f", "/a?b=%2f..%2e&c=%zz&&d;e=1?f"},
		{`/bare/a?b=\&u=http://u:p@h:99999/../x`, `/a?b=\&u=http://u:p@h:99999/../x`},
		{"/bare/a?" + strings.Repeat("a=1&", 3000), "/a?" + strings.Repeat("a=1&", 3000)},
		{"/base/a?q", "/v1/x%20y/a?q"},
		{"/base", "/v1/x%20y/"},
		{"/base//a", "/v1/x%20y//a"},
	} {
		a := g.get(t, tc.target)
		heard := up.requests()
		if a.StatusCode != 200 || len(heard) != 1 {
			t.Errorf("%.80s: answered %d %s, %d requests went on", tc.target, a.StatusCode, a.body, len(heard))
			continue
		}
		line, _, _ := strings.Cut(heard[0], "\r\n")
		if want := "GET " + tc.want + " HTTP/1.1"; line != want {
			t.Errorf("%.80s: went on as %.80q, want %.80q", tc.target, line, want)
		}
	}
}

// TestRequestHeader: pitfalls 4 14 to 16. Nothing is added that was not asked for.
func TestRequestHeader(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	host := up.Addr().String()
	const tail = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\nX-Forwarded-Prefix: /test\r\nForwarded: for=127.0.0.1;host=\"h:1\";proto=http\r\n"
	for _, tc := range []struct{ name, raw, want string }{
		{"nothing added",
			"GET /test/a HTTP/1.1\r\nHost: h:1\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "\r\n"},
		{"as spelled and in order",
			"GET /test/a HTTP/1.1\r\nx-B: 2\r\nHOST: h:1\r\nX-a:1\r\ncookie: a; b=;c\r\nCookie: d\r\nAccept:\ta,  b \r\nX-A: é\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\nx-B: 2\r\nX-a: 1\r\ncookie: a; b=;c\r\nCookie: d\r\nAccept: a,  b\r\nX-A: é\r\n" + tail + "\r\n"},
		{"hop-by-hop",
			"GET /test/a HTTP/1.1\r\nHost: h:1\r\nConnection: Upgrade, x-own ,, HTTP2-Settings\r\nX-Own: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: y\r\nProxy: z\r\nAuthorization: mine\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: mine\r\n" + tail + "\r\n"},
		{"spoofed",
			"GET /test/a HTTP/1.1\r\nHost: h:1\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-PROTO: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=1.1.1.1\r\nX-Real-Ip: 1.1.1.1\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "\r\n"},
		{"HTTP/1.0 without Host",
			"GET /test/a HTTP/1.0\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Prefix: /test\r\nForwarded: for=127.0.0.1;proto=http\r\n\r\n"},
		{"body without type",
			"POST /test/a HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc",
			"POST /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "Content-Length: 3\r\n\r\nabc"},
		{"GET with a body",
			"GET /test/a HTTP/1.1\r\nHost: h:1\r\nContent-Length: 03\r\n\r\nabc",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "Content-Length: 3\r\n\r\nabc"},
		{"DELETE without a body",
			"DELETE /test/a HTTP/1.1\r\nHost: h:1\r\n\r\n",
			"DELETE /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "\r\n"},
		{"POST without a body",
			"POST /test/a HTTP/1.1\r\nHost: h:1\r\n\r\n",
			"POST /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "Content-Length: 0\r\n\r\n"},
		{"chunks, extensions and trailers",
			"POST /test/a HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nX-T: 1\r\nX-Api-Key: evil\r\nX-TC-Timestamp: evil\r\n\r\n",
			"POST /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "Content-Length: 3\r\n\r\nabc"},
		{"multipart is left alone",
			"POST /test/a HTTP/1.1\r\nHost: h:1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9\r\n\r\n--b\r\n??--",
			"POST /a HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: multipart/form-data; boundary=b\r\n" + tail + "Content-Length: 9\r\n\r\n--b\r\n??--"},
		{"empty lines before the request",
			"\r\n\r\nGET /test/a HTTP/1.1\r\nHost: h:1\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: " + host + "\r\n" + tail + "\r\n"},
	} {
		a := ask(t, g.addr, tc.raw)
		heard := strings.Join(up.requests(), "|")
		if a == nil || a.StatusCode != 200 {
			t.Errorf("%s: answered %+v", tc.name, a)
		}
		if heard != tc.want {
			t.Errorf("%s: went on as\n%q, want\n%q", tc.name, heard, tc.want)
		}
	}
}

// TestAnswerHeader: nothing of the connection to the endpoint server shows,
// nothing is added but Date, and names stay as they are spelled. Where nothing
// can come behind an answer unasked, the connection is used again.
func TestAnswerHeader(t *testing.T) {
	var say string
	up := startRecorder(t, func(c net.Conn, n int, request string) bool { return says(say)(c, n, request) })
	g := startGateway(t, func(c *Config) { c.UpstreamIdleTimeout = time.Minute }, domainOf("test", up.url(), everything...))
	for _, tc := range []struct{ name, method, say, want string }{
		{"nothing added", "GET",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"passed on", "GET",
			"HTTP/1.1 418 Short and stout\r\nServer: s\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 2\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: a=2\r\nX-M: 1\r\nX-M: 2\r\n\r\nok",
			"HTTP/1.1 418 Short and stout\r\nContent-Length: 2\r\nServer: s\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: a=2\r\nX-M: 1\r\nX-M: 2\r\n\r\nok"},
		{"hop-by-hop", "GET",
			"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: 1\r\nX-Evil: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"interim answers", "GET",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"no content", "GET",
			"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n\r\n"},
		{"not modified", "GET",
			"HTTP/1.1 304 Not Modified\r\nEtag: x\r\nContent-Length: 10\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nEtag: x\r\nContent-Length: 10\r\n\r\n"},
		{"HEAD with a length", "HEAD",
			"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"},
		{"HEAD with chunks", "HEAD",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
			"HTTP/1.1 200 OK\r\n\r\n"},
		{"names as spelled", "GET",
			"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\nSERVER: s\r\ndate: today\r\nset-Cookie: a=1\r\ncontent-ENCODING: br\r\nx-XSS-protection: 0\r\nETag: x\r\nWWW-authenticate: y\r\nX_under: 1\r\nempty:\r\ncontent-length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-type: a/b\r\nSERVER: s\r\ndate: today\r\nset-Cookie: a=1\r\ncontent-ENCODING: br\r\nx-XSS-protection: 0\r\nETag: x\r\nWWW-authenticate: y\r\nX_under: 1\r\nempty: \r\n\r\nok"},
		{"HEAD, names as spelled", "HEAD",
			"HTTP/1.1 200 OK\r\ncontent-LENGTH: 10\r\nconnection: foo\r\nFOO: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\ncontent-LENGTH: 10\r\n\r\n"},
		{"no phrase", "GET",
			"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"empty", "GET",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		say = tc.say
		c := dial(t, g.addr)
		for range 2 { // a second one on the same connections, to the client and on
			c.send(tc.method + " /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.readFor(tc.method); a == nil || undated(a) != tc.want {
				t.Errorf("%s: answered\n%q, want\n%q", tc.name, undated(a), tc.want)
			}
		}
		c.Close()
		if tc.method == "HEAD" || strings.Contains(tc.say, " 204 ") || strings.Contains(tc.say, " 304 ") {
			eventually(t, tc.name+": the connection is closed", func() bool { return up.open() == 0 })
		} else if n := up.open(); n != 1 {
			t.Errorf("%s: %d connections to the endpoint server are open, want 1", tc.name, n)
		}
	}
}

// TestAnswerUntilClose: an HTTP/1.0 server ends its body by closing, which the
// client's connection must not notice.
func TestAnswerUntilClose(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		says("HTTP/1.0 200 OK\r\nX: 1\r\n\r\nok")(c, 0, "")
		return false
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	for range 2 {
		c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if a := c.read(); a == nil || undated(a) != "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\n\r\nok" {
			t.Fatalf("answered %+v", a)
		}
	}
}

// TestClientConnection: the client decides about its own connection only.
func TestClientConnection(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	for _, tc := range []struct {
		head   string
		closed bool
	}{
		{"HTTP/1.1\r\nHost: h\r\n", false},
		{"HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", true},
		{"HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n", true},
		{"HTTP/1.0\r\nHost: h\r\n", true},
		{"HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n", false},
	} {
		c := dial(t, g.addr)
		c.send("GET /test/a " + tc.head + "\r\n")
		a := c.read()
		if a == nil || a.StatusCode != 200 || a.Close != tc.closed {
			t.Errorf("%q: answered %+v", tc.head, a)
		}
		if tc.closed {
			c.wantClosed()
		} else if c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"); c.read() == nil {
			t.Errorf("%q: the connection was closed", tc.head)
		}
		c.Close()
	}
	if n := up.accepted(); n != 1 {
		t.Errorf("%d connections to the endpoint server: the client's wishes reached it", n)
	}
}

// TestPipeline: answers in order, the end at the first bad one (pitfalls 4 22).
func TestPipeline(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	const good = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"
	c.send(strings.Repeat(good, 60) + "GET /test/%zz HTTP/1.1\r\nHost: h\r\n\r\n" + strings.Repeat(good, 39))
	for i := range 61 {
		a := c.read()
		if want := map[bool]int{true: 200, false: 400}[i < 60]; a == nil || a.StatusCode != want {
			t.Fatalf("answer %d: %+v, want %d", i, a, want)
		}
	}
	c.wantClosed()
	if n := len(up.requests()); n != 60 {
		t.Errorf("%d requests went on, want 60", n)
	}
}

// TestHalfClose: a client that has no more to say still gets its answer (pitfalls 4 23).
func TestHalfClose(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	c.send("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
	_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("answered %+v", a)
	}
}

// TestTLSEndpointServer: https works with a certificate we trust, and only so.
func TestTLSEndpointServer(t *testing.T) {
	up := httpsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	g := startGateway(t, func(c *Config) { c.TLS = &tls.Config{RootCAs: up.roots} }, domainOf("test", up.URL, everything...))
	for range 3 {
		if a := g.get(t, "/test/a"); a.StatusCode != 200 || a.body != "/a" {
			t.Errorf("answered %d %s", a.StatusCode, a.body)
		}
	}
	strict := startGateway(t, nil, domainOf("test", up.URL, everything...))
	if a := strict.get(t, "/test/a"); a.code() != 50200 {
		t.Errorf("untrusted certificate: answered %d %s", a.StatusCode, a.body)
	}
}

// secureServer is an https server; roots trust it.
type secureServer struct {
	*httptest.Server
	roots *x509.CertPool
}

func httpsServer(t testing.TB, h http.Handler) *secureServer {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &secureServer{s, roots}
}
