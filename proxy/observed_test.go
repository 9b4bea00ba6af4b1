package proxy

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/store/quota"
)

// TestObserved: what an operator sees of requests: one debug line each, and
// counters by class and code.
func TestObserved(t *testing.T) {
	up := startRecorder(t, says(ok200))
	free := startRecorder(t, says(ok200))
	_ = free.Close()
	d := domainOf("test", up.url(), "GET /a/{id}")
	d.Plugins.UsageQuota = oneCondition("")
	var logs syncBuffer
	verdict := quota.Verdict{Admitted: true}
	g := startGateway(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { return verdict, nil })
	}, d, domainOf("gone", free.url(), "GET /**"))
	g.get(t, "/test/a/1")
	g.get(t, "/test/b")
	g.get(t, "/nope/a")
	g.get(t, "/gone/a")
	g.get(t, "/test/%zz")
	ask(t, g.addr, "nonsense\r\n\r\n")
	verdict = quota.Verdict{}
	g.get(t, "/test/a/2")
	for _, want := range []string{
		`method=GET domain=test endpoint="GET /a/{id}" status=200 code=0 tookSeconds=0.0`,
		`method=GET domain=test endpoint="" status=404 code=40401`,
		`method=GET domain="" endpoint="" status=404 code=40400`,
		`method=GET domain=gone endpoint="GET /**" status=502 code=50200`,
		`cause="connect: dial tcp`,
		`status=400 code=40000`,
		`status=403 code=20004`,
	} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, logs.String())
		}
	}
	if n := strings.Count(logs.String(), "msg=request"); n != 7 {
		t.Errorf("%d lines for 7 requests", n)
	}
	if strings.Count(logs.String(), "level=WARN") != 1 || !strings.Contains(logs.String(), `level=WARN msg="an endpoint server failed" domain=gone`) ||
		strings.Contains(logs.String(), "level=ERROR") {
		t.Errorf("more above debug than the server that is gone:\n%s", logs.String())
	}
	for _, tc := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"tollgate_proxy_requests_total", []string{"test", "2xx"}, 1},
		{"tollgate_proxy_requests_total", []string{"test", "4xx"}, 3},
		{"tollgate_proxy_requests_total", []string{"", "4xx"}, 4}, // without a domain, or an endpoint
		{"tollgate_proxy_requests_total", []string{"gone", "5xx"}, 1},
		{"tollgate_proxy_refusals_total", []string{"40000"}, 2},
		{"tollgate_proxy_refusals_total", []string{"20004"}, 1},
		{"tollgate_proxy_upstream_seconds", []string{"test"}, 1},
		{"tollgate_proxy_upstream_failures_total", []string{"gone", "connect"}, 1},
	} {
		if got := g.metric(t, tc.name, tc.labels...); got != tc.want {
			t.Errorf("%s %q: %v, want %v", tc.name, tc.labels, got, tc.want)
		}
	}
}

// TestUpstreamIdle: a connection that was unused for too long is not used.
func TestUpstreamIdle(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) { c.UpstreamIdleTimeout = 10 * time.Millisecond }, domainOf("test", up.url(), everything...))
	g.get(t, "/test/a")
	time.Sleep(20 * time.Millisecond) // being old is what is tested
	g.get(t, "/test/a")
	if n := up.accepted(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestStats: each call of a domain counts once when it has ended, for its endpoint, and
// what no endpoint server has answered is the gateway's.
func TestStats(t *testing.T) {
	up := startRecorder(t, says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	broken := startRecorder(t, says("HTTP/1.1 500 E\r\nContent-Length: 1\r\n\r\nx"))
	free := startRecorder(t, says(ok200))
	_ = free.Close()
	mock := domainOf("mock", up.url(), "GET /a")
	mock.Endpoints[0].Plugins.Mock = mockOf(404, "m")
	stats := callstats.New()
	d := domainOf("test", up.url(), "GET /a/{id}")
	g := startGateway(t, func(c *Config) { c.Stats = stats }, d, domainOf("gone", free.url(), "GET /**"), domainOf("broken", broken.url(), "GET /**"), mock)
	for _, path := range []string{"/test/a/1", "/test/a/2", "/test/b", "/nope/a", "/gone/a", "/broken/a", "/mock/a"} {
		g.get(t, path)
	}
	got := map[string]string{}
	eventually(t, "all calls have ended", func() bool {
		stats.Take(func(domain, endpoint string, c *callstats.Counts) {
			got[domain+" "+endpoint] = fmt.Sprintf("%d+%d/%d, %d bytes, %v, timed %t", c.Successes, c.Failures, c.ByGateway, c.BytesOut, c.Refusals, c.Micros > 0)
		})
		return len(got) == 5
	})
	for series, want := range map[string]string{
		"test GET /a/{id}": "2+0/0, 6 bytes, [], timed true",
		"test ":            "0+1/1, 96 bytes, [{40401 1}], timed true",
		"gone GET /**":     "0+1/1, 125 bytes, [{50200 1}], timed true",
		"broken GET /**":   "0+1/0, 1 bytes, [], timed true",
		"mock GET /a":      "0+1/1, 1 bytes, [], timed true",
	} {
		if got[series] != want {
			t.Errorf("%s: %s, want %s", series, got[series], want)
		}
	}
	// A domain that goes takes its series along, once they are quiet.
	if err := g.Publish([]Deployment{{Domain: d, Serial: 1}}); err != nil {
		t.Fatal(err)
	}
	g.get(t, "/test/a/1")
	eventually(t, "the call has ended", func() (ended bool) {
		stats.Take(func(domain, _ string, c *callstats.Counts) { ended = domain == "test" && c.Total() == 1 })
		return ended
	})
}
