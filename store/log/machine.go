package log

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Machine is what lives in a log. Each member of the log's group has one; they
// apply the same entries in the same order and so come to the same state.
//
// The log calls Apply, Snapshot and Restore one at a time, from goroutines of
// its own, and from before Start returns. Whoever reads the machine meanwhile
// must lock it.
type Machine interface {
	// Apply applies the committed entry at index of the log, written in term.
	// What it does must depend on nothing but the machine's state and these
	// arguments. What it returns goes to the proposer (Proposal.Wait), where
	// that is this node. It must not keep payload. Where it cannot read
	// payload, it panics: going on would make this replica differ from the
	// others for ever.
	Apply(index, term uint64, payload []byte) any
	// Snapshot is the state as of now. It holds up Apply, so it must cost
	// next to nothing, whatever the size of the state. The log calls WriteTo
	// once, at any later time, while Apply goes on.
	Snapshot() io.WriterTo
	// Restore replaces the state by the one that a snapshot has written, and
	// returns the index of the newest entry that is applied in it. After an
	// error the state must be what it was.
	Restore(r io.Reader) (applied uint64, err error)
}

// fsm is a Machine as raft drives it.
type fsm struct {
	machine Machine
	// applied is the index of the newest entry that the machine has applied.
	applied Progress
	// configured is the index of the newest committed membership; 0 while it
	// is not known.
	configured atomic.Uint64
}

// Apply implements raft.FSM.
func (f *fsm) Apply(entry *raft.Log) any {
	res := f.machine.Apply(entry.Index, entry.Term, entry.Data)
	f.applied.Reach(entry.Index)
	return res
}

// StoreConfiguration implements raft.ConfigurationStore: raft tells the index of
// a configuration nowhere else (GetConfiguration leaves it 0).
func (f *fsm) StoreConfiguration(index uint64, _ raft.Configuration) { f.configured.Store(index) }

// Snapshot implements raft.FSM.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return snapshot{f.machine.Snapshot()}, nil }

// Restore implements raft.FSM.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	index, err := f.machine.Restore(r)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	f.configured.Store(0) // the snapshot's is not in it
	f.applied.Reach(index)
	return nil
}

// snapshot is a machine's state on its way to a sink.
type snapshot struct{ state io.WriterTo }

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := s.state.WriteTo(sink); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (snapshot) Release() {}
