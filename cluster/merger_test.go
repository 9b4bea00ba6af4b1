package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// strictly has every window strict from its first call: every call is in a
// frame.
var strictly = quota.Params{LeaseMillis: quota.DefaultLeaseMillis, MinLease: quota.MaxMinLease}

// testStore opens a replica of its own, which leads if it is founded.
func testStore(t *testing.T, founded bool) (*store.Store, *Transport) {
	t.Helper()
	tr, err := Listen(TCP{}, "127.0.0.1:0", "n1", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Config{
		ID: "n1", Dir: t.TempDir(), Network: tr.Raft(), Address: tr.Addr(),
		Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.Serve(s)
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), tr.Close()); err != nil {
			t.Error(err)
		}
	})
	if founded {
		if err := s.Bootstrap(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // between two looks
			if _, _, err := s.ReadIndex(t.Context()); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a store of its own does not lead")
			}
		}
	}
	return s, tr
}

// deploy puts a quota for domain d in force, the first one of s.
func deploy(t *testing.T, s *store.Store, limit uint64) {
	t.Helper()
	put := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}"), Conditions: []quota.Condition{{Max: limit, ResetSeconds: 3600}}}, true)
	if _, err := s.Apply(t.Context(), store.Command{Kind: store.KindCatalog, Catalog: &put}); err != nil {
		t.Fatal(err)
	}
}

// gated is a proposer that lets the test hold entries up and look at them.
type gated struct {
	to *store.Store
	// entries has every entry when it is proposed; go lets it go on.
	entries chan store.Command
	pass    chan struct{}
}

func (g *gated) Propose(c store.Command) *store.Proposal {
	g.entries <- c
	<-g.pass
	return g.to.Propose(c)
}

func testMerger(t *testing.T, log proposer) *merger {
	t.Helper()
	m := newMerger(log, strictly, newMetrics(prometheus.NewRegistry()))
	t.Cleanup(m.close)
	return m
}

// takes is a frame of n calls on domain d, which has the first counter.
func takes(node string, seq uint64, n uint32) []byte {
	f := quota.Frame{Node: node, Incarnation: 1, Seq: seq, Takes: []quota.Take{{Items: []quota.Item{{ID: quota.ID{Rule: 1}}}, N: n, Units: 1}}}
	return f.Append(nil)
}

// bigTakes is how many decisions there are of a bigFrame.
const bigTakes = 90

// bigFrame is nearly as large as a frame may be. Its counters do not exist.
func bigFrame(node string) []byte {
	f := quota.Frame{Node: node, Incarnation: 1, Seq: 1}
	for range bigTakes {
		t := quota.Take{N: 1}
		for i := range uint64(quota.MaxCounters) {
			t.Items = append(t.Items, quota.Item{ID: quota.ID{Rule: (i + 1) << 54}})
		}
		f.Takes = append(f.Takes, t)
	}
	return f.Append(nil)
}

func (g *merger) waits(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // between two looks
		g.mu.Lock()
		now := len(g.waiting)
		g.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d frames wait, want %d", now, n)
		}
	}
}

// TestFramesMerge: what arrives while an entry is under way goes into the next
// one, in the order it came, and everybody gets the answer to his own frame.
func TestFramesMerge(t *testing.T) {
	t.Parallel()
	s, _ := testStore(t, true)
	deploy(t, s, 20)
	log := &gated{s, make(chan store.Command), make(chan struct{})}
	m := testMerger(t, log)
	var wg sync.WaitGroup
	defer wg.Wait()
	submit := func(node string, n, want uint32) {
		wg.Go(func() {
			res, err := m.submit(t.Context(), takes(node, 1, n))
			if err != nil || len(res.Decisions) != 1 || res.Decisions[0].Admitted != want {
				t.Errorf("%s: %+v, %v; want %d of %d admitted", node, res, err, want, n)
			}
		})
	}
	submit("first", 5, 5)
	if first := <-log.entries; len(first.Frames) != 1 {
		t.Errorf("the first entry has %d frames", len(first.Frames))
	}
	left := uint32(15)
	var order [][]byte
	for n := uint32(1); n <= 10; n++ {
		node := fmt.Sprint("n", n)
		submit(node, n, min(n, left))
		left -= min(n, left)
		m.waits(t, int(n))
		order = append(order, takes(node, 1, n))
	}
	log.pass <- struct{}{}
	second := <-log.entries
	if second.Leases != strictly {
		t.Errorf("the second entry bounds leases by %+v, want %+v", second.Leases, strictly)
	}
	if second.Kind != store.KindFrames || len(second.Frames) != len(order) {
		t.Fatalf("the second entry is of kind %d and has %d frames, want %d", second.Kind, len(second.Frames), len(order))
	}
	for i, f := range second.Frames {
		if !bytes.Equal(f, order[i]) {
			t.Errorf("frame %d of the entry is not the one that came at that place", i)
		}
	}
	log.pass <- struct{}{}
}

// TestEntryBounds: however much waits, an entry stays within its size, and a
// frame goes into exactly one.
func TestEntryBounds(t *testing.T) {
	t.Parallel()
	s, _ := testStore(t, true)
	log := &gated{s, make(chan store.Command), make(chan struct{})}
	m := testMerger(t, log)
	var wg sync.WaitGroup
	defer wg.Wait()
	const frames = 50
	for i := range frames {
		raw := bigFrame(fmt.Sprint("n", i))
		wg.Go(func() {
			if res, err := m.submit(t.Context(), raw); err != nil || len(res.Decisions) != bigTakes {
				t.Errorf("frame %d: %d decisions, %v", i, len(res.Decisions), err)
			}
		})
		if i == 0 {
			if first := <-log.entries; len(first.Frames) != 1 {
				t.Errorf("the first entry has %d frames", len(first.Frames))
			}
		}
	}
	m.waits(t, frames-1)
	log.pass <- struct{}{}
	for seen := 1; seen < frames; {
		entry := <-log.entries
		size := 0
		for _, f := range entry.Frames {
			size += len(f)
		}
		if size > maxEntryBytes || len(entry.Frames) == 0 || size < maxEntryBytes/2 && seen+len(entry.Frames) < frames {
			t.Errorf("an entry of %d frames has %d bytes, may have %d", len(entry.Frames), size, maxEntryBytes)
		}
		seen += len(entry.Frames)
		log.pass <- struct{}{}
	}
}

// TestSubmitAgain: who gives up on a frame knows nothing of it; sent again, it
// gives the answer of the first time and counts nothing.
func TestSubmitAgain(t *testing.T) {
	t.Parallel()
	s, _ := testStore(t, true)
	deploy(t, s, 10)
	log := &gated{s, make(chan store.Command), make(chan struct{})}
	m := testMerger(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := m.submit(ctx, takes("n1", 1, 7))
		done <- err
	}()
	<-log.entries
	cancel()
	if err := <-done; err != store.ErrUnknownOutcome {
		t.Errorf("given up on: %v", err)
	}
	log.pass <- struct{}{}
	go func() {
		<-log.entries
		log.pass <- struct{}{}
	}()
	res, err := m.submit(t.Context(), takes("n1", 1, 7))
	if err != nil || res.Stale || len(res.Decisions) != 1 || res.Decisions[0].Admitted != 7 {
		t.Errorf("sent again: %+v, %v", res, err)
	}
	if used := s.Readings("d", 0)[0].Used; used != 7 {
		t.Errorf("7 calls, sent twice, count as %d", used)
	}
}

// TestMergerErrors: where nothing can be proposed, every frame is told so.
func TestMergerErrors(t *testing.T) {
	t.Parallel()
	follower, _ := testStore(t, false) // belongs to no cluster: it cannot lead
	m := testMerger(t, follower)
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if _, err := m.submit(t.Context(), takes("n1", uint64(i+1), 1)); err != store.ErrNotLeader {
				t.Errorf("on a node that does not lead: %v", err)
			}
		})
	}
	wg.Wait()
	if err := follower.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.submit(t.Context(), takes("n1", 9, 1)); err != store.ErrClosed {
		t.Errorf("on a closed store: %v", err)
	}
}

// TestMergerClose: a frame whose entry is under way and all that wait, more
// than one entry holds, get an answer.
func TestMergerClose(t *testing.T) {
	t.Parallel()
	s, _ := testStore(t, true)
	log := &gated{s, make(chan store.Command, 100), make(chan struct{})}
	m := newMerger(log, strictly, newMetrics(prometheus.NewRegistry()))
	answers := make(chan error)
	raw := bigFrame("n1")
	const frames = 40
	for range frames {
		go func() {
			_, err := m.submit(context.Background(), raw)
			answers <- err
		}()
	}
	<-log.entries
	closed := make(chan struct{})
	go func() {
		m.close()
		close(closed)
	}()
	close(log.pass)
	timeout := time.After(patience)
	for i := range frames {
		select {
		case err := <-answers:
			if err != nil && err != store.ErrClosed && err != store.ErrUnknownOutcome {
				t.Errorf("a frame under way: %v", err)
			}
		case <-timeout:
			t.Fatalf("%d of %d frames got no answer", frames-i, frames)
		}
	}
	<-closed
}

// flaky is a proposer whose leader is lost once with the answer under way: the
// entry was applied, and nobody hears of it.
type flaky struct {
	to, dead *store.Store
	lost     int
	seen     [][]byte
}

func (f *flaky) Propose(c store.Command) *store.Proposal {
	f.seen = append(f.seen, c.Frames...)
	p := f.to.Propose(c)
	if f.lost == 0 {
		return p
	}
	f.lost--
	if _, err := p.Wait(context.Background()); err != nil {
		panic(err)
	}
	return f.dead.Propose(c)
}

// TestFrameIsSentAgain: when the answer to a frame is lost, the node sends the
// same frame, under the same number, until it is answered; its calls count once.
func TestFrameIsSentAgain(t *testing.T) {
	t.Parallel()
	s, tr := testStore(t, true)
	deploy(t, s, 10)
	dead, _ := testStore(t, false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	c := Open(Config{
		ID: "n1", Store: s, Transport: tr, QuotaWait: patience, Leases: strictly,
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	defer c.Close(context.Background())
	log := &flaky{to: s, dead: dead, lost: 3}
	c.merger.log = log // nothing is proposed yet
	for i := range 2 {
		if v, err := c.Take(&quota.Call{Domain: "d"}); err != nil || !v.Admitted {
			t.Fatalf("call %d: %+v, %v", i+1, v, err)
		}
	}
	if used := s.Readings("d", 0)[0].Used; used != 2 {
		t.Errorf("2 calls count as %d", used)
	}
	// The attempts of a frame are its bytes again; one more is made when the
	// leader moves, as it does at the start.
	distinct := slices.CompactFunc(slices.Clone(log.seen), bytes.Equal)
	if len(distinct) != 2 || len(log.seen) < 5 {
		t.Errorf("%d attempts of %d frames were made, want 4 or more of the first, then the second", len(log.seen), len(distinct))
	}
}

// TestMergerWaits: of nodes that were answered together, one that sends its next frame
// first waits a little for the other, and goes alone where that has nothing to say.
func TestMergerWaits(t *testing.T) {
	s, _ := testStore(t, true)
	deploy(t, s, 1000)
	g := &gated{to: s, entries: make(chan store.Command), pass: make(chan struct{})}
	m := testMerger(t, g)
	var wg sync.WaitGroup
	submit := func(node string, seq uint64) {
		wg.Go(func() {
			if _, err := m.submit(t.Context(), takes(node, seq, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	entry := func() int {
		t.Helper()
		e := <-g.entries
		g.pass <- struct{}{}
		return len(e.Frames)
	}
	submit("n0", 1) // holds the others up, so that they share an entry
	first := <-g.entries
	submit("n1", 1)
	submit("n2", 1)
	m.waits(t, 2)
	g.pass <- struct{}{}
	if n := entry(); len(first.Frames) != 1 || n != 2 {
		t.Fatalf("entries of %d and %d frames, want 1 and 2", len(first.Frames), n)
	}
	wg.Wait()
	submit("n1", 2)
	if n := entry(); n != 1 {
		t.Errorf("an entry of %d frames", n)
	}
	wg.Wait()
}
