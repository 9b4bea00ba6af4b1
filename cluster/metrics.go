package cluster

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store"
)

// metrics is what the cluster counts of the frames on their way to the log; the
// ledger counts the rest of tollgate_quota_.
type metrics struct {
	frameRetries, entries prometheus.Counter
	entryFrames           prometheus.Histogram
	diverged              prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
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
	m.diverged = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tollgate_state_diverged",
		Help: "1 if this node's replicated state was found to differ from the others'; it then decides no quotas.",
	})
	reg.MustRegister(m.frameRetries, m.entries, m.entryFrames, m.diverged)
	return m
}

// registerMembership registers what is counted of the nodes themselves.
func registerMembership(reg prometheus.Registerer, t *Transport, s *store.Store) {
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollgate_cluster_claims_total",
			Help: "Connections of members of another cluster that took this node for one of theirs.",
		}, t.claims.total),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollgate_raft_stalled_followers",
			Help: "Members that answer this leader but take no log entries while the log grows; 0 on a node that does not lead.",
		}, func() float64 { return float64(s.Stalled()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tollgate_cluster_time_behind_seconds",
			Help: "Time until this leader's clock has come to the cluster's time, which stands still until then; 0 on a node that does not lead.",
		}, func() float64 { return s.TimeBehind().Seconds() }),
	)
}
