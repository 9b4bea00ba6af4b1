// Package node puts one node of a cluster together: what it is made of, the
// one list of the order it starts and stops in, and the admin API in front.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/stats"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/tracing"
	"github.com/tollgate/tollgate/store"
)

// Node is a running node.
type Node struct {
	cfg      Config
	registry *prometheus.Registry

	proxyListener, adminListener net.Listener
	transport                    *cluster.Transport
	store                        *store.Store
	cluster                      *cluster.Cluster
	proxy                        *proxy.Proxy
	admin                        *http.Server
	domains                      *domains
	events                       *events

	calls *callstats.Recorder
	stats *stats.Stats

	accessLog *accesslog.Log  // nil: there is none
	tracer    *tracing.Tracer // nil: calls are not traced

	secrets secrets
	files   []*watchedFiles // of the secrets

	mu      sync.Mutex
	phase   phase
	stopped []stopper // the steps that started, in order
	refusal string    // why the cluster does not accept this node
	outside string    // why it could not join one

	listening time.Time // since when the cluster port answers

	stopping atomic.Value // string: the step that a stop is at

	// ended is closed when a part of the node has failed for good.
	ended     chan struct{}
	endOnce   sync.Once
	endErr    error
	closeOnce sync.Once
	closeErr  error
}

// phase is where a node's life stands.
type phase int

const (
	starting phase = iota
	serving        // the client port answers calls
	stopping
)

// step is a part of a node's start. Its stop undoes it.
type step struct {
	name  string
	start func() (stop func(context.Context) error, err error)
	// stopWithin is the time that its stop has when the drain timeout is used
	// up; together they are less than StopGrace.
	stopWithin time.Duration
}

// steps is the order a node starts in; it stops in the reverse order.
func (n *Node) steps() []step {
	return []step{
		// Before anything listens: a secret that cannot be read, or that
		// everybody can, keeps the node from starting.
		{"secrets", n.watchSecrets, 100 * time.Millisecond},
		// A port that is taken is found before anything runs.
		{"listeners", n.openListeners, 250 * time.Millisecond},
		// Both get their last from the data plane, and what they still write is
		// written when nobody waits for this node any more.
		{"access log", n.openAccessLog, 100 * time.Millisecond},
		{"traces", n.openTraces, 100 * time.Millisecond},
		// Everything else reads or changes it.
		{"store", n.openStore, 1000 * time.Millisecond},
		// Decides calls and finds the other nodes; hands leadership over last
		// of all, once no call of this node can want it any more.
		{"cluster", n.openCluster, 1500 * time.Millisecond},
		// What happens to quotas; nobody is told before the store is there.
		{"events", n.openEvents, 100 * time.Millisecond},
		// Counts the data plane's calls, also those that are finished last.
		{"statistics", n.openStats, 200 * time.Millisecond},
		// What the admin API and the client port act on; they stop it.
		{"data plane", n.makeProxy, 0},
		// Answers /healthz and /readyz while the rest starts and stops.
		{"admin", n.openAdmin, 250 * time.Millisecond},
		// Answers 50301 until the node is ready; finishes its calls first of
		// all when the node stops.
		{"clients", n.openClients, 250 * time.Millisecond},
		// Brings the live domains into the proxy.
		{"domains", n.openDomains, 250 * time.Millisecond},
		// Joins, and opens the proxy when the node is ready.
		{"membership", n.openMembership, 400 * time.Millisecond},
	}
}

// Open starts a node. It returns once the node's ports answer; joining and
// catching up go on, which /readyz and Ready tell of. ctx bounds the start.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, registry: prometheus.NewRegistry(), ended: make(chan struct{})}
	n.registerProcess()
	for _, s := range n.steps() {
		stop, err := s.start()
		if err == nil {
			err = ctx.Err()
		}
		if stop != nil {
			n.stopped = append(n.stopped, stopper{s, stop})
		}
		if err != nil {
			return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
		}
	}
	return n, nil
}

// Done is closed when a part of the node has failed for good; Err tells why.
// The node should then be closed.
func (n *Node) Done() <-chan struct{} { return n.ended }

// Err is why the node has ended; nil while Done is open.
func (n *Node) Err() error {
	select {
	case <-n.ended:
		return n.endErr
	default:
		return nil
	}
}

func (n *Node) fail(err error) {
	n.endOnce.Do(func() {
		n.endErr = err
		close(n.ended)
	})
}

// ProxyAddr is the address the client port really has.
func (n *Node) ProxyAddr() string { return n.proxyListener.Addr().String() }

// AdminAddr is the address the admin API really has.
func (n *Node) AdminAddr() string { return n.adminListener.Addr().String() }

// AdminURL is where the admin API is called on this machine.
func (n *Node) AdminURL() string { return n.cfg.adminScheme() + "://" + n.AdminAddr() }

// ClusterAddr is the address the cluster port really has.
func (n *Node) ClusterAddr() string { return n.transport.Addr() }

// Cluster is the node among the others, for tests and benchmarks of it.
func (n *Node) Cluster() *cluster.Cluster { return n.cluster }

// Store is the node's replica, for tests and benchmarks of it.
func (n *Node) Store() *store.Store { return n.store }

// Ready reports whether all of the node's readiness checks pass.
func (n *Node) Ready() bool {
	_, ready := control{n}.Ready()
	return ready
}

// AwaitServed returns once the node serves what was deployed up to index.
func (n *Node) AwaitServed(ctx context.Context, index uint64) error {
	if err := n.store.WaitApplied(ctx, index); err != nil {
		return err
	}
	return n.domains.await(ctx, index)
}

func (n *Node) setPhase(p phase) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != stopping {
		n.phase = p
	}
}

func (n *Node) currentPhase() phase {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase
}

// advertise is the address that others use: the given one, or the one
// listened on.
func advertise(given, listening string) string {
	if given != "" {
		return given
	}
	return listening
}

// Self is this node as the cluster should know it.
func (n *Node) Self() cluster.Member {
	return cluster.Member{
		ID:             n.cfg.ID,
		ClusterAddress: advertise(n.cfg.AdvertiseCluster, n.ClusterAddr()),
		AdminAddress:   advertise(n.cfg.AdvertiseAdmin, n.AdminAddr()),
		ProxyAddress:   advertise(n.cfg.AdvertiseListen, n.ProxyAddr()),
		Voter:          !n.cfg.Nonvoter,
	}
}

func (n *Node) openListeners() (func(context.Context) error, error) {
	network := n.cfg.Network
	var err error
	if n.proxyListener, err = network.Listen(n.cfg.Listen); err != nil {
		return nil, listenError("listen", n.cfg.Listen, err)
	}
	if n.adminListener, err = network.Listen(n.cfg.Admin); err != nil {
		return n.closeListeners, listenError("admin", n.cfg.Admin, err)
	}
	if err = n.issueCertificates(); err != nil {
		return n.closeListeners, err
	}
	if n.transport, err = cluster.Listen(network, n.cfg.Cluster, n.cfg.ID, n.secrets.authority, n.cfg.Logger); err != nil {
		return n.closeListeners, listenError("cluster", n.cfg.Cluster, err)
	}
	return n.closeListeners, nil
}

// closeListeners closes what its users have not closed already.
func (n *Node) closeListeners(context.Context) error {
	n.proxyListener.Close()
	if n.adminListener != nil {
		n.adminListener.Close()
	}
	if n.transport != nil {
		return n.transport.Close()
	}
	return nil
}

func listenError(flag, addr string, err error) error {
	return fmt.Errorf("--%s %s: cannot listen there: %w", flag, addr, err)
}

func (n *Node) openStore() (func(context.Context) error, error) {
	var err error
	n.store, err = store.Open(store.Config{
		ID: n.cfg.ID, Dir: n.cfg.DataDir, Engine: store.Engine(n.cfg.LogStore),
		Network: n.transport.Raft(), Address: n.Self().ClusterAddress,
		Logger: n.cfg.Logger, Clock: n.cfg.Clock, DiskTimeout: n.cfg.DiskTimeout, ElectionTimeout: n.cfg.ElectionTimeout, Registerer: n.registry,
	})
	if err != nil {
		return nil, fmt.Errorf("--data-dir %s: %w", n.cfg.DataDir, err)
	}
	n.registry.MustRegister(&quotas{n.store, func() int64 { return n.cfg.Clock().UnixMilli() }, n.cfg.DataPlane.MetricsEndpoints})
	n.transport.Serve(n.store)
	n.listening = time.Now()
	go func() { // ends with the process, or when the store fails
		if err, failed := <-n.store.Failed(); failed {
			n.fail(err)
		}
	}()
	return func(context.Context) error { return n.store.Close() }, nil
}

func (n *Node) openCluster() (func(context.Context) error, error) {
	n.cluster = cluster.Open(cluster.Config{
		ID: n.cfg.ID, Address: n.Self().ClusterAddress, Store: n.store, Transport: n.transport,
		Version: n.cfg.Version, CheckpointEvery: n.cfg.CheckpointEvery, QuotaWait: n.cfg.QuotaWait, Leases: n.cfg.leases(), Clock: n.cfg.Clock, Registerer: n.registry, Logger: n.cfg.Logger,
	})
	return n.cluster.Close, nil
}
