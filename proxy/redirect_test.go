package proxy

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestRedirects: a client that follows a Location of its endpoint server comes
// to the same place through the gateway, whatever it has said in Host.
func TestRedirects(t *testing.T) {
	var location atomic.Value
	up := startRecorder(t, func(c net.Conn, n int, r string) bool {
		return says("HTTP/1.1 302 Found\r\nLOCATION: "+location.Load().(string)+"\r\nContent-Location: /b\r\nContent-Length: 0\r\n\r\n")(c, n, r)
	})
	g := startGateway(t, nil, domainOf("test", up.url()+"/v1", everything...))
	for from, to := range map[string]string{
		"/v1/b?c=/d":         "/test/b?c=/d",
		up.url() + "/v1/b":   "/test/b",
		up.url() + "/login":  up.url() + "/login",
		"https://other/v1/b": "https://other/v1/b",
		"b":                  "b",
	} {
		location.Store(from)
		a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: evil\r\n\r\n")
		if a == nil || !strings.Contains(a.raw, "\r\nLOCATION: "+to+"\r\nContent-Location: /b\r\n") {
			t.Errorf("%s: answered %q, want %s", from, a.raw, to)
		}
	}
	// A server that is told the client's Host may take that for its own.
	d := domainOf("test", up.url()+"/v1", everything...)
	d.Plugins.HTTPProxy.HostHeader = catalog.HostOfClient
	g.deploy(t, 2, d)
	location.Store("https://shop.example/v1/b")
	if a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: shop.example\r\n\r\n"); a == nil || !strings.Contains(a.raw, "\r\nLOCATION: /test/b\r\n") {
		t.Errorf("answered %q", a.raw)
	}
}
