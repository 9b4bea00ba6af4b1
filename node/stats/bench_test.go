package stats

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/proxy/callstats"
)

// BenchmarkDay writes a day of minutes, in which 1,000 domains are called each minute,
// and reports the bytes of the file, and of its points by step.
func BenchmarkDay(b *testing.B) {
	for b.Loop() {
		writeMinutes(b, 1440, 1000, 1)
	}
}

// BenchmarkMinute writes some minutes with 10,000 endpoints in use, and reports the time
// of one.
func BenchmarkMinute(b *testing.B) {
	for b.Loop() {
		writeMinutes(b, 20, 1000, 10)
	}
}

func writeMinutes(b *testing.B, minutes, domains, endpoints int) {
	now := int64(noon - noon%86400)
	recorder := callstats.New()
	s, err := Open(Config{
		Dir: b.TempDir(), MaxBytes: 1 << 40, Recorder: recorder, Registerer: prometheus.NewRegistry(),
		Clock: func() time.Time { return time.Unix(now, 0) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	s.stop() // nobody else looks at the clock
	s.wg.Wait()
	s.file.db.NoSync = true // it is bytes that are measured
	var series []*callstats.Series
	for d := range domains {
		for e := range endpoints {
			series = append(series, recorder.Series(fmt.Sprintf("domain-%d", d), fmt.Sprintf("GET /v1/resources-%d/{id}", e)))
		}
	}
	var writing time.Duration
	for range minutes {
		for _, s := range series {
			for range 20 {
				s.Record(callstats.Outcome{Status: 200, Took: time.Duration((2 + rand.ExpFloat64()) * float64(2*time.Millisecond)), BytesOut: 1000})
			}
		}
		now += 60
		begin := time.Now()
		s.Flush(false)
		writing += time.Since(begin)
	}
	b.ReportMetric(s.size()/1e6, "MB")
	b.ReportMetric(float64(writing.Milliseconds())/float64(minutes), "ms/minute")
	b.ReportMetric(0, "ns/op")
	tx, err := s.file.db.Begin(false)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range Steps {
		stats := tx.Bucket(bucketName(step.Seconds)).Stats()
		b.ReportMetric(float64(stats.LeafAlloc+stats.BranchAlloc)/1e6, fmt.Sprintf("MB-%ds", step.Seconds))
	}
	if err := tx.Rollback(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
