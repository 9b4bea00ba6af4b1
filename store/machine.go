package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

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
	// Consumer is whether a KindConsumer command has changed something.
	Consumer bool
	// Restored is whether a KindRestore command has put a backup in.
	Restored bool
	// Frames has one result for each frame of a KindFrames command.
	Frames []quota.Result
	// Err is why a command was refused and changed nothing, such as
	// catalog.ErrNotFound.
	Err error
}

// machine is the product's state in the log: a log.Machine. Readers come at any
// time.
type machine struct {
	// mu comes before the observer's lock (cluster/ledger), which is taken under it.
	mu    sync.RWMutex
	state state

	// observer is told of the quota's changes, under mu, in their order.
	observer QuotaObserver

	// deployed has a value whenever the live domains may have changed;
	// deployedAt is the index at which they last did.
	deployed   chan struct{}
	deployedAt atomic.Uint64
	// initialized is called, outside the lock, when the cluster's ID, or another
	// generation of it, becomes known.
	initialized func(clusterID string, generation uint64)
	// stopped is why nothing is applied any more, and fatal is told of it, once.
	stopped     error
	fatal       func(error)
	checkpoints *checkpoints
	keys        *keys
	// events is told what happens to quotas; nil: nobody is.
	events atomic.Pointer[func([]quota.Event)]
}

func newMachine(initialized func(string, uint64), fatal func(error)) *machine {
	return &machine{fatal: fatal, keys: newKeys(), checkpoints: newCheckpoints(), state: newState(), deployed: make(chan struct{}, 1), initialized: initialized, observer: nobody{}}
}

// QuotaObserver is told what a node's ledger must know of the counters. It is
// called as commands are applied, in their order, under the state machine's lock: it
// must not block, and must not call the store under a lock that it takes here.
type QuotaObserver interface {
	// RulesChanged: the rules of some domains, by key, are now these; none where a
	// domain has none. What is told at once may cost as much as a single one. Frames
	// may be of the version from now on.
	RulesChanged(changed map[string][]quota.Rule, v quota.Version)
	// Restored: the state is another. What was known of counters may be wrong; RulesChanged
	// follows.
	Restored()
	// PhasesChanged: these counters have entered a phase.
	PhasesChanged(changed []quota.Info)
}

// nobody observes.
type nobody struct{}

func (nobody) RulesChanged(map[string][]quota.Rule, quota.Version) {}
func (nobody) Restored()                                           {}
func (nobody) PhasesChanged([]quota.Info)                          {}

// observe tells the observer what a command has changed, which came by rules before.
func (m *machine) observe(res Result, before Rules) {
	switch {
	case res.Catalog.Deployed || res.Catalog.Deleted:
		m.tellRules(res.Catalog.Key)
	case m.state.rules != before:
		m.tellRules()
	}
	if changed := m.state.quota.TakeChanges(); len(changed) > 0 {
		m.observer.PhasesChanged(changed)
	}
	if events := m.state.quota.TakeEvents(); len(events) > 0 {
		if tell := m.events.Load(); tell != nil {
			(*tell)(events)
		}
	}
}

// watch sets the observer, and first tells it everything.
func (m *machine) watch(o QuotaObserver) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observer = o
	m.tellRules(m.state.quota.Domains()...)
}

// tellRules tells the observer the rules of domains.
func (m *machine) tellRules(keys ...string) {
	all := make(map[string][]quota.Rule, len(keys))
	for _, key := range keys {
		all[key] = m.state.quota.Rules(key)
	}
	m.observer.RulesChanged(all, m.state.rules.quotas())
}

// Apply implements log.Machine. Committed bytes that cannot be decoded mean a
// damaged log or a log written by a newer version.
func (m *machine) Apply(index, term uint64, payload []byte) any {
	cmd, err := decode(payload)
	var unknown *unknownRules
	if errors.As(err, &unknown) {
		unknown.where = fmt.Sprintf("the entry at index %d of the log", index)
		m.stop(unknown)
	} else if err != nil {
		panic(fmt.Sprintf("raft log index %d, term %d: %v", index, term, err))
	}
	m.mu.Lock()
	if m.stopped != nil {
		defer m.mu.Unlock()
		return Result{Err: m.stopped}
	}
	before, consumer := m.state.rules, m.consumer(&cmd)
	var gone []string
	if cmd.Kind == KindRestore {
		gone = m.state.quota.Domains()
	}
	res := m.state.apply(index, term, &cmd)
	if res.Restored {
		m.observer.Restored()
		m.tellRules(append(gone, m.state.quota.Domains()...)...)
		m.keys.restore(m.state.catalog)
	}
	m.observe(res, before)
	switch {
	case res.Consumer:
		m.keys.replace(consumer, m.consumer(&cmd))
	case res.Catalog.Deleted:
		m.keys.forget(res.Catalog.Key)
	}
	m.mu.Unlock()
	if cmd.Kind == KindCheckpoint {
		m.checkpoints.take(index, m.Snapshot)
	}
	if cmd.Kind == KindInit {
		m.initialized(cmd.ClusterID, 0)
	}
	if res.Catalog.Deployed || res.Catalog.Deleted || res.Restored {
		m.changed(index)
	}
	return res
}

// consumer is the consumer that a command is about, as it is now.
func (m *machine) consumer(c *decoded) *catalog.Consumer {
	if c.Kind != KindConsumer {
		return nil
	}
	return m.state.catalog.Consumer(c.Consumer.Domain, c.Consumer.ID)
}

// stop ends the applying: by an entry that this release must not apply, this replica
// would come to differ from the others.
func (m *machine) stop(err error) {
	m.mu.Lock()
	first := m.stopped == nil
	if first {
		m.stopped = err
	}
	m.mu.Unlock()
	if first {
		m.fatal(err)
	}
}

func (m *machine) changed(index uint64) {
	m.deployedAt.Store(index)
	select {
	case m.deployed <- struct{}{}:
	default: // one is pending already
	}
}

// Snapshot implements log.Machine.
func (m *machine) Snapshot() io.WriterTo {
	s, err := m.snapshot()
	if err != nil { // the log has gone on without it
		return unwritten{err}
	}
	return s
}

// snapshot is the state as of now. It takes the lock, as a writer, for next to
// nothing; what is done with it holds nobody up. The error is why the machine has
// stopped, if it has.
func (m *machine) snapshot() (*snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.snapshot(), m.stopped
}

// unwritten is the snapshot of a machine that has stopped.
type unwritten struct{ err error }

func (u unwritten) WriteTo(io.Writer) (int64, error) { return 0, u.err }

// Restore implements log.Machine: it decodes the whole, then swaps.
func (m *machine) Restore(r io.Reader) (applied uint64, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	s, err := decodeState(b)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	gone := m.state.quota.Domains()
	m.state = s
	m.keys.restore(s.catalog)
	m.observer.Restored()
	m.tellRules(append(gone, s.quota.Domains()...)...)
	m.mu.Unlock()
	if s.clusterID != "" {
		m.initialized(s.clusterID, s.generation)
	}
	m.changed(s.applied)
	return s.applied, nil
}

// digest is the index of the newest command and a hash of the whole state. It
// holds nobody up.
func (m *machine) digest() (index uint64, sum [sha256.Size]byte) {
	s, _ := m.snapshot()
	h := sha256.New()
	_, _ = s.WriteTo(h) // a hash refuses nothing
	return s.applied, [sha256.Size]byte(h.Sum(nil))
}
