package upstream

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// world is the servers of a Group, without a network, and its clock.
type world struct {
	*Group
	now    atomic.Int64
	mu     sync.Mutex
	says   []func() string // by target: its answer; "" refuses the connection
	events []string
	called []string
}

const said200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func always(answer string) func() string { return func() string { return answer } }

func status(n int) func() string {
	return always(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", n))
}

var refuses = always("")

// newWorld makes a Group with a target of each weight; all answer 200.
func newWorld(t testing.TB, balance Balance, check *Check, weights ...int) *world {
	t.Helper()
	w := &world{}
	w.now.Store(int64(time.Hour))
	cfg := GroupConfig{
		Balance: balance, Check: check,
		Random: rand.New(rand.NewPCG(1, 2)).Uint64N,
		Server: Config{
			Clock:    func() time.Time { return processStart.Add(time.Duration(w.now.Load())) },
			MaxConns: 1000, IdleTimeout: time.Hour, MaxConnAge: time.Hour, Timeout: time.Hour, ConnWait: time.Second,
			ConnectTimeout: time.Second, MaxHeader: 4 << 10, BodyBuffer: 8 << 10, MaxBody: 1 << 20,
		},
		Observer: func(target string) TargetObserver { return &witness{w, target} },
	}
	for i, weight := range weights {
		cfg.Targets = append(cfg.Targets, TargetConfig{URL: fmt.Sprintf("http://t%d", i), Weight: weight})
		w.says = append(w.says, always(said200))
	}
	var err error
	if w.Group, err = NewGroup(cfg); err != nil {
		t.Fatal(err)
	}
	w.wire(w.Group)
	return w
}

// wire connects the targets of a Group to what they say.
func (w *world) wire(g *Group) {
	for i, target := range g.targets {
		target.server.pool.dial = func(time.Time) (*conn, error) {
			w.mu.Lock()
			answer := w.says[i]()
			w.mu.Unlock()
			if answer == "" {
				return nil, errors.New("connection refused")
			}
			return newConn(tape{nil, strings.NewReader(answer)}, netip.Addr{}), nil
		}
		target.server.pool.fits = func(*conn) bool { return false } // each call has its own
	}
}

func (w *world) set(target int, how func() string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says[target] = how
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// witness writes down what a target's observer is told.
type witness struct {
	w      *world
	target string
}

func (o *witness) Called(err error, goesOn bool) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.called = append(o.w.called, o.target)
}

func (o *witness) Changed(c Change) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.events = append(o.w.events, fmt.Sprintf("%s %v %v", o.target, c.Event, c.For))
}

// told returns the events so far, and forgets them.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// call makes one call and returns who has answered, or the reason why nobody
// has.
func (w *world) call(key uint64) string {
	a := &Answer{}
	_, err := w.Do(&Request{Method: "POST", Path: []byte("/")}, a, key)
	if err != nil {
		return err.(*Error).Reason.String()
	}
	a.DropBody()
	return strings.TrimSuffix(a.Target, ":80")
}

// calls counts who answers n calls.
func (w *world) calls(n int) map[string]int {
	by := map[string]int{}
	for i := range n {
		by[w.call(mix(uint64(i)))]++
	}
	return by
}

func near(t *testing.T, what string, got int, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 4*math.Sqrt(want)+1 {
		t.Errorf("%s: %d, want about %.0f", what, got, want)
	}
}

// TestBalanceByWeight: each balance gives the targets their shares.
func TestBalanceByWeight(t *testing.T) {
	const n = 9000
	for _, balance := range []Balance{LeastRequests, RoundRobin, HashBy} {
		w := newWorld(t, balance, nil, 1, 3, 5)
		by := w.calls(n)
		for target, want := range map[string]float64{"t0": n / 9, "t1": n / 3, "t2": 5 * n / 9} {
			near(t, fmt.Sprintf("balance %d, %s", balance, target), by[target], want)
		}
	}
}

// TestRoundRobin: the order is smooth: a target of more weight is never called
// in a row if others are due.
func TestRoundRobin(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 5, 1, 1)
	var order []string
	for range 14 {
		order = append(order, w.call(0))
	}
	if got := strings.Join(order, " "); got != "t0 t0 t1 t0 t2 t0 t0 t0 t0 t1 t0 t2 t0 t0" {
		t.Errorf("in the order %s", got)
	}
}

// TestLeastRequests: who has more calls in flight for its weight gets fewer, and
// one that hangs gets no more than the others have.
func TestLeastRequests(t *testing.T) {
	w := newWorld(t, LeastRequests, nil, 1, 1, 1)
	w.targets[1].inFlight.Store(100)
	if by := w.calls(300); by["t1"] != 0 {
		t.Errorf("one with 100 calls in flight got %d of 300", by["t1"])
	}
	w = newWorld(t, LeastRequests, nil, 9, 1)
	w.targets[0].inFlight.Store(4)
	by := w.calls(1000)
	near(t, "half of an even share in flight: the light target", by["t1"], 100)
	w.targets[0].inFlight.Store(9)
	if by := w.calls(300); by["t0"] != 0 {
		t.Errorf("with 9 calls for the weight 9 against none, t0 got %d", by["t0"])
	}
}

// TestInFlight: a call counts until its answer has ended.
func TestInFlight(t *testing.T) {
	w := newWorld(t, LeastRequests, nil, 1, 1)
	long := "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000)
	w.set(0, always(long))
	w.set(1, always(long))
	a := &Answer{}
	if _, err := w.Do(&Request{Method: "GET", Path: []byte("/")}, a, 0); err != nil || a.Coming == nil {
		t.Fatalf("%+v, %v", a, err)
	}
	sum := func() int64 { return w.targets[0].inFlight.Load() + w.targets[1].inFlight.Load() }
	if sum() != 1 {
		t.Errorf("%d in flight while the body comes", sum())
	}
	if _, err := io.Copy(io.Discard, a.Coming); err != nil {
		t.Fatal(err)
	}
	a.DropBody()
	w.set(0, refuses)
	w.set(1, status(500))
	w.calls(5)
	if sum() != 0 {
		t.Errorf("%d in flight at the end", sum())
	}
}

// TestHashMovesOnlyWhatMust: a key stays at its target; when one is out only its
// keys go elsewhere, and to all others; all nodes and all orders agree.
func TestHashMovesOnlyWhatMust(t *testing.T) {
	const keys = 4000
	w, reversed := newWorld(t, HashBy, nil, 1, 1, 1, 1), newWorld(t, HashBy, nil, 1, 1, 1, 1)
	slices.Reverse(reversed.targets)
	for i, target := range reversed.targets {
		target.index = i
	}
	slices.Reverse(reversed.says)
	home := map[uint64]string{}
	for i := range uint64(keys) {
		key := HashOf(fmt.Append(nil, "user", i))
		home[key] = w.call(key)
		if again := reversed.call(key); again != home[key] {
			t.Fatalf("key %d is at %s, with the targets in another order at %s", key, home[key], again)
		}
	}
	w.targets[2].from.Store(math.MaxInt64) // ejected
	moved := map[string]int{}
	for key, target := range home {
		now := w.call(key)
		if target != "t2" && now != target {
			t.Fatalf("key %d went from %s to %s, and t2 was ejected", key, target, now)
		}
		if target == "t2" {
			moved[now]++
		}
	}
	for _, target := range []string{"t0", "t1", "t3"} {
		near(t, "moved to "+target, moved[target], keys/12)
	}
}

// TestRefusedConnection: a connection that cannot be had fails no call where
// there is another target; the one is then left alone, until one call tries it.
func TestRefusedConnection(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 1, 1, 1)
	w.set(1, refuses)
	if by := w.calls(30); by["t0"]+by["t2"] != 30 {
		t.Fatalf("calls were answered by %v", by)
	}
	tries := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		n := 0
		for _, target := range w.called {
			if target == "t1:80" {
				n++
			}
		}
		return n
	}
	if tries() != 1 {
		t.Errorf("it was tried %d times at once", tries())
	}
	w.pass(holdOff)
	if by := w.calls(30); by["t0"]+by["t2"] != 30 || tries() != 2 {
		t.Errorf("a second later: %v, tried %d times in all", by, tries())
	}
	w.pass(holdOff)
	trials := 0
	for range 30 { // at the same time: the first has not ended
		if w.choose(0, 0, w.moment()) == w.targets[1] {
			trials++
		}
	}
	if trials != 1 {
		t.Errorf("%d calls at the same time try it", trials)
	}
	w.set(1, always(said200))
	w.pass(holdOff)
	if by := w.calls(30); by["t1"] < 9 {
		t.Errorf("when it is back: %v", by)
	}
}

// TestNoTarget is the table of 50201: the codes of two calls that follow each
// other.
func TestNoTarget(t *testing.T) {
	check := &Check{Path: "/", Interval: time.Hour, Timeout: time.Second}
	for name, tc := range map[string]struct {
		check       *Check
		targets     int
		how         func() string
		failing     []int
		first, then string
	}{
		"one, refuses":                    {nil, 1, refuses, nil, "connect", "connect"},
		"one with a check, refuses":       {check, 1, refuses, nil, "connect", "connect"},
		"one, fails its check":            {check, 1, always(said200), []int{0}, "no_target", "no_target"},
		"two, both refuse":                {nil, 2, refuses, nil, "connect", "no_target"},
		"two, one fails, one refuses":     {check, 2, refuses, []int{1}, "connect", "no_target"},
		"two, both fail their check":      {check, 2, always(said200), []int{0, 1}, "no_target", "no_target"},
		"two, one fails its check":        {check, 2, always(said200), []int{1}, "t0", "t0"},
		"two, both break":                 {nil, 2, always("nonsense\r\n\r\n"), nil, "broken", "broken"},
		"three, each refuses":             {nil, 3, refuses, nil, "connect", "no_target"},
		"two, answer 503 again and again": {nil, 2, status(503), nil, "t", "t"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, LeastRequests, tc.check, slices.Repeat([]int{1}, tc.targets)...)
			for i := range tc.targets {
				w.set(i, tc.how)
			}
			for _, i := range tc.failing {
				w.targets[i].failing.Store(true)
			}
			if got := w.call(0); !strings.HasPrefix(got, tc.first) {
				t.Errorf("the first call: %s, want %s", got, tc.first)
			}
			for range 20 {
				if got := w.call(0); !strings.HasPrefix(got, tc.then) {
					t.Errorf("a later call: %s, want %s", got, tc.then)
				}
			}
		})
	}
}

// TestRefusalTriesEverybody: a call that meets a refusal tries those too that
// have refused an earlier call: one may be back while the other goes.
func TestRefusalTriesEverybody(t *testing.T) {
	w := newWorld(t, LeastRequests, nil, 1, 1)
	w.set(0, refuses)
	w.calls(10)
	w.set(0, always(said200))
	w.set(1, refuses)
	if by := w.calls(20); by["t0"] != 20 {
		t.Errorf("one was back when the other went: %v", by)
	}
}

// TestEjection: what ejects a target, for how long, and how it returns.
func TestEjection(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 1, 1)
	eject := func(want time.Duration) {
		t.Helper()
		w.set(1, status(503))
		w.calls(20)
		w.set(1, always(said200))
		if got := w.told(); len(got) != 1 || got[0] != fmt.Sprintf("t1:80 ejected %v", want) {
			t.Fatalf("events %q, want an ejection for %v", got, want)
		}
		w.pass(want - 1)
		if by := w.calls(20); by["t0"] != 20 {
			t.Fatalf("while it is ejected: %v", by)
		}
		w.pass(1)
	}
	eject(10 * time.Second)
	by := w.calls(110)
	if by["t1"] != 10 {
		t.Errorf("at its return it gets %d of 110 calls, want a tenth of its share", by["t1"])
	}
	w.pass(slowReturn / 2)
	if by := w.calls(150); by["t1"] != 50 {
		t.Errorf("half way it gets %d of 150 calls, want half of its share", by["t1"])
	}
	w.pass(slowReturn / 2)
	if by := w.calls(100); by["t1"] != 50 {
		t.Errorf("in the end it gets %d of 100 calls", by["t1"])
	}
	if got := w.told(); len(got) != 1 || got[0] != "t1:80 returned 0s" {
		t.Errorf("events %q", got)
	}
	for _, again := range []time.Duration{20, 40, 80, 160, 300, 300} {
		eject(again * time.Second)
		w.pass(slowReturn)
		w.calls(10)
		w.told()
	}
	w.pass(forgetAfter)
	eject(10 * time.Second)
}

// TestWhatEjects is the table of what counts as a failure, five times in a row.
func TestWhatEjects(t *testing.T) {
	for name, tc := range map[string]struct {
		how    func() string
		ejects bool
	}{
		"200":      {always(said200), false},
		"404":      {status(404), false},
		"429":      {status(429), false},
		"500":      {status(500), false},
		"501":      {status(501), false},
		"502":      {status(502), true},
		"503":      {status(503), true},
		"504":      {status(504), true},
		"507":      {status(507), false},
		"nonsense": {always("nonsense\r\n\r\n"), true},
		"closed":   {always("HTTP/1.1 200"), true},
		"refused":  {refuses, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, RoundRobin, nil, 1, 1)
			w.set(1, tc.how)
			for range 60 {
				w.call(0)
				w.pass(holdOff / 10)
			}
			if got := w.targets[1].from.Load() != 0; got != tc.ejects {
				t.Errorf("ejected: %v, want %v", got, tc.ejects)
			}
		})
	}
	t.Run("not in a row", func(t *testing.T) {
		w := newWorld(t, RoundRobin, nil, 1, 1)
		n := 0
		w.set(1, func() string {
			if n++; n%5 == 0 {
				return said200
			}
			return status(503)()
		})
		w.calls(200)
		if got := w.told(); len(got) > 0 {
			t.Errorf("%q", got)
		}
	})
}

// TestHalfStays: at most half of the targets are ejected, never the only one,
// and those that fail their check count; an ejected one is tried where no other
// is.
func TestHalfStays(t *testing.T) {
	for targets, most := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2} {
		w := newWorld(t, LeastRequests, nil, slices.Repeat([]int{1}, targets)...)
		for i := range targets {
			w.set(i, status(503))
		}
		w.calls(200)
		if got := len(w.told()); got != most {
			t.Errorf("of %d targets %d were ejected, want %d", targets, got, most)
		}
	}
	w := newWorld(t, LeastRequests, &Check{Path: "/", Interval: time.Hour, Timeout: time.Second}, 1, 1, 1)
	w.targets[0].failing.Store(true)
	w.set(1, status(503))
	w.set(2, status(503))
	w.calls(100)
	if got := w.told(); len(got) != 0 {
		t.Errorf("one of three fails its check: %q", got)
	}

	w = newWorld(t, LeastRequests, nil, 1, 1)
	w.set(0, status(503))
	w.calls(100)
	w.set(0, always(said200))
	w.set(1, refuses)
	if by := w.calls(10); by["t0"] != 10 {
		t.Errorf("the other one refuses: %v, want all at the ejected one", by)
	}
}

// TestChecked: how checks take a target out and in.
func TestChecked(t *testing.T) {
	w := newWorld(t, RoundRobin, &Check{Path: "/", Interval: time.Hour, Timeout: time.Second}, 1, 1)
	broken := errors.New("status 500")
	failed := w.checked(w.targets[1], broken, 0)
	if by := w.calls(10); by["t1"] != 5 {
		t.Errorf("after one failed check: %v", by)
	}
	w.checked(w.targets[1], broken, failed)
	if by := w.calls(10); by["t1"] != 0 {
		t.Errorf("after two failed checks: %v", by)
	}
	w.checked(w.targets[1], nil, failed)
	if by := w.calls(110); by["t1"] != 10 {
		t.Errorf("after one that passed: %v, want a slow return", by)
	}
	if got := strings.Join(w.told(), ", "); got != "t1:80 failing 0s, t1:80 passing 0s" {
		t.Errorf("events %q", got)
	}

	// An ejection for refused connections ends when a check passes, one for
	// answers does not.
	for _, tc := range []struct {
		how  func() string
		back bool
	}{{refuses, true}, {status(503), false}} {
		w := newWorld(t, RoundRobin, &Check{Path: "/", Interval: time.Hour, Timeout: time.Second}, 1, 1)
		w.set(1, tc.how)
		for range 60 {
			w.call(0)
			w.pass(holdOff / 10)
		}
		w.told()
		w.set(1, always(said200))
		w.checked(w.targets[1], nil, 0)
		if by := w.calls(110); (by["t1"] == 10) != tc.back {
			t.Errorf("back: %v, want %v", by, tc.back)
		}
	}
}

// TestInherited: a Group that follows another knows what that knew of the
// targets of both.
func TestInherited(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 1, 1)
	w.set(1, status(503))
	w.calls(20)
	next := func(urls ...string) *Group {
		cfg := GroupConfig{Server: w.server, Former: w.Group}
		for _, u := range urls {
			cfg.Targets = append(cfg.Targets, TargetConfig{URL: u, Weight: 1})
		}
		g, err := NewGroup(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	healthy := map[string]bool{}
	next("http://t2", "http://t1", "http://t1/path").Healthy(func(label string, is bool) { healthy[label] = is })
	if fmt.Sprint(healthy) != "map[http://t1:false http://t1/path:true t2:80:true]" {
		t.Errorf("healthy: %v", healthy)
	}
}

// TestConnectTimeLeft: a target that is tried with what time another has left
// over is not blamed for that.
func TestConnectTimeLeft(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 1, 1)
	late := &Error{Reason: Timeout, Err: errTimeout, Unsent: true}
	for range 10 {
		w.judge(w.targets[1], 0, late, false)
	}
	if w.targets[1].row.Load() != 0 || w.targets[1].refused.Load() != 0 {
		t.Error("a target was blamed")
	}
	w.judge(w.targets[1], 0, late, true)
	if w.targets[1].row.Load() != 1 || w.targets[1].refused.Load() == 0 {
		t.Error("a target that is silent was not blamed")
	}
}

// TestUnsent: a request whose body is still coming goes to the next target
// untouched where a connection is refused; nothing is sent twice.
func TestUnsent(t *testing.T) {
	w := newWorld(t, RoundRobin, nil, 1, 1)
	w.set(0, refuses)
	src := &source{}
	a := &Answer{}
	if _, err := w.Do(&Request{Method: "POST", Path: []byte("/"), Coming: src, Length: 2}, a, 0); err != nil || a.Target != "t1:80" {
		t.Fatalf("%s, %v", a.Target, err)
	}
	a.DropBody()
	if src.next.Load() != 1 || src.closed.Load() != 1 {
		t.Errorf("the body was read %d times and closed %d times", src.next.Load(), src.closed.Load())
	}
	w.set(0, always("nonsense\r\n\r\n"))
	w.set(1, always("nonsense\r\n\r\n"))
	w.called = nil
	if got := w.call(0); got != "broken" || len(w.called) != 1 {
		t.Errorf("a broken answer: %s, called %v", got, w.called)
	}
}

// source is a body of two bytes.
type source struct{ next, closed atomic.Int32 }

func (s *source) Next() ([]byte, error) { s.next.Add(1); return []byte("hi"), io.EOF }
func (s *source) Stop()                 {}
func (s *source) Close()                { s.closed.Add(1) }
