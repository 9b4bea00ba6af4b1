package proxy

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/envelope"
)

// otherEndpoints is the label of a domain's endpoints beyond MetricsEndpoints.
const otherEndpoints = callstats.Other

// callMetrics is what is counted by domain and endpoint. It implements
// prometheus.Collector. A series is looked up at deploy, not with every call.
type callMetrics struct {
	// unknown is for the calls without a domain.
	unknown *series
	// limit is how many endpoints have series of their own.
	limit int
	// stats begins the series of statistics that go with these; nil: none do.
	stats *callstats.Recorder

	mu sync.Mutex
	// by has the series by domain and endpoint; own is how many of them count
	// against limit.
	by  map[string]map[string]*series
	own int
}

func newCallMetrics(limit int, stats *callstats.Recorder) *callMetrics {
	return &callMetrics{unknown: &series{}, limit: limit, stats: stats, by: map[string]map[string]*series{}}
}

// of returns the series for a domain's calls without an endpoint, and for those
// of its endpoints: the ones that there are already, or new ones.
func (m *callMetrics) of(domain string, endpoints []string) (unrouted *series, routed []*series) {
	m.mu.Lock()
	defer m.mu.Unlock()
	routed = make([]*series, len(endpoints))
	for i, endpoint := range endpoints {
		routed[i] = m.find(domain, endpoint)
	}
	return m.find(domain, ""), routed
}

// find returns one series. mu is held.
func (m *callMetrics) find(domain, endpoint string) *series {
	of := m.by[domain]
	if of == nil {
		of = map[string]*series{}
		m.by[domain] = of
	}
	if of[endpoint] == nil && isOwn(endpoint) {
		if m.own == m.limit {
			endpoint = otherEndpoints
		} else {
			m.own++
		}
	}
	if of[endpoint] == nil {
		of[endpoint] = &series{domain: domain, endpoint: endpoint, stats: m.stats.Series(domain, endpoint)}
	}
	return of[endpoint]
}

// isOwn tells whether a series counts against the limit.
func isOwn(endpoint string) bool { return endpoint != "" && endpoint != otherEndpoints }

// keepOnly drops the series of domains and endpoints that are not among these.
func (m *callMetrics) keepOnly(domains map[string]*domain) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, of := range m.by {
		d := domains[key]
		if d != nil && d.series != nil {
			continue // it has not changed
		}
		stay := map[string]bool{"": true}
		if d == nil {
			stay = nil
			delete(m.by, key)
		} else {
			for _, id := range d.ids {
				stay[id] = true
			}
		}
		for endpoint, s := range of {
			if stay[endpoint] {
				continue
			}
			if isOwn(endpoint) {
				m.own--
			}
			if endpoint != otherEndpoints || d == nil {
				delete(of, endpoint)
				m.stats.Retire(s.stats)
			}
		}
	}
}

func callDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("tollgate", "proxy", name), help, append([]string{labelDomain, labelEndpoint}, labels...), nil)
}

var (
	requestsDesc = callDesc("requests_total", "Requests answered, by class and status. The endpoint is METHOD /pattern; empty where none was found, other beyond --metrics-endpoints.", labelClass, labelCode)
	refusalsDesc = callDesc("refusals_total", "Requests the gateway itself refused, by result code.", labelCode)
	secondsDesc  = callDesc("request_seconds", "Time from a request's head to the end of its answer.")
	inDesc       = callDesc("received_bytes_total", "Bytes of the bodies of requests, as far as they were read.")
	outDesc      = callDesc("sent_bytes_total", "Bytes of the bodies of answers.")
	targetDesc   = callDesc("upstream_requests_total", "Calls of endpoint servers by target and status; where there was no answer to pass on, the code has five digits.", labelCode, labelTarget)
)

// Describe implements prometheus.Collector.
func (m *callMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, refusalsDesc, secondsDesc, inDesc, outDesc, targetDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *callMetrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	all := []*series{m.unknown}
	for _, of := range m.by {
		for _, s := range of {
			all = append(all, s)
		}
	}
	m.mu.Unlock()
	for _, s := range all {
		s.collect(ch)
	}
}

func (s *series) collect(ch chan<- prometheus.Metric) {
	count := func(desc *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), append([]string{s.domain, s.endpoint}, labels...)...)
	}
	eachStatus(&s.statuses, func(status int, n uint64) {
		count(requestsDesc, n, strconv.Itoa(status/100)+"xx", strconv.Itoa(status))
	})
	for i, code := range envelope.Codes {
		if n := s.refusals[i].Load(); n > 0 {
			count(refusalsDesc, n, strconv.Itoa(code))
		}
	}
	if n, sum, buckets := s.seconds.read(); n > 0 {
		ch <- prometheus.MustNewConstHistogram(secondsDesc, n, sum, buckets, s.domain, s.endpoint)
		count(inDesc, s.in.Load())
		count(outDesc, s.out.Load())
	}
	if targets := s.targets.Load(); targets != nil {
		for _, t := range *targets {
			eachStatus(&t.statuses, func(status int, n uint64) { count(targetDesc, n, strconv.Itoa(status), t.name) })
			for i, code := range envelope.Codes {
				if n := t.failed[i].Load(); n > 0 {
					count(targetDesc, n, strconv.Itoa(code), t.name)
				}
			}
		}
	}
}

// eachStatus tells the statuses that have occurred.
func eachStatus(statuses *[6]atomic.Pointer[[100]atomic.Uint64], tell func(status int, n uint64)) {
	for class := range statuses {
		counts := statuses[class].Load()
		if counts == nil {
			continue
		}
		for rest := range counts {
			if n := counts[rest].Load(); n > 0 {
				tell(100*class+rest, n)
			}
		}
	}
}
