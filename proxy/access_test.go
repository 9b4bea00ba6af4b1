package proxy

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// TestAddressOfClient: IPACL goes by the TCP connection, in one spelling, and
// not by what a client says about itself.
func TestAddressOfClient(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil,
		parsed(t, "permit", up.url(), `"IPACL":{"isPermit":true,"ipList":[{"ip":"127.0.0.2"},{"ip":"127.1.0.0/16"}]}`, "GET /a"),
		parsed(t, "deny", up.url(), `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.2"},{"ip":"127.1.0.0/16"}]}`, "GET /a"))
	for from, listed := range map[string]bool{"127.0.0.1": false, "127.0.0.2": true, "127.1.2.3": true, "127.2.0.0": false} {
		for _, key := range []string{"permit", "deny"} {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			conn, err := d.Dial("tcp", g.addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			c := newClient(t, conn)
			c.send(withFields("/"+key+"/a", "X-Forwarded-For: 127.0.0.2\r\nX-Real-Ip: 127.0.0.2\r\nForwarded: for=127.0.0.2\r\n"))
			want := 403
			if listed == (key == "permit") {
				want = 200
			}
			if a := c.read(); a == nil || a.StatusCode != want {
				t.Errorf("%s from %s: answered %+v, want %d", key, from, a, want)
			}
			_ = conn.Close()
		}
	}
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[fe80::1%eth0]:80": "fe80::1", "@": "invalid IP",
	} {
		if got := newClientConn(remoteConn{addr: remote}, nil).ip.String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// remoteConn is a connection of which only the other end is known.
type remoteConn struct {
	net.Conn
	addr string
}

func (r remoteConn) RemoteAddr() net.Addr { return r }
func (r remoteConn) Network() string      { return "tcp" }
func (r remoteConn) String() string       { return r.addr }

// TestMaintenance: one answer to all, or nothing at all.
func TestMaintenance(t *testing.T) {
	up := startRecorder(t, says(ok200))
	const setting = `"MAINTENANCE":{"isUse":%v,"statusCode":503,"headers":{"Retry-After":"60","Content-Type":"text/html"},"body":"<p>later</p>"}`
	g := startGateway(t, nil,
		parsed(t, "on", up.url(), fmt.Sprintf(setting, true), "GET /a", "POST /a", "HEAD /a", `GET /mock "MOCK":{"statusCode":200}`,
			`GET /header "HEADER":{"responseHeaders":{"X-A":"1"}}`),
		parsed(t, "off", up.url(), fmt.Sprintf(setting, false), "GET /a"),
		parsed(t, "bare", up.url(), `"MAINTENANCE":{"isUse":true,"statusCode":204}`, "GET /a"))
	for _, tc := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/on/a", 503, "<p>later</p>"},
		{"POST", "/on/a", 503, "<p>later</p>"},
		{"HEAD", "/on/a", 503, ""},
		{"GET", "/on/mock", 503, "<p>later</p>"},
		{"GET", "/on/header", 503, "<p>later</p>"},
		{"GET", "/on/nope", 404, `{"header":{"resultCode":40401,"resultMessage":"40401 No endpoint matches","isSuccessful":false}}`},
		{"GET", "/off/a", 200, "ok"},
		{"GET", "/bare/a", 204, ""},
	} {
		c := dial(t, g.addr)
		c.send(tc.method + " " + tc.target + " HTTP/1.1\r\nHost: h\r\n\r\n")
		a := c.readFor(tc.method)
		if a == nil || a.StatusCode != tc.status || a.body != tc.body || a.Close || a.Header.Get("X-A") != "" {
			t.Errorf("%s %s: answered %+v", tc.method, tc.target, a)
		}
		if tc.status == 503 && (a.Header.Get("Retry-After") != "60" || a.Header.Get("Content-Type") != "text/html" || a.ContentLength != 12) {
			t.Errorf("%s %s: answered %s", tc.method, tc.target, a.raw)
		}
		c.Close()
	}
	if n := len(up.requests()); n != 1 {
		t.Errorf("%d requests went on, want 1", n)
	}
}
