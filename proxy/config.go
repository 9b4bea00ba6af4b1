package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/tollgate/tollgate/proxy/upstream"
)

// Quota decides calls; see plugin.Quota for the contract.
type Quota = plugin.Quota

// Config is what a Proxy needs. Quota is required; of the rest, zero means the
// default, and New refuses what is out of bounds.
type Config struct {
	// Quota decides calls.
	Quota Quota
	// Logger gets debug lines per request and lines above debug for what an
	// operator must know. nil: slog.Default().
	Logger *slog.Logger
	// Registerer gets the metrics. nil: a private registry.
	Registerer prometheus.Registerer
	// TLS is for https endpoint servers. nil: the system's roots, TLS 1.2 up.
	TLS *tls.Config

	// MaxConns is client connections, 1 to 1,000,000; 10,000. One too many is
	// answered 50301 and closed. Keep it below the limit of open files.
	MaxConns int
	// MaxHeader is bytes of request line and header, and of an endpoint
	// server's, 4 KiB to 1 MiB; 16 KiB. Each connection needs it once. Larger
	// requests are answered 43100, larger answers 50200.
	MaxHeader int
	// MaxHeaderFields is header fields of a request, 10 to 10,000; 200. More
	// are answered 43100.
	MaxHeaderFields int
	// MaxRequestBody is bytes, 1 KiB to 1 GiB; 10 MiB. Bodies are held in
	// memory. Larger requests are answered 41300.
	MaxRequestBody int
	// BodyBuffer is bytes of an answer that are held, 4 KiB to 1 MiB; 64 KiB. A
	// larger answer streams.
	BodyBuffer int
	// AnswerMemory is asked for the memory of answers. nil: there is no bound.
	AnswerMemory upstream.Memory

	// HeaderTimeout is how long a request's header may take, 10 ms to 10 min;
	// 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long its body may take, counted from the end of the
	// header, 10 ms to 1 h; 60 s.
	BodyTimeout time.Duration
	// WriteTimeout is how long a client may take to read its answer, or a piece
	// of one that streams, 10 ms to 1 h; 30 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a client's connection may wait for its next
	// request, 10 ms to 1 h; 60 s.
	IdleTimeout time.Duration

	// UpstreamMaxConns is connections to the endpoint server of one domain, and
	// as many to each server of its Pre APIs, 1 to 100,000; 1,000.
	UpstreamMaxConns int
	// UpstreamConnWait is how long a call waits for one of them, 1 ms to 10 s;
	// 50 ms. Past it the answer is 50200, of a Pre API 20008.
	UpstreamConnWait time.Duration
	// UpstreamConnectTimeout bounds name look-up, connect and TLS handshake,
	// 1 ms to 1 min; 5 s.
	UpstreamConnectTimeout time.Duration
	// UpstreamTimeout bounds the time to the head of an endpoint server's
	// answer, 10 ms to 1 h; 30 s. Past it the answer is 50400. It also bounds
	// each pause in the body, never the whole. Pre APIs have their own.
	UpstreamTimeout time.Duration
	// UpstreamIdleTimeout is how long an unused connection to an endpoint
	// server is kept, 10 ms to 10 min; 4 s, because 5 s is the shortest that
	// common servers keep theirs.
	UpstreamIdleTimeout time.Duration
	// UpstreamMaxConnAge is how long a connection to an endpoint server or a Pre
	// API may be used again, 1 s to 24 h; 5 min.
	UpstreamMaxConnAge time.Duration
	// UpstreamNetwork is how endpoint servers and Pre APIs are reached. nil: the
	// system's network.
	UpstreamNetwork upstream.Network
	// UpstreamClock says how old the addresses of names are. nil: time.Now.
	UpstreamClock func() time.Time
}

// settle puts in the defaults and lists what is out of bounds.
func (c *Config) settle() error {
	var errs []error
	if c.Quota == nil {
		errs = append(errs, errors.New("Quota is nil: there is nobody to decide calls"))
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	errs = append(errs,
		settle("MaxConns", &c.MaxConns, 10_000, 1, 1_000_000),
		settle("MaxHeader", &c.MaxHeader, 16*kib, 4*kib, mib),
		settle("MaxHeaderFields", &c.MaxHeaderFields, 200, 10, 10_000),
		settle("MaxRequestBody", &c.MaxRequestBody, 10*mib, kib, gib),
		settle("BodyBuffer", &c.BodyBuffer, 64*kib, 4*kib, mib),
		settle("HeaderTimeout", &c.HeaderTimeout, 10*time.Second, 10*time.Millisecond, 10*time.Minute),
		settle("BodyTimeout", &c.BodyTimeout, time.Minute, 10*time.Millisecond, time.Hour),
		settle("WriteTimeout", &c.WriteTimeout, 30*time.Second, 10*time.Millisecond, time.Hour),
		settle("IdleTimeout", &c.IdleTimeout, time.Minute, 10*time.Millisecond, time.Hour),
		settle("UpstreamMaxConns", &c.UpstreamMaxConns, 1_000, 1, 100_000),
		settle("UpstreamConnWait", &c.UpstreamConnWait, 50*time.Millisecond, time.Millisecond, 10*time.Second),
		settle("UpstreamConnectTimeout", &c.UpstreamConnectTimeout, 5*time.Second, time.Millisecond, time.Minute),
		settle("UpstreamTimeout", &c.UpstreamTimeout, 30*time.Second, 10*time.Millisecond, time.Hour),
		settle("UpstreamIdleTimeout", &c.UpstreamIdleTimeout, 4*time.Second, 10*time.Millisecond, 10*time.Minute),
		settle("UpstreamMaxConnAge", &c.UpstreamMaxConnAge, 5*time.Minute, time.Second, 24*time.Hour),
	)
	return errors.Join(errs...)
}

// settle gives one setting its default or says that it is out of bounds.
func settle[T int | time.Duration](name string, v *T, preset, low, high T) error {
	if *v == 0 {
		*v = preset
	}
	if *v < low || *v > high {
		return fmt.Errorf("%s is %v: it must be between %v and %v", name, *v, low, high)
	}
	return nil
}
