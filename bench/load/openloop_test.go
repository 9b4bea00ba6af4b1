package load

import (
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// atRate is one connection for two slices of 200 ms, at a server that holds
// calls until slice release begins.
func atRate(t *testing.T, rate float64, release int) Plan {
	open := make(chan struct{})
	addr := serve(t, func(*fasthttp.RequestCtx) { <-open })
	p := short(addr, Target{URI: "/"})
	p.Connections, p.Rate, p.Warmup, p.Slice, p.Slices = 1, rate, 0, 200*time.Millisecond, 2
	p.OnSlice = func(i int) {
		if i == release {
			close(open)
		}
	}
	return p
}

// slower is how many calls of the outcome took d or longer.
func slower(o *Outcome, d time.Duration) (n int64) {
	for _, bar := range o.Latency.Distribution() {
		if bar.From >= d.Microseconds() {
			n += bar.Count
		}
	}
	return n
}

// TestOpenLoopHidesNoStall has a server that stalls for 200 ms. Each of the 100
// calls that were due in the first half of it waited for 100 ms or longer, or
// was never made; a closed loop makes one call, and hides the others.
func TestOpenLoopHidesNoStall(t *testing.T) {
	t.Parallel()
	o := mustRun(t, atRate(t, 1000, 1))
	if o.Slices[0].Calls != 0 {
		t.Errorf("%d calls were answered during the stall", o.Slices[0].Calls)
	}
	// One call may have been answered after the end, and is not counted.
	if n := slower(o, 99*time.Millisecond) + int64(o.Counts.Unsent); n < 99 {
		t.Errorf("%d calls show the stall, want 100", n)
	}
	// That they were sent late was the server's doing.
	if late := o.Lateness.ValueAtQuantile(75); late > 50_000 {
		t.Errorf("a quarter of the calls are said to be sent %d µs late", late)
	}
	if o.Counts.Offered != 400 && o.Counts.Offered != 399 {
		t.Errorf("offered %d, want 400", o.Counts.Offered)
	}

	o = mustRun(t, atRate(t, 0, 1))
	stalled := 0
	for _, c := range o.Calls {
		if c.Begin < 200*time.Millisecond {
			stalled++
		}
	}
	if stalled != 1 {
		t.Errorf("a closed loop made %d calls during the stall, want 1", stalled)
	}
}

// TestUnsent has a server that stalls until the load is over: the first call is
// answered after it, the other 399 are never made.
func TestUnsent(t *testing.T) {
	t.Parallel()
	o := mustRun(t, atRate(t, 1000, 2))
	if c := o.Counts; c.Offered != 399 || c.Unsent != 399 {
		t.Errorf("got %+v, want 399 calls that were not sent", c)
	}
	if len(o.Calls) != 1 || o.Calls[0].Verdict != Admitted {
		t.Errorf("calls: %+v, want the one that was answered late", o.Calls)
	}
}

// TestNoAnswerAtTheEnd has a server that stalls for longer than the timeout.
func TestNoAnswerAtTheEnd(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	p := short(serve(t, func(*fasthttp.RequestCtx) { <-open }), Target{URI: "/"})
	defer close(open)
	p.Connections, p.Timeout = 1, p.whole()+20*time.Millisecond
	if o := mustRun(t, p); o.Counts.Offered != 1 || o.Counts.Unknown != 1 {
		t.Errorf("got %+v, want one call without an answer", o.Counts)
	}
}

// TestCallsAreDue looks at when the calls of an open loop were sent: never
// before they were due, each by its own connection, none left out.
func TestCallsAreDue(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(*fasthttp.RequestCtx) {})
	p := short(addr, Target{URI: "/"})
	p.Connections, p.Rate, p.Warmup, p.Slices = 7, 700, 0, 5
	var mu sync.Mutex
	made := map[[2]int]bool{}
	p.Counters = p.Connections
	p.Prepare = func(req *fasthttp.Request, conn, n int) int {
		req.SetRequestURI("/")
		mu.Lock()
		made[[2]int{conn, n}] = true
		mu.Unlock()
		return conn
	}
	o := mustRun(t, p)
	// 700 calls a second for 200 ms.
	if sum := len(o.Calls) + int(o.Counts.Unsent); sum != 140 {
		t.Errorf("%d calls made and %d not, want 140 in all", len(o.Calls), o.Counts.Unsent)
	}
	seen := make([]int, p.Connections)
	for _, c := range o.Calls {
		conn, n := int(c.Counter), seen[c.Counter]
		seen[conn]++
		if due := time.Duration(n*7+conn) * time.Second / 700; c.Begin < due-time.Microsecond {
			t.Errorf("call %d of connection %d was made at %v, due at %v", n, conn, c.Begin, due)
		}
		if !made[[2]int{conn, n}] {
			t.Errorf("call %d of connection %d was not prepared", n, conn)
		}
	}
}
