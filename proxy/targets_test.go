package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// saysName replies with a name, after a moment.
func saysName(name string, after time.Duration) reply {
	how := says(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name))
	return func(c net.Conn, n int, request string) bool {
		time.Sleep(after)
		return how(c, n, request)
	}
}

// crowd is clients that call a domain again and again until stop, and count who
// has answered, and by what result codes calls have failed.
type crowd struct {
	mu       sync.Mutex
	answered map[string]int
	failed   map[int]int
	stop     func()
}

func startCrowd(t *testing.T, g *gateway, size int, domain string) *crowd {
	c := &crowd{answered: map[string]int{}, failed: map[int]int{}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	c.stop = sync.OnceFunc(func() { close(done); wg.Wait() })
	t.Cleanup(c.stop)
	for i := range size {
		wg.Go(func() {
			conn := dial(t, g.addr)
			defer conn.Close()
			request := "GET /" + domain + "/a HTTP/1.1\r\nHost: h\r\n\r\n"
			if i%2 == 0 {
				request = "POST /" + domain + "/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
			}
			for {
				select {
				case <-done:
					return
				default:
				}
				conn.send(request)
				a := conn.read()
				if a == nil {
					t.Error("a client's connection has ended")
					return
				}
				c.count(a)
			}
		})
	}
	return c
}

func (c *crowd) count(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.StatusCode == 200 {
		c.answered[a.body]++
	} else {
		c.failed[a.code()]++
	}
}

// seen returns the counts so far, and begins anew.
func (c *crowd) seen() (answered map[string]int, failed map[int]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answered, failed = c.answered, c.failed
	c.answered, c.failed = map[string]int{}, map[int]int{}
	return answered, failed
}

// more waits for so many more answers of each of those named.
func (c *crowd) more(t *testing.T, n int, of ...string) {
	t.Helper()
	c.mu.Lock()
	before := map[string]int{}
	for _, name := range of {
		before[name] = c.answered[name]
	}
	c.mu.Unlock()
	eventually(t, "more answers of "+strings.Join(of, ", "), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, name := range of {
			if c.answered[name] < before[name]+n {
				return false
			}
		}
		return true
	})
}

func sum(failed map[int]int) (n int) {
	for _, f := range failed {
		n += f
	}
	return n
}

// skew is a clock that can be set forward.
type skew struct{ atomic.Int64 }

func (s *skew) now() time.Time { return time.Now().Add(time.Duration(s.Load())) }

// TestTargetsUnderLoad: one of three targets is killed, returns, hangs and is
// slow. A refused connection fails no call; a kill fails at most those in
// flight, and of these no GET on a kept connection.
func TestTargetsUnderLoad(t *testing.T) {
	const size = 12
	var ups [3]*recorder
	var urls []string
	for i := range ups {
		ups[i] = startRecorder(t, saysName(fmt.Sprint("t", i), time.Millisecond))
		urls = append(urls, ups[i].url())
	}
	var clock skew
	g := startGateway(t, func(c *Config) { c.UpstreamClock, c.UpstreamTimeout = clock.now, 2*time.Second },
		withTargets(domainOf("test", "", everything...), urls...))
	c := startCrowd(t, g, size, "test")
	c.more(t, 50, "t0", "t1", "t2")
	if _, failed := c.seen(); sum(failed) > 0 {
		t.Fatalf("at the beginning: %v", failed)
	}

	addr := ups[1].Addr().String()
	ups[1].kill()
	c.more(t, 300, "t0", "t2")
	if _, failed := c.seen(); sum(failed) > size || sum(failed) != failed[50200] {
		t.Errorf("killed: %v, want at most the %d calls in flight", failed, size)
	} else {
		t.Logf("killed: %v failed of %d clients' calls in flight", failed, size)
	}
	for range 6 { // it is tried, ejected and comes back, refusing all the time
		clock.Add(int64(3 * time.Second))
		c.more(t, 100, "t0", "t2")
	}
	if answered, failed := c.seen(); sum(failed) > 0 || answered["t1"] > 0 {
		t.Errorf("while nobody listens: %v failed, %v answered", failed, answered)
	}
	ups[1] = startRecorderAt(t, addr, saysName("t1", time.Millisecond))
	clock.Add(int64(5 * time.Minute))
	c.more(t, 100, "t1")
	if _, failed := c.seen(); sum(failed) > 0 {
		t.Errorf("returned: %v failed", failed)
	}

	ups[1].kill()
	clock.Add(int64(time.Minute)) // what a call has noticed is forgotten
	ups[1] = startRecorderAt(t, addr, hangs)
	c.seen()
	eventually(t, "the one that hangs is ejected", func() bool { return g.metric(t, "tollgate_proxy_target_healthy", addr) == 0 })
	c.more(t, 300, "t0", "t2")
	c.seen() // those that have been hanging
	c.more(t, 300, "t0", "t2")
	if _, failed := c.seen(); sum(failed) > size {
		t.Errorf("ejected, hanging: %v failed", failed)
	}
	c.stop()
	ups[1].kill()

	slow := startRecorderAt(t, addr, saysName("t1", 100*time.Millisecond))
	defer slow.kill()
	clock.Add(int64(10 * time.Minute))
	c = startCrowd(t, g, size, "test")
	c.more(t, 20, "t1")
	c.stop()
	answered, failed := c.seen()
	if sum(failed) > 0 || 3*answered["t1"] > answered["t0"] {
		t.Errorf("one is slow: %v failed, answered %v", failed, answered)
	}
	for name, want := range map[string]bool{"tollgate_proxy_target_calls_total": true, "tollgate_proxy_target_failures_total": true, "tollgate_proxy_target_ejections_total": true} {
		if got := g.metric(t, name, "test", addr) > 0; got != want {
			t.Errorf("%s counted nothing", name)
		}
	}
}

// TestNobodySwitchesOff: whatever a URL answers, calling it again and again does
// not keep the rest of the domain from being served.
func TestNobodySwitchesOff(t *testing.T) {
	for targets := 1; targets <= 3; targets++ {
		for _, status := range []int{500, 502, 503, 504} {
			up := startRecorder(t, func(c net.Conn, n int, request string) bool {
				if strings.Contains(request, "/bad ") {
					return says(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status))(c, n, request)
				}
				return says(ok200)(c, n, request)
			})
			var urls []string
			for i := range targets {
				urls = append(urls, fmt.Sprintf("%s/%d", up.url(), i))
			}
			g := startGateway(t, nil, withTargets(domainOf("test", "", everything...), urls...))
			for range 40 {
				if a := g.get(t, "/test/bad"); a.StatusCode != status || a.code() != 0 {
					t.Fatalf("%d targets: %d %s, want the endpoint server's %d", targets, a.StatusCode, a.body, status)
				}
			}
			healthy := int(g.metric(t, "tollgate_proxy_target_healthy", "test"))
			if want := targets - targets/2; status == 500 && healthy != targets || status != 500 && healthy != want {
				t.Errorf("%d targets: %d are in the balance after 40 answers %d", targets, healthy, status)
			}
			for range 20 {
				if a := g.get(t, "/test/good"); a.StatusCode != 200 {
					t.Fatalf("%d targets, after 40 answers %d elsewhere: %d %s", targets, status, a.StatusCode, a.body)
				}
			}
		}
	}
}

// TestTargetsDeployedUnderLoad deploys revisions with other targets under load:
// no call fails, and none is served by a target of another revision.
func TestTargetsDeployedUnderLoad(t *testing.T) {
	const revisions, clients = 40, 4
	var taken, served [revisions + 1]atomic.Int64
	var ups [3]*recorder
	for i := range ups {
		ups[i] = startRecorder(t, func(c net.Conn, n int, request string) bool {
			var revision int
			if _, err := fmt.Sscanf(request, "GET /r%d/", &revision); err == nil {
				served[revision].Add(1)
			}
			return says(ok200)(c, n, request)
		})
	}
	domain := func(revision int) *catalog.Domain {
		d := domainOf("test", "", "GET /**")
		d.Endpoints[0].Pattern = fmt.Sprintf("/{r%d}", revision) // so that the ID tells the revision
		d.Endpoints[0].Plugins.UsageQuota = oneCondition("")
		var urls []string
		for i := range revision%3 + 1 {
			urls = append(urls, fmt.Sprintf("%s/r%d", ups[(revision+i)%3].url(), revision))
		}
		d = withTargets(d, urls...)
		d.Plugins.HTTPProxy.Balance = []string{"", catalog.RoundRobin, catalog.Hash}[revision%3]
		if revision%2 == 0 {
			d.Plugins.HTTPProxy.HealthCheck = &catalog.HealthCheck{Path: "/check", IntervalSeconds: 1}
		}
		return d
	}
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(_, endpoint string) (quota.Verdict, error) {
			var revision int
			if _, err := fmt.Sscanf(endpoint, "GET /{r%d}", &revision); err != nil {
				return quota.Verdict{}, err
			}
			taken[revision].Add(1)
			return quota.Verdict{Admitted: true}, nil
		})
	}, domain(0))
	var wg sync.WaitGroup
	var asked atomic.Int64
	stop := make(chan struct{})
	for range clients {
		wg.Go(func() {
			c := dial(t, g.addr)
			defer c.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
				if a := c.read(); a == nil || a.StatusCode != 200 {
					t.Errorf("failed: %+v", a)
					return
				}
				asked.Add(1)
			}
		})
	}
	for revision := 1; revision <= revisions && !t.Failed(); revision++ {
		before := asked.Load()
		g.deploy(t, uint64(revision)+1, domain(revision))
		eventually(t, "calls on this revision", func() bool { return t.Failed() || asked.Load() > before+2*clients })
	}
	close(stop)
	wg.Wait()
	for revision := range served {
		if a, b := taken[revision].Load(), served[revision].Load(); a != b {
			t.Errorf("revision %d: %d taken, %d served", revision, a, b)
		}
	}
	// A revision that cannot be served leaves nothing, and the last one's are the
	// only series.
	bad := withTargets(domainOf("test", "", "GET no-slash"), "http://127.0.0.1:1")
	if err := g.Publish([]Deployment{{bad, 1000}}); err == nil {
		t.Error("a bad revision was published")
	}
	labels := g.targetsOf(t, "tollgate_proxy_target_calls_total")
	var want []string
	for i := range revisions%3 + 1 {
		want = append(want, ups[(revisions+i)%3].Addr().String())
	}
	slices.Sort(want)
	if !slices.Equal(labels, want) {
		t.Errorf("series of the targets %q, want %q", labels, want)
	}
}

// targetsOf lists the targets that a metric has series of.
func (g *gateway) targetsOf(t *testing.T, name string) (labels []string) {
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == labelTarget {
					labels = append(labels, l.GetValue())
				}
			}
		}
	}
	slices.Sort(labels)
	return labels
}

// TestHealthChecks: a target that fails its check gets no calls, a domain whose
// only target does so answers 50201, and both are back with the target.
func TestHealthChecks(t *testing.T) {
	var sick atomic.Bool
	var checks atomic.Value
	how := func(c net.Conn, n int, request string) bool {
		if strings.HasPrefix(request, "GET /healthz?x=1 ") {
			checks.Store(request)
			if sick.Load() {
				return says("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")(c, n, request)
			}
			return says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")(c, n, request)
		}
		return says(ok200)(c, n, request)
	}
	up, other := startRecorder(t, how), startRecorder(t, saysName("other", 0))
	domain := func(key string, urls ...string) *catalog.Domain {
		d := withTargets(domainOf(key, "", everything...), urls...)
		d.Plugins.HTTPProxy.HealthCheck = &catalog.HealthCheck{Path: "/healthz?x=1", IntervalSeconds: 1, TimeoutMillis: 1000}
		return d
	}
	var log lockedLines
	g := startGateway(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) },
		domain("one", up.url()+"/base"), domain("two", up.url(), other.url()))
	if a := g.get(t, "/one/a"); a.StatusCode != 200 {
		t.Errorf("before a check has failed: %s", a.raw)
	}
	sick.Store(true)
	eventually(t, "50201", func() bool { return g.get(t, "/one/a").code() == 50201 })
	if a := g.get(t, "/one/a"); a.StatusCode != 502 {
		t.Errorf("50201 with status %d", a.StatusCode)
	}
	eventually(t, "the failing target is left out", func() bool { return g.metric(t, "tollgate_proxy_target_healthy", "two") == 1 })
	for range 30 {
		if a := g.get(t, "/two/a"); a.body != "other" {
			t.Fatalf("answered by the one that fails: %s", a.raw)
		}
	}
	sick.Store(false)
	eventually(t, "the only target is back", func() bool { return g.get(t, "/one/a").StatusCode == 200 })
	eventually(t, "the other target is back", func() bool { return g.get(t, "/two/a").body == "ok" })
	request, _ := checks.Load().(string)
	if !strings.Contains(request, "\r\nHost: "+up.Addr().String()+"\r\n") || strings.Contains(request, "/base") {
		t.Errorf("the check was %q", request)
	}
	for _, line := range []string{"a target fails its health check", "a target passes its health check again"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, log.String())
		}
	}
}

// lockedLines is a log that can be read while it is written.
type lockedLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestChecksStop: a deployment that is replaced waits for no check.
func TestChecksStop(t *testing.T) {
	up := startRecorder(t, hangs)
	d := withTargets(domainOf("test", "", everything...), up.url())
	d.Plugins.HTTPProxy.HealthCheck = &catalog.HealthCheck{Path: "/", IntervalSeconds: 1, TimeoutMillis: 600_000}
	g := startGateway(t, nil, d)
	eventually(t, "a check is under way", func() bool { return up.open() == 1 })
	g.deploy(t, 2) // nothing: it would wait for minutes, were the check not cut off
	eventually(t, "its connection is closed", func() bool { return up.open() == 0 })
}

// TestHostHeader: what Host the endpoint server gets.
func TestHostHeader(t *testing.T) {
	up := startRecorder(t, says(ok200))
	target, client := domainOf("target", up.url(), everything...), domainOf("client", up.url(), everything...)
	target.Plugins.HTTPProxy.HostHeader = catalog.HostOfTarget
	client.Plugins.HTTPProxy.HostHeader = catalog.HostOfClient
	g := startGateway(t, nil, target, client)
	for _, tc := range []struct{ request, host string }{
		{"GET /target/a HTTP/1.1\r\nHost: api.example:8080\r\n\r\n", up.Addr().String()},
		{"GET /client/a HTTP/1.1\r\nHost: api.example:8080\r\n\r\n", "api.example:8080"},
		{"GET /client/a HTTP/1.0\r\n\r\n", up.Addr().String()},
	} {
		if a := ask(t, g.addr, tc.request); a == nil || a.StatusCode != 200 {
			t.Fatalf("%q: %+v", tc.request, a)
		}
		got := up.requests()
		if len(got) != 1 || strings.Count(got[0], "\r\nHost: ") != 1 || !strings.Contains(got[0], "\r\nHost: "+tc.host+"\r\n") {
			t.Errorf("%q came as %q, want the Host %s", tc.request, got, tc.host)
		}
	}
	e := g.Explain(ExplainRequest{Method: "GET", URL: "/client/a", Headers: map[string]string{"Host": "api.example"}})
	if e.Call == nil || e.Call.SetHeaders["Host"] != "api.example" {
		t.Errorf("explained as %+v", e.Call)
	}
}

// TestHashedCalls: calls of one user, and without the header of one client, stay
// at one target, and Explain says at which.
func TestHashedCalls(t *testing.T) {
	var urls []string
	for i := range 4 {
		urls = append(urls, startRecorder(t, saysName(fmt.Sprint("t", i), 0)).url())
	}
	d := withTargets(domainOf("test", "", everything...), urls...)
	d.Plugins.HTTPProxy.Balance, d.Plugins.HTTPProxy.HashHeader = catalog.Hash, "X-User"
	g := startGateway(t, nil, d)
	at := map[string]bool{}
	for user := range 30 {
		name := fmt.Sprint("u", user)
		if user == 0 {
			name = ""
		}
		first := ""
		for range 3 {
			request := "GET /test/a HTTP/1.1\r\nHost: h\r\nx-user: " + name + "\r\n\r\n"
			if user == 0 {
				request = "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n"
			}
			a := ask(t, g.addr, request)
			if a == nil || a.StatusCode != 200 || first != "" && a.body != first {
				t.Fatalf("user %q: %+v, before by %s", name, a, first)
			}
			first = a.body
		}
		at[first] = true
		r, _ := pretended("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
		if user != 0 {
			r.Headers["X-User"] = name
		}
		if e := g.Explain(r); e.Call == nil || e.Call.URL != urls[int(first[1]-'0')]+"/a" || len(e.Call.Targets) != 4 {
			t.Errorf("user %q, at %s, is explained as %+v", name, first, e.Call)
		}
	}
	if len(at) != 4 {
		t.Errorf("30 users were served by %v only", at)
	}
}

// TestExplainTargets: what Explain says where there are several targets.
func TestExplainTargets(t *testing.T) {
	up := startRecorder(t, says("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"))
	d := withTargets(domainOf("test", "", everything...), up.url()+"/a", up.url()+"/b", up.url()+"/c")
	d.Plugins.HTTPProxy.Balance, d.Plugins.HTTPProxy.Targets[2].Weight = catalog.RoundRobin, 1000
	g := startGateway(t, nil, d)
	for range 10 {
		g.get(t, "/test/x")
	}
	e := g.Explain(ExplainRequest{Method: "GET", URL: "/test/x"})
	last := e.Plugins[len(e.Plugins)-1]
	for _, part := range []string{"to one of these, by roundRobin: ", up.url() + "/a/x, " + up.url() + "/b/x", "not tried now: " + up.url() + "/c/x is ejected for 10s more"} {
		if !strings.Contains(last.Reason, part) {
			t.Errorf("the reason lacks %q: %s", part, last.Reason)
		}
	}
	if want := []string{up.url() + "/a/x", up.url() + "/b/x"}; e.Call == nil || !slices.Equal(e.Call.Targets, want) {
		t.Errorf("explained as %+v", e.Call)
	}
}

// TestRedirectsOfTargets: a Location that names any of the domain's targets
// leads below the domain, unless rewriteRedirects is off.
func TestRedirectsOfTargets(t *testing.T) {
	var where atomic.Value
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		return says("HTTP/1.1 302 Found\r\nLocation: "+where.Load().(string)+"\r\nContent-Length: 0\r\n\r\n")(c, n, request)
	})
	on := withTargets(domainOf("on", "", everything...), up.url()+"/v1", "http://127.0.0.1:1/v2")
	off := withTargets(domainOf("off", "", everything...), up.url()+"/v1")
	keep := false
	off.Plugins.HTTPProxy.RewriteRedirects = &keep
	g := startGateway(t, nil, on, off)
	for _, tc := range []struct{ said, on string }{
		{up.url() + "/v1/x?y", "/on/x?y"},
		{"http://127.0.0.1:1/v2/x", "/on/x"},
		{"/v1/x", "/on/x"},
		{"/v2/x", "/v2/x"}, // of the target that has answered
		{"http://other.example/v1/x", "http://other.example/v1/x"},
	} {
		where.Store(tc.said)
		if got := g.get(t, "/on/a").Header.Get("Location"); got != tc.on {
			t.Errorf("%s became %s, want %s", tc.said, got, tc.on)
		}
		if got := g.get(t, "/off/a").Header.Get("Location"); got != tc.said {
			t.Errorf("with rewriteRedirects off %s became %s", tc.said, got)
		}
	}
}

// TestRefusedCountsOnce: a call that a target has refused and another one has
// answered is one call for the quota and for the Pre API, and its body comes
// whole.
func TestRefusedCountsOnce(t *testing.T) {
	const calls = 40
	up, check := startRecorder(t, says(ok200)), startRecorder(t, says(ok200))
	gone := startRecorder(t, says(ok200))
	gone.kill()
	var taken atomic.Int64
	var clock skew
	d := parsed(t, "test", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1000,"resetTimeSeconds":60}]}`,
		`POST /** "PRE_API":{"method":"GET","url":"`+check.url()+`/check"}`)
	d = withTargets(d, gone.url(), up.url())
	d.Plugins.HTTPProxy.Balance = catalog.RoundRobin
	g := startGateway(t, func(c *Config) {
		c.UpstreamClock, c.BodyBuffer = clock.now, 4<<10
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			taken.Add(1)
			return quota.Verdict{Admitted: true}, nil
		})
	}, d)
	for i := range calls {
		clock.Add(int64(time.Minute))        // so that each may meet the refusal
		body := strings.Repeat("x", 1+i*400) // some stream
		a := ask(t, g.addr, fmt.Sprintf("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		if a == nil || a.StatusCode != 200 {
			t.Fatalf("call %d: %+v", i, a)
		}
		if got := up.requests(); len(got) != 1 || !strings.HasSuffix(got[0], "\r\n\r\n"+body) {
			t.Fatalf("call %d came as %d requests", i, len(got))
		}
	}
	refused := g.metric(t, "tollgate_proxy_target_failures_total", gone.Addr().String(), "connect")
	if asked := len(check.requests()); taken.Load() != calls || asked != calls || refused < 3 {
		t.Errorf("%d calls took %d units and asked the Pre API %d times; %v were refused", calls, taken.Load(), asked, refused)
	}
}
