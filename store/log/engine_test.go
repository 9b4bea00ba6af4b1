package log

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

var testKey = []byte("TestKey")

func withEngine(e Engine) func(*Config) {
	return func(c *Config) { c.Engine, c.Keys = e, [][]byte{testKey} }
}

// TestEngines: a log that is moved from one engine to the other, and back, is the same:
// its entries, its vote, what is kept beside it. A snapshot may have cut it before.
func TestEngines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sum, incarnation, term uint64
	for round, e := range []Engine{BoltDB, WAL, WAL, BoltDB, "", WAL, ""} {
		r := start(t, "n1", dir, withEngine(e))
		if round == 0 {
			if err := r.Bootstrap(); err != nil {
				t.Fatal(err)
			}
			if err := r.SetStable(testKey, []byte("kept")); err != nil {
				t.Fatal(err)
			}
		}
		lead(t, r)
		if incarnation++; r.Incarnation() != incarnation {
			t.Errorf("round %d: incarnation %d, want %d", round, r.Incarnation(), incarnation)
		}
		if v, err := r.Stable(testKey); err != nil || string(v) != "kept" {
			t.Errorf("round %d: kept %q, %v", round, v, err)
		}
		if r.Term() <= term {
			t.Errorf("round %d: term %d after %d", round, r.Term(), term)
		}
		term = r.Term()
		if got := r.toy.state()[1]; got != sum {
			t.Errorf("round %d: the sum is %d, was %d", round, got, sum)
		}
		for n := range uint64(40) {
			if _, err := r.add(t.Context(), n+1); err != nil {
				t.Fatal(err)
			}
			sum += n + 1
			if n == 20 && round%2 == 1 {
				if err := r.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		bolt, walled := kept(dir)
		if wantWAL := e == WAL || e == "" && round == 6; bolt == wantWAL || walled != wantWAL {
			t.Errorf("round %d: raft.db keeps it: %v, wal keeps it: %v", round, bolt, walled)
		}
	}
}

// TestMoveCutOff: wherever a move ends too early, the next start has the whole log.
func TestMoveCutOff(t *testing.T) {
	t.Parallel()
	for _, from := range []Engine{BoltDB, WAL} {
		to := map[Engine]Engine{BoltDB: WAL, WAL: BoltDB}[from]
		source := t.TempDir()
		r := start(t, "n1", source, withEngine(from))
		if err := r.Bootstrap(); err != nil {
			t.Fatal(err)
		}
		lead(t, r)
		want, err := r.add(t.Context(), 77)
		if err == nil {
			err = r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		for what, cut := range map[string]func(dir string) error{
			"in the copy": func(dir string) error {
				return os.WriteFile(filepath.Join(dir, boltFile+".new"), []byte("a part"), 0o600)
			},
			"in the other copy": func(dir string) error { return os.Mkdir(filepath.Join(dir, walDir+".new"), 0o700) },
			"both are there": func(dir string) error {
				whole := t.TempDir()
				if err := os.CopyFS(whole, os.DirFS(source)); err != nil {
					return err
				}
				e, err := openEngine(whole, to, [][]byte{testKey}, slog.New(slog.DiscardHandler))
				if err != nil {
					return err
				}
				if err := e.Close(); err != nil {
					return err
				}
				if from == BoltDB {
					return os.CopyFS(filepath.Join(dir, walDir), os.DirFS(filepath.Join(whole, walDir)))
				}
				if err := os.Remove(filepath.Join(dir, boltFile)); err != nil {
					return err
				}
				return os.Rename(filepath.Join(whole, boltFile), filepath.Join(dir, boltFile))
			},
			"the old one is half removed": func(dir string) error {
				if from != WAL {
					return nil
				}
				return os.CopyFS(filepath.Join(dir, walDir+".old"), os.DirFS(filepath.Join(source, walDir)))
			},
		} {
			for _, next := range []Engine{from, to} {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
					t.Fatal(err)
				}
				if err := cut(dir); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				r := start(t, "n1", dir, withEngine(next))
				lead(t, r)
				if got := r.toy.state()[1]; got != want || r.Incarnation() != 2 {
					t.Errorf("from %s, %s, then %s: sum %d, incarnation %d", from, what, next, got, r.Incarnation())
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				for _, left := range []string{boltFile + ".new", walDir + ".new", walDir + ".old"} {
					if _, err := os.Stat(filepath.Join(dir, left)); err == nil {
						t.Errorf("from %s, %s, then %s: %s is left", from, what, next, left)
					}
				}
			}
		}
	}
}

// TestWALInUse: a second process on the directory is told so, and a release that knows
// of raft.db only finds no database there.
func TestWALInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, "n1", dir, withEngine(WAL))
	if _, err := Open(Config{ID: "n1", Dir: dir, Engine: WAL, Logger: slog.New(slog.DiscardHandler), Clock: time.Now}); err == nil || !strings.Contains(err.Error(), "wal is in use by another process") {
		t.Errorf("a second one: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openBolt(filepath.Join(dir, boltFile)); err == nil {
		t.Error("raft.db is a database")
	}
}

// TestWALFollows: a group on WAL commits, and a follower that was away for longer than
// the log lasts comes back by a snapshot.
func TestWALFollows(t *testing.T) {
	t.Parallel()
	var group [3]*replica
	for i := range group {
		group[i] = start(t, fmt.Sprint("n", i+1), t.TempDir(), func(c *Config) {
			c.Engine, c.bounds = WAL, bounds{snapshot: 1 << 20, trailing: 1, memory: 1 << 10}
		})
	}
	together(t, group)
	away := group[2]
	if away == leaderOf(t, group[:]) {
		away = group[1]
	}
	var up []*replica
	for _, r := range group {
		if r != away {
			up = append(up, r)
		}
	}
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	// Entries can be read until all of their file has gone.
	for n := range uint64(3 * walSegment / (64 << 10)) {
		eventually(t, "an entry is taken", func() bool {
			_, err := leaderOf(t, up).Propose(append(number(n), make([]byte, 64<<10)...)).Wait(t.Context())
			return err == nil
		})
	}
	for _, r := range up {
		if err := r.Snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", away.cfg.Address)
	if err != nil {
		t.Fatal(err)
	}
	back := start(t, away.cfg.ID, away.cfg.Dir, func(c *Config) {
		_ = c.Network.Close()
		c.Engine, c.Network, c.Address = WAL, tcp{ln}, away.cfg.Address
	})
	eventually(t, "the follower has all of it", func() bool { return back.toy.state() == leaderOf(t, up).toy.state() })
	eventually(t, "its log begins with the snapshot", func() bool {
		first, err := back.db.FirstIndex()
		return err == nil && (first == 0 || first > 100) // 0: it is empty
	})
	for n := range uint64(3) {
		if _, err := leaderOf(t, up).add(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the follower goes on", func() bool { return back.toy.state() == leaderOf(t, up).toy.state() })
	first, err := back.db.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	last, err := back.db.LastIndex()
	for i := first; i <= last && err == nil; i++ {
		var e raft.Log
		if err = back.db.GetLog(i, &e); e.Index != i {
			t.Errorf("entry %d has index %d", i, e.Index)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestWALSuffix: a log whose end was cut off, as a new leader does with entries that were
// never committed, is read back after a restart. raft-wal 0.4.0 lost all of the file
// (hashicorp/raft-wal#31).
func TestWALSuffix(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), walDir)
	w, err := openWAL(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(index uint64) *raft.Log { return &raft.Log{Index: index, Term: 1, Data: []byte("x")} }
	if err := w.StoreLogs([]*raft.Log{entry(1), entry(2), entry(3)}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.DeleteRange(3, 3), w.Close()); err != nil {
		t.Fatal(err)
	}
	if w, err = openWAL(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var got raft.Log
	if err := w.GetLog(1, &got); err != nil || got.Index != 1 {
		t.Errorf("entry 1: %+v, %v", got, err)
	}
	if last, err := w.LastIndex(); err != nil || last != 2 {
		t.Errorf("the last entry is %d, %v", last, err)
	}
}
