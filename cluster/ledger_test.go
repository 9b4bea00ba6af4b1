package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

// leader is a frameSender that hands every frame to the test and waits for its
// answer, as long as that takes.
type leader struct{ frames chan *sentFrame }

// sentFrame is a frame on its way to the leader.
type sentFrame struct {
	*quota.Frame
	raw    []byte
	answer chan sentAnswer
}

type sentAnswer struct {
	quota.Result
	err error
}

func (l leader) send(ctx context.Context, frame []byte) (quota.Result, error) {
	kept := bytes.Clone(frame)
	f, err := quota.DecodeFrame(kept)
	if err != nil {
		panic(fmt.Sprintf("the ledger sent what no leader can read: %v", err))
	}
	s := &sentFrame{f, kept, make(chan sentAnswer)}
	select {
	case l.frames <- s:
	case <-ctx.Done():
		return quota.Result{}, ctx.Err()
	}
	select {
	case a := <-s.answer:
		if !bytes.Equal(frame, kept) {
			panic("the frame changed while it was under way")
		}
		return a.Result, a.err
	case <-ctx.Done():
		return quota.Result{}, ctx.Err()
	}
}

// next is the frame that the ledger sends next.
func (l leader) next(t *testing.T) *sentFrame {
	t.Helper()
	select {
	case f := <-l.frames:
		return f
	case <-time.After(patience):
		t.Fatal("the ledger sends no frame")
		return nil
	}
}

// none makes sure that the ledger has nothing to send now.
func (l leader) none(t *testing.T) {
	t.Helper()
	select {
	case f := <-l.frames:
		t.Errorf("there is a frame too many: %+v", f.Frame)
	default:
	}
}

// decide answers with so many admitted units for each of the frame's Calls.
func (f *sentFrame) decide(admitted ...uint32) {
	res := quota.Result{Decisions: []quota.Decision{}}
	for i, n := range admitted {
		d := quota.Decision{Admitted: n}
		if n < f.Calls[i].N {
			d.RetryAfter = 1500
		}
		res.Decisions = append(res.Decisions, d)
	}
	f.answer <- sentAnswer{Result: res}
}

// all admits every call of the frame.
func (f *sentFrame) all() {
	admitted := make([]uint32, len(f.Calls))
	for i, c := range f.Calls {
		admitted[i] = c.N
	}
	f.decide(admitted...)
}

// ledger is a Ledger with its metrics.
type ledger struct {
	*Ledger
	registry *prometheus.Registry
}

func testLedger(t *testing.T, wait time.Duration) (ledger, leader) {
	t.Helper()
	to, reg := leader{make(chan *sentFrame)}, prometheus.NewRegistry()
	l := newLedger("n1", 7, wait, to, newMetrics(reg))
	t.Cleanup(l.close)
	return ledger{l, reg}, to
}

// decided reads the metrics: how many calls had which verdict.
func (l ledger) decided(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tollgate_quota_decisions_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}

// waits polls until n calls wait for the next frame.
func (l *Ledger) waits(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // between two looks
		l.mu.Lock()
		now := len(l.waiting)
		l.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls wait, want %d", now, n)
		}
	}
}

// outcome is what Take returned.
type outcome struct {
	quota.Verdict
	err error
}

// callers makes n calls of a class at once and collects what they get.
func (l *Ledger) callers(n int, domain, endpoint string) <-chan outcome {
	got := make(chan outcome, n)
	for range n {
		go func() {
			v, err := l.Take(domain, endpoint)
			got <- outcome{v, err}
		}()
	}
	return got
}

// tally counts the outcomes of n callers.
func tally(t *testing.T, got <-chan outcome, n int) (admitted, refused, undecided int) {
	t.Helper()
	for range n {
		select {
		case o := <-got:
			switch {
			case o.err != nil:
				undecided++
			case o.Admitted:
				admitted++
			default:
				refused++
				if o.RetryAfter != 1500*time.Millisecond {
					t.Errorf("refused for %v, the leader said 1.5s", o.RetryAfter)
				}
			}
		case <-time.After(patience):
			t.Fatalf("a caller gets no answer; %d admitted, %d refused, %d undecided", admitted, refused, undecided)
		}
	}
	return admitted, refused, undecided
}

// gone puts n calls into the ledger whose callers give up at once.
func (l *Ledger) gone(n int, domain, endpoint string) (give func()) {
	list := make([]*call, n)
	for i := range list {
		list[i] = &call{class: class{domain, endpoint}, answer: make(chan answer, 1)}
		l.enqueue(list[i])
	}
	return func() {
		for _, c := range list {
			c.state.CompareAndSwap(callWaiting, callGone)
		}
	}
}

// TestCallsOfAClassGoTogether: what waits while a frame is under way goes into
// the next as one number a class, and each caller gets one verdict of its class.
func TestCallsOfAClassGoTogether(t *testing.T) {
	l, to := testLedger(t, patience)
	one := l.callers(1, "d", "")
	first := to.next(t)
	if first.Node != "n1" || first.Incarnation != 7 || first.Seq != 1 || len(first.Calls) != 1 || first.Calls[0] != (quota.Calls{Domain: "d", N: 1}) || len(first.Returns) != 0 {
		t.Errorf("the first frame is %+v", first.Frame)
	}
	classes := []class{{"d", ""}, {"d", "GET /x"}, {"e", ""}, {"e", "GET /x"}}
	var got []<-chan outcome
	for i, c := range classes {
		got = append(got, l.callers(10+i, c.domain, c.endpoint))
	}
	l.waits(t, 10+11+12+13)
	to.none(t) // one frame under way at a time
	first.all()
	if a, r, u := tally(t, one, 1); a != 1 || r != 0 || u != 0 {
		t.Errorf("the first caller: %d admitted, %d refused, %d undecided", a, r, u)
	}

	second := to.next(t)
	if second.Seq != 2 || second.Incarnation != 7 || len(second.Calls) != len(classes) || len(second.Returns) != 0 {
		t.Fatalf("the second frame is %+v", second.Frame)
	}
	admit := make([]uint32, len(classes))
	for i, c := range second.Calls {
		for k, cl := range classes {
			if cl == (class{c.Domain, c.Endpoint}) {
				admit[i] = uint32(3 * k) // 0, 3, 6, 9
				if int(c.N) != 10+k {
					t.Errorf("%v counts %d calls, want %d", cl, c.N, 10+k)
				}
			}
		}
	}
	second.decide(admit...)
	for k, cl := range classes {
		if a, r, u := tally(t, got[k], 10+k); a != 3*k || r != 10+k-3*k || u != 0 {
			t.Errorf("%v: %d admitted, %d refused, %d undecided; the leader admitted %d of %d", cl, a, r, u, 3*k, 10+k)
		}
	}
	to.none(t) // nothing to give back: no third frame
	if got, want := l.decided(t), (map[string]float64{"admitted": 19, "refused": 28, "undecided": 0}); !maps.Equal(got, want) {
		t.Errorf("the metrics count %v, want %v", got, want)
	}
}

// TestCallerGivesUp: a caller whose budget is over gets ErrUndecided in time,
// and the unit that it was admitted for goes back in the next frame, once,
// whether anybody calls again or not.
func TestCallerGivesUp(t *testing.T) {
	const wait = 50 * time.Millisecond
	l, to := testLedger(t, wait)
	begin := time.Now()
	got := l.callers(3, "d", "GET /x")
	first := to.next(t)
	l.waits(t, 3-int(first.Calls[0].N))
	if _, _, u := tally(t, got, 3); u != 3 {
		t.Fatalf("%d of 3 callers gave up", u)
	}
	if took := time.Since(begin); took < wait {
		t.Errorf("given up after %v, the budget is %v", took, wait)
	}
	if got := l.decided(t)["undecided"]; got != 3 {
		t.Errorf("the metrics count %v calls as undecided, want 3", got)
	}
	// The frame is still the same one; its answer comes late.
	units := first.Calls[0].N
	first.all()
	second := to.next(t)
	if second.Seq != 2 || len(second.Calls) != 0 || len(second.Returns) != 1 || second.Returns[0] != (quota.Return{Index: 0, N: units}) {
		t.Fatalf("after %d units for nobody comes %+v", units, second.Frame)
	}
	second.decide()
	// Callers that gave up before they were sent cost nothing, and what was
	// given back once is not given back again.
	again := l.callers(1, "d", "")
	third := to.next(t)
	if third.Seq != 3 || len(third.Returns) != 0 || len(third.Calls) != 1 {
		t.Errorf("the third frame is %+v", third.Frame)
	}
	third.all()
	tally(t, again, 1)
}

// TestUnitsGoToWhoIsThere: of a batch, those who are still there are admitted
// first; only what nobody is there for goes back.
func TestUnitsGoToWhoIsThere(t *testing.T) {
	for _, c := range []struct {
		gone, there int
		admitted    uint32
		want        int // of those there
		back        uint32
	}{
		{gone: 2, there: 3, admitted: 5, want: 3, back: 2},
		{gone: 2, there: 3, admitted: 3, want: 3, back: 0},
		{gone: 2, there: 3, admitted: 1, want: 1, back: 0},
		{gone: 2, there: 3, admitted: 0, want: 0, back: 0},
		{gone: 4, there: 0, admitted: 3, want: 0, back: 3},
		{gone: 0, there: 4, admitted: 4, want: 4, back: 0},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			l, to := testLedger(t, patience)
			opener := l.callers(1, "d", "") // its frame is under way while the others gather
			first := to.next(t)
			give := l.gone(c.gone, "d", "GET /x")
			other := l.callers(1, "e", "") // a class beside it, to see the index
			got := l.callers(c.there, "d", "GET /x")
			l.waits(t, c.gone+c.there+1)
			first.all()
			tally(t, opener, 1)
			second := to.next(t)
			give() // with the frame under way
			at := 0
			for i, calls := range second.Calls {
				if calls.Domain == "d" {
					at = i
				}
			}
			admit := make([]uint32, len(second.Calls))
			for i := range admit {
				admit[i] = 1
			}
			admit[at] = c.admitted
			second.decide(admit...)
			if a, r, u := tally(t, got, c.there); a != c.want || r != c.there-c.want || u != 0 {
				t.Errorf("%d admitted, %d refused, %d undecided; want %d admitted", a, r, u, c.want)
			}
			tally(t, other, 1)
			// What is left goes back in the next frame, with the next call.
			last := l.callers(1, "d", "")
			third := to.next(t)
			var back uint32
			for _, r := range third.Returns {
				if int(r.Index) != at {
					t.Errorf("units go back to place %d, they came from %d", r.Index, at)
				}
				back += r.N
			}
			if third.Seq != 3 || back != c.back {
				t.Errorf("frame %d gives %d units back, want frame 3 and %d", third.Seq, back, c.back)
			}
			third.all()
			if len(third.Calls) == 0 { // it went before the call could join it
				to.next(t).all()
			}
			tally(t, last, 1)
		})
	}
}

// TestFrameBounds: with more classes than a frame may have, or names that are
// too long for one, it takes several frames, each within its bounds, in the
// order of the calls; units of callers who gave up fit in too.
func TestFrameBounds(t *testing.T) {
	for name, endpoint := range map[string]string{
		"many classes": "GET /%d",
		"long names":   "GET /" + strings.Repeat("p", 1000) + "%d",
		"the longest":  "GET /" + strings.Repeat("p", 4080) + "%d",
	} {
		t.Run(name, func(t *testing.T) {
			classes := 3000
			if len(endpoint) > 4000 {
				classes = 60
			}
			l, to := testLedger(t, patience)
			opener := l.callers(1, "d", "")
			first := to.next(t)
			domain := strings.Repeat("d", 64)
			for i := range classes {
				// Of each class one is there to the end, and one gives up.
				l.gone(2, domain, fmt.Sprintf(endpoint, i))
			}
			l.waits(t, 2*classes)
			l.mu.Lock()
			waiting := append([]*call(nil), l.waiting...)
			l.mu.Unlock()
			first.all()
			tally(t, opener, 1)
			seen, seq, owed := 0, uint64(1), uint32(0)
			for seen < classes {
				f := to.next(t)
				if f.Seq != seq+1 {
					t.Fatalf("frame %d follows frame %d", f.Seq, seq)
				}
				seq++
				if len(f.raw) > quota.MaxFrameBytes || len(f.Calls) > quota.MaxFrameCalls {
					t.Fatalf("a frame of %d bytes and %d calls; a frame has at most %d and %d", len(f.raw), len(f.Calls), quota.MaxFrameBytes, quota.MaxFrameCalls)
				}
				var back uint32
				for _, r := range f.Returns {
					back += r.N
				}
				if back != owed {
					t.Fatalf("frame %d gives %d units back, %d had nobody", f.Seq, back, owed)
				}
				owed = 0
				for _, c := range f.Calls {
					if want := fmt.Sprintf(endpoint, seen); c.Endpoint != want || c.N != 2 {
						t.Fatalf("call %d of %.20s… comes where 2 of %.20s… are next", c.N, c.Endpoint, want)
					}
					seen++
					owed++ // one of the two gives up below
				}
				for i, c := range waiting[2*(seen-len(f.Calls)) : 2*seen] {
					if i%2 == 0 {
						c.state.CompareAndSwap(callWaiting, callGone)
					}
				}
				f.all()
			}
			f := to.next(t)
			if len(f.Calls) != 0 || len(f.Returns) != int(owed) || len(f.raw) > quota.MaxFrameBytes {
				t.Errorf("the last frame has %d calls and %d returns in %d bytes, want 0 and %d", len(f.Calls), len(f.Returns), len(f.raw), owed)
			}
			f.decide()
			for i, c := range waiting {
				if i%2 == 1 {
					if a := <-c.answer; a.err != nil || !a.verdict.Admitted {
						t.Fatalf("call %d: %+v", i, a)
					}
				}
			}
		})
	}
}

// TestAnswersThatDoNotFit: what the leader says of another frame than this one,
// or not at all, decides nothing, and nothing is given back for it.
func TestAnswersThatDoNotFit(t *testing.T) {
	broken := errors.New("the wire broke")
	two := quota.Result{Decisions: []quota.Decision{{Admitted: 1}, {Admitted: 1}}}
	for name, c := range map[string]struct {
		answer sentAnswer
		want   error
	}{
		"stale":                {sentAnswer{Result: quota.Result{Stale: true}}, ErrUndecided},
		"stale with decisions": {sentAnswer{Result: quota.Result{Stale: true, Decisions: two.Decisions[:1]}}, ErrUndecided},
		"no decision":          {sentAnswer{}, ErrUndecided},
		"one decision more":    {sentAnswer{Result: two}, ErrUndecided},
		"an error":             {sentAnswer{err: broken}, broken},
		"not a member":         {sentAnswer{err: ErrNotMember}, ErrNotMember},
	} {
		t.Run(name, func(t *testing.T) {
			l, to := testLedger(t, patience)
			got := l.callers(1, "d", "")
			to.next(t).answer <- c.answer
			if o := <-got; !errors.Is(o.err, c.want) || o.Admitted {
				t.Errorf("the caller gets %+v, want %v", o, c.want)
			}
			// The next frame has a number of its own, and gives nothing back.
			got = l.callers(1, "d", "")
			next := to.next(t)
			if next.Seq != 2 || len(next.Returns) != 0 {
				t.Errorf("the next frame is %+v", next.Frame)
			}
			next.all()
			if a, _, _ := tally(t, got, 1); a != 1 {
				t.Error("the next caller is not admitted")
			}
		})
	}
}

// TestLedgerClose: everybody gets an answer, those in the frame under way and
// those that wait, and who comes later is undecided at once.
func TestLedgerClose(t *testing.T) {
	l, to := testLedger(t, time.Hour)
	inFrame := l.callers(1, "d", "")
	to.next(t)
	waiting := l.callers(20, "d", "GET /x")
	l.waits(t, 20)
	l.close()
	for name, c := range map[string]struct {
		got <-chan outcome
		n   int
	}{"in the frame": {inFrame, 1}, "waiting": {waiting, 20}} {
		if _, _, u := tally(t, c.got, c.n); u != c.n {
			t.Errorf("%s: %d of %d callers are undecided", name, u, c.n)
		}
	}
	if _, err := l.Take("d", ""); err != ErrUndecided {
		t.Errorf("a call on a closed ledger: %v", err)
	}
	l.close() // again does no harm
}

// TestMaxWaiting: past the bound a call is undecided at once, and taken again
// when there is room.
func TestMaxWaiting(t *testing.T) {
	l, to := testLedger(t, time.Hour)
	got := l.callers(1, "d", "")
	first := to.next(t)
	l.gone(maxWaiting, "d", "")
	if _, err := l.Take("d", ""); err != ErrUndecided {
		t.Errorf("call %d: %v", maxWaiting+1, err)
	}
	l.waits(t, maxWaiting)
	if got := l.decided(t)["undecided"]; got != 1 {
		t.Errorf("the metrics count %v calls as undecided, want 1", got)
	}
	first.all()
	tally(t, got, 1)
	second := to.next(t)
	if len(second.Calls) != 1 || second.Calls[0].N != maxWaiting {
		t.Fatalf("the second frame is %+v", second.Frame)
	}
	got = l.callers(1, "d", "")
	second.all()
	third := to.next(t)
	third.all()
	if a, _, _ := tally(t, got, 1); a != 1 {
		t.Error("with room again, a call is not taken")
	}
}

// TestEveryUnitIsSomewhere: under load, with callers that give up at any
// moment, every unit that the leader admits reaches one caller or goes back.
func TestEveryUnitIsSomewhere(t *testing.T) {
	to := leader{make(chan *sentFrame)}
	l := newLedger("n1", 1, 500*time.Microsecond, to, newMetrics(prometheus.NewRegistry()))
	defer l.close()
	var taken, back atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		var last []uint32
		for {
			select {
			case <-stop:
				return
			case f := <-to.frames:
				for _, r := range f.Returns {
					if int(r.Index) >= len(last) || r.N > last[r.Index] {
						t.Errorf("%d units go back to place %d of %v", r.N, r.Index, last)
						continue
					}
					back.Add(int64(r.N))
				}
				last = last[:0]
				for _, c := range f.Calls {
					last = append(last, random.Uint32N(c.N+1))
					taken.Add(int64(last[len(last)-1]))
				}
				// Sometimes just as the callers' budget ends.
				if pause := random.IntN(3); pause > 0 {
					time.Sleep(time.Duration(pause) * 300 * time.Microsecond)
				}
				f.decide(last...)
			}
		}
	})
	var admitted, refused, undecided atomic.Int64
	var callers sync.WaitGroup
	for i := range 24 {
		callers.Go(func() {
			for range 150 {
				switch v, err := l.Take("d", fmt.Sprint("GET /", i%4)); {
				case err != nil:
					undecided.Add(1)
				case v.Admitted:
					admitted.Add(1)
				default:
					refused.Add(1)
				}
			}
		})
	}
	callers.Wait()
	// What is owed goes back by itself.
	deadline := time.Now().Add(patience)
	for taken.Load() != admitted.Load()+back.Load() && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // between two looks
	}
	if taken.Load() != admitted.Load()+back.Load() {
		t.Errorf("the leader admitted %d; %d callers were admitted, %d units went back", taken.Load(), admitted.Load(), back.Load())
	}
	if admitted.Load() == 0 || undecided.Load() == 0 || refused.Load() == 0 {
		t.Errorf("the load was none: %d admitted, %d refused, %d undecided", admitted.Load(), refused.Load(), undecided.Load())
	}
	close(stop)
	wg.Wait()
}
