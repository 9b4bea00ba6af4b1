package gate

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/proxy/header"
)

func readTarget(target string) (Request, error) {
	var r Request
	err := r.Read(Raw{Method: []byte("GET"), Target: []byte(target), Protocol: []byte("HTTP/1.1"), Header: []byte("Host: h\r\n\r\n")}, 100)
	return r, err
}

// TestTarget: the parts of a target as spelled, and the path as it is matched.
// What must be refused is tested on sockets, in the package above.
func TestTarget(t *testing.T) {
	for _, tc := range []struct{ target, key, path, route, query string }{
		{"/k", "k", "/", "/", ""},
		{"/k/", "k", "/", "/", ""},
		{"/k?", "k", "/", "/", "?"},
		{"/", "", "/", "/", ""},
		{"//", "", "/", "/", ""},
		{"//k/a", "", "/k/a", "/k/a", ""},
		{"/k/a/b?c?d/..", "k", "/a/b", "/a/b", "?c?d/.."},
		{"/k/%61%2D%25", "k", "/%61%2D%25", "/a-%", ""},
		{"/k/%252f%253F", "k", "/%252f%253F", "/%2f%3F", ""},
		{"/k/%3f%23%3b%2a", "k", "/%3f%23%3b%2a", "/?#;*", ""},
		{"/k/%eA%b0%80+%20", "k", "/%eA%b0%80+%20", "/가+ ", ""},
		{"/%6b/a", "%6b", "/a", "/a", ""},
		{"/k/..a/...;b/a..;b", "k", "/..a/...;b/a..;b", "/..a/...;b/a..;b", ""},
	} {
		r, err := readTarget(tc.target)
		if err != nil {
			t.Errorf("%s: %v", tc.target, err)
			continue
		}
		if string(r.Target) != tc.target || string(r.Key) != tc.key || string(r.Path) != tc.path || string(r.Route) != tc.route || string(r.Query) != tc.query {
			t.Errorf("%s: key %q path %q route %q query %q", tc.target, r.Key, r.Path, r.Route, r.Query)
		}
	}
}

// TestHeader: what the gate tells about a header that passes.
func TestHeader(t *testing.T) {
	const block = "host: [::1]:80\r\nX-A:  v \t\r\ncontent-LENGTH: 3\r\nConnection: x-a , close,\r\nEmpty:\r\nX-Tc-Timestamp: 1\r\nexpect: 100-Continue\r\n\r\n"
	raw := Raw{Method: []byte("POST"), Target: []byte("/k"), Protocol: []byte("HTTP/1.0"), Header: []byte(block)}
	var r Request
	for range 2 { // reused
		if err := r.Read(raw, 7); err != nil {
			t.Fatal(err)
		}
		if r.Method != "POST" || string(r.Host) != "[::1]:80" || !r.Framed || !r.Close || len(r.Fields) != 7 {
			t.Errorf("read %+v", r)
		}
		if v, ok := r.Fields.First(header.Timestamp); !ok || string(v) != "1" {
			t.Errorf("timestamp %q", v)
		}
		if _, ok := r.Fields.First(header.Authorization); ok {
			t.Error("found what is not there")
		}
		if got := string(r.Fields.AppendEndToEnd(nil, 0)); got != "Empty: \r\nX-Tc-Timestamp: 1\r\n" {
			t.Errorf("goes on as %q", got)
		}
		r.Reset()
		if r.Framed || r.Close || r.Host != nil || len(r.Fields) != 0 {
			t.Errorf("after Reset %+v", r)
		}
	}
	if err := r.Read(raw, 6); err != envelope.HeaderTooLarge {
		t.Errorf("one field too many: %v", err)
	}
	for _, host := range []string{"a", "a:1", "a_b.c-d~:65535", "1.2.3.4:", "[::1]", "[fe80::1]:8080"} {
		raw.Header = []byte("Host: " + host + "\r\n\r\n")
		if err := r.Read(raw, 6); err != nil {
			t.Errorf("Host %q: %v", host, err)
		}
	}
	for _, host := range []string{"", ":80", "a:65536", "a:-1", "a:1:2", "[]", "[::1]x", "[::1", "[g::]", "a/b", "a,b", "a%20", "é", "u@h", "a b"} {
		raw.Header = []byte("Host: " + host + "\r\n\r\n")
		if err := r.Read(raw, 6); err != badHost {
			t.Errorf("Host %q: %v", host, err)
		}
	}
}

// TestAllocations: the gate costs no allocation.
func TestAllocations(t *testing.T) {
	raw := Raw{
		Method: []byte("GET"), Target: []byte("/key/members/%ea%b0%80?a=1"), Protocol: []byte("HTTP/1.1"),
		Header: []byte("Host: gateway.example.com\r\nUser-Agent: curl\r\nAccept: */*\r\nX-A-Rather-Long-Name-Of-A-Header: 1\r\nConnection: keep-alive, x-y\r\nX-Y: 1\r\n\r\n"),
	}
	var r Request
	if n := testing.AllocsPerRun(100, func() {
		if err := r.Read(raw, 100); err != nil {
			t.Fatal(err)
		}
		r.Reset()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	raw.Target = []byte("/key/..")
	if n := testing.AllocsPerRun(100, func() { _ = r.Read(raw, 100) }); n != 0 {
		t.Errorf("refused: %v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	raw := Raw{
		Method: []byte("GET"), Target: []byte("/key/members/1?a=1"), Protocol: []byte("HTTP/1.1"),
		Header: []byte("Host: gateway.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=1; b=2\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n"),
	}
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Read(raw, 100); err != nil {
			b.Fatal(err)
		}
	}
}

// corpus is whole requests: good ones to mutate, and the kinds of bad ones.
var corpus = []string{
	"GET /test/a?b=c HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /test/%61/%ea%b0%80;x=1?%zz HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\nConnection: x, close\r\nX: y\r\n\r\nabc",
	"PUT /test HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"\r\nDELETE /a/..%3bx/b HTTP/1.1\r\nhost: h\r\n\r\n",
	"GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET //evil.com/%2e%2e/ HTTP/1.1\r\nHost: u@h\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
	"POST /a HTTP/1.1\r\nHost: h\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nX: 1\n\nGET /b HTTP/1.1\r\n\r\n",
	"GET /a HTTP/1.1\nHost: h\r\nContent Length: 3\r\nX_Y: 1\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nauthorization: b\r\nConnection: Authorization\r\n\r\n",
	"GET /a%c0%ae/\\ HTTP/1.1\r\nHost: h:99999\r\nExpect: x\r\nContent-Length: 03\r\n\r\n",
}

// FuzzRead cuts heads out of bytes. What passes the gate must mean the same to
// net/http, which reads the same bytes on its own: target, host, every header,
// how long the body is, and where the head ends.
func FuzzRead(f *testing.F) {
	for _, s := range corpus {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Head
		end, err := h.Scan(data)
		if one := scanByteByByte(data); one != end {
			t.Fatalf("%q: the head ends at %d, read byte by byte at %d", data, end, one)
		}
		if end == 0 || err != nil {
			return
		}
		raw, ok := Cut(data[h.Start:end])
		var r Request
		if !ok || r.Read(raw, 200) != nil {
			return
		}
		body := bytes.NewReader(data[h.Start:])
		buffered := bufio.NewReader(body)
		req, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", data, err)
		}
		if left := len(data) - end; body.Len()+buffered.Buffered() != left {
			t.Fatalf("%q: net/http leaves %d bytes behind the head, we %d", data, body.Len()+buffered.Buffered(), left)
		}
		if string(raw.Target) != req.RequestURI || req.Method != r.Method {
			t.Fatalf("%q: net/http reads %s %q, we %s %q", data, req.Method, req.RequestURI, r.Method, raw.Target)
		}
		if req.Host != string(r.Host) && !(r.authority != nil && strings.EqualFold(req.Host, string(r.Host))) {
			t.Fatalf("%q: net/http reads host %q, we %q", data, req.Host, r.Host)
		}
		if !r.Asterisk {
			checkPathAgainst(t, &r, req.URL)
		}
		checkFieldsAgainst(t, r.Fields, req)
		if req.ContentLength != r.Length {
			t.Fatalf("%q: net/http reads length %d, we %d", data, req.ContentLength, r.Length)
		}
	})
}

// scanByteByByte is where a head ends that comes one byte at a time.
func scanByteByByte(data []byte) int {
	var h Head
	for i := range data {
		if end, err := h.Scan(data[:i+1]); end > 0 || err != nil {
			return end
		}
	}
	return 0
}

// checkPathAgainst: the path as net/http decodes it is /key + Route, without
// dot segments, and no further decoding is hidden in what we match.
func checkPathAgainst(t *testing.T, r *Request, u *url.URL) {
	t.Helper()
	key, err := url.PathUnescape(string(r.Key))
	if err != nil {
		t.Fatalf("%q: key: %v", r.Target, err)
	}
	path := u.Path
	if !strings.Contains(path[1:], "/") {
		path += "/"
	}
	if path != "/"+key+string(r.Route) {
		t.Fatalf("%q: net/http reads path %q, we %q + %q", r.Target, u.Path, key, r.Route)
	}
	for _, s := range strings.Split(path, "/") {
		s, _, _ = strings.Cut(s, ";")
		if s == "." || s == ".." {
			t.Fatalf("%q: a dot segment got through", r.Target)
		}
	}
	if strings.ContainsAny(path, "\\\x00\r\n") {
		t.Fatalf("%q: a control character or backslash got through", r.Target)
	}
	if want := "?" + u.RawQuery; len(r.Query) > 0 && string(r.Query) != want {
		t.Fatalf("%q: net/http reads query %q, we %q", r.Target, u.RawQuery, r.Query)
	}
}

// checkFieldsAgainst: net/http finds the same values under the same names.
// It takes Host, Transfer-Encoding and Trailer out of its header.
func checkFieldsAgainst(t *testing.T, fields header.List, req *http.Request) {
	t.Helper()
	ours := http.Header{}
	for _, f := range fields {
		name := http.CanonicalHeaderKey(string(f.Name))
		if name != "Host" && name != "Transfer-Encoding" && name != "Trailer" {
			ours[name] = append(ours[name], string(f.Value))
		}
	}
	theirs := req.Header.Clone()
	theirs.Del("Trailer")
	if theirs.Get("Pragma") == "no-cache" && ours.Get("Cache-Control") == "" {
		theirs.Del("Cache-Control") // net/http adds it
	}
	if len(ours) != len(theirs) {
		t.Fatalf("net/http reads %q, we %q", theirs, ours)
	}
	for name, values := range ours {
		if strings.Join(values, "\n") != strings.Join(theirs[name], "\n") {
			t.Fatalf("%s: net/http reads %q, we %q", name, theirs[name], values)
		}
	}
}

// TestRefusedAlone: the gate does not rely on what fasthttp refuses today.
func TestRefusedAlone(t *testing.T) {
	for block, want := range map[string]error{
		"X: 1\r\n Y: 2\r\n\r\n":      folded,
		"X: 1\n\r\n":                 bareLF,
		"\nX: 1\r\n\r\n":             bareLF,
		"X: 1":                       bareLF,
		"X : 1\r\n\r\n":              badName,
		": 1\r\n\r\n":                badName,
		"X\r\n\r\n":                  badName,
		"X: \x00\r\n\r\n":            badValue,
		"X: a\rb\r\n\r\n":            badValue,
		"Host: h\r\nHost: h\r\n\r\n": duplicate,
		"Content-Length: 1\r\nContent-Length: 1\r\n\r\n":          duplicate,
		"Content-Length: +1\r\n\r\n":                              badFraming,
		"Content-Length: \r\n\r\n":                                badFraming,
		"Transfer-Encoding: gzip\r\n\r\n":                         badFraming,
		"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n": badFraming,
		"Expect: 200\r\n\r\n":                                     envelope.UnknownExpectation,
		"Connection: Host\r\n\r\n":                                badConnection,
	} {
		var r Request
		if err := r.Read(Raw{[]byte("GET"), []byte("/"), []byte("HTTP/1.1"), []byte(block)}, 10); err != want {
			t.Errorf("%q: %v, want %v", block, err, want)
		}
	}
	for target, want := range map[string]error{
		"": notOrigin, "*": notOrigin, "a": notOrigin, "/ ": badByte, "/\x7f": badByte, "/\x80": badByte, "/?\x00": badByte,
		"/#": fragment, "/?#": fragment, "/%": badEncoding, "/%4": badEncoding, "/%4g": badEncoding,
		"/%ff": notUTF8, "/%1f": control, "/a\\": slash, "/%2F": slash, "/%5C": slash, "/.": dotSegment, "/%2e;/": dotSegment,
	} {
		if _, err := readTarget(target); err != want {
			t.Errorf("%q: %v, want %v", target, err, want)
		}
	}
}
