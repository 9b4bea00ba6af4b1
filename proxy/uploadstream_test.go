package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// handled is an endpoint server of net/http.
func handled(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// longUploads are the heads of uploads that are longer than what is held, in the
// two framings, with how a piece is sent and what ends the body.
var longUploads = map[string]struct {
	head string
	wrap func(piece string) string
	end  string
}{
	"length":  {post + "Content-Length: 500000\r\n\r\n", func(p string) string { return p }, strings.Repeat("e", 500_000)},
	"chunked": {postChunked, func(p string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(p), p) }, "0\r\n\r\n"},
}

// TestUploadPieces: each piece of a body is passed on as it comes, and those of
// an answer that begins before the body has ended as well: the next one is only
// sent when the one before has come back.
func TestUploadPieces(t *testing.T) {
	up := handled(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		_ = rc.Flush()
		buf := make([]byte, 1<<20)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	})
	g := startGateway(t, nil, domainOf("test", up.URL, everything...))
	for name, u := range longUploads {
		t.Run(name, func(t *testing.T) {
			c := dial(t, g.addr)
			defer c.Close()
			c.send(u.head)
			var body io.Reader
			sent := 0
			for i := range 20 {
				piece := fmt.Sprintf("piece %4d of %s,", i, strings.Repeat("x", 37*i*i))
				c.send(u.wrap(piece))
				sent += len(piece)
				if body == nil {
					resp, err := http.ReadResponse(c.r, &http.Request{Method: "POST"})
					if err != nil {
						t.Fatal(err)
					}
					body = resp.Body
				}
				back := make([]byte, len(piece))
				if _, err := io.ReadFull(body, back); err != nil || string(back) != piece {
					t.Fatalf("piece %d came back as %.60q, %v", i, back, err)
				}
			}
			if name == "length" {
				c.send(u.end[:500_000-sent])
			} else {
				c.send(u.end)
			}
			if rest, err := io.ReadAll(body); err != nil || name == "length" && len(rest) != 500_000-sent || name == "chunked" && len(rest) > 0 {
				t.Errorf("behind the pieces: %d bytes, %v", len(rest), err)
			}
		})
	}
	eventually(t, "nothing is held", func() bool {
		return g.metric(t, "tollgate_proxy_request_body_bytes") == 0 && g.inFlight("test") == 0
	})
}

// TestUploadCut: a body that streams and breaks off is never completed, and it
// is the client that hears of it, not the endpoint server's failures.
func TestUploadCut(t *testing.T) {
	ends := make(chan error, 1)
	up := handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ends <- err
	})
	g := startGateway(t, func(c *Config) {
		c.BodyTimeout, c.MaxRequestBody = time.Second, 1<<20
	}, domainOf("test", up.URL, everything...))
	some := strings.Repeat("x", 100_000)
	for _, tc := range []struct {
		name, raw string
		goes      bool
		code      int
	}{
		{"by its end, length", longUploads["length"].head + some, true, 40000},
		{"by its end, chunked", postChunked + "186a0\r\n" + some + "\r\n", true, 40000},
		{"by its end, in a chunk", postChunked + "186a1\r\n" + some, true, 40000},
		{"by silence, length", longUploads["length"].head + some, false, 40800},
		{"by silence, chunked", postChunked + "186a0\r\n" + some + "\r\n", false, 40800},
		{"by its size", postChunked + "186a0\r\n" + some + "\r\n100000\r\n", false, 41300},
		{"by a bare line feed", postChunked + "186a0\r\n" + some + "\r\n1\n", false, 40000},
		{"by no line end", postChunked + "186a0\r\n" + some + "xx", false, 40000},
	} {
		c := dial(t, g.addr)
		c.send(tc.raw)
		if tc.goes {
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}
		if a := c.read(); a == nil || a.code() != tc.code || !a.Close {
			t.Errorf("%s: answered %+v, want %d", tc.name, a, tc.code)
		}
		c.wantClosed()
		c.Close()
		if err := <-ends; err == nil {
			t.Errorf("%s: the endpoint server took it for whole", tc.name)
		}
	}
	if n := g.metric(t, "tollgate_proxy_upstream_failures_total"); n != 0 {
		t.Errorf("%v failures of the endpoint server counted", n)
	}
	// One that goes away in the middle takes everything along.
	c := dial(t, g.addr)
	c.send(longUploads["length"].head + some)
	eventually(t, "it streams", func() bool { return g.metric(t, "tollgate_proxy_request_body_bytes") > 0 })
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
	if err := <-ends; err == nil {
		t.Error("gone: the endpoint server took it for whole")
	}
	eventually(t, "nothing is held", func() bool {
		return g.metric(t, "tollgate_proxy_request_body_bytes") == 0 && g.inFlight("test") == 0 && g.metric(t, "tollgate_proxy_connections") == 0
	})
}

// TestUploadTooLarge: what the head announces is refused without a connection
// to the endpoint server, whatever is held.
func TestUploadTooLarge(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.MaxRequestBody = 1 << 20 }, domainOf("test", up.url(), everything...))
	if a := ask(t, g.addr, post+"Content-Length: 1048577\r\n\r\n"); a == nil || a.code() != 41300 {
		t.Errorf("answered %+v", a)
	}
	if a := ask(t, g.addr, post+"Content-Length: 1048576\r\n\r\n"+strings.Repeat("x", 1<<20)); a == nil || a.StatusCode != 200 {
		t.Errorf("answered %+v", a)
	}
	if n := up.accepted(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	// A domain can have a lower limit, not a higher one.
	low, high := domainOf("low", up.url(), everything...), domainOf("high", up.url(), everything...)
	low.Plugins.HTTPProxy.MaxRequestBody, high.Plugins.HTTPProxy.MaxRequestBody = 1000, 1<<30
	g.deploy(t, 2, low, high)
	for key, most := range map[string]int{"low": 1000, "high": 1 << 20} {
		for n, want := range map[int]int{most: 200, most + 1: 413} {
			for framing, raw := range map[string]string{
				"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, strings.Repeat("x", n)),
				"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n)),
			} {
				if a := ask(t, g.addr, "POST /"+key+"/a HTTP/1.1\r\nHost: h\r\n"+raw); a == nil || a.StatusCode != want {
					t.Errorf("%s, %s, %d bytes: %+v, want %d", key, framing, n, a, want)
				}
			}
		}
	}
}

// TestUploadRefused: an endpoint server that answers in the middle of a body and
// leaves is heard, and the client is not asked for the rest.
func TestUploadRefused(t *testing.T) {
	const refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			if _, err := http.ReadRequest(r); err == nil {
				_, _ = io.CopyN(io.Discard, r, 1000)
				_, _ = io.WriteString(c, refusal)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, r)
			}
			_ = c.Close()
		}
	}()
	g := startGateway(t, nil, domainOf("test", "http://"+ln.Addr().String(), everything...))
	for name, u := range longUploads {
		c := dial(t, g.addr)
		c.send(u.head + u.wrap(strings.Repeat("x", 100_000)))
		if a := c.read(); a == nil || a.StatusCode != 413 || a.body != "big" || !a.Close {
			t.Errorf("%s: answered %+v", name, a)
		}
		c.wantClosed()
		c.Close()
	}
	eventually(t, "nothing is held", func() bool {
		return g.metric(t, "tollgate_proxy_request_body_bytes") == 0 && g.inFlight("test") == 0
	})
}

// TestUploadEndpointFails: an endpoint server that dies in the middle of a body,
// or does not read it, is told by its own codes at once, not when the client has
// sent everything.
func TestUploadEndpointFails(t *testing.T) {
	for name, tc := range map[string]struct {
		how  func(net.Conn)
		code int
	}{
		"dies": {func(c net.Conn) {
			_, _ = io.CopyN(io.Discard, c, 90_000)
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}, 50200},
		"does not read": {func(net.Conn) {}, 50400},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				if c, err := ln.Accept(); err == nil {
					defer c.Close()
					tc.how(c)
					<-t.Context().Done()
				}
			}()
			g := startGateway(t, func(c *Config) { c.UpstreamTimeout = time.Second }, domainOf("test", "http://"+ln.Addr().String(), everything...))
			c := dial(t, g.addr)
			defer c.Close()
			c.send(post + "Content-Length: 1000000000\r\n\r\n" + strings.Repeat("x", 100_000))
			if tc.code == 50400 {
				go func() { _, _ = io.Copy(c.Conn, endless{}) }()
			}
			if a := c.read(); a == nil || a.code() != tc.code || !a.Close {
				t.Errorf("answered %+v, want %d", a, tc.code)
			}
		})
	}
}

// endless is zeros without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUploadKeepsConnections: behind a body that streamed, both connections
// serve the next request.
func TestUploadKeepsConnections(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	body := strings.Repeat("x", 500_000)
	for i := range 20 {
		u := longUploads[[]string{"length", "chunked"}[i%2]]
		if i%2 == 0 {
			c.send(u.head + body)
		} else {
			c.send(u.head + u.wrap(body) + u.end)
		}
		if a := c.read(); a == nil || a.StatusCode != 200 || a.Close {
			t.Fatalf("request %d: %+v", i, a)
		}
	}
	if n := up.accepted(); n != 1 {
		t.Errorf("%d connections to the endpoint server, want 1", n)
	}
}

// TestUploadPlaces: bodies that come slowly leave half of the connections to
// other calls; one more waits for its place.
func TestUploadPlaces(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.UpstreamMaxConns = 4 }, domainOf("test", up.url(), everything...))
	some := strings.Repeat("x", 100_000)
	var slow []*client
	for i := range 3 {
		c := dial(t, g.addr)
		defer c.Close()
		c.send(longUploads["length"].head + some)
		slow = append(slow, c)
		if i < 2 {
			eventually(t, "it streams", func() bool { return up.accepted() == i+1 })
		}
	}
	eventually(t, "the third is held", func() bool { return g.inFlight("test") == 3 })
	for range 10 {
		if a := g.get(t, "/test/a"); a.StatusCode != 200 {
			t.Fatalf("another call: answered %s", a.raw)
		}
	}
	rest := strings.Repeat("x", 400_000)
	for i, c := range slow {
		c.send(rest)
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Errorf("upload %d: answered %+v", i, a)
		}
	}
}

// TestUploadShutdown: a stop waits for a body that still comes, and cuts it off
// when its time is over.
func TestUploadShutdown(t *testing.T) {
	ends := make(chan error, 1)
	up := handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ends <- err
	})
	g := startGateway(t, nil, domainOf("test", up.URL, everything...))
	c := dial(t, g.addr)
	defer c.Close()
	c.send(longUploads["length"].head + strings.Repeat("x", 100_000))
	eventually(t, "it streams", func() bool { return g.metric(t, "tollgate_proxy_request_body_bytes") > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := g.Shutdown(ctx); err == nil {
		t.Error("the stop did not wait for the body")
	}
	if err := <-ends; err == nil {
		t.Error("the endpoint server took it for whole")
	}
	c.wantClosed()
}
