// Package cluster is a node's side of living with the others: the port between
// nodes, membership, and what is forwarded to the leader. Its ledger has the quota of
// calls decided.
//
// See DESIGN.md.
package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/cluster/ledger"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// protocol is the version of the calls between nodes.
const protocol = 1

// Member is a node as the cluster knows it: its name and where others reach
// its cluster port, admin API and clients' port.
type Member struct {
	ID                                         string
	ClusterAddress, AdminAddress, ProxyAddress string
	Voter                                      bool
}

// Config is what a Cluster is opened with; all fields are required.
type Config struct {
	// ID is this node's, Address where others reach its cluster port.
	ID, Address string
	// Store is this node's replica, opened on Transport.
	Store *store.Store
	// Transport is the node's cluster port; the Cluster serves on it and
	// leaves closing it to its owner.
	Transport *Transport
	// Version is the program's, which members tell each other.
	Version string
	// CheckpointEvery is between two comparisons of all replicas, while this node
	// leads; 0 is 30 s.
	CheckpointEvery time.Duration
	// QuotaWait is how long a call waits for its quota decision.
	QuotaWait time.Duration
	// Leases are the bounds of leases that this node sets while it leads.
	Leases quota.Params
	// Clock is the node's, as its Store has it.
	Clock func() time.Time
	// Registerer receives the cluster's metrics.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Cluster is this node among the others. All methods may be called at any time
// from any goroutine.
type Cluster struct {
	cfg     Config
	store   *store.Store
	peers   *peers
	server  *grpc.Server
	merger  *merger
	ledger  *ledger.Ledger
	metrics *metrics

	leaderMoved *signal
	hint        hint
	astray      atomic.Bool // diverged is set
	served      atomic.Pointer[func(context.Context, uint64) error]
	stats       atomic.Pointer[func(context.Context, StatsQuery) ([]byte, error)]
	// changes has a value while a change of the membership is under way here.
	changes chan struct{}

	mu       sync.Mutex
	removed  bool
	diverged string // why this node decides nothing any more

	resumeOnce sync.Once
	resumeErr  error

	stop      context.CancelFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Open starts to answer the other nodes and to decide calls.
func Open(cfg Config) *Cluster {
	ctx, stop := context.WithCancel(context.Background())
	m := newMetrics(cfg.Registerer)
	c := &Cluster{
		cfg: cfg, store: cfg.Store, peers: newPeers(cfg.Transport),
		merger: newMerger(cfg.Store, cfg.Leases, m), metrics: m,
		leaderMoved: newSignal(), changes: make(chan struct{}, 1), stop: stop,
	}
	c.ledger = ledger.Open(ledger.Config{
		Node: cfg.ID, Incarnation: cfg.Store.Incarnation(), Wait: cfg.QuotaWait, Leases: cfg.Leases,
		Sender: frameSender{c}, Registerer: cfg.Registerer,
	})
	registerMembership(cfg.Registerer, cfg.Transport, cfg.Store)
	cfg.Store.ObserveQuota(c.ledger)
	cfg.Store.CorrectClock(c.clockOffset)
	cfg.Store.AskEnds(c.askEnd)
	c.server = grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessageBytes), grpc.MaxSendMsgSize(maxMessageBytes),
		grpc.ConnectionTimeout(greetingTimeout), grpc.WaitForHandlers(true),
	)
	clusterpb.RegisterClusterServer(c.server, &service{c: c})
	c.wg.Go(func() {
		if err := c.server.Serve(cfg.Transport.rpc); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			cfg.Logger.Debug("cluster port: rpc server ended", "error", err)
		}
	})
	c.wg.Go(func() { c.watchLeader(ctx) })
	c.wg.Go(func() { c.watchMembership(ctx) })
	c.wg.Go(func() { c.watchRules(ctx) })
	c.wg.Go(func() { c.watchDigests(ctx) })
	return c
}

// Close gives back what this node holds and hands leadership over, unless ctx
// ends before, and stops answering other nodes. It is idempotent.
func (c *Cluster) Close(ctx context.Context) error {
	c.closeOnce.Do(func() {
		c.ledger.Close(ctx)
		c.stepDown()
		c.stop()
		c.merger.close()
		c.server.Stop()
		c.closeErr = c.peers.close()
		c.wg.Wait()
	})
	return c.closeErr
}

// Take decides one call; see ledger.Ledger.Take.
func (c *Cluster) Take(call *quota.Call) (quota.Verdict, error) {
	if c.astray.Load() {
		return quota.Verdict{}, ledger.ErrUndecided
	}
	return c.ledger.Take(call)
}

// Standings is where a call stands; see ledger.Ledger.Standings.
func (c *Cluster) Standings(call *quota.Call, into []quota.Standing) []quota.Standing {
	return c.ledger.Standings(call, into)
}

// Claim uses a signature that is good once; see ledger.Ledger.Claim.
func (c *Cluster) Claim(domain string, signature []byte, at time.Time) (bool, error) {
	if c.astray.Load() {
		return false, ledger.ErrUndecided
	}
	return c.ledger.Claim(domain, signature, at)
}

// Resume makes this node's frames newer than those of any former life. It is to be
// called when the replica has caught up, before the first call is decided; later
// calls do nothing.
func (c *Cluster) Resume() error {
	c.resumeOnce.Do(func() {
		if c.resumeErr = c.store.RaiseIncarnation(); c.resumeErr == nil {
			c.ledger.Resume(c.store.Incarnation())
		}
	})
	return c.resumeErr
}

// watchLeader passes on that the leader moved, and does what a new leader of a
// new cluster has to do.
func (c *Cluster) watchLeader(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.store.LeaderMoved():
		}
		c.leaderMoved.notify()
		id, _ := c.store.Leader()
		c.cfg.Logger.Info("leader", "id", id, "term", c.store.Term())
		for c.store.IsLeader() && c.store.ReplicatedClusterID() == "" && ctx.Err() == nil {
			c.nameCluster(ctx)
		}
	}
}

// nameCluster writes the cluster's ID into the log, as its first command. Only
// the founder can come to do it: nobody joins before.
func (c *Cluster) nameCluster(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaderWait)
	defer cancel()
	// What earlier leaders did must show before it is judged.
	if _, _, err := c.store.ReadIndex(ctx); err != nil || c.store.ReplicatedClusterID() != "" {
		return
	}
	id := c.store.ClusterID()
	if id == "" {
		id = uuid.NewString()
	}
	c.store.RaiseRules(store.KnownRules().Newest) // all members, who are this one, know them
	if _, err := c.store.Apply(ctx, store.Command{Kind: store.KindInit, ClusterID: id}); err != nil {
		c.cfg.Logger.Warn("could not name the cluster yet", "error", err)
	}
}

// changing begins a change of the membership on the leader; the caller calls
// done. Only a leader that can commit may begin one, once its replica shows
// what earlier leaders did.
func (c *Cluster) changing(ctx context.Context) (done func(), err error) {
	select {
	case c.changes <- struct{}{}:
	case <-ctx.Done():
		return nil, conflict("another change of the membership is under way: try again when it is done")
	}
	if _, _, err := c.store.ReadIndex(ctx); err != nil {
		<-c.changes
		return nil, err
	}
	return func() { <-c.changes }, nil
}
