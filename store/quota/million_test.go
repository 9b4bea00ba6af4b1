package quota

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

// BenchmarkMillionCallers measures a rule with a million callers: memory, how long a
// snapshot holds the state, how long it takes to write and to restore, and the longest that
// an entry takes while all of them are removed.
func BenchmarkMillionCallers(b *testing.B) {
	const callers = 1_000_000
	for b.Loop() {
		before := heap()
		s := machine(Condition{Max: 100, ResetSeconds: 3600, By: ByIP, MaxCallers: callers})
		f := frameOf("n1", 1, 0)
		f.Version = Third
		took := elapsed(func() {
			for n := range uint64(callers) {
				if f.Takes = append(f.Takes, calling(1, 1, n*0x9e3779b97f4a7c15)); len(f.Takes) == 500 {
					f.Seq++
					s.BeginFrames(strictly)
					s.Apply(f)
					f.Takes = f.Takes[:0]
				}
			}
		})
		b.ReportMetric(took.Seconds()*1e9/callers, "ns/first-call")
		b.ReportMetric(float64(heap()-before)/1e6, "MB")
		var shot *Snapshot
		b.ReportMetric(elapsed(func() { shot = s.Snapshot() }).Seconds()*1e3, "ms/snapshot-held")
		var buf bytes.Buffer
		b.ReportMetric(elapsed(func() { _, _ = shot.WriteTo(&buf) }).Seconds(), "s/write")
		b.ReportMetric(float64(buf.Len())/1e6, "MB/snapshot")
		b.ReportMetric(elapsed(func() {
			if _, err := DecodeState(buf.Bytes(), Third); err != nil {
				b.Fatal(err)
			}
		}).Seconds(), "s/restore")
		s.Advance(s.Now() + 3_600_000)
		longest := time.Duration(0)
		for s.rules[1].callers.count() > 0 {
			longest = max(longest, elapsed(func() { s.BeginFrames(strictly) }))
		}
		b.ReportMetric(longest.Seconds()*1e3, "ms/longest-entry")
	}
}

func elapsed(do func()) time.Duration {
	begin := time.Now()
	do()
	return time.Since(begin)
}

// heap is the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
