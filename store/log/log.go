// Package log is a log that the members of a group share: Raft, its log and
// stable store, snapshots, and the membership. It applies what is committed to
// a Machine and knows nothing of what that is.
//
// Types and errors of the raft package do not leave it.
package log

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

// DefaultElectionTimeout has a follower stand for election when it has heard nothing
// for one to two of it, and pre-vote may cost a third: a new leader within 0.9 s at
// worst. It tolerates the pauses of a busy 2-core node.
const DefaultElectionTimeout = 300 * time.Millisecond

const (
	// commitTimeout is how soon an idle leader tells followers what is
	// committed; a deploy answered by a follower waits for it.
	commitTimeout = 20 * time.Millisecond
	// transportTimeout bounds one exchange with a peer. A longer one delays
	// recovery after a partition by as much.
	transportTimeout = time.Second

	// These bound the log in entries; bounds.go has the bounds in bytes.
	snapshotInterval  = 30 * time.Second
	snapshotThreshold = 16384
	trailingLogs      = 16384
	retainedSnapshots = 2
)

// Config is what a Log is opened with; all fields but Registerer
// are required.
type Config struct {
	// ID is this node's name in the group.
	ID string
	// Dir holds the log and the snapshots.
	Dir string
	// Engine keeps the log on the disk; empty is the one that keeps it now, or BoltDB.
	Engine Engine
	// Keys are those of SetStable; their values move with the log to another engine.
	Keys [][]byte
	// Network carries Raft.
	Network Network
	// Address is where others reach Network.
	Address string
	// Logger receives what Raft has to say.
	Logger *slog.Logger
	// Clock gives the time that this node stamps its proposals with while it
	// leads. Its wall clock is read once a term and counted on from there by its
	// monotonic clock: leases are waited for by these stamps.
	Clock func() time.Time
	// DiskTimeout is how long a write may take before a node that leads is
	// given up (Failed); 0 is for ever.
	DiskTimeout time.Duration
	// ElectionTimeout is how long a follower hears nothing of a leader before it
	// stands for election; 0 means DefaultElectionTimeout. A leader that has heard
	// nothing of a majority for half of it leads no more.
	ElectionTimeout time.Duration
	// Registerer receives the log's metrics; nil: nobody does. Two logs of one
	// process need two that add a label each (prometheus.WrapRegistererWith).
	Registerer prometheus.Registerer

	// wrapLog stands between raft and the log in tests.
	wrapLog func(raft.LogStore) raft.LogStore
	// bounds are others than defaultBounds in tests.
	bounds bounds
}

// Log is one node's replica of a log. Methods may be called at any time; those
// that are about the group, only after Start.
type Log struct {
	cfg         Config
	incarnation atomic.Uint64
	fresh       bool
	hadOthers   atomic.Bool

	db          engine
	snapshots   *snapshots
	recent      *recent
	disk        *disk
	network     *raftNetwork
	replication *replication
	// raft is set once it runs; its transport asks for the membership before.
	raft    *raft.Raft
	running atomic.Pointer[raft.Raft]
	fsm     fsm
	stamps  *stamps
	timings timings

	reloading sync.Mutex // held while raft's configuration changes

	stalled atomic.Int64
	early   prometheus.Counter // elections begun before a timeout
	// askEnd tells where another member's log ends; nil where nobody does.
	askEnd atomic.Pointer[func(ctx context.Context, id, addr string) (End, bool)]
	failed chan error // has room for one

	observer    *raft.Observer
	observed    chan raft.Observation
	leaderMoved chan struct{}
	wg          sync.WaitGroup
	closed      chan struct{}
	closeOnce   sync.Once
	closeErr    error
}

// Open opens the files in cfg.Dir, empty ones if there are none. The node takes
// no part in the group before Start.
func Open(cfg Config) (*Log, error) {
	if cfg.bounds == (bounds{}) {
		cfg.bounds = defaultBounds
	}
	db, err := openEngine(cfg.Dir, cfg.Engine, cfg.Keys, cfg.Logger)
	if err != nil {
		return nil, err
	}
	l := &Log{
		cfg: cfg, stamps: newStamps(cfg.Clock), timings: newTimings(),
		early:       prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_raft_early_elections_total", Help: "Elections that this node has begun because the leader's connection had ended, before a timeout."}),
		observed:    make(chan raft.Observation, 64),
		leaderMoved: make(chan struct{}, 1),
		closed:      make(chan struct{}),
		failed:      make(chan error, 1),
	}
	l.db = &guarded{engine: db, dir: cfg.Dir, fail: l.Fail}
	if err := l.read(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// read looks at what is on the disk.
func (l *Log) read() error {
	files, err := raft.NewFileSnapshotStoreWithLogger(l.cfg.Dir, retainedSnapshots, raftLogger(l.cfg.Logger))
	if err == nil { // raft lets the world read it
		err = os.Chmod(filepath.Join(l.cfg.Dir, snapshotDir), 0o700)
	}
	if err == nil {
		l.snapshots, err = newSnapshots(files, l.boundTrail)
	}
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	state, err := raft.HasExistingState(l.db, l.db, l.snapshots)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	l.fresh = !state
	if err := l.readStable(); err != nil {
		return fmt.Errorf("reading the stable store: %w", err)
	}
	return nil
}

// Start restores m from the newest snapshot and starts to take part in the
// group that the log names, if it names one. It is called once.
func (l *Log) Start(m Machine) error {
	l.fsm.machine = m
	var entries raft.LogStore = l.db
	if l.cfg.wrapLog != nil {
		entries = l.cfg.wrapLog(entries)
	}
	l.disk = newDisk(entries, l.db, l.timings.fsync)
	recent, err := newRecent(l.disk, l.cfg.bounds.memory)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	recent.snapshot = l.snapshots.end
	l.recent = recent
	logger := raftLogger(l.cfg.Logger)
	l.network = newRaftNetwork(l.cfg, l.configured)
	l.replication = &replication{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream:                l.network,
			MaxPool:               4,
			Timeout:               transportTimeout,
			Logger:                logger,
			ServerAddressProvider: l.network,
		}),
		leads: l.leads, closed: l.closed, peers: map[raft.ServerID]*peerProgress{}, gates: map[raft.ServerID]*gate{},
	}
	r, err := raft.NewRaft(l.raftConfig(logger), &l.fsm, l.recent, l.disk, l.snapshots, l.replication)
	if err != nil {
		return errors.Join(fmt.Errorf("starting raft: %w", err), l.replication.Close())
	}
	l.raft = r
	l.running.Store(r)
	l.observer = raft.NewObserver(l.observed, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	r.RegisterObserver(l.observer)
	l.wg.Go(l.watchLeader)
	l.wg.Go(l.watchConnections)
	l.wg.Go(l.watchFollowers)
	l.wg.Go(l.watchDisk)
	l.wg.Go(l.watchBounds)
	if err := l.register(); err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	return nil
}

// Close stops taking part and closes the files. It is idempotent.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		close(l.closed)
		if l.raft != nil {
			l.raft.DeregisterObserver(l.observer)
			l.closeErr = errors.Join(l.raft.Shutdown().Error(), l.replication.Close())
			l.replication.CloseStreams()
		}
		l.wg.Wait()
		l.stamps.close()
		close(l.failed)
		l.closeErr = errors.Join(l.closeErr, l.db.Close())
	})
	return l.closeErr
}

// Bootstrap founds a group of this node alone. It fails on a replica that has
// state.
func (l *Log) Bootstrap() error {
	err := l.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{
		ID: raft.ServerID(l.cfg.ID), Address: raft.ServerAddress(l.cfg.Address),
	}}}).Error()
	if errors.Is(err, raft.ErrCantBootstrap) {
		return errors.New("this node has state already: a cluster is founded once, from an empty data directory")
	} else if err != nil {
		return fmt.Errorf("founding the cluster: %w", err)
	}
	return nil
}

// Snapshot writes a snapshot now and drops the log before it, but for the
// trailing part.
func (l *Log) Snapshot() error {
	if err := l.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// Fresh reports whether the replica has no state at all.
func (l *Log) Fresh() bool { return l.fresh && l.raft.LastIndex() == 0 }

// raftConfig is how raft is run.
func (l *Log) raftConfig(logger hclog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(l.cfg.ID)
	election := cmp.Or(l.cfg.ElectionTimeout, DefaultElectionTimeout)
	conf.HeartbeatTimeout, conf.ElectionTimeout = election, election
	conf.LeaderLeaseTimeout, conf.CommitTimeout = election/2, commitTimeout
	conf.SnapshotInterval, conf.SnapshotThreshold = snapshotInterval, snapshotThreshold
	conf.TrailingLogs = trailingLogs
	conf.ShutdownOnRemove = false // a removed node goes on to answer, with 50301
	conf.Logger = logger
	return conf
}

// configured are the servers of the newest membership; none before raft runs.
func (l *Log) configured() []raft.Server {
	r := l.running.Load()
	if r == nil {
		return nil
	}
	f := r.GetConfiguration()
	if f.Error() != nil { // never: it reads memory
		return nil
	}
	return f.Configuration().Servers
}

// leads reports whether this node leads in a term and has a member of that ID.
func (l *Log) leads(term uint64, id raft.ServerID) bool {
	r := l.running.Load()
	return r != nil && r.State() == raft.Leader && r.CurrentTerm() == term &&
		slices.ContainsFunc(l.configured(), func(m raft.Server) bool { return m.ID == id })
}

var _ io.Closer = (*Log)(nil)
