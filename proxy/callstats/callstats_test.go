package callstats

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// taken sums up what a recorder hands out, by domain and endpoint.
func taken(r *Recorder, sums map[string]*Counts) {
	r.Take(func(domain, endpoint string, c *Counts) {
		key := domain + " " + endpoint
		if sums[key] == nil {
			sums[key] = &Counts{}
		}
		sums[key].Add(c)
	})
}

// TestCounts: each kind of call is counted where it belongs, and handed out once.
func TestCounts(t *testing.T) {
	r := New()
	s := r.Series("shop", "GET /a")
	r.Series("shop", "GET /quiet")
	for _, o := range []Outcome{
		{Status: 200, Took: 3 * time.Microsecond, BytesOut: 10},
		{Status: 399, Took: 3 * time.Microsecond, ByGateway: true},
		{Status: 400, Took: time.Second, BytesOut: 5},
		{Status: 403, Code: 20004, ByGateway: true},
		{Status: 403, Code: 20004, ByGateway: true},
		{Status: 401, Code: 40100, ByGateway: true, Took: -1, BytesOut: -1},
		{Status: 500, Code: 99999, ByGateway: true}, // no such code
	} {
		s.Record(o)
	}
	want := Counts{
		Successes: 2, Failures: 5, ByGateway: 5, Micros: 1_000_006, BytesOut: 15,
		Refusals: []Count{{20004, 2}, {40100, 1}},
		Times:    []Count{{0, 4}, {3, 2}, {uint32(bucketOf(1_000_000)), 1}},
	}
	for range 2 {
		n := 0
		r.Read("shop", func(endpoint string, c *Counts) {
			if n++; endpoint != "GET /a" || !reflect.DeepEqual(*c, want) {
				t.Errorf("read %s: %+v", endpoint, *c)
			}
		})
		if r.Read("other", func(string, *Counts) { n++ }); n != 1 {
			t.Errorf("%d series read, want 1", n)
		}
	}
	sums := map[string]*Counts{}
	taken(r, sums)
	if len(sums) != 1 || !reflect.DeepEqual(*sums["shop GET /a"], want) || want.Total() != 7 {
		t.Errorf("taken: %+v", sums)
	}
	if taken(r, sums); sums["shop GET /a"].Total() != 7 {
		t.Error("handed out twice")
	}
}

// TestSeriesThatGoes: a retired series is let go of once it is quiet, and a call that
// outlives it counts all the same. One of a nil recorder counts nothing.
func TestSeriesThatGoes(t *testing.T) {
	r := New()
	old, next := r.Series("shop", "GET /a"), r.Series("shop", "GET /a")
	sums := map[string]*Counts{}
	old.Record(Outcome{Status: 200})
	r.Retire(old)
	taken(r, sums)
	if taken(r, sums); len(r.live) != 1 {
		t.Fatalf("%d series are kept, want one", len(r.live))
	}
	old.Record(Outcome{Status: 200})
	next.Record(Outcome{Status: 500})
	taken(r, sums)
	if got := sums["shop GET /a"]; got.Successes != 2 || got.Failures != 1 {
		t.Errorf("%+v", got)
	}
	if taken(r, sums); len(r.live) != 1 {
		t.Error("the series that a call has outlived is kept for ever")
	}
	var none *Recorder
	none.Series("a", "b").Record(Outcome{})
	none.Retire(nil)
	if s := r.Series("a", string(make([]byte, maxEndpoint+1))); s.endpoint != Other {
		t.Error("an endless name is kept")
	}
}

// TestNothingIsLost: with calls, takes and series that come and go at once, what is
// handed out is what was recorded.
func TestNothingIsLost(t *testing.T) {
	const callers, each = 4, 20_000
	r := New()
	var current atomic.Pointer[Series]
	current.Store(r.Series("shop", "GET /a"))
	var done, making sync.WaitGroup
	for range callers {
		making.Go(func() {
			for i := range each {
				current.Load().Record(Outcome{Status: 200 + 200*(i%2), Code: 20004 * (i % 2), Took: time.Duration(i) * time.Microsecond, BytesOut: 1})
			}
		})
	}
	over := make(chan struct{})
	sums := map[string]*Counts{}
	done.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			r.Retire(current.Swap(r.Series("shop", "GET /a")))
			taken(r, sums)
		}
	})
	making.Wait()
	close(over)
	done.Wait()
	taken(r, sums)
	got := sums["shop GET /a"]
	var times uint64
	for _, b := range got.Times {
		times += b.N
	}
	if got.Successes != callers*each/2 || got.Failures != callers*each/2 || times != callers*each || got.BytesOut != callers*each ||
		!slices.Equal(got.Refusals, []Count{{20004, callers * each / 2}}) || got.Micros != callers*each*(each-1)/2 {
		t.Errorf("%+v", got)
	}
}

// TestBuckets: each time lies in its bucket, buckets are in order and narrow, and the
// longest times share the last one.
func TestBuckets(t *testing.T) {
	last := -1
	for _, micros := range []uint64{0, 1, 15, 16, 17, 31, 32, 33, 34, 63, 64, 1000, 1_000_000, 60_000_000, maxMicros, maxMicros + 1, 1 << 60} {
		b := bucketOf(micros)
		if b < last || b >= Buckets {
			t.Errorf("%d µs: bucket %d, after %d", micros, b, last)
		}
		last = b
	}
	if last != Buckets-1 {
		t.Errorf("the last bucket is %d", last)
	}
	for range 100_000 {
		micros := rand.Uint64N(maxMicros) >> rand.IntN(36)
		mid := middle(bucketOf(micros))
		off := mid - time.Duration(micros)*time.Microsecond
		if off.Abs() > time.Duration(micros)*time.Microsecond/32 {
			t.Fatalf("%d µs: the middle is %v", micros, mid)
		}
	}
}

// TestQuantiles compares quantiles of sums with those of the sorted times.
func TestQuantiles(t *testing.T) {
	r := New()
	var sum Counts
	var all []time.Duration
	for i := range 10 {
		s := r.Series("d", "e")
		for range 100 * (i + 1) {
			took := time.Duration(rand.ExpFloat64() * float64(i+1) * float64(time.Millisecond)).Truncate(time.Microsecond)
			all = append(all, took)
			s.Record(Outcome{Status: 200, Took: took})
		}
	}
	r.Take(func(_, _ string, c *Counts) { sum.Add(c) })
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := all[max(0, int(q*float64(len(all))+0.9999)-1)]
		if off := (sum.Quantile(q) - want).Abs(); off > want/32+time.Microsecond {
			t.Errorf("%v: %v, want %v", q, sum.Quantile(q), want)
		}
	}
	if (&Counts{}).Quantile(0.5) != 0 || (&Counts{}).Mean() != 0 {
		t.Error("there is a time without a call")
	}
	if got := (&Counts{Successes: 2, Failures: 1, Micros: 7}).Mean(); got != 2333*time.Nanosecond {
		t.Errorf("mean %v", got)
	}
}

// TestMerge compares the sum of two lists with that of two maps.
func TestMerge(t *testing.T) {
	list := func(m map[uint32]uint64) (l []Count) {
		for _, of := range slices.Sorted(maps.Keys(m)) {
			l = append(l, Count{of, m[of]})
		}
		return l
	}
	for range 1000 {
		a, b := map[uint32]uint64{}, map[uint32]uint64{}
		for range rand.IntN(6) {
			a[rand.Uint32N(8)]++
		}
		for range rand.IntN(6) {
			b[rand.Uint32N(8)]++
		}
		got := merge(list(a), list(b))
		for of, n := range b {
			a[of] += n
		}
		if want := list(a); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// BenchmarkRecord is what a call costs, with all CPUs on one endpoint.
func BenchmarkRecord(b *testing.B) {
	s := New().Series("shop", "GET /a")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.Record(Outcome{Status: 200, Took: time.Duration(500+i%500) * time.Microsecond, BytesOut: 512})
		}
	})
}

// BenchmarkSeries reports the bytes of a series whose calls take 2 to 30 ms.
func BenchmarkSeries(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := New()
		for range n {
			s := r.Series("shop", "GET /a")
			for ms := 2; ms <= 30; ms++ {
				s.Record(Outcome{Status: 200, Took: time.Duration(ms) * time.Millisecond})
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/series")
		runtime.KeepAlive(r)
	}
	b.ReportMetric(0, "ns/op")
}
