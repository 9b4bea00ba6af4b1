package store

import (
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// Result is what applying a command gave.
type Result struct {
	// Index is the command's place in the log: a reader that has waited for
	// it (Store.WaitApplied) sees its effect.
	Index uint64
	// Catalog is the result of a KindCatalog command.
	Catalog catalog.Result
	// Frames has one result for each frame of a KindFrames command.
	Frames []quota.Result
	// Err is why a command was refused and changed nothing, such as
	// catalog.ErrNotFound.
	Err error
}

// fsm is what raft applies to. Raft calls Apply, Snapshot and Restore one at a
// time; readers come at any time.
type fsm struct {
	mu    sync.RWMutex
	state state

	applied Progress
	// observer is told of the quota's changes, under mu, in their order.
	observer QuotaObserver

	// deployed has a value whenever the live domains may have changed;
	// deployedAt is the index at which they last did.
	deployed   chan struct{}
	deployedAt atomic.Uint64
	// configured is the index of the newest committed membership; 0 while it
	// is not known.
	configured atomic.Uint64
	// initialized is called, outside the lock, when the cluster's ID becomes
	// known.
	initialized func(clusterID string)
}

func newFSM(initialized func(string)) *fsm {
	return &fsm{state: newState(), deployed: make(chan struct{}, 1), initialized: initialized, observer: nobody{}}
}

// QuotaObserver is told what a node's ledger must know of the counters. It is
// called as commands are applied, in their order, and must not block.
type QuotaObserver interface {
	// CountersChanged: the counters of some domains, by key, are now these; none
	// where a domain has none. What is told at once may cost as much as a single
	// one.
	CountersChanged(changed map[string][]quota.Info)
	// PhasesChanged: these counters have entered a phase.
	PhasesChanged(changed []quota.Info)
}

// nobody observes.
type nobody struct{}

func (nobody) CountersChanged(map[string][]quota.Info) {}
func (nobody) PhasesChanged([]quota.Info)              {}

// observe tells the observer what a command has changed.
func (f *fsm) observe(res Result) {
	if res.Catalog.Deployed || res.Catalog.Deleted {
		f.observer.CountersChanged(f.counters(res.Catalog.Key))
	}
	if changed := f.state.quota.TakeChanges(); len(changed) > 0 {
		f.observer.PhasesChanged(changed)
	}
}

// watch sets the observer, and first tells it everything.
func (f *fsm) watch(o QuotaObserver) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observer = o
	o.CountersChanged(f.counters(f.state.quota.Domains()...))
}

// counters is the counters of domains, as an observer is told of them.
func (f *fsm) counters(keys ...string) map[string][]quota.Info {
	all := make(map[string][]quota.Info, len(keys))
	for _, key := range keys {
		all[key] = f.state.quota.Counters(key)
	}
	return all
}

// Apply implements raft.FSM. Committed bytes that cannot be decoded mean a
// damaged log or a log written by a newer version; going on would make this
// replica differ from the others for ever.
func (f *fsm) Apply(log *raft.Log) any {
	cmd, err := decode(log.Data)
	if err != nil {
		panic(fmt.Sprintf("raft log index %d, term %d: %v", log.Index, log.Term, err))
	}
	f.mu.Lock()
	res := f.state.apply(log.Index, log.Term, &cmd)
	f.observe(res)
	f.mu.Unlock()
	if cmd.Kind == KindInit {
		f.initialized(cmd.ClusterID)
	}
	if res.Catalog.Deployed || res.Catalog.Deleted {
		f.changed(log.Index)
	}
	f.applied.Reach(log.Index)
	return res
}

// StoreConfiguration implements raft.ConfigurationStore: raft tells the index of
// a configuration nowhere else (GetConfiguration leaves it 0).
func (f *fsm) StoreConfiguration(index uint64, _ raft.Configuration) { f.configured.Store(index) }

func (f *fsm) changed(index uint64) {
	f.deployedAt.Store(index)
	select {
	case f.deployed <- struct{}{}:
	default: // one is pending already
	}
}

// Snapshot implements raft.FSM: it copies under the lock, so that writing the
// copy out does not hold Apply up.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return snapshot(f.state.append(nil)), nil
}

// Restore implements raft.FSM: it decodes the whole, then swaps.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("reading the snapshot: %w", err)
	}
	s, err := decodeState(b)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	f.configured.Store(0) // the snapshot's is not in it
	f.mu.Lock()
	gone := f.state.quota.Domains()
	f.state = s
	f.observer.CountersChanged(f.counters(append(gone, s.quota.Domains()...)...))
	f.mu.Unlock()
	if s.clusterID != "" {
		f.initialized(s.clusterID)
	}
	f.changed(s.applied)
	f.applied.Reach(s.applied)
	return nil
}

// digest is the index of the newest command and a hash of the whole state.
func (f *fsm) digest() (uint64, [sha256.Size]byte) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.applied, sha256.Sum256(f.state.append(nil))
}

// snapshot is the encoded state on its way to a sink.
type snapshot []byte

// Persist implements raft.FSMSnapshot.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(s); err != nil {
		_ = sink.Cancel()
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (snapshot) Release() {}
