package node

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tollgate/tollgate/store"
)

// registerProcess has what the process is and uses told.
func (n *Node) registerProcess() {
	version := n.cfg.Version
	if version == "" {
		version = "unknown"
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tollgate_build_info", Help: "1, by the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	n.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// quotas tells how far the quota conditions are used, by what this node's replica
// knows: nobody else is asked. It implements prometheus.Collector.
type quotas struct {
	store *store.Store
	// now is the time in milliseconds, for windows that have ended since the
	// replica last heard of them.
	now func() int64
	// limit is how many conditions are told.
	limit int
}

var (
	quotaLabels = []string{"domain", "endpoint", "window"}
	quotaUsed   = prometheus.NewDesc("tollgate_quota_used",
		"Units that the running window of a quota condition has admitted or charged, as far as nodes have reported; 0: none runs. The endpoint is empty for a condition of the whole domain, the window is in seconds.", quotaLabels, nil)
	quotaMaximum = prometheus.NewDesc("tollgate_quota_maximum", "Units that a window of a quota condition admits.", quotaLabels, nil)
)

// Describe implements prometheus.Collector.
func (q *quotas) Describe(ch chan<- *prometheus.Desc) {
	ch <- quotaUsed
	ch <- quotaMaximum
}

// Collect implements prometheus.Collector.
func (q *quotas) Collect(ch chan<- prometheus.Metric) {
	left, now := q.limit, q.now()
	for _, key := range q.store.QuotaDomains() {
		for _, r := range q.store.Readings(key, now) {
			if left--; left < 0 {
				return
			}
			labels := []string{key, r.Endpoint, strconv.Itoa(int(r.ResetSeconds))}
			ch <- prometheus.MustNewConstMetric(quotaUsed, prometheus.GaugeValue, float64(r.Used), labels...)
			ch <- prometheus.MustNewConstMetric(quotaMaximum, prometheus.GaugeValue, float64(r.Max), labels...)
		}
	}
}
