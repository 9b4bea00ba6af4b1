package load

import (
	"math"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/report"
)

func TestSummaryAndBack(t *testing.T) {
	h := newHistogram()
	for us := 1; us <= 100_000; us++ { // 1 µs to 100 ms
		add(h, time.Duration(us)*time.Microsecond)
	}
	l := Summarize(h)
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"mean", l.Mean, 50}, {"p50", l.P50, 50}, {"p90", l.P90, 90}, {"p99", l.P99, 99},
		{"p99.9", l.P999, 99.9}, {"p99.99", l.P9999, 99.99}, {"max", l.Max, 100},
	} {
		if math.Abs(f.got-f.want) > f.want/1000 {
			t.Errorf("%s is %v ms, want %v", f.name, f.got, f.want)
		}
	}
	back, err := Decode(l)
	if err != nil {
		t.Fatal(err)
	}
	if !back.Equals(h) || Summarize(back) != l {
		t.Error("the decoded histogram is another")
	}
}

func TestLatenciesBeyondTheRange(t *testing.T) {
	h := newHistogram()
	for _, d := range []time.Duration{-time.Second, 0, 499, 500, time.Hour} {
		add(h, d)
	}
	if h.TotalCount() != 5 || h.Min() != 0 || h.ValueAtQuantile(80) != 1 {
		t.Errorf("%d of 5 recorded, from %d µs; the fourth is %d µs, want 1", h.TotalCount(), h.Min(), h.ValueAtQuantile(80))
	}
	if l := Summarize(h); math.Abs(l.Max-60_000) > 60 {
		t.Errorf("the longest is %v ms, want the range's end", l.Max)
	}
}

func TestNoLatencies(t *testing.T) {
	l := Summarize(newHistogram())
	if back, err := Decode(l); err != nil || back.TotalCount() != 0 {
		t.Errorf("%v, %v", back, err)
	}
	if l.Histogram = ""; l != (report.Latency{}) {
		t.Errorf("%+v, want all zero", l)
	}
	if _, err := Decode(report.Latency{Histogram: "HISTFAAA"}); err == nil {
		t.Error("half a histogram was decoded")
	}
}
