package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/catalog"
)

// connectTargets makes the group of a domain's endpoint servers. had is the
// deployment before, which may be nil: targets that both have keep their health.
func (p *Proxy) connectTargets(from *catalog.HTTPProxy, key string, had *domain) (*upstream.Group, error) {
	server := p.upstreamConfig()
	var err error
	if server.TLS, err = tlsOf(p.cfg.TLS, from); err != nil {
		return nil, err
	}
	cfg := upstream.GroupConfig{
		Server:  server,
		Balance: map[string]upstream.Balance{catalog.RoundRobin: upstream.RoundRobin, catalog.Hash: upstream.HashBy}[from.Balance],
		Observer: func(target string) upstream.TargetObserver {
			return p.metrics.targets.observer(key, target, p.log)
		},
	}
	for _, t := range from.Servers() {
		cfg.Targets = append(cfg.Targets, upstream.TargetConfig{URL: t.URL, Weight: int(t.Weight)})
	}
	if h := from.HealthCheck; h != nil {
		cfg.Check = &upstream.Check{Path: h.Path, Interval: h.Interval(), Timeout: h.Timeout()}
	}
	// With other certificates or another Host it may fare otherwise.
	if had != nil && sameManner(had.from.Plugins.HTTPProxy, from) {
		cfg.Former = had.group
	}
	return upstream.NewGroup(cfg)
}

// tlsOf is how a domain calls https servers; base is how the others do, nil for
// the system's roots.
func tlsOf(base *tls.Config, from *catalog.HTTPProxy) (*tls.Config, error) {
	if from.CACertificate == "" && from.ClientCertificate == nil {
		return base, nil
	}
	own := base.Clone()
	if own == nil {
		own = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if roots, err := from.Roots(); err != nil {
		return nil, fmt.Errorf("%s: %w", catalog.PluginHTTPProxy, err)
	} else if roots != nil {
		own.RootCAs = roots
	}
	if from.ClientCertificate != nil {
		pair, err := from.ClientCertificate.Pair()
		if err != nil {
			return nil, fmt.Errorf("%s: clientCertificate.key %w", catalog.PluginHTTPProxy, err)
		}
		own.Certificates = []tls.Certificate{pair}
	}
	return own, nil
}

// sameManner tells whether two settings call a server of the same URL alike.
func sameManner(a, b *catalog.HTTPProxy) bool {
	x, y := a.ClientCertificate, b.ClientCertificate
	return a.CACertificate == b.CACertificate && a.HostHeader == b.HostHeader &&
		(x == y || x != nil && y != nil && *x == *y)
}

// targetMetrics are the metrics by target, for all domains.
type targetMetrics struct {
	calls, failures, ejections *prometheus.CounterVec
}

func newTargetMetrics() *targetMetrics {
	return &targetMetrics{
		calls:     counter("target_calls_total", "Calls of a target, an endpoint server, whatever came of them.", labelDomain, labelTarget),
		failures:  counter("target_failures_total", "Calls of a target without an answer to pass on, by reason; another target may have answered in its place.", labelDomain, labelTarget, labelReason),
		ejections: counter("target_ejections_total", "How often a target was taken out of the balance after failures in a row.", labelDomain, labelTarget),
	}
}

func (m *targetMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.calls, m.failures, m.ejections}
}

// forget drops the series of a domain's targets but for those that are kept.
func (m *targetMetrics) forget(domain string, had, kept []string) {
	for _, target := range had {
		if !slices.Contains(kept, target) {
			of := prometheus.Labels{labelDomain: domain, labelTarget: target}
			m.calls.DeletePartialMatch(of)
			m.failures.DeletePartialMatch(of)
			m.ejections.DeletePartialMatch(of)
		}
	}
}

func (m *targetMetrics) observer(domain, target string, log *slog.Logger) *targetObserver {
	o := &targetObserver{
		domain: domain, target: target, log: log,
		failures: failureLog{log: log, msg: "an endpoint server failed, another one is called", domain: domain},
		calls:    m.calls.WithLabelValues(domain, target), ejections: m.ejections.WithLabelValues(domain, target),
	}
	for r := range upstream.Reasons {
		if r != upstream.NoTarget {
			o.byReason[r] = m.failures.WithLabelValues(domain, target, r.String())
		}
	}
	return o
}

// targetObserver is the upstream.TargetObserver of one target.
type targetObserver struct {
	domain, target   string
	log              *slog.Logger
	failures         failureLog
	calls, ejections prometheus.Counter
	byReason         [upstream.Reasons]prometheus.Counter

	mu sync.Mutex
	by [upstream.Events]struct {
		last    time.Time
		omitted int
	}
}

// Called implements upstream.TargetObserver.
func (o *targetObserver) Called(err error, goesOn bool) {
	o.calls.Inc()
	failed, ok := err.(*upstream.Error)
	if !ok {
		return
	}
	o.byReason[failed.Reason].Inc()
	if goesOn { // what does not is logged as the call's own failure
		o.failures.add(o.target, failed, time.Now())
	}
}

// What the log says of an event.
var eventLines = [upstream.Events]string{
	upstream.Ejected:  "a target is ejected after failures in a row",
	upstream.Returned: "a target is back after its ejection",
	upstream.Failing:  "a target fails its health check",
	upstream.Passing:  "a target passes its health check again",
}

// Changed implements upstream.TargetObserver.
func (o *targetObserver) Changed(c upstream.Change) {
	if c.Event == upstream.Ejected {
		o.ejections.Inc()
	}
	now := time.Now()
	o.mu.Lock()
	by := &o.by[c.Event]
	if !by.last.IsZero() && now.Sub(by.last) < failurePause {
		by.omitted++
		o.mu.Unlock()
		return
	}
	omitted := by.omitted
	by.last, by.omitted = now, 0
	o.mu.Unlock()
	args := []any{keyDomain, o.domain, keyServer, o.target}
	if c.Cause != nil {
		args = append(args, keyError, c.Cause)
	}
	if c.For > 0 {
		args = append(args, keySeconds, c.For.Seconds())
	}
	level := slog.LevelInfo
	if c.Cause != nil {
		level = slog.LevelWarn
	}
	o.log.Log(context.Background(), level, eventLines[c.Event], append(args, keyOmitted, omitted)...)
}

// healthyTargets is a gauge that is read when it is asked for: an ejection ends
// without anybody doing anything.
type healthyTargets struct{ proxy *Proxy }

var healthyDesc = prometheus.NewDesc("tollgate_proxy_target_healthy",
	"1 for a target in the balance, 0 for one that is ejected or fails its health check.", []string{labelDomain, labelTarget}, nil)

// Describe implements prometheus.Collector.
func (healthyTargets) Describe(to chan<- *prometheus.Desc) { to <- healthyDesc }

// Collect implements prometheus.Collector.
func (h healthyTargets) Collect(to chan<- prometheus.Metric) {
	for key, d := range h.proxy.table.Load().domains {
		d.group.Healthy(func(target string, healthy bool) {
			value := 0.0
			if healthy {
				value = 1
			}
			to <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, value, key, target)
		})
	}
}
