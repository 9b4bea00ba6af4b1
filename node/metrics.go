package node

import (
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
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
	quotaLabels  = []string{"domain", "endpoint", "window"}
	callerLabels = append(quotaLabels[:3:3], "by", "shadow")
	quotaUsed    = prometheus.NewDesc("tollgate_quota_used",
		"Units that the running window of a quota condition has admitted or charged, as far as nodes have reported; 0: none runs. The endpoint is empty for a condition of the whole domain, the window is in seconds, or a unit and a time zone.", quotaLabels, nil)
	quotaMaximum = prometheus.NewDesc("tollgate_quota_maximum", "Units that a window of a quota condition admits.", quotaLabels, nil)
	shadowUsed   = prometheus.NewDesc("tollgate_quota_shadow_used", "Units that the running window of a shadow condition has counted, beyond its maximum too.", quotaLabels, nil)
	quotaCallers = prometheus.NewDesc("tollgate_quota_callers", "Callers that have a counter each, of a quota condition that tells them apart by what the label by says.", callerLabels, nil)
	quotaShared  = prometheus.NewDesc("tollgate_quota_callers_shared", "1 while callers beyond the condition's maxCallers share a counter, and may be refused early.", callerLabels, nil)
)

// Describe implements prometheus.Collector.
func (q *quotas) Describe(ch chan<- *prometheus.Desc) {
	ch <- quotaUsed
	ch <- quotaMaximum
	ch <- shadowUsed
	ch <- quotaCallers
	ch <- quotaShared
}

// Collect implements prometheus.Collector.
func (q *quotas) Collect(ch chan<- prometheus.Metric) {
	left, now := q.limit, q.now()
	for _, key := range q.store.QuotaDomains() {
		for _, r := range q.store.Readings(key, now) {
			if left--; left < 0 {
				return
			}
			labels := []string{key, r.Endpoint, windowOf(&r.Condition)}
			if r.By != quota.ByAll {
				collectCallers(ch, &r, append(labels, string(r.By), strconv.FormatBool(r.Shadow)))
				continue
			}
			if r.Shadow { // a condition may be there twice, once as a shadow
				ch <- prometheus.MustNewConstMetric(shadowUsed, prometheus.GaugeValue, float64(r.Used), labels...)
				continue
			}
			ch <- prometheus.MustNewConstMetric(quotaUsed, prometheus.GaugeValue, float64(r.Used), labels...)
			ch <- prometheus.MustNewConstMetric(quotaMaximum, prometheus.GaugeValue, float64(r.Max), labels...)
		}
	}
}

func collectCallers(ch chan<- prometheus.Metric, r *quota.Reading, labels []string) {
	shared := 0.0
	if r.Shared {
		shared = 1
	}
	ch <- prometheus.MustNewConstMetric(quotaCallers, prometheus.GaugeValue, float64(r.Callers), labels...)
	ch <- prometheus.MustNewConstMetric(quotaShared, prometheus.GaugeValue, shared, labels...)
}

// windowOf is a condition's window as a label.
func windowOf(c *quota.Condition) string {
	if c.Period.Unit != quota.NoUnit {
		return c.Period.Unit.String() + " " + c.Period.Zone
	}
	return strconv.Itoa(int(c.ResetSeconds))
}
