package proxy

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

var freshID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// TestRequestID: an ID of 1 to 128 visible characters is passed on and given
// back, any other is made anew, and there is never more than one.
func TestRequestID(t *testing.T) {
	var heard string
	up := startRecorder(t, func(c net.Conn, _ int, request string) bool {
		heard = request // before its answer
		return says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: theirs\r\nx-REQUEST-id: again\r\n\r\nok")(c, 0, "")
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	longest := strings.Repeat("~", 128)
	for _, tc := range []struct{ name, fields, want string }{ // "": a new one
		{"none", "", ""},
		{"shortest", "X-Request-Id: !\r\n", "!"},
		{"longest", "X-Request-Id: " + longest + "\r\n", longest},
		{"other spelling", "x-request-ID:abc\r\n", "abc"},
		{"too long", "X-Request-Id: ~" + longest + "\r\n", ""},
		{"empty", "X-Request-Id:\r\n", ""},
		{"space in it", "X-Request-Id: a b\r\n", ""},
		{"tab in it", "X-Request-Id: a\tb\r\n", ""},
		{"not ASCII", "X-Request-Id: \xc3\xa9\r\n", ""},
		{"two", "X-Request-Id: a\r\nX-Request-Id: b\r\n", ""},
		{"the same twice", "X-Request-Id: a\r\nX-Request-Id: a\r\n", ""},
		{"hop-by-hop", "X-Request-Id: a\r\nConnection: x-request-id\r\n", ""},
	} {
		a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: h\r\n"+tc.fields+"\r\n")
		ids := a.Header.Values("X-Request-Id")
		if len(ids) != 1 || tc.want != "" && ids[0] != tc.want || tc.want == "" && !freshID.MatchString(ids[0]) {
			t.Errorf("%s: given back %q, want %q", tc.name, ids, tc.want)
			continue
		}
		if n := strings.Count(strings.ToLower(heard), "x-request-id:"); n != 1 || !strings.Contains(heard, "\r\nX-Request-Id: "+ids[0]+"\r\n") {
			t.Errorf("%s: passed on as %q, want one %q", tc.name, heard, ids[0])
		}
	}
	if a, b := g.get(t, "/test/a").Header.Get("X-Request-Id"), g.get(t, "/test/a").Header.Get("X-Request-Id"); a == b {
		t.Errorf("two calls are both %q", a)
	}
}

// TestRequestIDRefused: a refusal has the ID, too, whether or not the head could
// be read.
func TestRequestIDRefused(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), "GET /a"))
	for _, tc := range []struct{ name, request, want string }{
		{"no endpoint", "GET /test/b HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n", "mine"},
		{"no domain", "GET /nope HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n", "mine"},
		{"malformed path", "GET /test/%zz HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n", "mine"},
		{"unknown method", "BREW /test/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n", "mine"},
		{"malformed field", "GET /test/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\nX a: 1\r\n\r\n", "mine"},
		{"no head", "nonsense\r\n\r\n", ""},
		{"the gateway itself", "OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n", "mine"},
	} {
		id := ask(t, g.addr, tc.request).Header.Get("X-Request-Id")
		if id != tc.want && (tc.want != "" || !freshID.MatchString(id)) {
			t.Errorf("%s: given back %q, want %q", tc.name, id, tc.want)
		}
	}
}

// TestRequestIDConfigured: what HEADER sets goes before what the gateway would
// send, and a Pre API gets the call's.
func TestRequestIDConfigured(t *testing.T) {
	up := startRecorder(t, says(ok200))
	pre := startRecorder(t, says(ok200))
	d := parsed(t, "test", up.url(), "", `GET /a "HEADER":{"requestHeaders":{"x-request-ID":"there"},"responseHeaders":{"X-request-id":"back"}},"PRE_API":{"method":"GET","url":"`+pre.url()+`/check"}`)
	g := startGateway(t, nil, d, &catalog.Domain{Key: "other", Schemes: d.Schemes, Plugins: d.Plugins})
	a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n")
	if ids := a.Header.Values("X-Request-Id"); len(ids) != 1 || ids[0] != "back" {
		t.Errorf("given back %q", ids)
	}
	if heard := strings.Join(up.requests(), ""); !strings.Contains(heard, "\r\nx-request-ID: there\r\n") || strings.Contains(heard, "mine") {
		t.Errorf("the endpoint server heard %q", heard)
	}
	if heard := strings.Join(pre.requests(), ""); strings.Count(heard, "\r\nX-Request-Id: mine\r\n") != 1 {
		t.Errorf("the Pre API heard %q", heard)
	}
}
