// Package store is what the nodes of a cluster share: the state of the product
// (domains, quotas, members), as it comes of the commands in a log, and reads
// of it.
//
// See DESIGN.md.
package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/log"
	"github.com/tollgate/tollgate/store/wire"
)

// keyClusterID is where a node keeps the cluster's ID beside the log.
var keyClusterID = []byte("TollgateClusterID")

// keyGeneration is where a node keeps the cluster's generation, from the second on.
var keyGeneration = []byte("TollgateClusterGeneration")

func readGeneration(l interface {
	Stable(key []byte) ([]byte, error)
}) (uint64, error) {
	raw, err := l.Stable(keyGeneration)
	if err != nil || raw == nil {
		return 0, err
	}
	r := wire.NewReader(raw)
	n := r.Uint("generation", 1, math.MaxUint64)
	return n, r.Done()
}

// What callers of a Store see of its log.
type (
	// Config is what a Store is opened with.
	Config = log.Config
	// Engine keeps the log on the disk.
	Engine = log.Engine
	// Network carries the log between nodes.
	Network = log.Network
	// Peer is a connection that Network.Accept gives.
	Peer = log.Peer
	// Server is one member of the cluster as the log knows it.
	Server = log.Server
	// Servers is the membership.
	Servers = log.Servers
	// Progress is an index that only grows, and that can be waited for.
	Progress = log.Progress
	// End is where a member's log ends.
	End = log.End
)

// The engines.
const (
	BoltDB = log.BoltDB
	WAL    = log.WAL
)

// DefaultElectionTimeout is that of a Config that has none.
const DefaultElectionTimeout = log.DefaultElectionTimeout

// The log's errors.
var (
	ErrNotLeader      = log.ErrNotLeader
	ErrNoLeader       = log.ErrNoLeader
	ErrUnknownOutcome = log.ErrUnknownOutcome
	ErrClosed         = log.ErrClosed
	ErrDiskHung       = log.ErrDiskHung
)

// Store is one node's replica. All methods may be called at any time. Those of
// the log are its own: who leads, who is a member, what has been applied.
type Store struct {
	*log.Log

	cfg     Config
	machine *machine
	// raised are the rules that this node has been told to propose by.
	raised atomic.Uint32
	// large has room for the one change that is proposed in pieces.
	large chan struct{}

	mu        sync.Mutex
	clusterID string
	// generation is the cluster's; 0 is 1.
	generation uint64
}

// Open opens the replica in cfg.Dir, an empty one if there is none, and starts
// to take part in the cluster that its state names, if it names one.
func Open(cfg Config) (*Store, error) {
	cfg.Keys = [][]byte{keyClusterID, keyGeneration}
	l, err := log.Open(cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{Log: l, cfg: cfg, large: make(chan struct{}, 1)}
	s.machine = newMachine(s.rememberClusterID, l.Fail)
	id, err := l.Stable(keyClusterID)
	s.clusterID = string(id)
	if err == nil {
		s.generation, err = readGeneration(l)
	}
	if err == nil {
		err = l.Start(s.machine)
	}
	if err == nil && cfg.Registerer != nil {
		err = cfg.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollgate_raft_deployed_index",
			Help: "Index of the entry by which the live domains last changed on this node. Equal on all nodes that have applied the same entries, unless one started from a snapshot.",
		}, func() float64 { return float64(s.DeployedIndex()) }))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

// Close stops taking part and closes the files. It is idempotent.
func (s *Store) Close() error {
	err := s.Log.Close()
	s.machine.checkpoints.wg.Wait()
	return err
}

// rememberClusterID keeps the ID that the log gave this node, and the generation, so
// that they are known before the log has been read the next time.
func (s *Store) rememberClusterID(id string, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation > s.generation {
		if err := s.SetStable(keyGeneration, wire.AppendUints(nil, generation)); err != nil {
			s.cfg.Logger.Error("could not store the cluster's generation; it is read from the log again", "error", err)
		}
		s.generation = generation
	}
	if s.clusterID != "" {
		return
	}
	if err := s.SetStable(keyClusterID, []byte(id)); err != nil {
		s.cfg.Logger.Error("could not store the cluster's ID; it is read from the log again", "error", err)
	}
	s.clusterID = id
}

// ClusterID is the ID of the cluster this node belongs to; empty until known.
func (s *Store) ClusterID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusterID
}

// Identity is what nodes of other clusters, and of other generations of this one, have
// another of: the cluster's ID, with its generation from the second on.
func (s *Store) Identity() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return identityOf(s.clusterID, s.generation)
}

func identityOf(clusterID string, generation uint64) string {
	if generation < 2 || clusterID == "" {
		return clusterID
	}
	return fmt.Sprintf("%s%s%d", clusterID, generationMark, generation)
}

// generationMark stands between a cluster's ID and its generation.
const generationMark = "-g"

// Supersedes reports whether an identity is that of a later generation of a cluster.
func Supersedes(later, identity string) bool {
	id, a := splitIdentity(later)
	of, b := splitIdentity(identity)
	return id != "" && id == of && a > b
}

func splitIdentity(identity string) (id string, generation uint64) {
	if i := strings.LastIndex(identity, generationMark); i > 0 {
		if n, err := strconv.ParseUint(identity[i+len(generationMark):], 10, 64); err == nil && n > 1 {
			return identity[:i], n
		}
	}
	return identity, 1
}

// Bootstrap founds a cluster of this node alone. It fails on a replica that
// has state.
func (s *Store) Bootstrap() error {
	if s.Fresh() {
		s.rememberClusterID(uuid.NewString(), 0)
	}
	return s.Log.Bootstrap()
}

// RaiseIncarnation makes the incarnation greater than any that the replica has
// seen frames of: a directory that was put back from a copy has forgotten those
// since. It is for a replica that has caught up, before its first frame.
func (s *Store) RaiseIncarnation() error {
	return s.Log.RaiseIncarnation(read(s, func(st *state) uint64 { return st.quota.Incarnation(s.cfg.ID) }))
}

// TimeBehind is for how long cluster time stands still on a leader: until its clock has
// come to where that of a leader before it was. No window and no lease ends meanwhile. It
// is 0 on a node that does not lead.
func (s *Store) TimeBehind() time.Duration {
	stamp, err := s.Stamp()
	if err != nil {
		return 0
	}
	now := read(s, func(st *state) int64 { return st.quota.Now() })
	return max(0, time.Duration(now-stamp.Time)*time.Millisecond)
}

// Proposal is a command on its way into the log.
type Proposal struct{ *log.Proposal }

// Propose stamps the command with the cluster time and hands it to the log. It
// returns at once with a proposal to wait for, but for the first one of a term,
// which waits for the others' clocks; proposals of one leader are applied in the
// order they were made in.
func (s *Store) Propose(c Command) *Proposal {
	stamp, err := s.Stamp()
	if err != nil {
		return &Proposal{log.Refused(err)}
	}
	c.Time, c.Term, c.Rules = stamp.Time, stamp.Term, s.proposing()
	if c.Kind == KindFrames && c.Rules >= RulesThird {
		c.Ends = s.ends(c.Time)
	}
	return &Proposal{s.Log.Propose(c.Append(nil))}
}

// Wait returns the result of a committed and applied command. ErrNotLeader
// means that nothing was proposed; ErrUnknownOutcome, and ctx's end, that the
// command may or may not come to be applied.
func (p *Proposal) Wait(ctx context.Context) (Result, error) {
	res, err := p.Proposal.Wait(ctx)
	if err != nil {
		return Result{}, err
	}
	return res.(Result), nil
}
