package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTLS: over TLS a domain is served whatever its schemes, the endpoint server
// hears of https, and a connection is used again.
func TestTLS(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	plain, secure := domainOf("plain", up.url(), everything...), domainOf("secure", up.url(), everything...)
	secure.Schemes = []string{"https"}
	g := startGateway(t, func(c *Config) {
		secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
		c.RequireHTTPS = true
	}, plain, secure)
	c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer c.Close()
	for _, target := range []string{"/plain/a", "/secure/a", "/plain/b"} {
		c.send(withFields(target, "X-Forwarded-Proto: http\r\n"))
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Errorf("%s: answered %+v", target, a)
		}
		if heard := strings.Join(up.requests(), ""); !strings.Contains(heard, "X-Forwarded-Proto: https\r\n") || !strings.Contains(heard, ";proto=https\r\n") {
			t.Errorf("%s: went on as %q", target, heard)
		}
	}
}

// TestTLSRefusesPlain: who speaks HTTP without TLS is told so; anything else
// that is no TLS is closed.
func TestTLSRefusesPlain(t *testing.T) {
	ca := newAuthority(t)
	g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}))
	if a := ask(t, g.addr, withFields("/test/a", "")); a == nil || a.StatusCode != 403 || a.code() != 40301 || !a.Close {
		t.Errorf("plain HTTP: answered %+v", a)
	}
	for _, garbage := range []string{"\x00\x01\x02\x03\x04\x05\x06", "\x16\x03\x01\xff\xff", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n\x16\x03\x01", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"} {
		c := dial(t, g.addr)
		c.send(garbage)
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		seen, _ := io.ReadAll(c.Conn) // an alert may come
		if len(seen) > 0 && seen[0] != 21 && !strings.HasPrefix(garbage, "PROXY") {
			t.Errorf("%q: answered %q", garbage, seen)
		}
		_ = c.Close()
	}
	eventually(t, "all are counted and gone", func() bool {
		return g.metric(t, "tollgate_proxy_connections_unbegun_total", "tls") == 5 && g.metric(t, "tollgate_proxy_connections") == 0
	})
}

// TestTLSNames: the certificate is chosen by the name that is asked for; the
// first one is for all others.
func TestTLSNames(t *testing.T) {
	ca := newAuthority(t)
	g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("first.example"), ca.pair("a.example", "b.example"), ca.pair("*.wild.example")}}))
	for asked, want := range map[string]string{
		"first.example": "first.example", "a.example": "a.example", "B.Example": "a.example", "x.wild.example": "*.wild.example",
		"y.x.wild.example": "first.example", "other.example": "first.example", "": "first.example",
	} {
		c, err := tls.Dial("tcp", g.addr, &tls.Config{ServerName: asked, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q: shown %s, want %s", asked, got, want)
		}
		_ = c.Close()
	}
}

// TestTLSClientCertificates: with a CA for clients, one that it vouches for and
// none at all come in; another one does not.
func TestTLSClientCertificates(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
	g := startGateway(t, secured(&tls.Config{
		Certificates: []tls.Certificate{ca.pair("a.example")}, ClientCAs: clients.pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}), domainOf("test", up.url(), everything...))
	known, stranger := clients.pair("me"), others.pair("me")
	for name, tc := range map[string]struct {
		cert *tls.Certificate
		ok   bool
	}{"none": {nil, true}, "known": {&known, true}, "stranger's": {&stranger, false}} {
		asked := false
		cfg := &tls.Config{RootCAs: ca.pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			if tc.cert == nil {
				return new(tls.Certificate), nil
			}
			return tc.cert, nil
		}}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}, Timeout: patience}
		resp, err := client.Get("https://" + g.addr + "/test/a")
		if err == nil {
			resp.Body.Close()
		}
		if !asked || (err == nil && resp.StatusCode == 200) != tc.ok {
			t.Errorf("%s: asked %v, %v", name, asked, err)
		}
	}
}

// TestTLSStranger: who does not finish a handshake has the time of a header,
// holds up nobody, and no stop.
func TestTLSStranger(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	for _, wait := range []time.Duration{200 * time.Millisecond, 10 * time.Minute} {
		g := startGateway(t, func(c *Config) {
			secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
			c.HeaderTimeout = wait
		}, domainOf("test", up.url(), everything...))
		var strangers []*client
		for i := range 20 {
			c := dial(t, g.addr)
			defer c.Close()
			c.send("\x16\x03\x01\x02\x00\x01\x00"[:i%7]) // the beginning of a handshake
			strangers = append(strangers, c)
		}
		eventually(t, "all are there", func() bool { return g.metric(t, "tollgate_proxy_connections") == 20 || wait < time.Minute })
		c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
		c.send(withFields("/test/a", ""))
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Errorf("beside them: answered %+v", a)
		}
		_ = c.Close()
		if wait > time.Minute {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			_ = g.Shutdown(ctx) // past its deadline it closes them
			cancel()
		}
		for _, c := range strangers {
			if _, err := io.Copy(io.Discard, c.Conn); isTimeout(err) {
				t.Error("a stranger is still there")
			}
		}
		eventually(t, "nobody is counted", func() bool { return g.metric(t, "tollgate_proxy_connections") == 0 })
	}
}

// TestTLSHandshakesAtOnce: while as many handshakes are worked on as may be,
// others wait, and calls go on.
func TestTLSHandshakesAtOnce(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("test", up.url(), everything...))
	call := func(c *client) {
		t.Helper()
		c.send(withFields("/test/a", ""))
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Errorf("answered %+v", a)
		}
	}
	before := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer before.Close()
	call(before)
	for range cap(g.handshakes) {
		g.handshakes <- struct{}{}
	}
	c := dial(t, g.addr)
	defer c.Close()
	secure := tls.Client(c.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"})
	done := make(chan error, 1)
	go func() { done <- secure.Handshake() }()
	eventually(t, "it has come", func() bool { return g.metric(t, "tollgate_proxy_connections") == 2 })
	call(before)
	select {
	case err := <-done:
		t.Errorf("the handshake did not wait: %v", err)
	default:
	}
	for range cap(g.handshakes) {
		<-g.handshakes
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	call(newClient(t, secure))
	if n := len(g.handshakes); n != 0 {
		t.Errorf("%d handshakes are still worked on", n)
	}
}

// TestTLSTurnedAway: one connection too many is told so over TLS.
func TestTLSTurnedAway(t *testing.T) {
	ca := newAuthority(t)
	g := startGateway(t, func(c *Config) {
		secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
		c.MaxConns, c.MaxConnsPerClient = 2, 1
	})
	one := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer one.Close()
	c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer c.Close()
	if a := c.read(); a == nil || a.code() != 42900 || !a.Close {
		t.Errorf("answered %+v", a)
	}
	c.wantClosed()
}

// TestTLSStreams: large bodies go both ways over TLS, also to a client that
// reads slowly but gets on.
func TestTLSStreams(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	up := startRecorder(t, func(c net.Conn, _ int, request string) bool {
		_, sent, _ := strings.Cut(request, "\r\n\r\n")
		_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Sent: %d\r\nContent-Length: %d\r\n\r\n%s", len(sent), len(body), body)
		return err == nil
	})
	ca := newAuthority(t)
	g := startGateway(t, func(c *Config) {
		secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
		c.WriteTimeout = 5 * time.Second
	}, domainOf("test", up.url(), everything...))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool, MinVersion: version, MaxVersion: version})
		for range 2 {
			c.send(fmt.Sprintf("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			if a := c.read(); a == nil || a.body != body || a.Header.Get("X-Sent") != fmt.Sprint(len(body)) {
				t.Errorf("version %x: not the body that was sent", version)
			}
		}
		_ = c.Close()
	}

	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	_ = conn.SetDeadline(time.Now().Add(patience))
	slow := &slowConn{Conn: conn}
	c := newClient(t, tls.Client(slow, &tls.Config{RootCAs: ca.pool, ServerName: "a.example"}))
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	if a := c.read(); a == nil || a.body != body {
		t.Error("a slow reader did not get the whole body")
	}
}

// slowConn reads little at once, with pauses, until it has read much.
type slowConn struct {
	net.Conn
	read int
}

func (s *slowConn) Read(p []byte) (int, error) {
	if s.read < 200<<10 {
		time.Sleep(time.Millisecond) // being slow is what is tested
		p = p[:min(len(p), 512)]
	}
	n, err := s.Conn.Read(p)
	s.read += n
	return n, err
}

// TestPaced: a write below TLS goes on behind a pause in which some of it was
// taken, and ends at one in which nothing was, or at a deadline that somebody
// has set.
func TestPaced(t *testing.T) {
	c := &clientConn{readPace: pace{timeout: time.Second}}
	sock := &stutterConn{take: []int{3, 4, 5}}
	p := &paced{Conn: sock, client: c}
	if n, err := p.Write([]byte("0123456789ab")); n != 12 || err != nil || string(sock.written) != "0123456789ab" {
		t.Errorf("wrote %d, %v: %q", n, err, sock.written)
	}
	sock.take = []int{3, 0}
	if n, err := p.Write([]byte("0123456789ab")); n != 3 || !isTimeout(err) {
		t.Errorf("wrote %d, %v", n, err)
	}
	sock.take = []int{3, 9}
	if err := p.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Write([]byte("0123456789ab")); n != 3 || !isTimeout(err) {
		t.Errorf("with a deadline: wrote %d, %v", n, err)
	}
	sock.take = []int{3, 9}
	if err := p.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Write([]byte("0123456789ab")); n != 12 || err != nil {
		t.Errorf("without one again: wrote %d, %v", n, err)
	}
}

// stutterConn takes so many bytes of each write, and then is late unless that
// was all.
type stutterConn struct {
	net.Conn
	take    []int
	written []byte
}

func (s *stutterConn) SetDeadline(time.Time) error      { return nil }
func (s *stutterConn) SetWriteDeadline(time.Time) error { return nil }
func (s *stutterConn) Write(p []byte) (int, error) {
	n := s.take[0]
	s.take = s.take[1:]
	s.written = append(s.written, p[:n]...)
	if n < len(p) {
		return n, lateError{}
	}
	return n, nil
}

// TestTLSCutAnswer: an answer that breaks off does not look whole over TLS, with
// a length or without.
func TestTLSCutAnswer(t *testing.T) {
	ca := newAuthority(t)
	for _, head := range []string{"Content-Length: 300000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n30000\r\n", "\r\n"} {
		up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+strings.Repeat("x", 150_000))
			if head == "\r\n" {
				_ = c.(*net.TCPConn).SetLinger(0) // an orderly end would be the body's
			}
			return false
		})
		g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("test", up.url(), everything...))
		for _, version := range []string{"1.1", "1.0"} {
			c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
			c.send("GET /test/a HTTP/" + version + "\r\nHost: h\r\n\r\n")
			resp, err := http.ReadResponse(c.r, nil)
			if err == nil {
				var n int64
				if n, err = io.Copy(io.Discard, resp.Body); err == nil {
					t.Errorf("%q to HTTP/%s: %d bytes came whole", head, version, n)
				}
			}
			_ = c.Close()
		}
	}
}

// TestTLSLinger: a refusal reaches a client that is still sending its body.
func TestTLSLinger(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	g := startGateway(t, func(c *Config) {
		secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}})(c)
		c.MaxRequestBody = 1 << 10
	}, domainOf("test", up.url(), everything...))
	for range 20 {
		c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
		c.send("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000))
		if a := c.read(); a == nil || a.code() != 41300 {
			t.Fatalf("answered %+v", a)
		}
		c.wantClosed()
		_ = c.Close()
	}
}

// TestTLSReload: while certificates are changed under load, no call fails, on
// kept connections and on new ones, and new ones are shown the new certificate.
func TestTLSReload(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	var now atomic.Pointer[tls.Config]
	serve := func(name string) {
		now.Store(&tls.Config{Certificates: []tls.Certificate{ca.pair(name)}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	}
	serve("first.example")
	g := startGateway(t, func(c *Config) { c.ClientTLS = now.Load }, domainOf("test", up.url(), everything...))
	stop := make(chan struct{})
	var calls atomic.Int64
	var wg sync.WaitGroup
	cache := tls.NewLRUClientSessionCache(10)
	for i := range 6 {
		wg.Go(func() {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{
				DisableKeepAlives: i%2 == 0, TLSClientConfig: &tls.Config{RootCAs: ca.pool, ClientSessionCache: cache},
			}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get("https://" + g.addr + "/test/a")
				if err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != "ok" {
					t.Errorf("answered %d %q, %v", resp.StatusCode, body, err)
				}
				calls.Add(1)
			}
		})
	}
	for i := range 20 {
		name := fmt.Sprintf("n%d.example", i)
		before := calls.Load()
		serve(name)
		c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
		if got := c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("shown %s, want %s", got, name)
		}
		_ = c.Close()
		eventually(t, "calls go on", func() bool { return calls.Load() > before+10 || t.Failed() })
	}
	close(stop)
	wg.Wait()
}

// TestTLSShutdown: a stop ends idle connections over TLS with a goodbye.
func TestTLSShutdown(t *testing.T) {
	up := startRecorder(t, says(ok200))
	ca := newAuthority(t)
	g := startGateway(t, secured(&tls.Config{Certificates: []tls.Certificate{ca.pair("a.example")}}), domainOf("test", up.url(), everything...))
	c := dialTLS(t, g.addr, &tls.Config{RootCAs: ca.pool})
	defer c.Close()
	c.send(withFields("/test/a", ""))
	c.read()
	if err := g.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := c.Conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read: %v, want the end", err)
	}
}

// lateError is that of a deadline.
type lateError struct{}

func (lateError) Error() string   { return "late" }
func (lateError) Timeout() bool   { return true }
func (lateError) Temporary() bool { return true }
func (lateError) Unwrap() error   { return os.ErrDeadlineExceeded }
