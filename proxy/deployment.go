package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/tollgate/tollgate/proxy/plugin"
	"github.com/tollgate/tollgate/proxy/route"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
)

// Deployment is one deployed domain.
type Deployment struct {
	// Domain is read-only from here on.
	Domain *catalog.Domain
	// Serial tells two deployments of one key apart: where it is the same, so
	// is the domain.
	Serial uint64
}

// table is everything that is deployed. It is never changed, only replaced.
type table struct {
	domains map[string]*domain
}

// domain is a deployment in the form that serves.
type domain struct {
	key     string
	serial  uint64
	routes  *route.Table
	plugins *plugin.Domain
	chains  []*plugin.Chain // by route.Route.Index
	ids     []string        // of the endpoints, by the same
	series  []*series       // by the same
	// unrouted counts the calls that no endpoint matches.
	unrouted *series
	group    *upstream.Group // the endpoint servers
	preAPIs  []*upstream.Server
	metrics  *domainMetrics
	// maxBody bounds the bodies of requests, in bytes.
	maxBody int64
	// secure is true where a call must have come by https.
	secure bool
	// from is what Explain reads; no request does.
	from *catalog.Domain

	// inFlight counts the requests that hold the domain; retired is set when no
	// new ones will.
	inFlight atomic.Int64
	retired  atomic.Bool
}

// hold keeps the domain's connections open until release.
func (d *domain) hold() { d.inFlight.Add(1) }

func (d *domain) release() {
	if d.inFlight.Add(-1) == 0 && d.retired.Load() {
		d.closeIdle()
	}
}

// retire ends the checks of the targets and lets the connections go when the last request is done. A request that
// looked the domain up just before may still hold it afterwards: whoever
// brings the count to zero closes, however often that happens.
func (d *domain) retire() {
	d.retired.Store(true)
	d.group.Stop()
	if d.inFlight.Load() == 0 {
		d.closeIdle()
	}
}

func (d *domain) closeIdle() {
	d.group.CloseIdle()
	for _, s := range d.preAPIs {
		s.CloseIdle()
	}
}

// Publish makes the given domains the ones that are served, all at once; what
// is not among them is served no more. A request is served by one deployment
// from its beginning to its end. A domain with the serial it had before keeps
// its compiled form and its connections. One that cannot be compiled is in the
// error, and what was served under its key, if anything, goes on.
func (p *Proxy) Publish(domains []Deployment) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	old := p.table.Load().domains
	next := make(map[string]*domain, len(domains))
	var fresh []*domain
	var errs []error
	for _, dep := range domains {
		if dep.Domain == nil {
			errs = append(errs, errors.New("a deployment without a domain"))
			continue
		}
		key := dep.Domain.Key
		if next[key] != nil {
			errs = append(errs, fmt.Errorf("domain %s: deployed twice: the first is served", key))
			continue
		}
		had := old[key]
		if had != nil && had.serial == dep.Serial {
			next[key] = had
			continue
		}
		d, err := p.compile(dep, had)
		if err == nil {
			fresh = append(fresh, d)
		} else {
			errs = append(errs, fmt.Errorf("domain %s: %w", key, err))
			if d = had; d == nil {
				p.metrics.forget(key)
				continue
			}
		}
		next[key] = d
	}
	p.metrics.calls.keepOnly(next)
	for key, d := range next {
		if old[key] != d {
			d.unrouted, d.series = p.metrics.calls.of(key, d.ids)
		}
	}
	p.table.Store(&table{next})
	for key, had := range old {
		if next[key] != had {
			had.retire()
		}
		if next[key] == nil {
			p.tunnels.cut(key, false)
			p.metrics.forget(key)
		} else {
			p.metrics.targets.forget(key, had.group.Labels(), next[key].group.Labels())
		}
	}
	for _, d := range fresh {
		d.group.Start()
	}
	return errors.Join(errs...)
}

// compile builds everything that the requests of a domain need. had is what is
// served so far, nil for nothing.
func (p *Proxy) compile(dep Deployment, had *domain) (d *domain, err error) {
	from := dep.Domain
	if from.Plugins.HTTPProxy == nil {
		return nil, errors.New("no HTTP_PROXY: the endpoint server is missing")
	}
	d = &domain{key: from.Key, serial: dep.Serial, from: from, metrics: p.metrics.domain(from.Key, p.log), maxBody: p.cfg.maxBody()}
	if own := from.Plugins.HTTPProxy.MaxRequestBody; own > 0 {
		d.maxBody = min(d.maxBody, own)
	}
	d.secure = p.cfg.RequireHTTPS && slices.Contains(from.Schemes, "https") && !slices.Contains(from.Schemes, "http")
	if d.group, err = p.connectTargets(from.Plugins.HTTPProxy, d.key, had); err != nil {
		return nil, err
	}
	group := d.group
	defer func() {
		if err != nil && had != nil { // what is served goes on, without these
			p.metrics.targets.forget(from.Key, group.Labels(), had.group.Labels())
		}
	}()
	preAPIs := map[string]*upstream.Server{}
	d.plugins, err = plugin.NewDomain(&plugin.Env{
		Quota: p.cfg.Quota, Tokens: p.tokens, Admitted: d.metrics.admitted,
		Shadowed: d.metrics.shadowed, Unsettled: d.metrics.unsettled, OverReserve: d.metrics.overReserve, Keys: p.cfg.Keys,
		Servers: d.group, Upstream: &d.metrics.upstream,
		PreAPI: &d.metrics.preAPI, Ended: d.metrics.preEnded,
		PreAPIServer: func(origin string) (s *upstream.Server, err error) {
			if s = preAPIs[origin]; s == nil {
				s, err = p.connect(d, origin)
				preAPIs[origin] = s
			}
			return s, err
		},
	}, from)
	if err != nil {
		return nil, err
	}
	routes := make([]route.Route, len(from.Endpoints))
	for i := range from.Endpoints {
		e := &from.Endpoints[i]
		routes[i] = route.Route{Method: e.Method, Pattern: decoded(e.Pattern), Index: i}
		chain, err := d.plugins.Chain(e)
		if err != nil {
			return nil, err
		}
		d.chains = append(d.chains, chain)
		d.ids = append(d.ids, e.ID())
	}
	d.routes, err = route.NewTable(routes)
	return d, err
}

// connect makes a pool of connections to a Pre API that is the domain's own.
// Nothing is connected before it is used.
func (p *Proxy) connect(d *domain, url string) (*upstream.Server, error) {
	s, err := upstream.New(url, p.upstreamConfig())
	if err == nil {
		d.preAPIs = append(d.preAPIs, s)
	}
	return s, err
}

func (p *Proxy) upstreamConfig() upstream.Config {
	return upstream.Config{
		TLS:            p.cfg.TLS,
		MaxConns:       p.cfg.UpstreamMaxConns,
		ConnWait:       p.cfg.UpstreamConnWait,
		ConnectTimeout: p.cfg.UpstreamConnectTimeout,
		Timeout:        p.cfg.UpstreamTimeout,
		IdleTimeout:    p.cfg.UpstreamIdleTimeout,
		Hold:           p.cfg.UpstreamHold,
		MaxConnAge:     p.cfg.UpstreamMaxConnAge,
		MaxHeader:      p.cfg.MaxHeader,
		BodyBuffer:     p.cfg.BodyBuffer,
		MaxBody:        plugin.MaxPreAPIBody,
		Memory:         p.cfg.AnswerMemory,
		Network:        p.cfg.UpstreamNetwork,
		Clock:          p.cfg.UpstreamClock,
	}
}

// decoded spells a pattern as gate.Request.Route spells paths. What would then
// mean something to a pattern stays encoded, as do regular expressions.
func decoded(pattern string) string {
	var b strings.Builder
	braces := 0
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '{':
			braces++
		case c == '}':
			braces--
		case c == '%' && braces == 0 && i+2 < len(pattern):
			var v byte
			if n, _ := fmt.Sscanf(pattern[i+1:i+3], "%02x", &v); n == 1 && !strings.ContainsRune(`*?{}/\%`, rune(v)) {
				c = v
				i += 2
			}
		}
		b.WriteByte(c)
	}
	if !utf8.ValidString(b.String()) {
		return pattern
	}
	return b.String()
}
