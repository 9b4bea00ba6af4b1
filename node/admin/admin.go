// Package admin is the admin HTTP API of a node (spec section 11): JSON over
// HTTP on a listener of its own, in front of a Control. It decides nothing
// about the cluster; it reads, checks and refuses what can be refused without
// asking, and gives every answer its form.
package admin

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/catalog"
)

// Bounds that hold where Config leaves them zero.
const (
	// DefaultTimeout bounds every call but join.
	DefaultTimeout = 10 * time.Second
	// DefaultJoinTimeout bounds a join, which waits until the new member has
	// caught up.
	DefaultJoinTimeout = 30 * time.Second
)

// Config says what the API is made of.
type Config struct {
	// Control does what is asked. Required.
	Control Control
	// Token is the bearer token that everything but /healthz and /readyz
	// asks for. Empty asks for none, and answers only requests whose Host is
	// an IP address or localhost (see guard).
	Token string
	// Gatherer is what /metrics shows; nil means that there is no /metrics.
	Gatherer prometheus.Gatherer
	// Logger receives a line for each change and each refused caller; nil
	// discards them.
	Logger *slog.Logger
	// Timeout bounds each call, JoinTimeout a join: reading the request and
	// asking Control together. 0 means the default above.
	Timeout, JoinTimeout time.Duration
	// Parse holds what every document is parsed with. EndpointServer comes
	// from the request.
	Parse catalog.ParseOptions
}

// server is the API over one Control.
type server struct {
	Config
	tokenSum [sha256.Size]byte
	mux      *http.ServeMux
}

// New is the handler of the whole admin listener. It may serve many requests
// at once.
func New(cfg Config) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.JoinTimeout == 0 {
		cfg.JoinTimeout = DefaultJoinTimeout
	}
	s := &server{Config: cfg, tokenSum: sha256.Sum256([]byte(cfg.Token)), mux: http.NewServeMux()}
	s.mount()
	return s
}
