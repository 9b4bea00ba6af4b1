// Package proxy is the data plane: it serves the deployed domains to clients,
// on fasthttp. A request passes the gate, finds its domain and endpoint, goes
// through the endpoint's plugins and, if none of them answers it, to the
// endpoint server.
package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tollgate/tollgate/proxy/body"
	"github.com/tollgate/tollgate/proxy/jwtauth"
	"github.com/tollgate/tollgate/proxy/subnet"
	"github.com/valyala/fasthttp"
)

// Proxy serves clients. Its methods may be called at the same time.
type Proxy struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	server  *fasthttp.Server
	calls   sync.Pool // of *call
	clients *clients
	buffers *buffers
	budget  *body.Budget
	trusted subnet.List
	bodies  *body.Store
	tokens  *jwtauth.Cache
	tunnels tunnels
	// handshakes has a place for each TLS handshake that may be worked on at once.
	handshakes chan struct{}

	// table is what is deployed; publishing is held while it is replaced.
	table      atomic.Pointer[table]
	publishing sync.Mutex
	phase      atomic.Int32
	// via is what the gateway calls itself in Via, nil until SetCluster.
	via   atomic.Pointer[[]byte]
	clock clock

	mu        sync.Mutex
	listeners []*listener
	closed    bool
}

// clientShare is the part of all bodies' memory that one client may have.
const clientShare = 8

// answerShare is the part of as much memory that answers have of their own.
const answerShare = 4

// The phases of a Proxy: only in open are requests let in.
const (
	starting int32 = iota
	open
	stopping
)

// New makes a Proxy that serves no domain and is not open.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.settle(); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	budget := body.NewBudget(cfg.BodyMemory, cfg.BodyMemory/clientShare)
	answers := body.NewBudget(cfg.BodyMemory/answerShare, cfg.BodyMemory/answerShare)
	if cfg.AnswerMemory == nil {
		cfg.AnswerMemory = answers.Of(netip.Addr{})
	}
	m, err := newMetrics(cfg.Registerer, cfg.MetricsEndpoints, cfg.Stats, budget.Held, answers.Held)
	if err != nil {
		return nil, fmt.Errorf("proxy: metrics: %w", err)
	}
	p := &Proxy{
		cfg: cfg, log: cfg.Logger, metrics: m,
		clients:    newClients(cfg.MaxConns, cfg.MaxConnsPerClient),
		buffers:    newBuffers(cfg.MaxHeader),
		budget:     budget,
		trusted:    subnet.NewList(cfg.TrustedProxies),
		handshakes: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		bodies:     body.NewStore(budget),
		tokens:     jwtauth.NewCache(),
	}
	p.calls.New = func() any { return &call{proxy: p} }
	p.table.Store(&table{})
	if err := cfg.Registerer.Register(healthyTargets{p}); err != nil {
		return nil, fmt.Errorf("proxy: metrics: %w", err)
	}
	p.server = &fasthttp.Server{
		Handler: p.serve,
		Logger:  debugLogger{cfg.Logger},

		// All deadlines are clientConn's, and it reads the requests: fasthttp
		// gets their stand-ins, which are short.
		ReadBufferSize: 128,
		// A connection that waits for its next request has no buffers meanwhile.
		// It costs one byte a request, which fasthttp reads into fresh memory.
		ReduceMemoryUsage: true,
		// The listener does the counting; fasthttp's own limit answers in
		// plain text, so it must never be reached first.
		Concurrency: 2*cfg.MaxConns + 1024,

		// Answers go through as they are (pitfalls 2(a) 18).
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		NoDefaultDate:         true,
		SecureErrorLogMessage: true,
		CloseOnShutdown:       true,
	}
	return p, nil
}

// Serve serves the connections of ln, which are plain TCP, until Shutdown,
// which closes ln. It then returns nil. It may be called for several listeners.
func (p *Proxy) Serve(ln net.Listener) error {
	l := newListener(ln, p)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ln.Close()
	}
	p.listeners = append(p.listeners, l)
	p.mu.Unlock()
	go l.run() // until end
	defer l.away.Wait()
	if err := p.server.Serve(l); err != nil {
		_ = l.end() // it is broken already
		return fmt.Errorf("proxy: accept on %v: %w", ln.Addr(), err)
	}
	<-l.ended
	return nil
}

// SetCluster tells the proxy which cluster it belongs to: all its nodes call
// themselves the same in Via, so that a call that comes back is known.
func (p *Proxy) SetCluster(id string) {
	via := viaOf(id)
	p.via.Store(&via)
}

// SetOpen lets requests in or answers them 50301. Closing what has been open
// counts as stopping: the 50301 then also closes the client's connection, so
// that clients go elsewhere. Requests that are in are finished in any case.
func (p *Proxy) SetOpen(isOpen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isOpen && !p.closed {
		p.phase.Store(open)
	} else if !isOpen {
		p.phase.CompareAndSwap(open, stopping)
	}
}

// Shutdown waits for the requests that are in, and closes all connections and
// the listeners. What still comes until then, on open connections or new ones,
// is answered 50301. When ctx ends first, the connections are closed under the
// requests and its error is returned. Calling it again does no harm.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.phase.Store(stopping)
	listeners := p.listeners
	p.mu.Unlock()
	// fasthttp closes those that it serves by now; one that it is about to serve
	// would be served for ever.
	for _, l := range listeners {
		_ = l.Close()
	}
	err := p.server.ShutdownWithContext(ctx)
	if err != nil {
		// fasthttp would go on serving what is connected (pitfalls 2(a) 44).
		for _, l := range listeners {
			l.closeConns()
		}
	}
	if late := p.tunnels.wait(ctx); err == nil {
		err = late
	}
	for _, l := range listeners {
		_ = l.end() // nobody can do anything about it
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	for _, d := range p.table.Load().domains {
		d.retire()
	}
	return err
}
