package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// budget is an upstream.Memory that knows what is taken.
type budget struct {
	mu               sync.Mutex
	limit            int
	taken, most, all int
}

func (b *budget) Take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit > 0 && b.taken+n > b.limit {
		return false
	}
	b.taken += n
	b.all += n
	b.most = max(b.most, b.taken)
	return true
}

func (b *budget) Give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken -= n
}

func (b *budget) held() (now, most, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken, b.most, b.all
}

// framed is a body with a head before it: of known length, in chunks of
// different sizes, or up to the end of the connection.
func framed(how, body string) string {
	switch how {
	case "length":
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	case "chunks":
		var b strings.Builder
		b.WriteString(inChunks)
		for size := 1; len(body) > 0; size = size*3%50_000 + 1 {
			piece := body[:min(size, len(body))]
			body = body[len(piece):]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
		}
		return b.String() + "0\r\n\r\n"
	}
	return "HTTP/1.1 200 OK\r\n\r\n" + body
}

var framings = []string{"length", "chunks", "until close"}

// pattern makes bytes of which no two pieces are the same.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d.", i)
	}
	return b.String()[:n]
}

// TestBodySizes: bodies of every size around the bounds come whole, in every
// framing, to clients of both versions, and leave nothing taken. There is no
// limit to them.
func TestBodySizes(t *testing.T) {
	type saying struct {
		say    string
		closes bool
	}
	var now atomic.Pointer[saying]
	up := startRecorder(t, func(c net.Conn, n int, r string) bool {
		s := now.Load()
		return says(s.say)(c, n, r) && !s.closes
	})
	memory := &budget{}
	g := startGateway(t, func(c *Config) { c.AnswerMemory = memory }, domainOf("test", up.url(), everything...))
	for _, size := range []int{0, 1, 4095, 4096, 4097, 16 << 10, 65535, 65536, 65537, 100_000, 1 << 20, 20 << 20} {
		body := pattern(size)
		for _, how := range framings {
			now.Store(&saying{framed(how, body), how == "until close"})
			for _, version := range []string{"1.1", "1.0"} {
				c := dial(t, g.addr)
				for range 2 {
					c.send("GET /test/a HTTP/" + version + "\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
					a := c.read()
					if a == nil || a.StatusCode != 200 || a.body != body {
						t.Fatalf("%d bytes, %s, HTTP/%s: answered %.200q", size, how, version, a.raw)
					}
					if line, _, _ := strings.Cut(a.raw, "\r\n"); line != "HTTP/1.1 200 OK" {
						t.Errorf("%d bytes, %s, HTTP/%s: %q", size, how, version, line)
					}
					if version == "1.0" && len(a.TransferEncoding) > 0 {
						t.Errorf("%d bytes, %s: chunks for HTTP/1.0", size, how)
					}
					if a.Close {
						break
					}
				}
				c.Close()
			}
		}
	}
	eventually(t, "everything is given back", func() bool { now, _, _ := memory.held(); return now == 0 })
	if _, most, all := memory.held(); all == 0 || most > 256<<10 {
		t.Errorf("%d bytes were taken at most, %d in all", most, all)
	}
	eventually(t, "nothing is held", func() bool { return g.inFlight("test") == 0 })
}

// TestPieces: each piece of a body is passed on as it comes, whatever frames
// it: the next one is only sent when the client has the one before. The time of
// the whole has no bound but that of its pauses.
func TestPieces(t *testing.T) {
	for _, how := range framings {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(how+", HTTP/"+version, func(t *testing.T) {
				t.Parallel() // it is mostly waiting
				const pieces = 20
				next := make(chan bool)
				piece := func(i int) string { return fmt.Sprintf("data: %4d\n\n", i) }
				up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
					head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
					switch how {
					case "length": // more than is held
						head += fmt.Sprintf("Content-Length: %d\r\n", 100_000+pieces*len(piece(0)))
					case "chunks":
						head += "Transfer-Encoding: chunked\r\n"
					}
					_, _ = io.WriteString(c, head+"\r\n")
					send := func(s string) {
						if how == "chunks" && s != "" {
							s = fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
						}
						_, _ = io.WriteString(c, s)
					}
					if how == "length" {
						send(strings.Repeat("x", 100_000))
					}
					for i := range pieces {
						if !<-next {
							return false
						}
						send(piece(i))
					}
					if how == "chunks" {
						_, _ = io.WriteString(c, "0\r\n\r\n")
					}
					return how != "until close"
				})
				g := startGateway(t, func(c *Config) { c.UpstreamTimeout = 2 * time.Second }, domainOf("test", up.url(), everything...))
				defer close(next)
				c := dial(t, g.addr)
				defer c.Close()
				c.send("GET /test/a HTTP/" + version + "\r\nHost: h\r\n\r\n")
				// The first piece may be held for a moment, but not for the second.
				next <- true
				r := bufio.NewReader(c)
				resp, err := http.ReadResponse(r, &http.Request{Method: "GET"})
				if err != nil {
					t.Fatal(err)
				}
				if how == "length" {
					if _, err := io.CopyN(io.Discard, resp.Body, 100_000); err != nil {
						t.Fatal(err)
					}
				}
				buf := make([]byte, len(piece(0)))
				for i := range pieces {
					if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != piece(i) {
						t.Fatalf("piece %d: %q, %v", i, buf, err)
					}
					if i+1 < pieces {
						time.Sleep(110 * time.Millisecond) // together more than UpstreamTimeout: that is what is tested
						next <- true
					}
				}
				if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
					t.Errorf("behind the pieces: %q, %v", rest, err)
				}
			})
		}
	}
}

// TestFirstPiece: the head and the first bytes of a long body go out although no
// more come for a while.
func TestFirstPiece(t *testing.T) {
	seen := make(chan bool)
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		<-seen
		_, _ = io.WriteString(c, "first")
		<-seen
		_, err := io.WriteString(c, strings.Repeat("x", 99_995))
		return err == nil
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	c := dial(t, g.addr)
	defer c.Close()
	defer close(seen)
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	seen <- true
	first := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("%q, %v", first, err)
	}
	seen <- true
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 99_995 {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

// TestSteadyDrip: a body whose pieces are small and never pause for long is not
// held until there are many of them, in either direction.
func TestSteadyDrip(t *testing.T) {
	drip := func(w io.Writer, until <-chan struct{}) error {
		for {
			if _, err := io.WriteString(w, "1\r\nx\r\n"); err != nil {
				return err
			}
			select {
			case <-until:
				_, err := io.WriteString(w, "0\r\n\r\n")
				return err
			case <-time.After(10 * time.Millisecond): // the pace of the drip
			}
		}
	}
	seen := make(chan struct{})
	down := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, inChunks)
		return drip(c, seen) == nil
	})
	up := handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 1))
		close(seen)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	g := startGateway(t, nil, domainOf("down", down.url(), everything...), domainOf("up", up.URL, everything...))
	c := dial(t, g.addr)
	defer c.Close()
	c.send("POST /up/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err := drip(c.Conn, seen); err != nil {
		t.Fatalf("up: %v", err)
	}
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("up: %+v", a)
	}
	seen = make(chan struct{})
	c.send("GET /down/a HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(c.r, nil)
	if err == nil {
		_, err = io.ReadFull(resp.Body, make([]byte, 1))
	}
	if err != nil {
		t.Fatalf("down: %v", err)
	}
	close(seen)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("down: %v", err)
	}
}

// TestSlowReaders: who does not read 10 MiB costs little memory, and others are
// served meanwhile.
func TestSlowReaders(t *testing.T) {
	const readers, size = 200, 10 << 20
	body := strings.Repeat("x", size)
	big := []byte(framed("length", body))
	chunks := []byte(framed("chunks", body))
	up := startRecorder(t, func(c net.Conn, _ int, request string) bool {
		var err error
		switch {
		case strings.HasPrefix(request, "GET /small"):
			_, err = io.WriteString(c, ok200)
		case strings.HasPrefix(request, "GET /chunks"):
			_, err = c.Write(chunks)
		default:
			_, err = c.Write(big)
		}
		return err == nil
	})
	memory := &budget{}
	g := startGateway(t, func(c *Config) { c.AnswerMemory = memory }, domainOf("test", up.url(), everything...))
	before := residentMiB(t)
	for i := range readers {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		path := map[bool]string{true: "/big", false: "/chunks"}[i%2 == 0]
		if _, err := io.WriteString(c, "GET /test"+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all readers have begun", func() bool { return up.open() == readers })
	var slowest time.Duration
	for range 50 {
		start := time.Now()
		if a := g.get(t, "/test/small"); a.StatusCode != 200 {
			t.Fatalf("another client: answered %s", a.raw)
		}
		slowest = max(slowest, time.Since(start))
	}
	eventually(t, "each has taken its share", func() bool { now, _, _ := memory.held(); return now >= readers*32<<10 })
	_, most, _ := memory.held()
	if most > readers*100<<10 {
		t.Errorf("%d KiB a reader were taken", most/readers>>10)
	}
	t.Logf("%d readers of %d MiB: %d KiB each from the budget, process %d MiB more, slowest other call %v",
		readers, size>>20, most/readers>>10, residentMiB(t)-before, slowest)
}

// residentMiB is the memory of the process, 0 where that is not told.
func residentMiB(t testing.TB) int {
	runtime.GC()
	stat, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(string(stat), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}

// TestAnswersFull: where the budget has no room for an answer, held or to be
// streamed, the call is refused, and nothing stays taken. Small ones pass.
func TestAnswersFull(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, r string) bool {
		_, path, _ := strings.Cut(r, " /")
		var size int
		var how string
		_, _ = fmt.Sscanf(path, "%d/%s", &size, &how)
		return says(framed(how, strings.Repeat("x", size)))(c, n, r)
	})
	memory := &budget{limit: 5000}
	d := parsed(t, "pre", up.url(), "", `GET /a "PRE_API":{"method":"GET","url":"`+up.url()+`/6000/length"}`)
	g := startGateway(t, func(c *Config) { c.AnswerMemory = memory }, domainOf("test", up.url(), everything...), d)
	for _, how := range []string{"length", "chunks"} {
		for size, want := range map[int]int{4096: 200, 5001: 503, 60_000: 503, 100_000: 503} {
			a := g.get(t, fmt.Sprintf("/test/%d/%s", size, how))
			if a.StatusCode != want || want == 503 && a.code() != 50301 {
				t.Errorf("%d bytes, %s: answered %d %.100s", size, how, a.StatusCode, a.body)
			}
			if now, _, _ := memory.held(); now != 0 {
				t.Errorf("%d bytes, %s: %d bytes stay taken", size, how, now)
			}
		}
	}
	if a := g.get(t, "/pre/a"); a.code() != 50301 {
		t.Errorf("a Pre API's answer: answered %s", a.raw)
	}
	if n := g.metric(t, "tollgate_proxy_upstream_failures_total", "test", "full"); n != 6 {
		t.Errorf("%v refusals counted, want 6", n)
	}
}

// TestAnswerMemory: answers have a quarter of BodyMemory unless somebody else
// decides; a stream gives its share back when it has ended.
func TestAnswerMemory(t *testing.T) {
	end := make(chan bool)
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"+strings.Repeat("x", 100_000))
		<-end
		_, _ = io.WriteString(c, "x")
		return false
	})
	g := startGateway(t, func(c *Config) { c.BodyMemory = 1 << 20 }, domainOf("test", up.url(), everything...))
	const fit, share = 8, 32 << 10
	var clients []*client
	for range fit {
		c := dial(t, g.addr)
		defer c.Close()
		c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := c.r.Peek(1); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	if n := g.metric(t, "tollgate_proxy_answer_bytes"); n != fit*share {
		t.Errorf("%v bytes are taken", n)
	}
	if a := g.get(t, "/test/a"); a.code() != 50301 {
		t.Errorf("one more: answered %d", a.StatusCode)
	}
	close(end)
	for _, c := range clients {
		if a := c.read(); a == nil || len(a.body) != 100_001 {
			t.Errorf("answered %+v", a)
		}
	}
	eventually(t, "everything is given back", func() bool { return g.metric(t, "tollgate_proxy_answer_bytes") == 0 })
}

// TestStreamAbandoned: a client that leaves in the middle of a stream takes the
// endpoint server's connection with it, and the memory.
func TestStreamAbandoned(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, err := io.WriteString(c, inChunks)
		for err == nil {
			_, err = io.WriteString(c, "400\r\n"+strings.Repeat("x", 1024)+"\r\n")
		}
		return false
	})
	memory := &budget{}
	g := startGateway(t, func(c *Config) { c.AnswerMemory = memory }, domainOf("test", up.url(), everything...))
	for _, version := range []string{"1.1", "1.0"} {
		c := dial(t, g.addr)
		c.send("GET /test/a HTTP/" + version + "\r\nHost: h\r\n\r\n")
		if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		eventually(t, "the endpoint server is left", func() bool { return up.open() == 0 })
		eventually(t, "the memory is given back", func() bool { now, _, _ := memory.held(); return now == 0 })
	}
}

// TestStreamOverTLS: bodies of every framing come whole from an https server.
func TestStreamOverTLS(t *testing.T) {
	body := pattern(1 << 20)
	up := httpsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, body[:10])
		w.(http.Flusher).Flush()
		time.Sleep(150 * time.Millisecond) // longer than an answer is held for
		_, _ = io.WriteString(w, body[10:])
	}))
	g := startGateway(t, func(c *Config) { c.TLS = &tls.Config{RootCAs: up.roots} }, domainOf("test", up.URL, everything...))
	for range 3 {
		if a := g.get(t, "/test/a"); a.StatusCode != 200 || a.body != body {
			t.Errorf("answered %d, %d bytes", a.StatusCode, len(a.body))
		}
	}
}
