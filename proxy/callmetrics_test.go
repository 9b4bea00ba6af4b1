package proxy

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestEndpointMetrics: each endpoint has series of its own, up to a limit; a
// redeploy keeps them, and what is no longer deployed is told no longer.
func TestEndpointMetrics(t *testing.T) {
	up := startRecorder(t, says("HTTP/1.1 207 Multi\r\nContent-Length: 5\r\n\r\nhello"))
	g := startGateway(t, func(c *Config) { c.MetricsEndpoints = 2 },
		domainOf("test", up.url(), "GET /a", "GET /b", "GET /c", "GET /d"))
	const requests, sent, times = "tollgate_proxy_requests_total", "tollgate_proxy_sent_bytes_total", "tollgate_proxy_request_seconds"
	want := func(when, name string, n float64, labels ...string) {
		t.Helper()
		var got float64
		end := time.Now().Add(patience) // what is counted at an answer's end may come later
		for got = g.metric(t, name, labels...); got != n && time.Now().Before(end) && got < n; got = g.metric(t, name, labels...) {
			time.Sleep(time.Millisecond)
		}
		if got != n {
			t.Errorf("%s: %s %v is %v, want %v", when, name, labels, got, n)
		}
	}
	for _, path := range []string{"/a", "/a", "/b", "/c", "/d", "/nope"} {
		g.get(t, "/test"+path)
	}
	want("first", requests, 2, "test", "GET /a", "2xx", "207")
	want("first", requests, 1, "test", "GET /b", "2xx", "207")
	want("first", requests, 2, "test", "other", "2xx", "207")
	want("first", requests, 1, "test", "4xx", "404")
	want("first", "tollgate_proxy_refusals_total", 1, "test", "40401")
	want("first", sent, 10, "test", "GET /a")
	want("first", times, 2, "test", "GET /a")
	want("first", "tollgate_proxy_upstream_requests_total", 2, "test", "GET /a", "207", up.Addr().String())

	g.deploy(t, 2, domainOf("test", up.url(), "GET /c", "GET /a", "POST /a"))
	g.get(t, "/test/a")
	g.get(t, "/test/c")
	want("redeployed", requests, 3, "test", "GET /a")
	want("redeployed", requests, 1, "test", "GET /c")
	want("redeployed", requests, 2, "test", "other")
	want("redeployed", requests, 0, "test", "GET /b")

	g.deploy(t, 3)
	want("removed", requests, 0, "test")
	want("removed", times, 0, "test")
	g.deploy(t, 4, domainOf("test", up.url(), "GET /x"), domainOf("next", up.url(), "GET /y", "GET /z"))
	g.get(t, "/next/y")
	g.get(t, "/next/z")
	g.get(t, "/test/x")
	own := g.metric(t, requests, "GET /x") + g.metric(t, requests, "GET /y") + g.metric(t, requests, "GET /z")
	if own != 2 || g.metric(t, requests, "other") != 1 {
		t.Errorf("%v calls in series of their own, %v in others", own, g.metric(t, requests, "other"))
	}
}

// TestUpstreamFailed: a call of an endpoint server that has no answer to pass on
// is counted by the code that was answered.
func TestUpstreamFailed(t *testing.T) {
	gone := startRecorder(t, says(ok200))
	_ = gone.Close()
	g := startGateway(t, nil, domainOf("gone", gone.url(), "GET /**"))
	g.get(t, "/gone/a")
	if n := g.metric(t, "tollgate_proxy_upstream_requests_total", "gone", "GET /**", "50200", gone.Addr().String()); n != 1 {
		t.Errorf("%v", n)
	}
}

// TestSeries: numbers are right when many count at the same time, statuses that
// are none do no harm, and targets are bounded.
func TestSeries(t *testing.T) {
	s := &series{domain: "d", endpoint: "GET /a"}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				s.answered(200 + i%5)
				s.called("t", 0, 50200)
				s.ended(time.Duration(i)*time.Millisecond, 1, 2)
			}
		})
	}
	wg.Wait()
	for _, status := range []int{0, 99, 600, -1, 1 << 40} {
		s.answered(status)
	}
	s.refused(12345)
	for i := range 2 * maxTargets {
		s.called(string(rune(0x4e00+i)), 200, 0)
	}
	if n := len(*s.targets.Load()); n != maxTargets {
		t.Errorf("%d targets", n)
	}
	total := uint64(0)
	eachStatus(&s.statuses, func(_ int, n uint64) { total += n })
	count, sum, buckets := s.seconds.read()
	if total != 4000 || s.in.Load() != 4000 || s.out.Load() != 8000 || count != 4000 || sum < 1997.9 || sum > 1998.1 ||
		buckets[.001] != 8 || buckets[.1] != 404 || buckets[.5] != 2004 || buckets[30] != 4000 {
		t.Errorf("%d answers, %d and %d bytes, %d times of %v s, %v", total, s.in.Load(), s.out.Load(), count, sum, buckets)
	}
	m := newCallMetrics(1, nil)
	m.by["d"] = map[string]*series{"GET /a": s}
	if err := prometheus.NewPedanticRegistry().Register(m); err != nil {
		t.Fatal(err)
	}
}
