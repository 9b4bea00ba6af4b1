package load

import (
	"bufio"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// scripted is a server that reads requests one by one; script tells what it
// does with the nth, from 0, of all connections: it returns the bytes that it
// answers, and whether it closes the connection then.
type scripted struct {
	ln     net.Listener
	script func(n int) (answer string, closes bool)
	n      atomic.Int64
	mu     sync.Mutex
	open   map[net.Conn]bool // nil once it stops
	seen   map[string]int    // requests by their URI
	wg     sync.WaitGroup
}

const (
	fine   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	ending = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
)

func serveScript(t testing.TB, script func(n int) (answer string, closes bool)) *scripted {
	s := &scripted{ln: listen(t), script: script, open: map[net.Conn]bool{}, seen: map[string]int{}}
	s.wg.Go(func() {
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			if s.open == nil {
				conn.Close()
			} else {
				s.open[conn] = true
				s.wg.Go(func() { s.serve(conn) })
			}
			s.mu.Unlock()
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *scripted) addr() string { return s.ln.Addr().String() }

func (s *scripted) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var req fasthttp.Request
	for req.Read(r) == nil {
		s.mu.Lock()
		s.seen[string(req.Header.RequestURI())]++
		s.mu.Unlock()
		answer, closes := s.script(int(s.n.Add(1) - 1))
		if _, err := conn.Write([]byte(answer)); err != nil || closes {
			return
		}
	}
}

// stop closes the listener and all connections.
func (s *scripted) stop() {
	s.ln.Close()
	s.mu.Lock()
	for conn := range s.open {
		conn.Close()
	}
	s.open = nil
	s.mu.Unlock()
	s.wg.Wait()
}

// numbered gives each call a URI of its own, on a counter of its own.
func numbered(most int) func(req *fasthttp.Request, conn, n int) int {
	return func(req *fasthttp.Request, conn, n int) int {
		counter := min(conn*most+n, 4*most-1)
		req.SetRequestURI("/" + strconv.Itoa(counter))
		return counter
	}
}

// TestNoCallIsSentTwice has a server that closes connections in all ways. A
// client that retried what looks repeatable would be seen at once.
func TestNoCallIsSentTwice(t *testing.T) {
	ways := []struct {
		answer string
		closes bool
		want   Verdict
	}{
		{fine, false, Admitted},
		{"", true, Unknown},                               // closed without an answer
		{fine, true, Admitted},                            // closed after it, without a word: the next call finds out
		{ending, true, Admitted},                          // closed after it, as announced
		{fine[:20], true, Unknown},                        // within the header
		{fine[:len(fine)-1], true, Unknown},               // within the body
		{fine + fine, false, Admitted},                    // with an answer that nobody asked for
		{"no HTTP\r\n\r\n", false, Unknown},               //
		{"HTTP/1.1 100 \r\n\r\n" + fine, false, Admitted}, // an interim answer first
	}
	s := serveScript(t, func(n int) (string, bool) { w := ways[n%len(ways)]; return w.answer, w.closes })
	p := short(s.addr())
	const most = 100_000
	p.Prepare, p.Counters, p.Slice = numbered(most), 4*most, 100*time.Millisecond
	o := mustRun(t, p)
	s.stop()
	if len(o.Calls) < 4*len(ways) {
		t.Fatalf("only %d calls were made", len(o.Calls))
	}
	unknown, lost := 0, 0
	for _, c := range o.Calls {
		n := s.seen["/"+strconv.Itoa(int(c.Counter))]
		if n > 1 {
			t.Fatalf("call %d was sent %d times", c.Counter, n)
		}
		switch {
		case c.Verdict == Unknown && n == 0:
			lost++ // sent on a connection that was closed already
		case c.Verdict == Unknown:
			unknown++
		case n == 0:
			t.Fatalf("call %d was never sent, and answered", c.Counter)
		}
	}
	if unknown == 0 || lost == 0 {
		t.Errorf("%d calls got no answer, %d met a closed connection: want both", unknown, lost)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, test := range []struct {
		answer string
		closes bool
		want   Verdict
	}{
		{"", true, Unknown},
		{fine[:20], true, Unknown},
		{fine[:len(fine)-1], true, Unknown},
		{"no HTTP\r\n\r\n", false, Unknown},
		{"HTTP/1.1 100 \r\n\r\n" + fine, false, Admitted},
		{ending, true, Admitted},
		{fine + fine, false, Admitted},
	} {
		s := serveScript(t, func(int) (string, bool) { return test.answer, test.closes })
		p := short(s.addr(), Target{URI: "/"})
		p.Warmup, p.Slices = 0, 1
		o := mustRun(t, p)
		s.stop()
		if n := len(only(o.Calls, test.want)); n != len(o.Calls) || n == 0 {
			t.Errorf("%q, closes %v: %d of %d calls came to %d", test.answer, test.closes, n, len(o.Calls), test.want)
		}
	}
}

// TestServerThatIsGone stops the server in the middle. What cannot be sent is
// no call on a counter.
func TestServerThatIsGone(t *testing.T) {
	t.Parallel()
	s := serveScript(t, func(int) (string, bool) { return fine, false })
	p := short(s.addr(), Target{URI: "/"})
	p.Slice = 100 * time.Millisecond
	p.OnSlice = func(i int) {
		if i == 0 {
			s.stop()
		}
	}
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	for _, n := range s.seen {
		sent += n
	}
	if lost := len(o.Calls) - sent; lost < 0 || lost > p.Connections {
		t.Errorf("%d calls kept, the server saw %d of them", len(o.Calls), sent)
	}
	if o.Counts.Unknown == 0 || o.Counts.Unknown > uint64(p.Connections)*uint64(1+p.whole()/redialPause) {
		t.Errorf("%d calls without an answer, from a server that was gone for less than %v", o.Counts.Unknown, p.whole())
	}
}

// TestServerThatAnswersTooLate has calls given up after the timeout, and made
// again on a new connection.
func TestServerThatAnswersTooLate(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serveScript(t, func(n int) (string, bool) {
		if n < 4 {
			<-release
		}
		return fine, false
	})
	p := short(s.addr(), Target{URI: "/"})
	p.Timeout, p.Warmup, p.Slice = 20*time.Millisecond, 0, 200*time.Millisecond
	p.OnSlice = func(i int) {
		if i == p.Slices {
			close(release)
		}
	}
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(only(o.Calls, Unknown)) < 4 || len(only(o.Calls, Admitted)) == 0 {
		t.Errorf("%d calls without an answer, %d with one", len(only(o.Calls, Unknown)), len(only(o.Calls, Admitted)))
	}
}

// parrot is a connection that gives the same answer to whatever it is sent.
type parrot struct {
	net.Conn
	answer    []byte
	sent      int
	deadlines []time.Time
}

func (p *parrot) Write(b []byte) (int, error) { p.sent++; return len(b), nil }
func (p *parrot) Read(b []byte) (int, error)  { return copy(b, p.answer), nil }
func (p *parrot) Close() error                { return nil }

func (p *parrot) SetDeadline(t time.Time) error {
	p.deadlines = append(p.deadlines, t)
	return nil
}

// TestDeadlines has calls over 10 s on one connection, and one on the next. A
// call has the timeout at least, and no more than an eighth above it.
func TestDeadlines(t *testing.T) {
	var stopped atomic.Bool
	w := newWire("parrot:0", 8*time.Second, &stopped)
	var req fasthttp.Request
	var resp fasthttp.Response
	req.Header.SetHost("parrot")
	now := time.Unix(1_000_000, 0)
	call := func(conn *parrot) {
		t.Helper()
		answered, err := w.exchange(&req, &resp, now)
		if err != nil || !answered || len(conn.deadlines) == 0 {
			t.Fatalf("%v, %v, deadlines %v", answered, err, conn.deadlines)
		}
		if left := conn.deadlines[len(conn.deadlines)-1].Sub(now); left < 8*time.Second || left > 9*time.Second {
			t.Fatalf("a call has %v", left)
		}
	}
	first, second := &parrot{answer: []byte(fine)}, &parrot{answer: []byte(fine)}
	w.attach(first)
	for range 100 {
		call(first)
		now = now.Add(100 * time.Millisecond)
	}
	if len(first.deadlines) > 11 {
		t.Errorf("the deadline was set %d times in 10 s", len(first.deadlines))
	}
	w.attach(second)
	call(second)

	stopped.Store(true)
	w.interrupt()
	if left := second.deadlines[len(second.deadlines)-1].Sub(now); left > 0 {
		t.Errorf("a call that is interrupted has %v", left)
	}
	if answered, err := w.exchange(&req, &resp, now); answered || err != nil || second.sent != 1 {
		t.Errorf("a call after the end: %v, %v, sent %d times", answered, err, second.sent-1)
	}
}
