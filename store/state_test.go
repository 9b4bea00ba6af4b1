package store

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// TestStateSurvivesItsEncoding: after any commands, and at any place among
// them, the encoded state read again is the same state: it has the same bytes,
// and answers every further command alike.
func TestStateSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newState()
		kept := newState()
		restoredAt := rapid.IntRange(0, 20).Draw(t, "restored at")
		for i := range rapid.IntRange(0, 30).Draw(t, "commands") {
			if i == restoredAt {
				var err error
				if kept, err = decodeState(s.append(nil)); err != nil {
					t.Fatalf("after %d commands: %v", i, err)
				}
			}
			c := genCommand(t)
			index := uint64(i + 1)
			want, got := s.apply(index, 3, mustDecode(t, c.Append(nil))), kept.apply(index, 3, mustDecode(t, c.Append(nil)))
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Fatalf("%+v gives %+v after the restore, %+v without", c, got, want)
			}
		}
		if !bytes.Equal(kept.append(nil), s.append(nil)) {
			t.Fatalf("the restored state went another way:\n%x\n%x", kept.append(nil), s.append(nil))
		}
	})
}

// TestApplyIsPure: the same commands make the same bytes, whatever is done with
// the memory they came in.
func TestApplyIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := newState(), newState()
		for i := range rapid.IntRange(1, 15).Draw(t, "commands") {
			c := genCommand(t)
			raw := c.Append(nil)
			a.apply(uint64(i), 3, mustDecode(t, raw))
			b.apply(uint64(i), 3, mustDecode(t, bytes.Clone(raw)))
			clear(raw)
		}
		if !bytes.Equal(a.append(nil), b.append(nil)) {
			t.Fatal("equal commands made different states")
		}
	})
}

// TestApply says what each kind of command changes, and what it does not.
func TestApply(t *testing.T) {
	s := newState()
	index := uint64(0)
	apply := func(c Command) Result {
		index++
		return s.apply(index, c.Term, mustDecode(t, c.Append(nil)))
	}
	apply(Command{Kind: KindInit, Time: 1000, ClusterID: "first"})
	apply(Command{Kind: KindInit, Time: 1000, ClusterID: "second"})
	if s.clusterID != "first" {
		t.Errorf("a cluster that has a name was named %q", s.clusterID)
	}

	conditions := []quota.Condition{{Max: 2, ResetSeconds: 60}}
	put := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}"), Conditions: conditions}, false)
	apply(Command{Kind: KindCatalog, Time: 1000, Catalog: &put})
	if got := s.quota.Readings("d", 1000); got != nil {
		t.Errorf("a draft puts quotas in force: %+v", got)
	}
	deploy := catalog.Deploy("d")
	if res := apply(Command{Kind: KindCatalog, Time: 1000, Catalog: &deploy}); res.Err != nil || res.Index != index || !res.Catalog.Deployed {
		t.Errorf("deploy: %+v", res)
	}
	take := func(node string, seq uint64, n uint32) quota.Decision {
		f := quota.Frame{Node: node, Incarnation: 1, Seq: seq, Takes: []quota.Take{take(n, 1)}}
		res := apply(Command{Kind: KindFrames, Time: 1000, Frames: [][]byte{f.Append(nil)}})
		return res.Frames[0].Decisions[0]
	}
	if got := take("n1", 1, 3); got.Admitted != 2 || got.RetryAfter != 60_000 {
		t.Errorf("3 calls on a quota of 2: %+v", got)
	}

	// Time stands still rather than run back: the window goes on.
	apply(Command{Kind: KindFrames, Time: 900})
	if got := s.quota.Now(); got != 1000 {
		t.Errorf("time ran back to %d", got)
	}

	// A time that was stamped in another term than the entry's moves nothing.
	stray := Command{Kind: KindFrames, Time: 5000, Term: 1}
	index++
	if s.apply(index, 2, mustDecode(t, stray.Append(nil))); s.quota.Now() != 1000 {
		t.Errorf("a stamp of term 1 in an entry of term 2 moved time to %d", s.quota.Now())
	}

	// What is refused changes nothing but the index.
	before := s.append(nil)
	none := catalog.Deploy("none")
	if res := apply(Command{Kind: KindCatalog, Time: 1000, Catalog: &none}); res.Err != catalog.ErrNotFound || res.Catalog.Deployed {
		t.Errorf("deploying what is not there: %+v", res)
	}
	s.applied--
	if !bytes.Equal(s.append(nil), before) {
		t.Error("a refused command changed the state")
	}

	// A member that leaves is forgotten, with its frames but not its counts.
	apply(Command{Kind: KindMember, Time: 1000, Member: Member{"n1", "a:1", "a:2"}})
	apply(Command{Kind: KindMember, Time: 1000, Member: Member{"n2", "b:1", "b:2"}})
	apply(Command{Kind: KindForget, Time: 1000, Member: Member{ID: "n1"}})
	if want := map[string]Member{"n2": {"n2", "b:1", "b:2"}}; !reflect.DeepEqual(s.members, want) {
		t.Errorf("members are %v, want %v", s.members, want)
	}
	if got := take("n1", 1, 1); got.Admitted != 0 {
		t.Errorf("the window forgot its calls with the member: %+v", got)
	}

	remove := catalog.Delete("d")
	apply(Command{Kind: KindCatalog, Time: 1000, Catalog: &remove})
	if got := s.quota.Readings("d", 1000); got != nil {
		t.Errorf("a deleted domain has quotas: %+v", got)
	}
}

// TestApplyLeases: what leases depend on comes with the commands: their bounds
// with the frames, the number of members they are shared out to, and the term.
func TestApplyLeases(t *testing.T) {
	s := newState()
	index, term, seq := uint64(0), uint64(1), uint64(0)
	apply := func(c Command) Result {
		index++
		c.Term = term
		return s.apply(index, term, mustDecode(t, c.Append(nil)))
	}
	put := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}"), Conditions: []quota.Condition{{Max: 1000, ResetSeconds: 60}}}, true)
	apply(Command{Kind: KindCatalog, Time: 1000, Catalog: &put})
	ask := func(at int64, p quota.Params, r quota.Report) quota.Grant {
		seq++
		f := quota.Frame{Node: "n1", Incarnation: 1, Seq: seq, Reports: []quota.Report{r}, Takes: []quota.Take{take(1, 1)}}
		return apply(Command{Kind: KindFrames, Time: at, Leases: p, Frames: [][]byte{f.Append(nil)}}).Frames[0].Grants[0]
	}
	want := func(name string, got quota.Grant, units uint64, millis int64, phase quota.Phase) {
		t.Helper()
		if got.Units != units || got.LeaseMillis != millis || got.Phase != phase {
			t.Errorf("%s: %+v, want %d units for %d ms, %v", name, got, units, millis, phase)
		}
	}
	want("alone", ask(1000, leasing, quota.Report{Counter: of(1), Want: 1000}), 499, 100, quota.Leasing) // half of 999
	apply(Command{Kind: KindMember, Time: 1000, Member: Member{ID: "n1"}})
	apply(Command{Kind: KindMember, Time: 1000, Member: Member{ID: "n2"}})
	apply(Command{Kind: KindMember, Time: 1000, Member: Member{ID: "n2", ProxyAddress: "moved:1"}})
	back := quota.Report{Counter: of(1), Window: 1000, Back: 499, Want: 1000}
	want("of two", ask(1000, leasing, back), 249, 100, quota.Leasing) // a quarter of 998
	apply(Command{Kind: KindForget, Time: 1000, Member: Member{ID: "n2"}})
	back.Back = 249
	want("of one again", ask(1000, quota.Params{LeaseMillis: 300, MinLease: 1}, back), 498, 300, quota.Leasing)

	// A new term has the lease waited for anew, whatever its first command is,
	// and whatever clock that was stamped with.
	held := s.quota.Readings("d", 0)[0]
	if held.Leased != 498 {
		t.Fatalf("before the new term: %+v", held)
	}
	apply(Command{Kind: KindMember, Time: 1300, Member: Member{ID: "n1"}}) // 300 + 2 % + 60 ms are not over
	term++
	apply(Command{Kind: KindMember, Time: 1360, Member: Member{ID: "n1"}})
	drain := quota.Frame{Node: "n3", Incarnation: 1, Seq: 1, Takes: []quota.Take{take(600, 1)}}
	decide := func(at int64) quota.Decision {
		drain.Seq++
		return apply(Command{Kind: KindFrames, Time: at, Leases: leasing, Frames: [][]byte{drain.Append(nil)}}).Frames[0].Decisions[0]
	}
	if d := decide(1370); d.Decided != 499 || d.Admitted != 499 {
		t.Errorf("with a lease renewed by the new term: %+v, want what the pool has, and no word of the rest", d)
	}
	if d := decide(1725); d.Decided != 0 {
		t.Errorf("a millisecond before the end of the lease: %+v", d)
	}
	for range 10 { // whoever lives has been given the time to say so
		decide(1725)
	}
	if d := decide(1726); d.Decided != 600 || d.Admitted != 0 {
		t.Errorf("at the end of the lease: %+v, want all refused", d)
	}
}

// TestDecodeStateRefuses: each cut of a state, and what is put behind it, is
// noticed.
func TestDecodeStateRefuses(t *testing.T) {
	b := busyState(t).append(nil)
	if _, err := decodeState(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		if _, err := decodeState(b[:i:i]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", i, len(b))
		}
	}
	for name, garbage := range map[string][]byte{
		"a tail":         append(bytes.Clone(b), 0),
		"another format": append([]byte{2}, b[1:]...),
		"text":           []byte("not a snapshot at all"),
		"a huge count":   {1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := decodeState(garbage); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// busyState has something of everything.
func busyState(t interface{ Fatalf(string, ...any) }) *state {
	s := newState()
	put := catalog.Put(catalog.Draft{Key: "d", Name: "name", Endpoints: 2, Document: []byte(`{"x":1}`), Conditions: []quota.Condition{
		{Max: 3, ResetSeconds: 60}, {Endpoint: "GET /x", Max: 200, ResetSeconds: 60}, {Endpoint: "GET /x", Max: 90, ResetSeconds: 3600},
	}}, true)
	draft := catalog.Put(catalog.Draft{Key: "d", Document: []byte(`{"y":2}`)}, false)
	// The first counter is used up, the others are leased in part.
	frame := quota.Frame{
		Node: "n1", Incarnation: 2, Seq: 7,
		Reports: []quota.Report{{Counter: of(1), Want: 1}, {Counter: of(2), Want: 20}, {Counter: of(3), Want: 3}},
		Takes:   []quota.Take{take(1, 1), take(4, 1, 2, 3)},
		Charges: []quota.Charge{{Counter: of(3), N: 1}},
	}
	for i, c := range []Command{
		{Kind: KindInit, Time: 1000, ClusterID: "c1"},
		{Kind: KindCatalog, Time: 2000, Catalog: &put},
		{Kind: KindCatalog, Time: 2000, Catalog: &draft},
		{Kind: KindMember, Time: 3000, Member: Member{"n1", "127.0.0.1:9001", "127.0.0.1:8001"}},
		{Kind: KindMember, Time: 3000, Member: Member{"n2", "127.0.0.1:9002", "127.0.0.1:8002"}},
		{Kind: KindFrames, Time: 4000, Leases: leasing, Frames: [][]byte{frame.Append(nil)}},
	} {
		s.apply(uint64(i+1), 0, mustDecode(t, c.Append(nil)))
	}
	return &s
}

// FuzzDecodeStoreState: a snapshot that is accepted holds a state that has an
// encoding, and only one, and that works.
func FuzzDecodeStoreState(f *testing.F) {
	empty := newState()
	f.Add(empty.append(nil))
	busy := busyState(f).append(nil)
	f.Add(busy)
	f.Add(busy[:len(busy)-1])
	inPieces := busyState(f)
	inPieces.pieces = &assembly{term: 3, of: 5, total: 9, bytes: []byte("abc")}
	f.Add(inPieces.append(nil))
	large := catalog.Put(catalog.Draft{Key: "l", Document: bytes.Repeat([]byte("x"), 5000)}, true)
	large.Pack()
	compressed := newState()
	compressed.apply(1, 3, &decoded{Command: Command{Kind: KindCatalog, Catalog: &large}})
	f.Add(compressed.append(nil))
	f.Add([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		kept := s.append(nil)
		again, err := decodeState(kept)
		if err != nil {
			t.Fatalf("accepted, but not when it is encoded again: %v", err)
		}
		if !bytes.Equal(again.append(nil), kept) {
			t.Fatalf("%x is encoded as %x", kept, again.append(nil))
		}
		// It must take commands without a panic.
		put := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}"), Conditions: []quota.Condition{{Endpoint: "GET /x", Max: 1, ResetSeconds: 60}}}, true)
		frame := quota.Frame{
			Node: "n1", Incarnation: 2, Seq: 8,
			Returns: []quota.Return{{Counter: of(1), Window: 4000, N: 3}, {Counter: of(2), Window: 4000, N: 1}},
			Reports: []quota.Report{{Counter: of(1), Window: 4000, Spent: 3, Back: 2, Want: 4}, {Counter: of(2), Window: 4000, Spent: 1, Renew: true}},
			Takes:   []quota.Take{take(4, 1, 2, 3)},
			Charges: []quota.Charge{{Counter: of(3), N: 9}},
		}
		for i, c := range []Command{
			{Kind: KindFrames, Time: 5000, Frames: [][]byte{frame.Append(nil)}},
			{Kind: KindCatalog, Time: 5000, Catalog: &put},
			{Kind: KindForget, Time: 5000, Member: Member{ID: "n1"}},
		} {
			s.apply(uint64(i), 3, mustDecode(t, c.Append(nil)))
		}
		if list := s.catalog.Deployed(); !slices.ContainsFunc(list, func(e catalog.Entry) bool { return e.Key == "d" }) {
			t.Fatalf("deployed in it, the domain is not live: %+v", list)
		}
	})
}
