package proxy

import (
	"net"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestHeaderRequest: HEADER sets fields of the request to the endpoint server,
// whoever has set them before.
func TestHeaderRequest(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "test", up.url(), "",
		`POST /a "HEADER":{"requestHeaders":{"X-B":"2","x-a":"1","Authorization":"Basic xyz","Content-Type":"text/plain","X-Empty":""}}`,
		`POST /forwarded "HEADER":{"requestHeaders":{"X-Forwarded-For":"192.0.2.9","x-forwarded-host":"api.example","X-Forwarded-Proto":"https","X-Real-IP":"192.0.2.9"}}`,
		`POST /prefix "HEADER":{"requestHeaders":{"x-forwarded-prefix":"/other","FORWARDED":"for=_hidden"}}`,
		`POST /none "HEADER":{}`))
	host := up.Addr().String()
	const from = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n"
	const behind = "X-Forwarded-Prefix: /test\r\nForwarded: for=127.0.0.1;host=\"h:1\";proto=http\r\n"
	const end = "Content-Length: 1\r\n\r\nx"
	const tail = from + behind + end
	const sent = "X-A: old\r\nX-C: 3\r\nX-a: older\r\nauthorization: mine\r\nContent-Type: text/old\r\n"
	for path, want := range map[string]string{
		"/a":         "X-C: 3\r\nAuthorization: Basic xyz\r\nContent-Type: text/plain\r\nX-B: 2\r\nX-Empty: \r\nx-a: 1\r\n" + tail,
		"/forwarded": sent + "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 192.0.2.9\r\nx-forwarded-host: api.example\r\n" + behind + end,
		"/prefix":    sent + "FORWARDED: for=_hidden\r\nx-forwarded-prefix: /other\r\n" + from + end,
		"/none":      sent + tail,
	} {
		for range 2 {
			a := ask(t, g.addr, "POST /test"+path+" HTTP/1.1\r\nHost: h:1\r\n"+sent+"X-Real-Ip: 1.1.1.1\r\nContent-Length: 1\r\n\r\nx")
			want := "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + want
			if heard := strings.Join(up.requests(), "|"); a == nil || a.StatusCode != 200 || heard != want {
				t.Errorf("%s: answered %+v, went on as\n%q, want\n%q", path, a, heard, want)
			}
		}
	}
}

// TestHeaderAnswer: HEADER sets fields of the endpoint server's answers and of
// mocked ones, not of what the gateway itself refuses.
func TestHeaderAnswer(t *testing.T) {
	say := ok200
	up := startRecorder(t, func(c net.Conn, n int, request string) bool { return says(say)(c, n, request) })
	gone := startRecorder(t, says(ok200))
	_ = gone.Close()
	const set = `"HEADER":{"responseHeaders":{"x-set":"1","Server":"ours","Content-Type":"text/ours","Set-Cookie":"c=3","Cache-Control":"no-store"}}`
	g := startGateway(t, nil,
		parsed(t, "test", up.url(), "", "GET /a "+set, "HEAD /a "+set,
			"GET /mock "+set+`,"MOCK":{"statusCode":418,"headers":{"X-Set":"0","X-Mock":"1"},"body":"tea"}`,
			"GET /broken "+set+`,"URI_REWRITE":{"uriPattern":"/(","rewriteUri":"/"}`),
		parsed(t, "gone", gone.url(), "", "GET /a "+set))
	const ours = "x-set: 1\nserver: ours\ncontent-type: text/ours\nset-cookie: c=3\ncache-control: no-store\n"
	list := func(a *answer) string {
		var b strings.Builder
		for _, name := range []string{"X-Set", "Server", "Content-Type", "Set-Cookie", "Cache-Control", "X-Mock", "X-Up"} {
			for _, v := range a.Header[name] {
				b.WriteString(strings.ToLower(name) + ": " + v + "\n")
			}
		}
		return b.String()
	}
	for _, tc := range []struct {
		method, target, say string
		status              int
		want                string
	}{
		{"GET", "/test/a", ok200, 200, ours},
		{"GET", "/test/a", "HTTP/1.1 200 OK\r\nX-SET: 0\r\nX-Set: 00\r\nServer: up\r\nContent-Type: text/up\r\nSet-Cookie: a=1\r\nSet-Cookie: c=0\r\nCache-Control: public\r\nX-Up: 1\r\nContent-Length: 2\r\n\r\nok", 200, ours + "x-up: 1\n"},
		{"GET", "/test/a", "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nok", 500, ours},
		{"GET", "/test/a", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, ours},
		{"HEAD", "/test/a", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, ours},
		{"GET", "/test/mock", "", 418, ours + "x-mock: 1\n"},
		{"GET", "/test/broken", "", 500, "content-type: application/json;charset=UTF-8\n"},
		{"GET", "/test/nope", "", 404, "content-type: application/json;charset=UTF-8\n"},
		{"GET", "/gone/a", "", 502, "content-type: application/json;charset=UTF-8\n"},
	} {
		say = tc.say
		c := dial(t, g.addr)
		for range 2 {
			c.send(tc.method + " " + tc.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.readFor(tc.method); a == nil || a.StatusCode != tc.status || list(a) != tc.want {
				t.Errorf("%s: answered\n%s\nwant %d\n%s", tc.target, a.raw, tc.status, tc.want)
			}
		}
		c.Close()
	}
}

// TestHeaderUnchecked: a domain that was not read from a document cannot break
// the framing either.
func TestHeaderUnchecked(t *testing.T) {
	up := startRecorder(t, says(ok200))
	d := domainOf("test", up.url(), "GET /a")
	bad := map[string]string{"Content-Length": "9", "Transfer-Encoding": "chunked", "Connection": "close", "Host": "evil", "X-A": "1"}
	d.Endpoints[0].Plugins.Header = &catalog.Header{RequestHeaders: bad, ResponseHeaders: bad}
	g := startGateway(t, nil, d)
	a := g.get(t, "/test/a")
	if a.body != "ok" || a.Close || a.Header.Get("X-A") != "1" || a.Header.Get("Host") != "" {
		t.Errorf("answered %s", a.raw)
	}
	if heard := up.requests(); len(heard) != 1 || strings.Contains(heard[0], "evil") || strings.Contains(heard[0], "chunked") || !strings.Contains(heard[0], "X-A: 1\r\n") {
		t.Errorf("went on as %q", heard)
	}
}
