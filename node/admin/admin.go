// Package admin is the admin HTTP API of a node (spec section 11): JSON over
// HTTP on a listener of its own, in front of a Control. It decides nothing
// about the cluster; it reads, checks and refuses what can be refused without
// asking, and gives every answer its form.
package admin

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/catalog"
)

// Bounds that hold where Config leaves them zero.
const (
	// DefaultTimeout bounds every call but join, besides what its body takes.
	DefaultTimeout = 10 * time.Second
	// bytesASecond is what a slow line, or a cluster that is starved of CPU, takes in
	// of a large document: the largest has a minute more.
	bytesASecond = 128 << 10
	// DefaultJoinTimeout bounds a join, which waits until the new member has
	// caught up.
	DefaultJoinTimeout = 30 * time.Second
)

// Config says what the API is made of.
type Config struct {
	// Control does what is asked. Required.
	Control Control
	// Tokens are the bearer tokens, one of which everything but /healthz and
	// /readyz asks for; it is called for each request, at any time. nil asks
	// for none: everybody is an administrator, but only requests are answered
	// whose Host is an IP address or localhost (see guard).
	Tokens func() *Tokens
	// Peer is the ID of the node whose certificate a connection showed, ""
	// where none was shown, or why it is none of the cluster's. Such a node
	// may join without a token. nil knows no certificates.
	Peer func(*tls.ConnectionState) (id string, err error)
	// Gatherer is what /metrics shows; nil means that there is no /metrics.
	Gatherer prometheus.Gatherer
	// Logger receives a line for each change and each refused caller; nil
	// discards them.
	Logger *slog.Logger
	// Timeout bounds each call, JoinTimeout a join: reading the request and
	// asking Control together. 0 means the default above.
	Timeout, JoinTimeout time.Duration
	// Stopping is closed as the server begins to stop: streams end then. nil: they end
	// with their clients only.
	Stopping <-chan struct{}
	// Clock is the node's; nil is time.Now.
	Clock func() time.Time
	// Parse holds what every document is parsed with. EndpointServer comes
	// from the request.
	Parse catalog.ParseOptions
}

// server is the API over one Control.
type server struct {
	Config
	mux      *http.ServeMux
	refusals *refusals
}

// New is the handler of the whole admin listener. It may serve many requests
// at once.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.JoinTimeout == 0 {
		cfg.JoinTimeout = DefaultJoinTimeout
	}
	s := &server{Config: cfg, mux: http.NewServeMux(), refusals: newRefusals(cfg.Logger)}
	s.mount()
	return s
}
