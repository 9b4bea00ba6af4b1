package cluster

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what the cluster counts; every name begins with tollgate_quota_.
type metrics struct {
	admitted, refused, undecided prometheus.Counter
	frameRetries, entries        prometheus.Counter
	entryFrames                  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tollgate_quota_decisions_total",
		Help: "Calls decided for this node, by verdict: admitted, refused, or undecided within the wait budget.",
	}, []string{"verdict"})
	m := &metrics{
		admitted:  decisions.WithLabelValues("admitted"),
		refused:   decisions.WithLabelValues("refused"),
		undecided: decisions.WithLabelValues("undecided"),
		frameRetries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_quota_frame_retries_total",
			Help: "Attempts to have a frame decided that failed and were made again, such as while there was no leader.",
		}),
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollgate_quota_log_entries_total",
			Help: "Log entries of quota frames that this node proposed as leader.",
		}),
		entryFrames: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tollgate_quota_log_entry_frames",
			Help:    "Frames merged into one log entry.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 8),
		}),
	}
	reg.MustRegister(decisions, m.frameRetries, m.entries, m.entryFrames)
	return m
}

func (m *metrics) count(a answer) {
	switch {
	case a.err != nil:
		m.undecided.Inc()
	case a.verdict.Admitted:
		m.admitted.Inc()
	default:
		m.refused.Inc()
	}
}
