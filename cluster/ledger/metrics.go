package ledger

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what a ledger counts; every name begins with
// tollgate_quota_.
type metrics struct {
	local, replica                  *tally
	strict, unavailable             prometheus.Counter
	leased, givenBack, lost, drains prometheus.Counter
	frames, claimsFull              prometheus.Counter
	waiting                         prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	decisions := func(way string) prometheus.CounterOpts {
		return prometheus.CounterOpts{
			Name:        "tollgate_quota_decisions_total",
			Help:        "Calls decided for this node, by way: local (out of leased units), strict (in the log), replica (refused by this node's replica), or unavailable within the wait budget.",
			ConstLabels: prometheus.Labels{"way": way},
		}
	}
	m := &metrics{
		local:       newTally(),
		replica:     newTally(),
		strict:      prometheus.NewCounter(decisions("strict")),
		unavailable: prometheus.NewCounter(decisions("unavailable")),
		leased:      counter("tollgate_quota_units_leased_total", "Units that this node was leased."),
		givenBack:   counter("tollgate_quota_units_given_back_total", "Leased units that this node gave back unspent."),
		lost:        counter("tollgate_quota_units_lost_total", "Leased units that the cluster gave up because this node did not say in time what became of them: it stood still, or was cut off."),
		drains:      counter("tollgate_quota_drains_total", "Leases of this node that were called back because their counter came near its end."),
		claimsFull:  counter("tollgate_quota_claims_full_total", "Signatures that are good once and were refused because the cluster keeps as many used ones as it may."),
		frames:      counter("tollgate_quota_frames_total", "Frames that this node had decided."),
		waiting: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tollgate_quota_wait_seconds",
			Help:    "Time that calls waited which could not be decided out of leased units.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}),
	}
	reg.MustRegister(
		prometheus.NewCounterFunc(decisions("local"), m.local.sum),
		prometheus.NewCounterFunc(decisions("replica"), m.replica.sum),
		m.strict, m.unavailable, m.waiting,
	)
	return m
}

// tally is a counter that many cores add to.
type tally struct{ stripes []stripe }

func newTally() *tally { return &tally{make([]stripe, runtime.GOMAXPROCS(0))} }

func (t *tally) add(core int) { t.stripes[core%len(t.stripes)].units.Add(1) }

func (t *tally) sum() float64 {
	n := int64(0)
	for i := range t.stripes {
		n += t.stripes[i].units.Load()
	}
	return float64(n)
}

// waited counts a call that was decided in the log, or was not.
func (m *metrics) waited(a answer, d time.Duration) {
	m.waiting.Observe(d.Seconds())
	if a.err != nil {
		m.unavailable.Inc()
	} else {
		m.strict.Inc()
	}
}
