package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/tollgate/tollgate/store/quota"
)

// echoServer answers every WebSocket message with the same.
func echoServer(t testing.TB) *httptest.Server {
	return handled(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, r, err := c.Reader(context.Background())
			if err != nil {
				return
			}
			w, err := c.Writer(context.Background(), kind)
			if err != nil {
				return
			}
			n, err := io.Copy(w, r)
			if err != nil || w.Close() != nil {
				return
			}
			if n == 3 && kind == websocket.MessageBinary {
				_ = c.Close(4321, "three bytes")
				return
			}
		}
	})
}

func openSocket(t testing.TB, g *gateway, path string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws://"+g.addr+path, &websocket.DialOptions{Subprotocols: []string{"echo"}})
	if err != nil {
		t.Fatalf("%v, %+v", err, resp)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	return c
}

// echo sends a message and wants it back.
func echo(t testing.TB, c *websocket.Conn, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Write(ctx, websocket.MessageText, []byte(message)) }()
	_, back, err := c.Read(ctx)
	if err := errors.Join(err, <-done); err != nil || string(back) != message {
		t.Fatalf("%d bytes came back as %d: %v", len(message), len(back), err)
	}
}

// TestWebSocket: a client's library talks to a server's through the gateway:
// messages of every size and in fragments, pings, close codes, and a subprotocol.
// It is one call of the quota.
func TestWebSocket(t *testing.T) {
	up := echoServer(t)
	var taken atomic.Int64
	d := domainOf("test", up.URL, "GET /chat/**")
	d.Plugins.UsageQuota = oneCondition("")
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			taken.Add(1)
			return quota.Verdict{Admitted: true}, nil
		})
	}, d)
	c := openSocket(t, g, "/test/chat/room")
	if c.Subprotocol() != "echo" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	for _, size := range []int{0, 1, 125, 126, 2047, 2048, 2049, 65535, 65536, 1 << 20} {
		echo(t, c, pattern(size))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := c.Writer(ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 { // each is a fragment
		fmt.Fprintf(w, "fragment %d;", i)
	}
	_ = w.Close()
	if _, back, err := c.Read(ctx); err != nil || !strings.HasSuffix(string(back), "fragment 9;") {
		t.Errorf("%q, %v", back, err)
	}
	pinged := make(chan error, 1)
	go func() { pinged <- c.Ping(ctx) }()
	echoed := make(chan error, 1)
	go func() { // a ping is only answered while somebody reads
		_, _, err := c.Read(ctx)
		echoed <- err
	}()
	if err := <-pinged; err != nil {
		t.Errorf("ping: %v", err)
	}
	if n := g.metric(t, "tollgate_proxy_upgraded_connections", "test"); n != 1 {
		t.Errorf("%v tunnels", n)
	}
	_ = c.Write(ctx, websocket.MessageBinary, []byte("end"))
	if err := <-echoed; err != nil {
		t.Errorf("the last message: %v", err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 4321 {
		t.Errorf("closed with %v", err)
	}
	eventually(t, "the tunnel has ended", func() bool {
		return g.metric(t, "tollgate_proxy_upgraded_connections") == 0 && g.inFlight("test") == 0
	})
	if n := taken.Load(); n != 1 {
		t.Errorf("%d calls taken, want 1", n)
	}
	if n := g.metric(t, "tollgate_proxy_requests_total", "test", "1xx"); n != 1 {
		t.Errorf("%v calls counted", n)
	}
}

// TestManyTunnels: a thousand at once, none in another's way, and calls beside
// them. A stop waits for them and ends them when its time is over.
func TestManyTunnels(t *testing.T) {
	const many = 1000
	up := echoServer(t)
	other := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.URL, everything...), domainOf("other", other.url(), everything...))
	all := make([]*websocket.Conn, many)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 50)
	for i := range all {
		gate <- struct{}{}
		wg.Go(func() {
			all[i] = openSocket(t, g, "/test/a")
			<-gate
		})
	}
	wg.Wait()
	if n := g.metric(t, "tollgate_proxy_upgraded_connections", "test"); n != many {
		t.Errorf("%v tunnels", n)
	}
	for i, c := range all {
		echo(t, c, fmt.Sprintf("message of %d", i))
	}
	if a := g.get(t, "/other/a"); a.StatusCode != 200 {
		t.Errorf("beside them: %s", a.raw)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- g.Shutdown(ctx) }()
	eventually(t, "it stops", func() bool { return g.phase.Load() == stopping })
	echo(t, all[many/2], "still there")
	cancel()
	if err := <-stopped; err == nil {
		t.Error("the stop did not wait")
	}
	for _, c := range all {
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Fatal("a tunnel is open behind the stop")
		}
	}
}

const upgrade = "GET /test/a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: raw\r\n\r\n"

// rawSwitch answers with 101 and what follows.
func rawSwitch(t testing.TB, answer string, then func(net.Conn)) *recorder {
	return startRecorder(t, func(c net.Conn, _ int, request string) bool {
		if !strings.Contains(request, "Upgrade: ") {
			return says(ok200)(c, 0, "")
		}
		_, _ = io.WriteString(c, answer)
		if strings.HasPrefix(answer, "HTTP/1.1 101") {
			then(c)
			return false
		}
		return true
	})
}

const switching = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: raw\r\nX-A: 1\r\n\r\n"

// TestTunnelBytes: what either side sends at once behind the heads is not lost,
// and an end is passed on in one direction at a time.
func TestTunnelBytes(t *testing.T) {
	up := rawSwitch(t, switching+"hello", func(c net.Conn) {
		got, _ := io.ReadAll(c)
		fmt.Fprintf(c, " and %d", len(got))
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	c.send(upgrade + "early")
	c.send(strings.Repeat("x", 100_000))
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(c.Conn)
	if want := "HTTP/1.1 101 Switching\r\nX-A: 1\r\nConnection: Upgrade\r\nUpgrade: raw\r\n"; err != nil || !strings.HasPrefix(string(all), want) || !strings.HasSuffix(string(all), "\r\n\r\nhello and 100005") {
		t.Errorf("%q, %v", all, err)
	}
	heard := up.requests()
	if len(heard) != 1 || strings.Count(heard[0], "Upgrade") != 2 || !strings.Contains(heard[0], "\r\nConnection: Upgrade\r\nUpgrade: raw\r\n") {
		t.Errorf("went on as %q", heard)
	}
}

// TestTunnelEnds: a tunnel ends when nothing passes, when its domain is deleted
// but not when it is deployed again, and when either side breaks off.
func TestTunnelEnds(t *testing.T) {
	ended := make(chan error, 1)
	up := rawSwitch(t, switching, func(c net.Conn) {
		_, err := io.WriteString(c, "hi")
		if err == nil {
			_, err = io.Copy(io.Discard, c)
		}
		ended <- err
	})
	d := domainOf("test", up.url(), everything...)
	g := startGateway(t, func(c *Config) { c.IdleTimeout = 500 * time.Millisecond }, d)
	open := func() *client {
		c := dial(t, g.addr)
		c.send(upgrade)
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%+v, %v", resp, err)
		}
		if _, err := io.ReadFull(c.r, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	g.deploy(t, 2, d)
	for range 8 { // together longer than the idle time, in one direction only
		time.Sleep(100 * time.Millisecond)
		c.send("x")
	}
	if n := g.metric(t, "tollgate_proxy_upgraded_connections"); n != 1 {
		t.Fatalf("%v tunnels: one that is used has ended", n)
	}
	c.wantClosed() // idle
	<-ended
	c.Close()

	c = open()
	g.deploy(t, 3)
	c.wantClosed()
	<-ended
	c.Close()
	g.deploy(t, 4, d)

	c = open()
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	<-ended
	eventually(t, "nothing is left", func() bool {
		return g.metric(t, "tollgate_proxy_connections") == 0 && g.inFlight("test") == 0 && up.open() == 0
	})
}

// TestTunnelBehindStop: a tunnel that comes when the time of all is over is
// closed, and nothing else happens.
func TestTunnelBehindStop(t *testing.T) {
	up := rawSwitch(t, switching, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	g.tunnels.mu.Lock()
	g.tunnels.closed = true
	g.tunnels.mu.Unlock()
	c := dial(t, g.addr)
	defer c.Close()
	c.send(upgrade)
	c.wantClosed()
	eventually(t, "nothing is left", func() bool { return g.inFlight("test") == 0 && up.open() == 0 })
	if a := g.get(t, "/test/a"); a.StatusCode != 200 {
		t.Errorf("the next call: %s", a.raw)
	}
}

// TestUpgradeRefused: what is not switched is an answer like any other, and
// nobody is connected to what they did not ask for.
func TestUpgradeRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		request, answer string
		status          int
		passed          string
	}{
		"another answer":    {upgrade, "HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno", 426, "raw"},
		"another protocol":  {upgrade, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n", 502, "raw"},
		"no protocol":       {upgrade, "HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n", 502, "raw"},
		"not in Connection": {strings.Replace(upgrade, ", Upgrade", "", 1), "", 200, ""},
		"POST":              {strings.Replace(upgrade, "GET", "POST", 1), "", 200, ""},
		"a body":            {strings.Replace(upgrade, "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 1), "", 200, ""},
		"HTTP/1.0":          {strings.Replace(upgrade, "HTTP/1.1", "HTTP/1.0", 1), "", 200, ""},
		"h2c":               {strings.Replace(upgrade, "raw", "h2c", 1), "", 200, ""},
		"TLS":               {strings.Replace(upgrade, "raw", "TLS/1.0, HTTP/2.0, H2C", 1), "", 200, ""},
		"one of several":    {strings.Replace(upgrade, "raw", "h2c, raw/1", 1), "HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n", 426, "raw/1"},
	} {
		up := rawSwitch(t, tc.answer, func(net.Conn) {})
		g := startGateway(t, nil, domainOf("test", up.url(), everything...))
		c := dial(t, g.addr)
		c.send(tc.request)
		a := c.read()
		if a == nil || a.StatusCode != tc.status {
			t.Errorf("%s: %+v, want %d", name, a, tc.status)
		}
		_, got, _ := strings.Cut(strings.Join(up.requests(), ""), "\r\nUpgrade: ")
		if got, _, _ = strings.Cut(got, "\r\n"); got != tc.passed {
			t.Errorf("%s: passed on %q, want %q", name, got, tc.passed)
		}
		if name != "HTTP/1.0" {
			c.send("GET /test/b HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.read(); a == nil || a.StatusCode != 200 {
				t.Errorf("%s: the next request: %+v", name, a)
			}
		}
		c.Close()
	}
}

// TestEarlyHints: a 103 comes before the answer, while that is still waited for,
// and only to those who know what it is.
func TestEarlyHints(t *testing.T) {
	next := make(chan bool)
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
		<-next
		_, err := io.WriteString(c, ok200)
		return err == nil
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	for range 2 {
		c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		hints, err := http.ReadResponse(c.r, nil)
		if err != nil || hints.StatusCode != 103 || hints.Header.Get("Link") != "</a.css>; rel=preload" || len(hints.Header) != 1 {
			t.Fatalf("first came %+v, %v", hints, err)
		}
		next <- true
		if a := c.read(); a == nil || a.StatusCode != 200 || a.body != "ok" {
			t.Errorf("then came %+v", a)
		}
	}
	go func() { next <- true }()
	if a := ask(t, g.addr, "GET /test/a HTTP/1.0\r\n\r\n"); a == nil || a.StatusCode != 200 {
		t.Errorf("HTTP/1.0: %+v", a)
	}
}
