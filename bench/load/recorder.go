package load

import (
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tollgate/tollgate/bench/report"
)

// recorder counts what became of the calls of some connections. A histogram for
// each slice and connection would be megabytes a connection, so connections
// share one, and there are as many recorders as cores, which keeps its lock free.
type recorder struct {
	mu sync.Mutex
	// latency is the answered calls of each slice, nil until there is one.
	latency  []*hdrhistogram.Histogram
	lateness *hdrhistogram.Histogram // nil of a closed loop
	counts   [Unknown + 1]uint64     // of the slices
	// recent is the answered calls since the last report.
	recent *hdrhistogram.Histogram
	failed uint64 // since the beginning, failed or unknown
}

// mostRecorders bounds the memory that recorders take.
const mostRecorders = 8

// newRecorders makes the recorders of a load.
func newRecorders(p *Plan) []*recorder {
	all := make([]*recorder, min(runtime.GOMAXPROCS(0), p.Connections, mostRecorders))
	for i := range all {
		all[i] = &recorder{latency: make([]*hdrhistogram.Histogram, p.Slices), recent: newHistogram()}
		if p.Rate > 0 {
			all[i].lateness = newHistogram()
		}
	}
	return all
}

// call counts a call that was answered, or given up, in a slice, below 0 for
// the warm-up.
func (r *recorder) call(slice int, v Verdict, latency, lateness time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v >= Failed {
		r.failed++
	}
	if v != Unknown {
		add(r.recent, latency)
	}
	if slice < 0 || slice >= len(r.latency) {
		return
	}
	r.counts[v]++
	if r.lateness != nil {
		add(r.lateness, lateness)
	}
	if v == Unknown {
		return
	}
	if r.latency[slice] == nil {
		r.latency[slice] = newHistogram()
	}
	add(r.latency[slice], latency)
}

// lost counts a call without an answer that was still awaited after the last
// slice.
func (r *recorder) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[Unknown]++
	r.failed++
}

// progress adds up what all recorders have seen since it was called last.
func progress(all []*recorder) (calls uint64, p99 time.Duration, failed uint64) {
	recent := newHistogram()
	for _, r := range all {
		next := newHistogram() // to merge under the lock would hold calls up
		r.mu.Lock()
		r.recent, next = next, r.recent
		failed += r.failed
		r.mu.Unlock()
		recent.Merge(next)
	}
	return uint64(recent.TotalCount()), time.Duration(recent.ValueAtQuantile(99)) * time.Microsecond, failed
}

// outcome merges the recorders of a load that is over; Calls and Unsent are
// left to the caller.
func outcome(p *Plan, all []*recorder) *Outcome {
	o := &Outcome{Slices: make([]report.Slice, p.Slices), Latency: newHistogram()}
	if p.Rate > 0 {
		o.Lateness = newHistogram()
	}
	for i := range o.Slices {
		slice := newHistogram()
		for _, r := range all {
			if r.latency[i] != nil {
				slice.Merge(r.latency[i])
			}
		}
		o.Slices[i] = report.Slice{
			Seconds: p.Slice.Seconds(), Calls: uint64(slice.TotalCount()),
			P50: toMillis(slice.ValueAtQuantile(50)), P99: toMillis(slice.ValueAtQuantile(99)),
		}
		o.Latency.Merge(slice)
	}
	c := &o.Counts
	for _, r := range all {
		if r.lateness != nil {
			o.Lateness.Merge(r.lateness)
		}
		c.Admitted += r.counts[Admitted]
		c.Refused += r.counts[Refused]
		c.Undecided += r.counts[Undecided]
		c.Failed += r.counts[Failed]
		c.Unknown += r.counts[Unknown]
	}
	c.Offered = c.Admitted + c.Refused + c.Undecided + c.Failed + c.Unknown
	return o
}
