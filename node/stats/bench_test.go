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

// BenchmarkDay writes a day of minutes, in which each endpoint of 1,000 domains is
// called each minute, and reports the file's bytes, by step, and the time of a minute.
func BenchmarkDay(b *testing.B) {
	for _, endpoints := range []int{1, 5} {
		b.Run(fmt.Sprintf("domains=1000/endpoints=%d", endpoints), func(b *testing.B) {
			for b.Loop() {
				benchmarkDay(b, 1000, endpoints)
			}
		})
	}
}

func benchmarkDay(b *testing.B, domains, endpoints int) {
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
	const minutes = 1440
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
	b.ReportMetric(s.size()/1e6, "MB/day")
	b.ReportMetric(float64(writing.Milliseconds())/minutes, "ms/minute")
	b.ReportMetric(0, "ns/op")
	stored := map[string]int{}
	tx, err := s.file.db.Begin(false)
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range Steps {
		stats := tx.Bucket(bucketName(step.Seconds)).Stats()
		stored[fmt.Sprintf("MB-%ds", step.Seconds)] = (stats.LeafAlloc + stats.BranchAlloc) / 1000
	}
	for unit, kb := range stored {
		b.ReportMetric(float64(kb)/1000, unit)
	}
	if err := tx.Rollback(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
