package load

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tollgate/tollgate/bench/report"
)

// The range of histograms, in µs, and their precision in significant digits.
const (
	mostLatency   = 60_000_000
	latencyDigits = 3
)

// newHistogram is an empty histogram of latencies, µs. It takes 140 KB.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, mostLatency, latencyDigits) }

// add counts one latency; beyond the range it counts as the range's end.
func add(h *hdrhistogram.Histogram, d time.Duration) {
	// Nothing in the range is refused.
	_ = h.RecordValue(min(max((d+time.Microsecond/2).Microseconds(), 0), mostLatency))
}

// Summarize tells of a histogram of µs in ms, and keeps the whole of it in
// Histogram. An empty one is all zero.
func Summarize(h *hdrhistogram.Histogram) report.Latency {
	encoded, err := h.EncodeV2()
	if err != nil { // it is written to memory: cannot happen
		panic(err)
	}
	at := func(quantile float64) float64 { return toMillis(h.ValueAtQuantile(quantile)) }
	return report.Latency{
		Mean: h.Mean() / 1e3, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99), Max: toMillis(h.Max()),
		Histogram: string(encoded),
	}
}

// Decode is the histogram that Summarize made l of, in µs. It fails where
// l.Histogram is not one.
func Decode(l report.Latency) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode([]byte(l.Histogram))
	if err != nil {
		return nil, fmt.Errorf("the histogram of a latency: %w", err)
	}
	return h, nil
}

func toMillis(us int64) float64 { return float64(us) / 1e3 }
