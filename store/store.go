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
	"net"
	"os"
	"path/filepath"
	"sync"
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

// logFile holds the log and the stable store.
const logFile = "raft.db"

// Keys of the stable store, beside raft's own.
var (
	keyClusterID   = []byte("TollgateClusterID")
	keyIncarnation = []byte("TollgateIncarnation")
)

// Network carries Raft between nodes. Accept and Dial give connections whose
// other end is a member of the same cluster.
type Network interface {
	net.Listener
	Dial(addr string, timeout time.Duration) (net.Conn, error)
}

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
}

// Store is one node's replica. All methods may be called at any time.
type Store struct {
	cfg         Config
	incarnation uint64
	fresh       bool

	db        *raftboltdb.BoltStore
	transport *raft.NetworkTransport
	raft      *raft.Raft
	fsm       *fsm

	mu        sync.Mutex
	clusterID string

	stamping sync.Mutex
	// stampTerm is the term that stamps are made in, stampBase the clock when
	// the first of it was made, and stampOffset what was added to that.
	stampTerm   uint64
	stampBase   time.Time
	stampOffset time.Duration
	// offset is asked once a term for stampOffset.
	offset func() time.Duration

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
		offset:      func() time.Duration { return 0 },
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
	cache, err := raft.NewLogCache(1024, s.db)
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
	s.transport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  streamLayer{s.cfg.Network, s.cfg.Address},
		MaxPool: 4,
		Timeout: transportTimeout,
		Logger:  logger,
	})
	s.raft, err = raft.NewRaft(conf, s.fsm, cache, s.db, snapshots, s.transport)
	if err != nil {
		return errors.Join(fmt.Errorf("starting raft: %w", err), s.transport.Close())
	}
	s.observer = raft.NewObserver(s.observed, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	s.raft.RegisterObserver(s.observer)
	s.wg.Go(s.watchLeader)
	return nil
}

// readStable reads the cluster's ID and counts this start.
func (s *Store) readStable() error {
	id, err := s.db.Get(keyClusterID)
	if err != nil && !errors.Is(err, raftboltdb.ErrKeyNotFound) {
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
	s.incarnation = n + 1
	return s.db.SetUint64(keyIncarnation, s.incarnation)
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
		s.closeErr = errors.Join(s.raft.Shutdown().Error(), s.transport.Close())
		s.wg.Wait()
		s.closeErr = errors.Join(s.closeErr, s.db.Close())
	})
	return s.closeErr
}

// Fresh reports whether the replica has no state at all.
func (s *Store) Fresh() bool { return s.fresh && s.raft.LastIndex() == 0 }

// Incarnation counts the times this replica was opened, from 1.
func (s *Store) Incarnation() uint64 { return s.incarnation }

// ClusterID is the ID of the cluster this node belongs to; empty until known.
func (s *Store) ClusterID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusterID
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

// streamLayer gives Network to raft.
type streamLayer struct {
	Network
	address string
}

func (l streamLayer) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return l.Network.Dial(string(addr), timeout)
}

// Addr is the address that others know this node by.
func (l streamLayer) Addr() net.Addr { return advertised(l.address) }

type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }

var _ io.Closer = (*Store)(nil)
