package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// BenchmarkCall is what a call costs on the generator's side, without the
// system's part: the connection is memory.
func BenchmarkCall(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nServer: s\r\nDate: Sun, 22 Nov 2026 18:11:18 GMT\r\n" +
		"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"id\":42345}")
	for _, bench := range []struct {
		name    string
		prepare func(req *fasthttp.Request, conn, n int) int
	}{
		{"plain", Plain(Target{URI: "/shop/items/7?view=full"})},
		{"hmac", HMAC("a key", Target{URI: "/shop/items/7?view=full"})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p := Plan{
				Addresses: []string{"pipe:0"}, Connections: 1, Slice: time.Hour, Slices: 1, Prepare: bench.prepare, Counters: 1,
			}
			l := newLoad(&p)
			c := l.callers[0]
			c.wire.attach(&parrot{answer: answer})
			l.began = time.Now()
			b.ReportAllocs()
			for b.Loop() {
				counter, err := c.prepare()
				if err != nil {
					b.Fatal(err)
				}
				begin := l.clock()
				if _, err := c.call(context.Background(), counter, begin, begin, 0); err != nil {
					b.Fatal(err)
				}
				c.made++
			}
		})
	}
}

// BenchmarkLoopback is Run as a whole, closed loop against a fasthttp server in
// this process: the time is of both, on all cores.
func BenchmarkLoopback(b *testing.B) {
	for _, connections := range []int{1, 64} {
		b.Run(fmt.Sprint(connections), func(b *testing.B) {
			addr := serve(b, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(`{"id":42345}`) })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var calls int
			var took time.Duration
			for b.Loop() {
				began := time.Now()
				o, err := Run(context.Background(), Plan{
					Addresses: []string{addr}, Connections: connections, Slice: 200 * time.Millisecond, Slices: 5,
					Prepare: Plain(Target{URI: "/"}), Counters: 1,
				})
				if err != nil {
					b.Fatal(err)
				}
				took += time.Since(began)
				calls += len(o.Calls)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(took.Nanoseconds())/float64(calls), "ns/call")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(calls), "allocs/call")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(calls), "B/call")
		})
	}
}

// BenchmarkLateness is how late an open loop sends its calls, against a server
// that does nothing.
func BenchmarkLateness(b *testing.B) {
	for _, rate := range []float64{500, 5000, 20_000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			addr := serve(b, func(*fasthttp.RequestCtx) {})
			for b.Loop() {
				o, err := Run(context.Background(), Plan{
					Addresses: []string{addr}, Connections: 64, Rate: rate, Slice: time.Second, Slices: 2,
					Prepare: Plain(Target{URI: "/"}), Counters: 1,
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(o.Lateness.ValueAtQuantile(50)), "p50-µs-late")
				b.ReportMetric(float64(o.Lateness.ValueAtQuantile(99)), "p99-µs-late")
				b.ReportMetric(float64(o.Latency.ValueAtQuantile(50)), "p50-µs")
				b.ReportMetric(float64(o.Latency.ValueAtQuantile(99)), "p99-µs")
			}
		})
	}
}

// BenchmarkExactness judges two million calls on windows of a second, at their
// end.
func BenchmarkExactness(b *testing.B) {
	sim := simulation{
		limit: 10_000, window: time.Second, length: 60 * time.Second, callers: 64,
		think: time.Millisecond, slowest: 2 * time.Millisecond, rng: rand.New(rand.NewPCG(1, 2)),
	}
	calls := sim.run()
	for b.Loop() {
		if e := Exactness(calls, 10_000, time.Second, 1); e.Windows < 50 {
			b.Fatalf("%+v", e)
		}
	}
	b.ReportMetric(float64(len(calls)), "calls")
}
