package proxy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// TestNotReady: 50301 before the node is open, on a connection that stays, and
// while it stops, on one that does not.
func TestNotReady(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := newGateway(t, nil)
	g.deploy(t, 1, domainOf("test", up.url(), everything...))
	g.SetOpen(false)
	c := dial(t, g.addr)
	defer c.Close()
	const get, garbage = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, raw := range []string{get, garbage, "POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"} {
		c.send(raw)
		a := c.read()
		if a == nil || a.StatusCode != 503 || a.body != `{"header":{"resultCode":50301,"resultMessage":"50301 Node not ready or stopping","isSuccessful":false}}` || a.Close {
			t.Fatalf("before ready: %+v", a)
		}
	}
	g.SetOpen(true)
	c.send(get)
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Fatalf("open: %+v", a)
	}
	g.SetOpen(false)
	c.send(get)
	if a := c.read(); a == nil || a.code() != 50301 || !a.Close {
		t.Fatalf("stopping: %+v", a)
	}
	c.wantClosed()
	g.SetOpen(true)
	if a := g.get(t, "/test/a"); a.StatusCode != 200 {
		t.Errorf("open again: %d", a.StatusCode)
	}
	if n := len(up.requests()); n != 2 {
		t.Errorf("%d requests went on, want 2", n)
	}
}

// TestShutdown: what is in flight is finished, then everything is closed.
func TestShutdown(t *testing.T) {
	hold := make(chan struct{})
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if strings.Contains(request, "hold") {
			<-hold
		}
		return says(ok200)(c, n, request)
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	idle, busy := dial(t, g.addr), dial(t, g.addr)
	defer idle.Close()
	defer busy.Close()
	idle.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	idle.read()
	busy.send("GET /test/hold HTTP/1.1\r\nHost: h\r\n\r\n")
	eventually(t, "the request is in flight", func() bool { return g.inFlight("test") == 1 })
	g.SetOpen(false)
	done := make(chan error, 1)
	go func() { done <- g.Shutdown(context.Background()) }()
	idle.wantClosed()
	for range 3 { // the port answers until the end (spec section 11)
		a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if a == nil || a.StatusCode != 503 || a.code() != 50301 || !a.Close {
			t.Errorf("while it stops: %+v", a)
		}
	}
	late := dial(t, g.addr) // which sends nothing, and holds nobody up
	defer late.Close()
	select {
	case err := <-done:
		t.Fatalf("did not wait for the request: %v", err)
	default:
	}
	close(hold)
	if a := busy.read(); a == nil || a.StatusCode != 200 || !a.Close {
		t.Errorf("in flight: %+v", a)
	}
	busy.wantClosed()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", g.addr); err == nil {
		t.Error("still accepting")
	}
	eventually(t, "the endpoint server's connections are closed", func() bool { return up.open() == 0 })
	g.SetOpen(true)
	if err := g.Shutdown(context.Background()); err != nil {
		t.Errorf("a second time: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(ln); err != nil {
		t.Errorf("serving after the end: %v", err)
	}
}

// TestShutdownAtOnce: a Serve that has just begun ends too.
func TestShutdownAtOnce(t *testing.T) {
	for range 200 {
		p, err := New(Config{Quota: admitAll{}})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- p.Serve(ln) }()
		if err := p.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-served:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("it goes on serving")
		}
	}
}

// TestShutdownDeadline: who does not finish in time is cut off.
func TestShutdownDeadline(t *testing.T) {
	hold := make(chan struct{})
	up := startRecorder(t, func(c net.Conn, n int, request string) bool { <-hold; return says(ok200)(c, n, request) })
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	busy := dial(t, g.addr)
	defer busy.Close()
	busy.send("GET /test/hold HTTP/1.1\r\nHost: h\r\n\r\n")
	eventually(t, "the request is in flight", func() bool { return g.inFlight("test") == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if a := busy.read(); a != nil {
		t.Errorf("answered %+v", a)
	}
	close(hold)
	eventually(t, "nothing is in flight", func() bool { return g.inFlight("test") == 0 })
	if n := g.metric(t, "tollgate_proxy_connections"); n != 0 {
		t.Errorf("%v connections counted", n)
	}
}

// TestPanic: one request gets 50000, the process and the others go on.
func TestPanic(t *testing.T) {
	up := startRecorder(t, says(ok200))
	d := domainOf("test", up.url(), "GET /bad", "GET /good", "POST /bad")
	d.Plugins.UsageQuota = oneCondition("")
	d.Endpoints[0].Plugins.UsageQuota = oneCondition("")
	d.Endpoints[2].Plugins.UsageQuota = oneCondition("")
	var logs syncBuffer
	g := startGateway(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logs, nil))
		c.Quota = quotaFunc(func(_, endpoint string) (quota.Verdict, error) {
			if endpoint != "" {
				panic("on purpose")
			}
			return quota.Verdict{Admitted: true}, nil
		})
	}, d)
	for _, raw := range []string{
		"GET /test/bad HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /test/bad HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
	} {
		a := ask(t, g.addr, raw)
		if a == nil || a.StatusCode != 500 || a.body != `{"header":{"resultCode":50000,"resultMessage":"50000 Internal error","isSuccessful":false}}` {
			t.Fatalf("answered %+v", a)
		}
	}
	if a := g.get(t, "/test/good"); a.StatusCode != 200 {
		t.Errorf("the next one: %d", a.StatusCode)
	}
	if s := logs.String(); strings.Count(s, "on purpose") != 2 || !strings.Contains(s, "lifecycle_test.go") || !strings.Contains(s, `endpoint="GET /bad"`) {
		t.Errorf("the log lacks the panic, its stack or its place:\n%s", s)
	}
	if n := g.metric(t, "tollgate_proxy_panics_total"); n != 2 {
		t.Errorf("%v panics counted, want 2", n)
	}
	eventually(t, "the domain is released", func() bool { return g.inFlight("test") == 0 })
}

// syncBuffer is a bytes.Buffer for a logger and a test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
