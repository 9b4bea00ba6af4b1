package ledger

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

// These tests have the ledger's own loop send the frames.

// poll waits until ok holds.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatalf("waited %v, and still not: %s", patience, what)
		}
	}
}

// queued is the number of calls that wait for the next frame.
func (l *Ledger) queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// underWay reports whether a frame is.
func (l *Ledger) underWay() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sending
}

// books is what the log has of the first counter.
func (g *rig) books() quota.Reading {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Readings("d", 0)[0]
}

// taken is what Take has returned.
type taken struct {
	quota.Verdict
	err error
}

// takers makes n calls at once.
func (l *Ledger) takers(n int, endpoint string) <-chan taken {
	got := make(chan taken, n)
	for range n {
		go func() {
			v, err := l.takeOne("d", endpoint)
			got <- taken{v, err}
		}()
	}
	return got
}

// count counts what n takers got.
func count(t *testing.T, got <-chan taken, n int) (admitted, refused, undecided int) {
	t.Helper()
	for range n {
		select {
		case o := <-got:
			switch {
			case o.err == ErrUndecided:
				undecided++
			case o.err != nil:
				t.Errorf("a call: %v", o.err)
			case o.Admitted:
				admitted++
			default:
				refused++
			}
		case <-time.After(patience):
			t.Fatalf("a caller gets no answer; %d admitted, %d refused, %d undecided", admitted, refused, undecided)
		}
	}
	return admitted, refused, undecided
}

// TestBudget: a caller gets ErrUndecided when its budget is over, and the unit
// that it was admitted for goes back, whether anybody calls again or not.
func TestBudget(t *testing.T) {
	const budget = 30 * time.Millisecond
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.params = strictly
	g.hold = make(chan struct{})
	g.budget = budget
	g.start()
	defer g.Close(t.Context())
	begin := time.Now()
	if _, _, undecided := count(t, g.takers(3, ""), 3); undecided != 3 {
		t.Fatalf("%d of 3 callers are undecided", undecided)
	}
	if took := time.Since(begin); took < budget {
		t.Errorf("given up after %v, the budget is %v", took, budget)
	}
	if got := g.ways(); got["unavailable"] != 3 || got["strict"] != 0 {
		t.Errorf("the metrics count %v", got)
	}
	close(g.hold)
	poll(t, "what nobody was there for is back", func() bool { return !g.busy() && g.books().Used == 0 })
	g.budget = patience
	if admitted, _, _ := count(t, g.takers(3, ""), 3); admitted != 3 {
		t.Errorf("%d of 3 callers are admitted afterwards", admitted)
	}
	if got := g.ways(); got["strict"] != 3 {
		t.Errorf("the metrics count %v", got)
	}
}

// TestLoopLooksAfterLeases: nobody calls any more, and the lease goes back.
func TestLoopLooksAfterLeases(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.start()
	defer g.Close(t.Context())
	if admitted, _, _ := count(t, g.takers(1, ""), 1); admitted != 1 {
		t.Fatal("the first call is not admitted")
	}
	poll(t, "a lease is here", func() bool { return g.books().Leased > 0 })
	g.after(spends - 50*time.Millisecond)
	poll(t, "it is back", func() bool { return g.books().Leased == 0 })
	if got := g.books().Used; got != 1 {
		t.Errorf("%d units are used, want 1", got)
	}
}

// TestCloseGivesBack: all that is leased goes back, what was spent is said, and
// who comes later is undecided at once.
func TestCloseGivesBack(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1000, ResetSeconds: 60})
	g.start()
	for range 100 {
		if v, err := g.takeOne("d", "e"); err != nil || !v.Admitted {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	if g.books().Leased == 0 {
		t.Fatal("nothing is leased")
	}
	g.Close(t.Context())
	g.reads("the domain", 1, 100, 0, quota.Leasing)
	g.reads("e", 2, 100, 0, quota.Leasing)
	if _, err := g.takeOne("d", "e"); err != ErrUndecided {
		t.Errorf("a call on a closed ledger: %v", err)
	}
	begin := time.Now()
	g.Close(t.Context()) // again does no harm
	if took := time.Since(begin); took > giveBackWait/2 {
		t.Errorf("closing again took %v", took)
	}
}

// TestCloseWithAFrameUnderWay: its callers are answered, and what it is granted
// goes back.
func TestCloseWithAFrameUnderWay(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.hold = make(chan struct{})
	g.start()
	got := g.takers(1, "")
	poll(t, "a frame is under way", g.underWay)
	late := g.takers(2, "")
	poll(t, "two calls wait", func() bool { return g.queued() == 2 })
	closed := make(chan struct{})
	go func() {
		g.Close(context.Background())
		close(closed)
	}()
	poll(t, "it closes", func() bool {
		g.Ledger.mu.Lock()
		defer g.Ledger.mu.Unlock()
		return g.closing
	})
	if _, err := g.takeOne("d", ""); err != ErrUndecided {
		t.Errorf("a call while it closes: %v", err)
	}
	close(g.hold)
	<-closed
	if admitted, _, _ := count(t, got, 1); admitted != 1 {
		t.Error("the call that was under way is not admitted")
	}
	if admitted, _, _ := count(t, late, 2); admitted != 2 {
		t.Errorf("%d of the 2 calls that waited are admitted", admitted)
	}
	g.reads("then", 1, 3, 0, quota.Leasing)
}

// TestCloseWithoutALeader: it waits no longer than it may, and everybody gets an
// answer, those in the frame under way and those that wait.
func TestCloseWithoutALeader(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1000, ResetSeconds: 60})
	g.hold = make(chan struct{})
	g.start()
	under := g.takers(1, "")
	poll(t, "a frame is under way", g.underWay)
	waiting := g.takers(20, "")
	poll(t, "all wait", func() bool { return g.queued() == 20 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begin := time.Now()
	g.Close(ctx)
	if took := time.Since(begin); took > giveBackWait/2 {
		t.Errorf("closing took %v, with a context that was over", took)
	}
	// Whoever closes gets an error of the context, the others ErrUndecided.
	for range 1 {
		if o := <-under; o.err == nil {
			t.Errorf("the call under way gets %+v", o)
		}
	}
	for range 20 {
		if o := <-waiting; o.err == nil {
			t.Errorf("a call that waited gets %+v", o)
		}
	}
}

// TestSettle: what was spent here is in the log when it returns, whatever is
// under way as it is called.
func TestSettle(t *testing.T) {
	g := newRig(t, quota.Condition{Max: 1 << 30, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 1, ResetSeconds: 60}, quota.Condition{Endpoint: "f", Max: 1 << 30, ResetSeconds: 60})
	g.start()
	defer g.Close(t.Context())
	g.Settle(t.Context(), "d") // nothing to say
	done := uint64(0)
	for range 200 {
		if v, err := g.takeOne("d", ""); err != nil || !v.Admitted {
			t.Fatalf("%+v, %v", v, err)
		}
		done++
		if done%7 == 0 {
			g.Settle(t.Context(), "d")
			if got := g.books().Used; got != done {
				t.Fatalf("after %d calls and settling up, %d are used", done, got)
			}
		}
	}
	// What refused calls owe is said as well.
	for range 2 {
		if _, err := g.takeOne("d", "e"); err != nil {
			t.Fatal(err)
		}
		done++
	}
	for range 50 {
		if v, err := g.takeOne("d", "e"); err != nil || v.Admitted {
			t.Fatalf("%+v, %v", v, err)
		}
		done++
	}
	g.Settle(t.Context(), "d")
	if got := g.books().Used; got != done {
		t.Errorf("after %d calls, %d are used", done, got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Settle(ctx, "d")
	g.Settle(t.Context(), "none")
}

// crowd is a rig with a second ledger, of n2, on the same state; both run.
func crowd(t *testing.T, budget time.Duration, delay func(), conditions ...quota.Condition) (*rig, []*Ledger) {
	g := newRig(t)
	g.delay = delay
	g.state.SetMembers(2)
	g.applier.stripes = 2
	g.budget = budget
	other := newLedger(Config{Node: "n2", Incarnation: 1, Wait: budget, Leases: g.params, Sender: g}, newMetrics(prometheus.NewRegistry()), g.clocks)
	g.others = []*Ledger{other}
	g.deploy(conditions...)
	g.start()
	other.start()
	return g, []*Ledger{g.Ledger, other}
}

// TestExactUnderLoad: however many call at two nodes at once, exactly as many
// are admitted as the window has, and none that calls after a refusal was
// answered.
func TestExactUnderLoad(t *testing.T) {
	for range 5 {
		const limit, callers, each = 4000, 16, 500
		g, ledgers := crowd(t, patience, nil, quota.Condition{Max: limit, ResetSeconds: 3600})
		var admitted, refused atomic.Int64
		var over atomic.Bool
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for range each {
					late := over.Load()
					switch v, err := ledgers[i%2].takeOne("d", ""); {
					case err != nil:
						t.Errorf("a call: %v", err)
					case v.Admitted:
						admitted.Add(1)
						if late {
							t.Error("admitted after a refusal was answered")
						}
					default:
						over.Store(true)
						refused.Add(1)
					}
				}
			})
		}
		wg.Wait()
		for _, l := range ledgers {
			l.Close(t.Context())
		}
		if admitted.Load() != limit || refused.Load() != callers*each-limit {
			t.Errorf("%d admitted and %d refused of %d calls on %d units", admitted.Load(), refused.Load(), callers*each, limit)
		}
		if b := g.books(); b.Used != limit || b.Leased != 0 || b.Phase != quota.Exhausted {
			t.Errorf("in the end: %+v", b)
		}
	}
}

// TestEveryUnitIsSomewhere: under load, with callers that give up at any moment,
// every unit that was taken has admitted a call or is back. Calls pay the
// domain out of leases and wait for the endpoint, which is strict.
func TestEveryUnitIsSomewhere(t *testing.T) {
	// A frame takes about as long as the callers wait.
	const budget = time.Millisecond
	slow := func() { time.Sleep(rand.N(2 * budget)) }
	g, ledgers := crowd(t, budget, slow,
		quota.Condition{Max: 1 << 30, ResetSeconds: 3600}, quota.Condition{Endpoint: "e", Max: 1, ResetSeconds: 3600})
	g.other("n3", quota.Frame{Takes: []quota.Take{takeOf(1, 2)}}) // starts strict
	g.deploy(quota.Condition{Max: 1 << 30, ResetSeconds: 3600}, quota.Condition{Endpoint: "e", Max: 1 << 20, ResetSeconds: 3600})
	var admitted, undecided atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for range 50 {
				switch v, err := ledgers[i%2].takeOne("d", "e"); {
				case err != nil:
					undecided.Add(1)
				case v.Admitted:
					admitted.Add(1)
				default:
					t.Error("refused")
				}
			}
		})
	}
	wg.Wait()
	for _, l := range ledgers {
		poll(t, "nothing is owed", func() bool { return !l.busy() })
		l.Close(t.Context())
	}
	if admitted.Load() == 0 || undecided.Load() == 0 {
		t.Errorf("the load was none: %d admitted, %d undecided", admitted.Load(), undecided.Load())
	}
	g.reads("the domain", 1, uint64(admitted.Load()), 0, quota.Leasing)
	g.reads("e", 2, uint64(admitted.Load())+1, 0, quota.Strict)
}
