package proxy

import (
	"log/slog"
	"strings"
	"testing"
	"time"

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
