package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/admin"
	"github.com/tollgate/tollgate/proxy"
)

// Bounds of a connection to the admin listener. A join, the longest call, has
// admin.DefaultJoinTimeout.
const (
	adminHeaderTimeout = 10 * time.Second
	adminReadTimeout   = 30 * time.Second
	adminIdleTimeout   = 2 * time.Minute
	adminMaxHeader     = 16 << 10
)

// openAdmin serves the admin API.
func (n *Node) openAdmin() (func(context.Context) error, error) {
	stopping := make(chan struct{})
	cfg := admin.Config{Control: control{n}, Gatherer: n.registry, Logger: n.cfg.Logger, Clock: n.cfg.Clock, Parse: n.importOptions(), Stopping: stopping}
	if n.cfg.AdminTokenFile != "" {
		cfg.Tokens = n.secrets.tokens.Load
	}
	if n.secrets.authority != nil {
		cfg.Peer = n.peer
	}
	n.admin = &http.Server{
		Handler:           admin.New(cfg),
		TLSConfig:         n.adminTLS(),
		ReadHeaderTimeout: adminHeaderTimeout, ReadTimeout: adminReadTimeout,
		IdleTimeout: adminIdleTimeout, MaxHeaderBytes: adminMaxHeader,
		ErrorLog: slog.NewLogLogger(n.cfg.Logger.Handler(), slog.LevelDebug),
	}
	n.admin.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) }))
	var wg sync.WaitGroup
	wg.Go(func() {
		serve := func() error { return n.admin.Serve(n.adminListener) }
		if n.admin.TLSConfig != nil {
			serve = func() error { return n.admin.ServeTLS(n.adminListener, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("admin listener %s: %w", n.AdminAddr(), err))
		}
	})
	return func(ctx context.Context) error {
		err := n.admin.Shutdown(ctx)
		if err != nil {
			err = n.admin.Close() // past the deadline: without waiting
		}
		wg.Wait()
		return err
	}, nil
}

// makeProxy makes the data plane, which serves nobody yet.
func (n *Node) makeProxy() (func(context.Context) error, error) {
	var err error
	cfg := n.cfg.DataPlane
	cfg.Quota, cfg.Keys, cfg.Logger, cfg.Registerer, cfg.TLS = n.cluster, n.store, n.cfg.Logger, n.registry, n.secrets.upstreams
	if n.secrets.clients.Load() != nil {
		cfg.ClientTLS = n.secrets.clients.Load
	}
	cfg.AccessLog, cfg.Stats = n.accessLog, n.calls
	if n.tracer != nil { // not a nil *Tracer in an interface
		cfg.Tracer = n.tracer
	}
	n.proxy, err = proxy.New(cfg)
	n.domains = newDomains(n.store, n.proxy, n.cfg.Logger)
	n.cluster.ServeBy(n.AwaitServed)
	return nil, err
}

// openClients serves clients, with 50301 until the node is ready.
func (n *Node) openClients() (func(context.Context) error, error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.proxy.Serve(n.proxyListener); err != nil {
			n.fail(fmt.Errorf("client listener %s: %w", n.ProxyAddr(), err))
		}
	})
	return func(ctx context.Context) error {
		err := n.proxy.Shutdown(ctx)
		wg.Wait()
		if err != nil && ctx.Err() != nil {
			n.cfg.Logger.Warn("calls in flight were cut off at the drain timeout", "drainTimeoutSeconds", n.cfg.DrainTimeout.Seconds())
			return nil
		}
		return err
	}, nil
}

// dialHTTP dials for an HTTP client over the node's network.
func dialHTTP(network cluster.Network) func(ctx context.Context, _, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) { return network.Dial(ctx, addr) }
}
