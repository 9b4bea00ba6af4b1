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

// BenchmarkCallers is the cost of what a frame of callers has, decoded, applied, and its
// result encoded: a call of one of 100,000 who call seldom, and a report on the lease of
// one of 1,000 who call often.
func BenchmarkCallers(b *testing.B) {
	const aFrame = 50
	far := Condition{Max: 1 << 39, ResetSeconds: 3600, By: ByIP, MaxCallers: 1_000_000}
	leasing := NewState().params
	apply := func(s *State, f *Frame, buf []byte) []byte {
		f.Seq++
		f.Version = Third
		decoded, err := DecodeFrame(f.Append(buf[:0]), Third)
		if err != nil {
			b.Fatal(err)
		}
		s.Advance(s.Now() + 1)
		s.BeginFrames(leasing)
		return s.Apply(decoded).Append(buf[:0])
	}
	b.Run("call", func(b *testing.B) {
		const callers = 100_000
		s, f, buf, next := machine(far), frameOf("n1", 1, 0), []byte(nil), uint64(0)
		some := func() {
			f.Takes = f.Takes[:0]
			for range aFrame {
				f.Takes = append(f.Takes, calling(1, 1, next%callers*0x9e3779b97f4a7c15))
				next++
			}
			buf = apply(s, f, buf)
		}
		for range callers / aFrame {
			some()
		}
		b.ReportAllocs()
		for b.Loop() {
			some()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/aFrame, "ns/item")
	})
	b.Run("report", func(b *testing.B) {
		const callers = 1000
		s, buf, next := machine(far), []byte(nil), uint64(0)
		nodes := []*Frame{frameOf("n1", 1, 0), frameOf("n2", 1, 0), frameOf("n3", 1, 0)}
		s.SetMembers(len(nodes))
		some := func(report Report) {
			f := nodes[next/callers%uint64(len(nodes))]
			f.Reports = f.Reports[:0]
			for range aFrame {
				report.Counter = ID{Rule: of(1).Rule, Caller: caller(next % callers * 0x9e3779b97f4a7c15)}
				f.Reports = append(f.Reports, report)
				next++
			}
			buf = apply(s, f, buf)
		}
		opened := frameOf("n1", 1, 0)
		for n := range uint64(callers) {
			opened.Takes = append(opened.Takes[:0], calling(1, 1, n*0x9e3779b97f4a7c15))
			buf = apply(s, opened, buf)
		}
		nodes[0].Seq = opened.Seq
		for range callers / aFrame * len(nodes) {
			some(Report{Want: 20})
		}
		if busy := s.rules[1].callers.busy.Len(); busy != callers {
			b.Fatalf("units of %d callers are leased", busy)
		}
		b.ReportAllocs()
		for b.Loop() {
			some(Report{Window: s.rules[1].peek(caller(0)).window.serial, Spent: 0, Want: 1, Renew: true})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/aFrame, "ns/item")
	})
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
