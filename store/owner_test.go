package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
)

// TestOwner: a directory belongs to the node that made it.
func TestOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := found(t, dir)
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, "n2", dir); err == nil || !strings.Contains(err.Error(), "belongs to node n1") {
		t.Errorf("opened by n2: %v", err)
	}
	lead(t, mustOpen(t, "n1", dir))
}

// TestIncarnationOfACopy: a directory that was put back from a copy does not send
// frames under numbers that its former life has used.
func TestIncarnationOfACopy(t *testing.T) {
	t.Parallel()
	s := found(t, t.TempDir())
	fill(t, s) // a frame of incarnation 1
	if s.Incarnation() != 1 {
		t.Fatalf("incarnation %d", s.Incarnation())
	}
	later := quota.Frame{Node: "n1", Incarnation: 7, Seq: 1}
	mustApply(t, s, Command{Kind: KindFrames, Frames: [][]byte{later.Append(nil)}})
	if err := s.RaiseIncarnation(); err != nil || s.Incarnation() != 8 {
		t.Errorf("incarnation %d, want 8: %v", s.Incarnation(), err)
	}
	frame := quota.Frame{Node: "n1", Incarnation: s.Incarnation(), Seq: 1, Takes: []quota.Take{take(1, 1)}}
	res := mustApply(t, s, Command{Kind: KindFrames, Frames: [][]byte{frame.Append(nil)}})
	if res.Frames[0].Stale {
		t.Error("the frame is stale")
	}
}

// TestPrivateFiles: nobody but the owner reads what a store keeps, whoever made
// its directory.
func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := found(t, dir)
	fill(t, s)
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"raft.db", "snapshots"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if perm := info.Mode().Perm(); perm&0o077 != 0 {
			t.Errorf("%s has mode %o", name, perm)
		}
	}
}
