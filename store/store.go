// Package store is what the nodes of a cluster share: a log kept by Raft, the
// state it makes (domains, quotas, members), snapshots and reads of it.
//
// See DESIGN.md. Types and errors of the raft package do not leave it.
package store

import (
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

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// Raft timing. A follower stands for election when it has heard nothing for
// one to two timeouts, and pre-vote may cost a third; 300 ms gives a new
// leader within 0.9 s at worst and tolerates the pauses of a busy 2-core node.
const (
	electionTimeout = 300 * time.Millisecond
	leaderLease     = electionTimeout / 2
	// commitTimeout is how soon an idle leader tells followers what is
	// committed; a deploy answered by a follower waits for it.
	commitTimeout = 20 * time.Millisecond
	// transportTimeout bounds one exchange with a peer. A longer one delays
	// recovery after a partition by as much.
	transportTimeout = time.Second

	snapshotInterval  = 30 * time.Second
	snapshotThreshold = 16384
	trailingLogs      = 16384
	retainedSnapshots = 2
)

const (
	// logFile holds the log and the stable store.
	logFile = "raft.db"
	// snapshotDir is raft's name for the directory of snapshots.
	snapshotDir = "snapshots"
)

// Keys of the stable store, beside raft's own.
var (
	keyClusterID   = []byte("TollgateClusterID")
	keyIncarnation = []byte("TollgateIncarnation")
	keyNodeID      = []byte("TollgateNodeID")
	keyHadOthers   = []byte("TollgateHadOthers")
)

// Config is what a Store is opened with; all fields are required.
type Config struct {
	// ID is this node's name in the cluster.
	ID string
	// Dir holds the log and the snapshots.
	Dir string
	// Network carries Raft.
	Network Network
	// Address is where others reach Network.
	Address string
	// Logger receives what Raft has to say.
	Logger *slog.Logger
	// Clock gives the time that this node stamps into the log while it leads.
	// Its wall clock is read once a term and counted on from there by its
	// monotonic clock: leases are waited for by these stamps.
	Clock func() time.Time
	// DiskTimeout is how long a write may take before a node that leads is
	// given up (Failed); 0 is for ever.
	DiskTimeout time.Duration

	// wrapLog stands between raft and the log in tests.
	wrapLog func(raft.LogStore) raft.LogStore
}

// Store is one node's replica. All methods may be called at any time.
type Store struct {
	cfg         Config
	incarnation atomic.Uint64
	fresh       bool
	hadOthers   atomic.Bool

	db          *raftboltdb.BoltStore
	disk        *disk
	network     *raftNetwork
	replication *replication
	// raft is set once it runs; its transport asks for the membership before.
	raft    *raft.Raft
	running atomic.Pointer[raft.Raft]
	fsm     *fsm

	stalled atomic.Int64
	failed  chan error // has room for one

	mu        sync.Mutex
	clusterID string

	stamping sync.Mutex
	// stampTerm is the term that stamps are made in, stampBase the clock when
	// the first of it was made, and stampOffset what was added to that.
	stampTerm   uint64
	stampBase   time.Time
	stampOffset time.Duration
	// offset is asked once a term for stampOffset.
	offset func() (time.Duration, bool)

	observer    *raft.Observer
	observed    chan raft.Observation
	leaderMoved chan struct{}
	wg          sync.WaitGroup
	closed      chan struct{}
	closeOnce   sync.Once
	closeErr    error
}

// Open opens the replica in cfg.Dir, an empty one if there is none, and starts
// to take part in the cluster that its state names, if it names one.
func Open(cfg Config) (*Store, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	path := filepath.Join(cfg.Dir, logFile)
	err := checkWhole(path)
	if err != nil {
		return nil, openError(path, err)
	}
	db, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		// The freelist of a log that is written at its end and cut at its
		// start is costly to write with every commit and cheap to rebuild.
		BoltOptions: &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
	})
	if err != nil {
		return nil, openError(path, err)
	}
	s := &Store{
		cfg: cfg, db: db,
		observed:    make(chan raft.Observation, 64),
		leaderMoved: make(chan struct{}, 1),
		closed:      make(chan struct{}),
		failed:      make(chan error, 1),
		offset:      func() (time.Duration, bool) { return 0, true },
	}
	s.fsm = newFSM(s.rememberClusterID)
	if err := s.start(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func openError(path string, err error) error {
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

// checkWhole fails on a log that was cut off, as by a full disk while it was
// copied: bbolt would panic in a goroutine of its own.
func checkWhole(path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return nil // there is none yet, or opening it says why not
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err == nil && info.Size() < tx.Size() {
			err = fmt.Errorf("the file is cut off: it has %d bytes, must have %d or more", info.Size(), tx.Size())
		}
		return err
	})
}

// start reads the stable store and starts raft.
func (s *Store) start() error {
	logger := raftLogger(s.cfg.Logger)
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(s.cfg.Dir, retainedSnapshots, logger)
	if err == nil { // raft lets the world read it
		err = os.Chmod(filepath.Join(s.cfg.Dir, snapshotDir), 0o700)
	}
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	state, err := raft.HasExistingState(s.db, s.db, snapshots)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	s.fresh = !state
	if err := s.readStable(); err != nil {
		return fmt.Errorf("reading the stable store: %w", err)
	}
	var entries raft.LogStore = s.db
	if s.cfg.wrapLog != nil {
		entries = s.cfg.wrapLog(entries)
	}
	s.disk = newDisk(entries, s.db)
	cache, err := raft.NewLogCache(1024, s.disk)
	if err != nil {
		return err
	}
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(s.cfg.ID)
	conf.HeartbeatTimeout, conf.ElectionTimeout = electionTimeout, electionTimeout
	conf.LeaderLeaseTimeout, conf.CommitTimeout = leaderLease, commitTimeout
	conf.SnapshotInterval, conf.SnapshotThreshold = snapshotInterval, snapshotThreshold
	conf.TrailingLogs = trailingLogs
	conf.ShutdownOnRemove = false // a removed node goes on to answer, with 50301
	conf.Logger = logger
	s.network = newRaftNetwork(s.cfg, s.configured)
	s.replication = &replication{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream:                s.network,
			MaxPool:               4,
			Timeout:               transportTimeout,
			Logger:                logger,
			ServerAddressProvider: s.network,
		}),
		leads: s.leads, closed: s.closed, peers: map[raft.ServerID]*peerProgress{}, gates: map[raft.ServerID]*gate{},
	}
	s.raft, err = raft.NewRaft(conf, s.fsm, cache, s.disk, snapshots, s.replication)
	if err != nil {
		return errors.Join(fmt.Errorf("starting raft: %w", err), s.replication.Close())
	}
	s.running.Store(s.raft)
	s.observer = raft.NewObserver(s.observed, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	s.raft.RegisterObserver(s.observer)
	s.wg.Go(s.watchLeader)
	s.wg.Go(s.watchFollowers)
	s.wg.Go(s.watchDisk)
	return nil
}

// configured are the servers of the newest membership; none before raft runs.
func (s *Store) configured() []raft.Server {
	r := s.running.Load()
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
func (s *Store) leads(term uint64, id raft.ServerID) bool {
	r := s.running.Load()
	return r != nil && r.State() == raft.Leader && r.CurrentTerm() == term &&
		slices.ContainsFunc(s.configured(), func(m raft.Server) bool { return m.ID == id })
}

// readStable reads what the node keeps beside the log: whose it is, and how often
// it was opened.
func (s *Store) readStable() error {
	if err := s.readOwner(); err != nil {
		return err
	}
	id, err := s.stable(keyClusterID)
	if err != nil {
		return err
	}
	s.clusterID = string(id)
	n, err := s.db.GetUint64(keyIncarnation)
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound) && !s.fresh:
		// Without the log, this node has forgotten its vote, and that frames
		// of its first incarnation were applied long ago.
		return fmt.Errorf("%s is lost, but there are snapshots beside it: put it back, or let this node leave and start from an empty directory", filepath.Join(s.cfg.Dir, logFile))
	case err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound):
		return err
	}
	return s.setIncarnation(n + 1)
}

// stable reads a value of the stable store, nil if there is none.
func (s *Store) stable(key []byte) ([]byte, error) {
	v, err := s.db.Get(key)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, nil
	}
	return v, err
}

// readOwner makes sure that the directory is this node's: under another ID it
// would be a member that nobody knows, with the vote of one that they do.
func (s *Store) readOwner() error {
	owner, err := s.stable(keyNodeID)
	if err != nil {
		return err
	}
	if len(owner) > 0 && string(owner) != s.cfg.ID {
		return fmt.Errorf("it belongs to node %s: start it with --id %s, or give %s a directory of its own", owner, owner, s.cfg.ID)
	}
	return s.db.Set(keyNodeID, []byte(s.cfg.ID))
}

// rememberClusterID keeps the ID that the log gave this node, so that it is
// known before the log has been read the next time.
func (s *Store) rememberClusterID(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clusterID != "" {
		return
	}
	if err := s.db.Set(keyClusterID, []byte(id)); err != nil {
		s.cfg.Logger.Error("could not store the cluster's ID; it is read from the log again", "error", err)
	}
	s.clusterID = id
}

// Close stops taking part and closes the files. It is idempotent.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closed)
		s.raft.DeregisterObserver(s.observer)
		s.closeErr = errors.Join(s.raft.Shutdown().Error(), s.replication.Close())
		s.wg.Wait()
		close(s.failed)
		s.closeErr = errors.Join(s.closeErr, s.db.Close())
	})
	return s.closeErr
}

// Fresh reports whether the replica has no state at all.
func (s *Store) Fresh() bool { return s.fresh && s.raft.LastIndex() == 0 }

// Incarnation counts the times this replica was opened, from 1.
func (s *Store) Incarnation() uint64 { return s.incarnation.Load() }

// RaiseIncarnation makes the incarnation greater than any that the replica has
// seen frames of: a directory that was put back from a copy has forgotten those
// since. It is for a replica that has caught up, before its first frame.
func (s *Store) RaiseIncarnation() error {
	seen := read(s, func(st *state) uint64 { return st.quota.Incarnation(s.cfg.ID) })
	if seen < s.Incarnation() {
		return nil
	}
	return s.setIncarnation(seen + 1)
}

func (s *Store) setIncarnation(n uint64) error {
	if err := s.db.SetUint64(keyIncarnation, n); err != nil {
		return err
	}
	s.incarnation.Store(n)
	return nil
}

// ClusterID is the ID of the cluster this node belongs to; empty until known.
func (s *Store) ClusterID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusterID
}

// HadOthers reports whether this node's cluster has ever had another member.
func (s *Store) HadOthers() bool {
	if s.hadOthers.Load() {
		return true
	}
	stored, err := s.stable(keyHadOthers)
	if err == nil && stored == nil && len(s.configured()) > 1 {
		stored = []byte{1}
		err = s.db.Set(keyHadOthers, stored)
	}
	if err != nil {
		s.cfg.Logger.Error("could not remember that the cluster has other members", "error", err)
	}
	s.hadOthers.Store(stored != nil)
	return stored != nil
}

// Bootstrap founds a cluster of this node alone. It fails on a replica that
// has state.
func (s *Store) Bootstrap() error {
	if s.Fresh() {
		s.rememberClusterID(uuid.NewString())
	}
	err := s.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{
		ID: raft.ServerID(s.cfg.ID), Address: raft.ServerAddress(s.cfg.Address),
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
func (s *Store) Snapshot() error {
	if err := s.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

var _ io.Closer = (*Store)(nil)
