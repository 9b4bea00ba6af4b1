package proxy

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/upstream"
)

// Labels have bounded values: keys of deployed domains, classes, codes, reasons.
const (
	labelDomain   = "domain"   // empty while no domain is known
	labelEndpoint = "endpoint" // "METHOD /pattern", empty where none was found, or otherEndpoints
	labelClass    = "class"    // 1xx to 5xx; 1xx is a 101, after which another protocol begins
	labelCode     = "code"     // an HTTP status, or a result code of five digits
	labelTarget   = "target"   // host and port of an endpoint server of a deployed domain
	labelReason   = "reason"   // of upstream.Reason, or for which a connection was refused
)

// metrics is every metric of the data plane.
type metrics struct {
	calls       *callMetrics
	seconds     *prometheus.HistogramVec
	failures    *prometheus.CounterVec
	retries     *prometheus.CounterVec
	preSeconds  *prometheus.HistogramVec
	preFailures *prometheus.CounterVec
	preEnded    *prometheus.CounterVec
	admitted    *prometheus.CounterVec
	shadowed    *prometheus.CounterVec
	unsettled   *prometheus.CounterVec
	overReserve *prometheus.CounterVec
	panics      prometheus.Counter
	connections prometheus.Gauge
	turnedAway  *prometheus.CounterVec
	unbegun     *prometheus.CounterVec
	bodyBytes   prometheus.GaugeFunc
	answerBytes prometheus.GaugeFunc
	acceptPause prometheus.Counter
	tunnels     *prometheus.GaugeVec
	targets     *targetMetrics
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tollgate", Subsystem: "proxy", Name: name, Help: help}, labels)
}

// upstreamBuckets are for the time of calls to other servers, in seconds.
var upstreamBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tollgate", Subsystem: "proxy", Name: name, Help: help, Buckets: upstreamBuckets}, labels)
}

// newMetrics registers the metrics; bodies and answers tell how much memory those
// hold, and endpoints is how many have labels of their own. stats counts the same calls, unless
// it is nil.
func newMetrics(reg prometheus.Registerer, endpoints int, stats *callstats.Recorder, bodies, answers func() int64) (*metrics, error) {
	m := &metrics{
		calls:       newCallMetrics(endpoints, stats),
		seconds:     histogram("upstream_seconds", "Time until the endpoint server's answer had come, as far as it is held.", labelDomain),
		failures:    counter("upstream_failures_total", "Calls of the endpoint server without an answer to pass on, by reason.", labelDomain, labelReason),
		retries:     counter("upstream_retries_total", "GET and HEAD requests sent again because a kept connection was closed.", labelDomain),
		preSeconds:  histogram("pre_api_seconds", "Time until a Pre API's whole answer had come.", labelDomain),
		preFailures: counter("pre_api_failures_total", "Calls of a Pre API without an answer, by reason.", labelDomain, labelReason),
		preEnded:    counter("pre_api_answers_total", "Calls that a Pre API ended, by answering other than 200.", labelDomain),
		admitted:    counter("quota_unavailable_admitted_total", "Calls admitted by onUnavailable although their quota was undecided.", labelDomain),
		shadowed:    counter("quota_shadow_refused_total", "Calls that a shadow condition of their quota would have refused.", labelDomain),
		unsettled:   counter("quota_unsettled_total", "Answers without a number of units in their settleHeader: all that was reserved is charged.", labelDomain),
		overReserve: counter("quota_over_reserve_units_total", "Units that answers said in their settleHeader beyond what their calls had reserved: they are charged.", labelDomain),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "panics_total",
			Help: "Requests answered 50000 because their handling panicked."}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "connections",
			Help: "Open client connections."}),
		turnedAway: counter("connections_refused_total", "Client connections answered and closed at once, by reason: full is beyond --max-conns (50301), client beyond --max-conns-per-client (42900), stopping while the node finishes its last calls (50301).", labelReason),
		unbegun:    counter("connections_unbegun_total", "Client connections closed before their first request, by reason: tls is a handshake that failed or took too long, proxyProtocol a PROXY header that is missing, broken or late.", labelReason),
		bodyBytes: prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "request_body_bytes",
			Help: "Memory that the bodies of requests hold, of --body-memory."}, func() float64 { return float64(bodies()) }),
		answerBytes: prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "answer_bytes",
			Help: "Memory that answers over 4 KiB hold, of a quarter of --body-memory."}, func() float64 { return float64(answers()) }),
		acceptPause: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "accept_pauses_total",
			Help: "Pauses in accepting connections, for want of file descriptors or memory."}),
		tunnels: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tollgate", Subsystem: "proxy", Name: "upgraded_connections",
			Help: "Open client connections that go on with another protocol, such as WebSocket, by domain."}, []string{labelDomain}),
	}
	for _, step := range []string{failedTLS, failedProxy} {
		m.unbegun.WithLabelValues(step) // there from the beginning
	}
	for _, reason := range []string{reasonFull, reasonClient, reasonStopping} {
		m.turnedAway.WithLabelValues(reason) // the first one shows as a rise, too
	}
	m.targets = newTargetMetrics()
	var errs []error
	all := []prometheus.Collector{m.calls, m.seconds, m.failures, m.retries, m.preSeconds, m.preFailures, m.preEnded, m.admitted, m.shadowed, m.unsettled, m.overReserve, m.panics, m.connections, m.turnedAway, m.unbegun, m.bodyBytes, m.answerBytes, m.acceptPause, m.tunnels}
	for _, c := range append(all, m.targets.collectors()...) {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// domainMetrics holds the handles of one domain, looked up once, not once a
// request.
type domainMetrics struct {
	upstream serverMetrics
	preAPI   serverMetrics
	preEnded prometheus.Counter
	admitted prometheus.Counter
	// shadowed, unsettled and overReserve are as in plugin.Env.
	shadowed, unsettled, overReserve prometheus.Counter
	tunnels                          prometheus.Gauge
}

func (m *metrics) domain(key string, log *slog.Logger) *domainMetrics {
	d := &domainMetrics{
		upstream: serverMetrics{
			seconds: m.seconds.WithLabelValues(key), retries: m.retries.WithLabelValues(key),
			log: failureLog{log: log, msg: "an endpoint server failed", domain: key},
		},
		preAPI: serverMetrics{
			seconds: m.preSeconds.WithLabelValues(key),
			log:     failureLog{log: log, msg: "a Pre API failed", domain: key},
		},
		preEnded: m.preEnded.WithLabelValues(key),
		admitted: m.admitted.WithLabelValues(key), shadowed: m.shadowed.WithLabelValues(key), unsettled: m.unsettled.WithLabelValues(key),
		overReserve: m.overReserve.WithLabelValues(key),
		tunnels:     m.tunnels.WithLabelValues(key),
	}
	for r := range upstream.Reasons {
		d.upstream.failures[r] = m.failures.WithLabelValues(key, r.String())
		d.preAPI.failures[r] = m.preFailures.WithLabelValues(key, r.String())
	}
	return d
}

// forget drops the series of a domain that is no longer deployed.
func (m *metrics) forget(key string) {
	of := prometheus.Labels{labelDomain: key}
	m.seconds.DeletePartialMatch(of)
	m.failures.DeletePartialMatch(of)
	m.retries.DeletePartialMatch(of)
	m.preSeconds.DeletePartialMatch(of)
	m.preFailures.DeletePartialMatch(of)
	m.preEnded.DeletePartialMatch(of)
	m.admitted.DeletePartialMatch(of)
	m.shadowed.DeletePartialMatch(of)
	m.unsettled.DeletePartialMatch(of)
	m.overReserve.DeletePartialMatch(of)
	m.tunnels.DeletePartialMatch(of)
	for _, c := range []*prometheus.CounterVec{m.targets.calls, m.targets.failures, m.targets.ejections} {
		c.DeletePartialMatch(of)
	}
}

// serverMetrics is the plugin.Observer of the calls to a server.
type serverMetrics struct {
	seconds  prometheus.Observer
	failures [upstream.Reasons]prometheus.Counter
	retries  prometheus.Counter // nil for Pre APIs, which are never asked twice
	log      failureLog
}

// Answered implements plugin.Observer.
func (s *serverMetrics) Answered(took time.Duration) { s.seconds.Observe(took.Seconds()) }

// Failed implements plugin.Observer.
func (s *serverMetrics) Failed(server string, e *upstream.Error) {
	s.failures[e.Reason].Inc()
	s.log.add(server, e, time.Now())
}

// Retried implements plugin.Observer.
func (s *serverMetrics) Retried() { s.retries.Inc() }
