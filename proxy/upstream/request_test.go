package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy/gate"
)

// TestURL: what is made of the endpoint server's URL.
func TestURL(t *testing.T) {
	for _, tc := range []struct{ url, host, addr, base string }{
		{"http://h", "h", "h:80", ""},
		{"http://h/", "h", "h:80", ""},
		{"http://h:8080/a/b/", "h:8080", "h:8080", "/a/b"},
		{"https://h", "h", "h:443", ""},
		{"HTTPS://h:444/a%20b", "h:444", "h:444", "/a%20b"},
		{"http://[::1]:81/", "[::1]:81", "[::1]:81", ""},
		{"http://[::1]", "[::1]", "[::1]:80", ""},
		{"http://h/a//", "h", "h:80", "/a"},
	} {
		s, err := New(tc.url, Config{})
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		addr := net.JoinHostPort(s.names.host, strconv.Itoa(s.port))
		if s.host != tc.host || addr != tc.addr || s.base != tc.base || (s.tls != nil) != strings.HasPrefix(strings.ToLower(tc.url), "https") {
			t.Errorf("%s: host %q addr %q base %q", tc.url, s.host, addr, s.base)
		}
		if s.tls != nil && s.tls.ServerName != "h" {
			t.Errorf("%s: TLS name %q", tc.url, s.tls.ServerName)
		}
	}
	for _, url := range []string{"", "h", "h:80", "//h", "ftp://h", "http://", "http:///a", "http://:80", "http://u@h", "http://h?a", "http://h#a", "http://h:x", "http://h/%zz"} {
		if _, err := New(url, Config{}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
}

// FuzzAppendHead: what passes the gate is one request to the endpoint server
// too, with the same target and body and without what may not go on.
func FuzzAppendHead(f *testing.F) {
	f.Add("GET", "/key/a?b", "Host: h\r\nX: y\r\n\r\n", []byte(nil))
	f.Add("POST", "/key//%61;b/c?%zz&&", "Host: h:1\r\nConnection: X-Y, close\r\nX-Y: 1\r\nTransfer-Encoding: chunked\r\nCookie: a; b\r\n\r\n", []byte("abc"))
	f.Add("PUT", "/key", "X-Forwarded-For: 1\r\nExpect: 100-continue\r\nContent-Length: 5\r\nProxy: x\r\n\r\n", []byte("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Fuzz(func(t *testing.T, method, target, block string, body []byte) {
		var in gate.Request
		if in.Read(gate.Raw{Method: []byte(method), Target: []byte(target), Protocol: []byte("HTTP/1.1"), Header: []byte(block)}, 200) != nil {
			return
		}
		out := Request{
			Method: in.Method, Path: in.Path, Query: in.Query, Fields: in.Fields,
			Forwarded: Forwarded{Client: []byte("2001:db8::1"), Peer: []byte("192.0.2.1"), Scheme: "http", Host: in.Host, Key: in.Key}, Body: [][]byte{body}, Framed: in.Framed,
		}
		wire := append(out.appendHead(nil, "server:80", "/base"), body...)
		r := bufio.NewReader(bytes.NewReader(wire))
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Fatalf("%q: %v", wire, err)
		}
		if want := "/base" + string(in.Path) + string(in.Query); req.RequestURI != want || req.Method != in.Method || req.Host != "server:80" {
			t.Fatalf("%q: read as %s %s of %s", wire, req.Method, req.RequestURI, req.Host)
		}
		if got, err := io.ReadAll(req.Body); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%q: body %q, %v", wire, got, err)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Fatalf("%q: more than one request", wire)
		}
		if got := req.Header["X-Forwarded-For"]; len(got) != 1 || got[0] != "192.0.2.1" {
			t.Fatalf("%q: X-Forwarded-For %q", wire, got)
		}
		for _, name := range []string{"Connection", "Te", "Upgrade", "Expect", "Proxy", "X-Real-Ip", "Keep-Alive"} {
			if req.Header.Get(name) != "" {
				t.Fatalf("%q: %s went on", wire, name)
			}
		}
		if got := req.Header["Forwarded"]; len(got) != 1 || !strings.HasPrefix(got[0], `for="[2001:db8::1]"`) {
			t.Fatalf("%q: Forwarded %q", wire, got)
		}
	})
}
