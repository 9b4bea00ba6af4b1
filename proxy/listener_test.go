package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestMaxConns: one connection too many is told so and closed.
func TestMaxConns(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.MaxConns, c.MaxConnsPerClient = 2, 2 }, domainOf("test", up.url(), everything...))
	const get = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"
	var first [2]*client
	for i := range first {
		first[i] = dial(t, g.addr)
		defer first[i].Close()
		first[i].send(get)
		if a := first[i].read(); a == nil || a.StatusCode != 200 {
			t.Fatalf("connection %d: %+v", i, a)
		}
	}
	c := dial(t, g.addr)
	if a := c.read(); a == nil || a.StatusCode != 503 || a.code() != 50301 || !a.Close || a.Header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Errorf("connection 2: %+v", a)
	}
	c.wantClosed()
	c.Close()
	if n := g.metric(t, "tollgate_proxy_connections_refused_total"); n != 1 {
		t.Errorf("%v refused connections counted, want 1", n)
	}
	if n := g.metric(t, "tollgate_proxy_connections"); n != 2 {
		t.Errorf("%v connections counted, want 2", n)
	}
	first[0].Close()
	eventually(t, "the place is free", func() bool { return g.metric(t, "tollgate_proxy_connections") == 1 })
	if a := g.get(t, "/test/a"); a.StatusCode != 200 {
		t.Errorf("after one has left: %d", a.StatusCode)
	}
}

// faultyListener fails to accept a few times first.
type faultyListener struct {
	net.Listener
	errs []error
}

func (l *faultyListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

// TestAcceptSurvives: running out of file descriptors ends with the shortage,
// not with the server (pitfalls 4 24; pitfalls 2(a) 41); a broken listener is reported.
func TestAcceptSurvives(t *testing.T) {
	up := startRecorder(t, says(ok200))
	var logs syncBuffer
	g := startGateway(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&logs, nil)) }, domainOf("test", up.url(), everything...))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- g.Serve(&faultyListener{ln, []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS}})
	}()
	if a := ask(t, ln.Addr().String(), "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"); a == nil || a.StatusCode != 200 {
		t.Errorf("answered %+v", a)
	}
	if n := g.metric(t, "tollgate_proxy_accept_pauses_total"); n != 3 {
		t.Errorf("%v pauses counted, want 3", n)
	}
	if s := logs.String(); strings.Count(s, "accepting no clients") != 1 || !strings.Contains(s, "maxConns=10000") {
		t.Errorf("want one warning that names the setting:\n%s", s)
	}
	if err := g.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}

	g = newGateway(t, nil)
	ln, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := g.Serve(&faultyListener{ln, []error{syscall.EPERM}}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a broken listener: %v", err)
	}
}

// TestShutdownInPause: stopping does not wait for a pause in accepting to end.
func TestShutdownInPause(t *testing.T) {
	g := newGateway(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 1000)
	for i := range errs {
		errs[i] = syscall.EMFILE
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(&faultyListener{ln, errs}) }()
	eventually(t, "a long pause", func() bool { return g.metric(t, "tollgate_proxy_accept_pauses_total") >= 4 })
	if err := g.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
