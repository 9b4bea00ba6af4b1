package log

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// failing is an engine that writes nothing while full is set.
type failing struct {
	engine
	full bool
}

func (f *failing) StoreLogs([]*raft.Log) error {
	if f.full {
		return errFull
	}
	return nil
}

func (f *failing) SetUint64([]byte, uint64) error { return f.StoreLogs(nil) }

// TestFailedWrite: after a write that has failed none is made, although there is room
// again. The failure is told once, and raft is not brought to panic by it.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	var told []error
	disk := &failing{}
	g := &guarded{engine: disk, dir: "/d", fail: func(err error) { told = append(told, err) }}
	if err := g.StoreLogs(nil); err != nil {
		t.Fatal(err)
	}
	disk.full = true
	if err := g.StoreLogs(nil); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
	disk.full = false
	if err := g.StoreLogs(nil); !errors.Is(err, errFull) {
		t.Errorf("after it: %v", err)
	}
	if err := g.SetUint64([]byte("LastVoteTerm"), 2); !errors.Is(err, errFull) {
		t.Errorf("a vote: %v", err)
	}
	if err := g.SetUint64([]byte(keyTerm), 2); err != nil {
		t.Errorf("a term: %v", err)
	}
	if len(told) != 1 || !errors.Is(told[0], errFull) {
		t.Errorf("told: %v", told)
	}
}
