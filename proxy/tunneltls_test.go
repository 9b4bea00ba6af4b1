package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestTunnelOverTLS: WebSocket passes over TLS, also behind a PROXY header, with
// large messages, through silence, and to the close code.
func TestTunnelOverTLS(t *testing.T) {
	up := echoServer(t)
	ca := newAuthority(t)
	g := startGateway(t, func(c *Config) {
		trusting(t, "127.0.0.9")(c)
		secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
		c.ProxyProtocol, c.RequireHTTPS, c.WriteTimeout = true, true, 200*time.Millisecond
	}, domainOf("test", up.URL, everything...))
	for _, behind := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
		if behind {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				c := dialFrom(t, g.addr, aProxy)
				c.send("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n")
				return c.Conn, nil
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, resp, err := websocket.Dial(ctx, "wss://"+g.addr+"/test/a", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"echo"}})
		if err != nil {
			t.Fatalf("%v, %+v", err, resp)
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(-1)
		echo(t, c, "hello")
		echo(t, c, strings.Repeat("x", 3<<20))
		time.Sleep(300 * time.Millisecond) // longer than a pause in an answer may be
		echo(t, c, "still there")
		if err := c.Write(ctx, websocket.MessageBinary, []byte("bye")); err != nil {
			t.Fatal(err)
		}
		if _, _, err = c.Read(ctx); err == nil { // the same came back
			_, _, err = c.Read(ctx)
		}
		if websocket.CloseStatus(err) != 4321 {
			t.Errorf("closed by %v", err)
		}
	}
}

// TestTunnelHalfClosedOverTLS: one side's end reaches the other over TLS, and
// what the other still has to say comes back.
func TestTunnelHalfClosedOverTLS(t *testing.T) {
	up := rawSwitch(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", func(c net.Conn) {
		all, _ := io.ReadAll(c)
		_, _ = c.Write(append(all, " and out"...))
	})
	ca := newAuthority(t)
	g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("test", up.url(), everything...))
	c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer c.Close()
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	head := make([]byte, 0, 4096)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		b, err := c.r.ReadByte()
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		head = append(head, b)
	}
	c.send("over")
	if err := c.Conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(c.r); err != nil || string(all) != "over and out" {
		t.Errorf("%q came back, %v", all, err)
	}
}
