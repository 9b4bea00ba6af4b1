package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// patience is how long a test waits for a state before it fails.
const patience = 30 * time.Second

// tcp is a Network of one port.
type tcp struct{ net.Listener }

func (tcp) Dial(_, addr string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, timeout)
}

// openAt opens a store in dir, on a port of its own.
func openAt(t *testing.T, id, dir string) (*Store, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return Open(Config{
		ID: id, Dir: dir, Network: tcp{ln}, Address: ln.Addr().String(),
		Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
	})
}

func mustOpen(t *testing.T, id, dir string) *Store {
	t.Helper()
	s, err := openAt(t, id, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing %s: %v", id, err)
		}
	})
	return s
}

// found opens a store that is a cluster of its own, and leads it.
func found(t *testing.T, dir string) *Store {
	t.Helper()
	s := mustOpen(t, "n1", dir)
	if err := s.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	s.RaiseRules(newestRules)
	lead(t, s)
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v, and still not: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, not for a state
	}
}

// lead waits until s leads and has applied what is committed.
func lead(t *testing.T, s *Store) {
	t.Helper()
	eventually(t, "the store leads", func() bool {
		_, _, err := s.ReadIndex(t.Context())
		return err == nil
	})
}

func mustApply(t *testing.T, s *Store, c Command) Result {
	t.Helper()
	res, err := s.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("applying %+v: %v", c, err)
	}
	return res
}

// fill puts something of everything into the store.
func fill(t *testing.T, s *Store) {
	t.Helper()
	put := catalog.Put(catalog.Draft{Key: "d", Name: "name", Document: []byte("{}"), Conditions: []quota.Condition{{Max: 5, ResetSeconds: 3600}}}, true)
	frame := quota.Frame{Node: "n1", Incarnation: 1, Seq: 1, Takes: []quota.Take{take(3, 1)}}
	mustApply(t, s, Command{Kind: KindInit, ClusterID: s.ClusterID()})
	mustApply(t, s, Command{Kind: KindCatalog, Catalog: &put})
	mustApply(t, s, Command{Kind: KindMember, Member: Member{"n1", "127.0.0.1:1", "127.0.0.1:2"}})
	mustApply(t, s, Command{Kind: KindFrames, Frames: [][]byte{frame.Append(nil)}})
}

// TestReopen: a store that was closed has the state it had, knows its cluster
// before it has read the log, and counts the start; from the log as well as
// from a snapshot.
func TestReopen(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"log", "snapshot"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := found(t, dir)
			fill(t, s)
			index, sum := s.Digest()
			clusterID := s.ClusterID()
			if clusterID == "" || s.ReplicatedClusterID() != clusterID || s.Fresh() || s.Incarnation() != 1 {
				t.Fatalf("cluster %q, in the log %q; fresh %t; incarnation %d", clusterID, s.ReplicatedClusterID(), s.Fresh(), s.Incarnation())
			}
			if name == "snapshot" {
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
				if err := s.Snapshot(); err != nil {
					t.Errorf("a snapshot of nothing new: %v", err)
				}
			}
			for start := uint64(2); start <= 3; start++ {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = mustOpen(t, "n1", dir)
				if s.ClusterID() != clusterID || s.Fresh() || s.Incarnation() != start {
					t.Errorf("start %d: cluster %q, want %q; fresh %t; incarnation %d", start, s.ClusterID(), clusterID, s.Fresh(), s.Incarnation())
				}
				lead(t, s)
				if i, again := s.Digest(); i != index || again != sum {
					t.Errorf("start %d: index %d, digest %x; before: index %d, digest %x", start, i, again, index, sum)
				}
				if got := s.Readings("d", 0); len(got) != 1 || got[0].Used != 3 {
					t.Errorf("start %d: the counts are %+v, want 3 used", start, got)
				}
			}
		})
	}
}

// TestFreshUntilStarted: a store is fresh until it belongs to a cluster, also
// over a restart.
func TestFreshUntilStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		s := mustOpen(t, "n1", dir)
		if !s.Fresh() || s.ClusterID() != "" || s.IsLeader() || s.Role() != "follower" {
			t.Errorf("fresh %t, cluster %q, role %s", s.Fresh(), s.ClusterID(), s.Role())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectoryInUse: a second store on the same directory is refused in words,
// and does the first no harm.
func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := found(t, dir)
	fill(t, s)
	second, err := openAt(t, "n1", dir)
	if err == nil {
		second.Close()
		t.Fatal("two stores run on one directory")
	}
	if want := filepath.Join(dir, "raft.db") + " is in use by another process"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	mustApply(t, s, Command{Kind: KindFrames})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, "n1", dir)
	if s.Incarnation() != 2 {
		t.Errorf("incarnation %d: the start that was refused counts", s.Incarnation())
	}
	lead(t, s)
	if got := s.Readings("d", 0); len(got) != 1 || got[0].Used != 3 {
		t.Errorf("the counts are %+v, want 3 used", got)
	}
}

// TestBootstrapOnce: a cluster is founded from nothing, once.
func TestBootstrapOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := found(t, dir)
	clusterID := s.ClusterID()
	const want = "this node has state already: a cluster is founded once, from an empty data directory"
	if err := s.Bootstrap(); err == nil || err.Error() != want {
		t.Errorf("again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, "n1", dir)
	if err := s.Bootstrap(); err == nil || err.Error() != want {
		t.Errorf("again, after a restart: %v", err)
	}
	if s.ClusterID() != clusterID {
		t.Errorf("the cluster's ID was %s, is %s", clusterID, s.ClusterID())
	}
}

// TestErrors: what a caller is told where nothing can be proposed, or the
// outcome cannot be known.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := found(t, t.TempDir())
	fill(t, s)
	follower := mustOpen(t, "n2", t.TempDir())
	if err := s.Add(Server{ID: "n2", Address: follower.cfg.Address}, s.Servers().Index); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower has the log", func() bool { return follower.Applied() == s.Applied() })
	if role := follower.Role(); role != "nonvoter" {
		t.Errorf("a member without a vote has role %s", role)
	}

	ctx := t.Context()
	_, before := s.Digest()
	nothing := Command{Kind: KindMember, Member: Member{ID: "nobody"}}
	if _, err := follower.Apply(ctx, nothing); err != ErrNotLeader {
		t.Errorf("apply on a follower: %v", err)
	}
	if _, _, err := follower.ReadIndex(ctx); err != ErrNotLeader {
		t.Errorf("read on a follower: %v", err)
	}
	if err := follower.Add(Server{ID: "n3", Address: "127.0.0.1:1"}, 0); err != ErrNotLeader {
		t.Errorf("add on a follower: %v", err)
	}
	if err := follower.Remove("n1", 0); err != ErrNotLeader {
		t.Errorf("remove on a follower: %v", err)
	}
	if err := follower.Transfer(nil); err != ErrNotLeader {
		t.Errorf("transfer on a follower: %v", err)
	}
	if _, after := s.Digest(); after != before {
		t.Error("what was refused changed the state")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.WaitApplied(gone, 1<<40); err != context.Canceled {
		t.Errorf("waiting for what never comes: %v", err)
	}
	if err := s.WaitApplied(ctx, s.Applied()); err != nil {
		t.Errorf("waiting for what is there: %v", err)
	}

	for _, closing := range []*Store{follower, s} {
		waiting := make(chan error, 1)
		go func() { waiting <- closing.WaitApplied(ctx, 1<<40) }()
		for range 2 { // closing twice is closing once
			if err := closing.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-waiting; err != ErrClosed {
			t.Errorf("%s: waiting on a store that closes: %v", closing.cfg.ID, err)
		}
		if _, err := closing.Apply(ctx, nothing); err != ErrClosed {
			t.Errorf("%s: apply on a closed store: %v", closing.cfg.ID, err)
		}
		if _, _, err := closing.ReadIndex(ctx); err != ErrClosed {
			t.Errorf("%s: read on a closed store: %v", closing.cfg.ID, err)
		}
		if err := closing.Remove("n2", 0); err != ErrClosed {
			t.Errorf("%s: remove on a closed store: %v", closing.cfg.ID, err)
		}
	}
}

// TestDamagedDirectory: where the state on disk cannot be read, the store does
// not start, and says which file; it never starts with an empty state instead.
func TestDamagedDirectory(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, dir string){
		"log is text": func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "raft.db"), "not a database") },
		"log is long text": func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, "raft.db"), strings.Repeat("not a database\n", 10_000))
		},
		"log is cut off": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "raft.db")
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/4)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"log is lost": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "raft.db")); err != nil {
				t.Fatal(err)
			}
		},
		"log is a directory": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "raft.db")); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "raft.db"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"directory is a file": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			overwrite(t, dir, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "n1")
			s := found(t, dir)
			fill(t, s)
			if err := errors.Join(s.Snapshot(), s.Close()); err != nil {
				t.Fatal(err)
			}
			damage(t, dir)
			for range 2 { // a second try is no way in
				s, err := openAt(t, "n1", dir)
				if err == nil {
					s.Close()
					t.Fatal("it starts")
				}
				if !strings.Contains(err.Error(), dir) {
					t.Errorf("%q does not name %s", err, dir)
				}
			}
		})
	}
}

// TestDamagedSnapshot: a newest snapshot that is damaged is passed over; with
// the log behind an older one, nothing is lost.
func TestDamagedSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := found(t, dir)
	fill(t, s)
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, Command{Kind: KindMember, Member: Member{ID: "n9"}})
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	index, sum := s.Digest()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var newest string
	if err := filepath.WalkDir(filepath.Join(dir, "snapshots"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "state.bin" {
			newest = max(newest, path) // they are named for term, index and time
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	overwrite(t, newest, "torn")
	s = mustOpen(t, "n1", dir)
	lead(t, s)
	if i, again := s.Digest(); i != index || again != sum {
		t.Errorf("index %d, digest %x; before: index %d, digest %x", i, again, index, sum)
	}
}

func overwrite(t *testing.T, path, with string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(f, with)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNoStampBeforeTheClocks: while a leader does not know what time it is for the
// others, it proposes nothing; then it does.
func TestNoStampBeforeTheClocks(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, "n1", t.TempDir())
	var known atomic.Bool
	s.CorrectClock(func() (time.Duration, bool) { return time.Hour, known.Load() })
	if err := s.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store leads", s.IsLeader)
	last := s.Applied()
	for range 3 {
		if _, err := s.Apply(t.Context(), Command{Kind: KindMember, Member: Member{ID: "n1"}}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("without a clock: %v", err)
		}
	}
	if now := s.Applied(); now != last {
		t.Errorf("the log grew from %d to %d", last, now)
	}
	known.Store(true)
	lead(t, s)
	mustApply(t, s, Command{Kind: KindMember, Member: Member{ID: "n1"}})
	if now := read(s, func(st *state) int64 { return st.quota.Now() }); now < time.Now().Add(time.Hour-time.Minute).UnixMilli() {
		t.Errorf("it is %v", time.UnixMilli(now))
	}
}
