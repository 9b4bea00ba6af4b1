package load

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// short is a closed loop of a few connections and slices.
func short(addr string, targets ...Target) Plan {
	return Plan{
		Addresses: []string{addr}, Connections: 4, Warmup: 40 * time.Millisecond, Slice: 40 * time.Millisecond, Slices: 3,
		Timeout: 30 * time.Second, Prepare: Plain(targets...), Counters: len(targets),
	}
}

// mustRun carries the plan out, and compares what the outcome says in several
// ways. All calls must be on counters, and sent.
func mustRun(t *testing.T, p Plan) *Outcome {
	t.Helper()
	var slicesSeen []int
	p.OnSlice = func(next func(int)) func(int) {
		return func(i int) {
			slicesSeen = append(slicesSeen, i)
			if next != nil {
				next(i)
			}
		}
	}(p.OnSlice)
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range slicesSeen {
		if i != n {
			t.Fatalf("OnSlice was called with %v", slicesSeen)
		}
	}
	if len(slicesSeen) != p.Slices+1 {
		t.Fatalf("OnSlice was called with %v, want all up to %d", slicesSeen, p.Slices)
	}
	checkCounts(t, &p, o)
	return o
}

// checkCounts compares the figures of an outcome with its calls.
func checkCounts(t *testing.T, p *Plan, o *Outcome) {
	t.Helper()
	var counts [Unknown + 1]uint64
	answered := make([]uint64, p.Slices)
	for _, c := range o.Calls {
		if c.Begin > c.End {
			t.Fatalf("a call ended before it began: %+v", c)
		}
		switch {
		case c.End < p.Warmup || c.End >= p.whole() && c.Verdict != Unknown:
			continue
		case c.Verdict != Unknown:
			answered[(c.End-p.Warmup)/p.Slice]++
		}
		counts[c.Verdict]++
	}
	c := o.Counts
	if got := [...]uint64{c.Admitted, c.Refused, c.Undecided, c.Failed, c.Unknown}; got != counts {
		t.Errorf("counted %v, the calls say %v", got, counts)
	}
	if sum := c.Admitted + c.Refused + c.Undecided + c.Failed + c.Unknown + c.Unsent; c.Offered != sum {
		t.Errorf("offered %d, the sum of the others is %d", c.Offered, sum)
	}
	var calls uint64
	for i, s := range o.Slices {
		if s.Calls != answered[i] {
			t.Errorf("slice %d: answered %d, the calls say %d", i, s.Calls, answered[i])
		}
		if s.Calls > 0 && (s.P50 <= 0 || s.P99 < s.P50) || s.Seconds != p.Slice.Seconds() {
			t.Errorf("slice %d: %+v", i, s)
		}
		calls += s.Calls
	}
	if got := uint64(o.Latency.TotalCount()); got != calls {
		t.Errorf("the histogram has %d calls, the slices %d", got, calls)
	}
	if (o.Lateness != nil) != (p.Rate > 0) {
		t.Errorf("rate %v: lateness is %v", p.Rate, o.Lateness)
	}
	if o.Lateness != nil && uint64(o.Lateness.TotalCount()) != c.Offered-c.Unsent {
		t.Errorf("lateness of %d calls, of %d", o.Lateness.TotalCount(), c.Offered-c.Unsent)
	}
}

func envelopeOf(code int) string {
	return `{"header":{"resultCode":` + strconv.Itoa(code) + `,"resultMessage":"` + strconv.Itoa(code) + ` no","isSuccessful":false}}`
}

func TestCallsAreJudged(t *testing.T) {
	answers := []struct {
		status int
		body   string
		want   Verdict
	}{
		{200, `{"id":1}`, Admitted},
		{204, "", Admitted},
		{403, envelopeOf(20004), Refused},
		{503, envelopeOf(50300), Undecided},
		{503, envelopeOf(50301), Failed},
		{403, envelopeOf(40300), Failed},
		{403, "", Failed},
		{401, envelopeOf(20001), Failed},
		{429, "", Failed},
		{500, envelopeOf(20004), Failed},
		{302, "", Failed},
	}
	var targets []Target
	for i := range answers {
		targets = append(targets, Target{URI: "/" + strconv.Itoa(i), Counter: i})
	}
	var mu sync.Mutex
	served := make([]int, len(answers))
	addr := serve(t, func(ctx *fasthttp.RequestCtx) {
		i, _ := strconv.Atoi(string(ctx.Path()[1:]))
		mu.Lock()
		served[i]++
		mu.Unlock()
		ctx.SetStatusCode(answers[i].status)
		ctx.SetBodyString(answers[i].body)
	})
	o := mustRun(t, short(addr, targets...))
	called := make([]int, len(answers))
	for _, c := range o.Calls {
		called[c.Counter]++
		if want := answers[c.Counter].want; c.Verdict != want {
			t.Fatalf("answer %d %s was taken for %d, want %d", answers[c.Counter].status, answers[c.Counter].body, c.Verdict, want)
		}
	}
	if !slices.Equal(called, served) {
		t.Errorf("the calls say %v, the server %v", called, served)
	}
}

func TestJudgeOfThePlan(t *testing.T) {
	addr := serve(t, func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(429) })
	p := short(addr, Target{URI: "/"})
	p.Judge = func(resp *fasthttp.Response) Verdict {
		if resp.StatusCode() == 429 {
			return Refused
		}
		return Failed
	}
	o := mustRun(t, p)
	if n := len(only(o.Calls, Refused)); n == 0 || n != len(o.Calls) {
		t.Errorf("%d of %d calls were refused", n, len(o.Calls))
	}
}

func TestCallsOnNoCounterAreNotKept(t *testing.T) {
	addr := serve(t, func(*fasthttp.RequestCtx) {})
	p := short(addr, Target{URI: "/", Counter: -1})
	p.Counters = 0
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Calls) != 0 || o.Counts.Admitted == 0 {
		t.Errorf("%d calls kept, %+v", len(o.Calls), o.Counts)
	}
}

func TestConnectionsAreKeptAndShared(t *testing.T) {
	var mu sync.Mutex
	from := map[string]int{} // calls by server and client address
	count := func(ctx *fasthttp.RequestCtx) {
		mu.Lock()
		defer mu.Unlock()
		from[ctx.LocalAddr().String()+" "+ctx.RemoteAddr().String()]++
	}
	p := short("", Target{URI: "/"})
	p.Addresses = []string{serve(t, count), serve(t, count)}
	p.Connections = 6
	mustRun(t, p)
	byServer := map[string]int{}
	for pair := range from {
		server, _, _ := strings.Cut(pair, " ")
		byServer[server]++
	}
	if byServer[p.Addresses[0]] != 3 || byServer[p.Addresses[1]] != 3 {
		t.Errorf("connections by server: %v, want 3 of each", byServer)
	}
}

// TestEveryKindOfBody has calls and answers with bodies of all sizes, and a
// HEAD, on the same connections.
func TestEveryKindOfBody(t *testing.T) {
	large := slices.Repeat([]byte("0123456789abcdef"), 1<<16)
	var mu sync.Mutex
	wrong := ""
	addr := serve(t, func(ctx *fasthttp.RequestCtx) {
		want, _ := strconv.Atoi(string(ctx.QueryArgs().Peek("n")))
		if len(ctx.PostBody()) != want || ctx.IsHead() && want != 0 || string(ctx.Host()) == "" {
			mu.Lock()
			wrong = ctx.Request.Header.String()
			mu.Unlock()
		}
		ctx.SetBody(ctx.PostBody())
	})
	p := short(addr,
		Target{Method: "POST", URI: "/?n=1048576", Body: large, Counter: 0},
		Target{Method: "HEAD", URI: "/?n=0", Counter: 0},
		Target{Method: "POST", URI: "/?n=0", Counter: 0},
		Target{Method: "PUT", URI: "/?n=7", Body: large[:7], Counter: 0},
		Target{URI: "/?n=0", Counter: 0},
	)
	o := mustRun(t, p)
	if n := len(only(o.Calls, Admitted)); n != len(o.Calls) || wrong != "" {
		t.Errorf("%d of %d calls were answered; the server took offence at %q", n, len(o.Calls), wrong)
	}
}

func TestPlansThatAreNone(t *testing.T) {
	good := short("127.0.0.1:1", Target{URI: "/"})
	for _, test := range []struct {
		change func(*Plan)
		want   string
	}{
		{func(p *Plan) { p.Addresses = nil }, "Addresses is empty: must have one host:port or more"},
		{func(p *Plan) { p.Addresses = []string{"nowhere"} }, `Addresses has "nowhere": must be host:port`},
		{func(p *Plan) { p.Connections = 0 }, "Connections is 0: must be 1 to 20000"},
		{func(p *Plan) { p.Connections = 20_001 }, "Connections is 20001: must be 1 to 20000"},
		{func(p *Plan) { p.Rate = -1 }, "Rate is -1: must be 1 an hour to 1e+06 a second, or 0 for a closed loop"},
		{func(p *Plan) { p.Rate = 2e6 }, "Rate is 2e+06: must be 1 an hour to 1e+06 a second, or 0 for a closed loop"},
		{func(p *Plan) { p.Slices = 0 }, "Slices is 0: must be 1 to 1000"},
		{func(p *Plan) { p.Warmup = -1 }, "Warmup is -1ns: must be 0s to 24h0m0s"},
		{func(p *Plan) { p.Slice = 0 }, "Slice is 0s: must be 1ms to 24h0m0s"},
		{func(p *Plan) { p.Timeout = 61 * time.Second }, "Timeout is 1m1s: must be 1ms to 1m0s"},
		{func(p *Plan) { p.Prepare = nil }, "Prepare is nil: must make the calls ready"},
		{func(p *Plan) { p.Counters = -1 }, "Counters is -1: must be 0 to 2147483647"},
	} {
		p := good
		test.change(&p)
		if _, err := Run(t.Context(), p); err == nil || err.Error() != "load plan: "+test.want {
			t.Errorf("got %v, want load plan: %s", err, test.want)
		}
	}
}

func TestPrepareThatIsWrong(t *testing.T) {
	addr := serve(t, func(*fasthttp.RequestCtx) {})
	p := short(addr, Target{URI: "/", Counter: 1})
	if _, err := Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "on counter 1: must be -1 or below Counters, 1") {
		t.Errorf("a counter that is none: %v", err)
	}
	p.Prepare = func(req *fasthttp.Request, _, _ int) int {
		req.SetBodyStream(strings.NewReader("x"), 2)
		return 0
	}
	if _, err := Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "which cannot be written") {
		t.Errorf("a request that is none: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	ln := listen(t)
	addr := ln.Addr().String()
	ln.Close()
	var refused *net.OpError
	if _, err := Run(t.Context(), short(addr, Target{URI: "/"})); !errors.As(err, &refused) || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v, want one that names %s", err, addr)
	}
}

// TestRunEndsWithItsContext has calls under way that nobody answers, and some
// that are not due yet.
func TestRunEndsWithItsContext(t *testing.T) {
	for _, rate := range []float64{0, 200, 1} {
		release := make(chan struct{})
		addr := serve(t, func(*fasthttp.RequestCtx) { <-release })
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		p := short(addr, Target{URI: "/"})
		p.Rate, p.Slice, p.Timeout = rate, time.Hour, MostTimeout
		p.OnSlice = func(int) { cancel(enough) }
		if _, err := Run(ctx, p); !errors.Is(err, enough) {
			t.Errorf("rate %v: got %v", rate, err)
		}
		close(release)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(500) })
	var seen []Progress
	ctx, cancel := context.WithCancel(t.Context())
	p := short(addr, Target{URI: "/"})
	p.Warmup, p.Slice = time.Second, time.Hour
	p.Progress = func(at Progress) {
		if seen = append(seen, at); len(seen) == 2 {
			cancel()
		}
	}
	if _, err := Run(ctx, p); !errors.Is(err, context.Canceled) || len(seen) != 2 {
		t.Fatalf("%v, reports: %+v", err, seen)
	}
	var before Progress
	for _, at := range seen {
		if at.Calls == 0 || at.Failed-before.Failed != at.Calls || at.P99 <= 0 {
			t.Errorf("all calls fail, after %+v: %+v", before, at)
		}
		if at.Whole != p.whole() || at.Warming != (at.Elapsed < p.Warmup) || time.Duration(at.Seconds*1e9) > at.Elapsed-before.Elapsed+time.Microsecond {
			t.Errorf("after %+v: %+v", before, at)
		}
		before = at
	}
}
