package log

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// memory is a log in memory that is asked for little.
func memory(t *testing.T, limit int) (*recent, *raft.InmemStore) {
	t.Helper()
	store := raft.NewInmemStore()
	r, err := newRecent(store, limit)
	if err != nil {
		t.Fatal(err)
	}
	return r, store
}

func entry(index uint64, size int) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Data: make([]byte, size-entryBytes)}
}

// TestRecent: a log gives back what was put into it, from memory or from the
// disk, and holds no more than its bound in memory.
func TestRecent(t *testing.T) {
	t.Parallel()
	r, _ := memory(t, 1000)
	put := func(entries ...*raft.Log) {
		t.Helper()
		if err := r.StoreLogs(entries); err != nil {
			t.Fatal(err)
		}
		if r.bytes > 1000 {
			t.Errorf("%d bytes are in memory", r.bytes)
		}
	}
	has := func(index uint64, size int) {
		t.Helper()
		var e raft.Log
		if err := r.GetLog(index, &e); err != nil || e.Index != index || entrySize(&e) != size {
			t.Errorf("entry %d: index %d of %d bytes, want %d: %v", index, e.Index, entrySize(&e), size, err)
		}
	}
	for i := range uint64(10) {
		put(entry(i+1, 300))
	}
	if len(r.entries) != 3 {
		t.Errorf("%d entries are in memory", len(r.entries))
	}
	for i := range uint64(10) {
		has(i+1, 300)
	}
	put(entry(11, 5000), entry(12, 200))
	has(11, 5000)
	has(12, 200)
	if got := r.since(9); got != 5500 {
		t.Errorf("since 9: %d bytes", got)
	}
	for bytes, want := range map[int]uint64{199: 0, 200: 1, 5199: 1, 5200: 2, 5799: 3, 5800: 4, 1 << 20: 12} {
		if got := r.within(bytes); got != want {
			t.Errorf("%d bytes: the last %d entries, want %d", bytes, got, want)
		}
	}

	// A follower that must give up its end, and writes another one.
	if err := r.DeleteRange(11, 12); err != nil {
		t.Fatal(err)
	}
	if err := r.GetLog(11, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("a deleted entry: %v", err)
	}
	put(entry(11, 100))
	has(11, 100)
	if got := r.since(9); got != 400 {
		t.Errorf("since 9, after the end was written anew: %d bytes", got)
	}
	// A snapshot that a follower was sent: the log begins anew after it.
	put(entry(100, 100))
	has(100, 100)
	has(11, 100)
}

// TestSizesAfterRestart: what raft has read of the log at its start is known.
func TestSizesAfterRestart(t *testing.T) {
	t.Parallel()
	_, store := memory(t, 0)
	for i := range uint64(5) {
		if err := store.StoreLog(entry(i+1, 300)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newRecent(store, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3) {
		if err := r.GetLog(i+3, new(raft.Log)); err != nil {
			t.Fatal(err)
		}
	}
	if since, within := r.since(0), r.within(1<<20); since != 900 || within != 3 {
		t.Errorf("%d bytes since 0; %d entries within 1 MiB", since, within)
	}
}

// TestCarried: a request has as many entries as fit, and at least one.
func TestCarried(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		want  int
	}{
		{nil, 0},
		{[]int{100, 100}, 2},
		{[]int{10 * maxExchange, 100}, 1},
		{[]int{maxExchange - 100, 100, 100}, 2},
		{[]int{100, 10 * maxExchange, 100}, 1},
	} {
		var entries []*raft.Log
		for i, size := range c.sizes {
			entries = append(entries, entry(uint64(i+1), size))
		}
		if got := carried(entries); got != c.want {
			t.Errorf("of entries of %v bytes %d are carried, want %d", c.sizes, got, c.want)
		}
	}
}

// payload is a number of a toy that takes so many bytes.
func payload(size int) []byte { return append(number(1), make([]byte, size)...) }

// TestBounds: a log that is written for ever takes no more than its bounds, on
// each member, whatever the size of its entries; a member that was away while it
// was cut comes back.
func TestBounds(t *testing.T) {
	t.Parallel()
	small := func(cfg *Config) { cfg.bounds = bounds{snapshot: 256 << 10, trailing: 64 << 10, memory: 32 << 10} }
	leader, away := start(t, "n1", t.TempDir(), small), start(t, "n2", t.TempDir(), small)
	if err := leader.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	lead(t, leader)
	if err := leader.Add(Server{ID: "n2", Address: away.cfg.Address}, 0); err != nil {
		t.Fatal(err)
	}
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	for index := uint64(0); index == 0; index, _ = leader.snapshots.newest() {
		if _, err := leader.Propose(payload(16 << 10)).Wait(t.Context()); err != nil && !errors.Is(err, ErrNotLeader) {
			t.Fatal(err)
		}
	}
	eventually(t, "the log is cut", func() bool {
		first, err := leader.db.FirstIndex()
		return err == nil && first > 2
	})
	index, _ := leader.snapshots.newest()
	first, _ := leader.db.FirstIndex()
	if before := leader.recent.since(first-1) - leader.recent.since(index); before > 64<<10 {
		t.Errorf("%d bytes are kept from before the snapshot", before)
	}
	ln := away.cfg.Network.(tcp)
	back := start(t, "n2", away.cfg.Dir, nil)
	ln.Close()
	if err := leader.Add(Server{ID: "n2", Address: back.cfg.Address}, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the member is back", func() bool { return back.toy.state() == leader.toy.state() })
}

// TestSnapshotEnd: a log that begins behind the newest snapshot knows the term of the entry
// that the snapshot ends with, and no other entry that it lacks.
func TestSnapshotEnd(t *testing.T) {
	t.Parallel()
	store := raft.NewInmemStore()
	r, err := newRecent(store, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.snapshot = func() (index, term uint64) { return 202, 4 }
	if err := r.StoreLogs([]*raft.Log{{Index: 203, Term: 5}, {Index: 204, Term: 5}}); err != nil {
		t.Fatal(err)
	}
	for index, term := range map[uint64]uint64{201: 0, 202: 4, 203: 5, 204: 5, 205: 0} {
		var entry raft.Log
		if err := r.GetLog(index, &entry); (err == nil) != (term > 0) || err == nil && (entry.Index != index || entry.Term != term) {
			t.Errorf("entry %d: %+v, %v", index, entry, err)
		}
	}
}
