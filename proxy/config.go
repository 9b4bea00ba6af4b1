package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/callstats"
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
	// Keys knows the API keys of consumers; nil knows none.
	Keys plugin.Keys
	// Logger gets debug lines per request and lines above debug for what an
	// operator must know. nil: slog.Default().
	Logger *slog.Logger
	// Registerer gets the metrics. nil: a private registry.
	Registerer prometheus.Registerer
	// MetricsEndpoints is how many endpoints have metrics of their own, 1 to
	// 1,000,000; 10,000. The others of a domain are counted as one.
	MetricsEndpoints int
	// Stats counts the calls of domains for statistics, by the endpoints that have
	// metrics of their own. nil: nobody does.
	Stats *callstats.Recorder
	// AccessLog gets a line for each call. nil: there is none.
	AccessLog *accesslog.Log
	// Tracer records calls as spans of traces. nil: they are not recorded, and
	// traceparent is passed on as it came.
	Tracer Tracer
	// LogQueries writes the queries of targets into the access log, too.
	LogQueries bool
	// TLS is for https endpoint servers. nil: the system's roots, TLS 1.2 up.
	TLS *tls.Config

	// ClientTLS gives what the next connection of a client is served with. nil:
	// clients are served without TLS.
	ClientTLS func() *tls.Config
	// TrustedProxies are the subnets, as subnet.Parse gives them, of the proxies
	// that are believed who the client is. Their connections have no limit each.
	TrustedProxies []netip.Prefix
	// ProxyProtocol wants a PROXY header before anything else from those, and
	// reads it from nobody else.
	ProxyProtocol bool
	// RequireHTTPS refuses calls that did not come by https, of domains that
	// have no other scheme, with 40301.
	RequireHTTPS bool

	// MaxConns is client connections, 1 to 1,000,000; 10,000. One too many is
	// answered 50301 and closed. Keep it below the limit of open files.
	MaxConns int
	// MaxConnsPerClient is connections from one address, or from one /64 of
	// IPv6, 1 to 1,000,000; half of MaxConns. One too many is answered 42900
	// and closed.
	MaxConnsPerClient int
	// MaxCallsPerClient is calls in flight from one of those, 1 to 1,000,000;
	// 1,000. One too many is answered 42900.
	MaxCallsPerClient int
	// MaxHeader is bytes of request line and header, and of an endpoint
	// server's, 4 KiB to 1 MiB; 16 KiB. Each connection needs it once. Larger
	// requests are answered 43100, larger answers 50200.
	MaxHeader int
	// MaxHeaderFields is header fields of a request, 10 to 10,000; 200. More
	// are answered 43100.
	MaxHeaderFields int
	// MaxRequestBody is bytes, up to 1 TiB; 0: there is no limit. Larger requests
	// are answered 41300.
	MaxRequestBody int64
	// BodyMemory is bytes of memory that the bodies of all requests may hold, 1
	// MiB to 1 TiB; 256 MiB. Those of one client may hold an eighth of it. Each
	// that is waited for counts body.Overhead besides what is held of it; one
	// that fits into its connection's buffer, a few KiB, does not count. A call
	// whose body needs more is answered 50301.
	BodyMemory int64
	// BodyBuffer is bytes of a body that are held, a request's or an answer's,
	// 4 KiB to 1 MiB; 64 KiB. A larger body streams.
	BodyBuffer int
	// AnswerMemory is asked for the memory of answers. nil: a budget of a quarter
	// of BodyMemory.
	AnswerMemory upstream.Memory

	// HeaderTimeout is how long a request's header may take, 10 ms to 10 min;
	// 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a client may pause in a request's body, 10 ms to
	// 1 h; 30 s. A slow body that gets on has all the time that it needs, if it
	// brings 240 bytes a second after 10 s. Past either the answer is 40800.
	BodyTimeout time.Duration
	// WriteTimeout is how long a client may pause in reading its answer, 10 ms
	// to 1 h; 30 s. The same speed is asked of it.
	WriteTimeout time.Duration
	// IdleTimeout is how long a client's connection may wait for its next
	// request, 10 ms to 1 h; 60 s.
	IdleTimeout time.Duration

	// UpstreamMaxConns is connections to each endpoint server of one domain, and
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
	// UpstreamHold is how long the end of an answer of unknown length is waited
	// for, before what has come of it goes on; 2 ms.
	UpstreamHold time.Duration
	// UpstreamClock says how old the addresses of names are, and how long a
	// target is ejected. nil: time.Now.
	UpstreamClock func() time.Time
}

// noKeys knows no consumer.
type noKeys struct{}

func (noKeys) Consumer(string, [sha256.Size]byte) (id, plan string, ok bool) { return "", "", false }

// settle puts in the defaults and lists what is out of bounds.
func (c *Config) settle() error {
	var errs []error
	if c.Quota == nil {
		errs = append(errs, errors.New("Quota is nil: there is nobody to decide calls"))
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		errs = append(errs, errors.New("ProxyProtocol is set and TrustedProxies is empty: nobody could send a PROXY header"))
	}
	if c.Keys == nil {
		c.Keys = noKeys{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.UpstreamHold == 0 {
		c.UpstreamHold = 2 * time.Millisecond
	}
	for _, p := range c.OutOfBounds() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// OutOfBounds is a setting that no Proxy can have.
type OutOfBounds struct {
	// Setting is its name in Config.
	Setting string
	// Value is what it is, Low and High are its bounds.
	Value, Low, High any
}

func (p *OutOfBounds) Error() string {
	return fmt.Sprintf("%s is %v: it must be between %v and %v", p.Setting, p.Value, p.Low, p.High)
}

// Limit is the bounds of one setting.
type Limit struct {
	// Setting is its name in Config.
	Setting string
	// Default is what zero means, Low and High are the bounds, all of the
	// field's type.
	Default, Low, High any
}

// Limits lists the bounds of a Config. What zero means for MaxConnsPerClient
// follows MaxConns.
func Limits() []Limit {
	var all []Limit
	for _, l := range new(Config).settleLimits() {
		all = append(all, l.Limit)
	}
	return all
}

// OutOfBounds puts in the defaults and lists what is out of bounds.
func (c *Config) OutOfBounds() []*OutOfBounds {
	var all []*OutOfBounds
	for _, l := range c.settleLimits() {
		if l.out {
			all = append(all, &OutOfBounds{l.Setting, l.value, l.Low, l.High})
		}
	}
	return all
}

// settled is a setting with its default put in.
type settled struct {
	Limit
	value any
	out   bool // of bounds
}

func (c *Config) settleLimits() []settled {
	const kib, mib = 1 << 10, 1 << 20
	return []settled{
		settle("MetricsEndpoints", &c.MetricsEndpoints, 10_000, 1, 1_000_000),
		settle("MaxConns", &c.MaxConns, 10_000, 1, 1_000_000),
		settle("MaxConnsPerClient", &c.MaxConnsPerClient, max(1, c.MaxConns/2), 1, 1_000_000),
		settle("MaxCallsPerClient", &c.MaxCallsPerClient, 1_000, 1, 1_000_000),
		settle("MaxHeader", &c.MaxHeader, 16*kib, 4*kib, mib),
		settle("MaxHeaderFields", &c.MaxHeaderFields, 200, 10, 10_000),
		settle("MaxRequestBody", &c.MaxRequestBody, 0, 0, 1<<40),
		settle("BodyBuffer", &c.BodyBuffer, 64*kib, 4*kib, mib),
		settle("BodyMemory", &c.BodyMemory, 256*mib, mib, 1<<40),
		settle("HeaderTimeout", &c.HeaderTimeout, 10*time.Second, 10*time.Millisecond, 10*time.Minute),
		settle("BodyTimeout", &c.BodyTimeout, 30*time.Second, 10*time.Millisecond, time.Hour),
		settle("WriteTimeout", &c.WriteTimeout, 30*time.Second, 10*time.Millisecond, time.Hour),
		settle("IdleTimeout", &c.IdleTimeout, time.Minute, 10*time.Millisecond, time.Hour),
		settle("UpstreamMaxConns", &c.UpstreamMaxConns, 1_000, 1, 100_000),
		settle("UpstreamConnWait", &c.UpstreamConnWait, 50*time.Millisecond, time.Millisecond, 10*time.Second),
		settle("UpstreamConnectTimeout", &c.UpstreamConnectTimeout, 5*time.Second, time.Millisecond, time.Minute),
		settle("UpstreamTimeout", &c.UpstreamTimeout, 30*time.Second, 10*time.Millisecond, time.Hour),
		settle("UpstreamIdleTimeout", &c.UpstreamIdleTimeout, 4*time.Second, 10*time.Millisecond, 10*time.Minute),
		settle("UpstreamMaxConnAge", &c.UpstreamMaxConnAge, 5*time.Minute, time.Second, 24*time.Hour),
	}
}

// maxBody is MaxRequestBody, the largest number for no limit.
func (c *Config) maxBody() int64 {
	if c.MaxRequestBody == 0 {
		return math.MaxInt64
	}
	return c.MaxRequestBody
}

// settle gives one setting its default and tells whether it is out of bounds.
func settle[T int | int64 | time.Duration](name string, v *T, preset, low, high T) settled {
	if *v == 0 {
		*v = preset
	}
	return settled{Limit{name, preset, low, high}, *v, *v < low || *v > high}
}
