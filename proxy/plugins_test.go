package proxy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

func oneCondition(onUnavailable string) *catalog.UsageQuota {
	return &catalog.UsageQuota{Beans: []catalog.UsageQuotaBean{{MaxUsageQuota: 1, ResetTimeSeconds: 1}}, OnUnavailable: onUnavailable}
}

func mockOf(status int, body string) *catalog.Mock {
	return &catalog.Mock{Response: catalog.Response{StatusCode: status, Body: body}}
}

// TestUsageQuota: what is taken for which endpoint, and what the verdicts and
// their absence become.
func TestUsageQuota(t *testing.T) {
	up := startRecorder(t, says(ok200))
	both := domainOf("both", up.url(), "GET /own/**", "GET /none/**", "GET /empty/**")
	both.Plugins.UsageQuota = oneCondition("")
	both.Endpoints[0].Plugins.UsageQuota = oneCondition("")
	both.Endpoints[2].Plugins.UsageQuota = &catalog.UsageQuota{}
	endpoint := domainOf("endpoint", up.url(), "GET /own/**", "GET /none/**")
	endpoint.Endpoints[0].Plugins.UsageQuota = oneCondition("")

	var taken []string
	verdict, fail := quota.Verdict{Admitted: true}, error(nil)
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(domain, endpoint string) (quota.Verdict, error) {
			taken = append(taken, domain+"|"+endpoint)
			return verdict, fail
		})
	}, both, endpoint)

	for target, want := range map[string]string{
		"/both/own/a":      "both|GET /own/**",
		"/both/none/a":     "both|",
		"/both/empty/a":    "both|",
		"/both/unknown":    "",
		"/endpoint/own/a":  "endpoint|GET /own/**",
		"/endpoint/none/a": "",
		"/unknown/own/a":   "",
		"/both/own/%zz":    "",
		// However it is spelled, it is the endpoint with the quota.
		"/endpoint/%6fwn/a":   "endpoint|GET /own/**",
		"/endpoint//own/a":    "endpoint|GET /own/**",
		"/endpoint/own/%2561": "endpoint|GET /own/**",
	} {
		taken = nil
		g.get(t, target)
		if got := strings.Join(taken, " "); got != want {
			t.Errorf("%s: took %q, want %q", target, got, want)
		}
	}

	up.requests()
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{{0, "1"}, {time.Nanosecond, "1"}, {time.Second, "1"}, {time.Second + 1, "2"}, {90 * time.Second, "90"}, {31_536_000 * time.Second, "31536000"}} {
		verdict = quota.Verdict{RetryAfter: tc.after}
		a := g.get(t, "/both/own/a")
		if a.StatusCode != 403 || a.body != `{"header":{"resultCode":20004,"resultMessage":"20004 Usage quota exceeded","isSuccessful":false}}` ||
			a.Header.Get("Content-Type") != "application/json;charset=UTF-8" || a.Header.Get("Retry-After") != tc.want || a.Close {
			t.Errorf("after %v: answered %s", tc.after, a.raw)
		}
	}
	fail = errors.New("no quorum")
	a := g.get(t, "/both/own/a")
	if a.StatusCode != 503 || a.code() != 50300 || a.Header.Get("Retry-After") != "" {
		t.Errorf("undecided: answered %s", a.raw)
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("refused calls reached the endpoint server: %q", got)
	}
	if n := g.metric(t, "tollgate_proxy_refusals_total", "20004"); n != 6 {
		t.Errorf("%v refusals counted, want 6", n)
	}
}

// TestOnUnavailable: an undecided call passes when every quota it counts on
// says so; an endpoint's that says nothing does as the domain's.
func TestOnUnavailable(t *testing.T) {
	up := startRecorder(t, says(ok200))
	admitted := 0
	var domains []*catalog.Domain
	type choice struct{ domain, endpoint string }
	var choices []choice
	for _, domain := range []string{"none", "", "reject", "admit"} {
		for _, endpoint := range []string{"none", "", "reject", "admit"} {
			d := domainOf(fmt.Sprint("d", len(domains)), up.url(), "GET /**")
			if domain != "none" {
				d.Plugins.UsageQuota = oneCondition(domain)
			}
			if endpoint != "none" {
				d.Endpoints[0].Plugins.UsageQuota = oneCondition(endpoint)
			}
			domains, choices = append(domains, d), append(choices, choice{domain, endpoint})
		}
	}
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { return quota.Verdict{}, errors.New("no quorum") })
	}, domains...)
	for i, c := range choices {
		passes := func(s string) bool { return s == "none" || s == "admit" }
		want := 503
		if passes(c.domain) && (passes(c.endpoint) || c.domain == "admit" && c.endpoint == "") {
			want = 200
			if c.domain == "admit" || c.endpoint == "admit" {
				admitted++
			}
		}
		if a := g.get(t, "/"+domains[i].Key+"/a"); a.StatusCode != want {
			t.Errorf("domain %q, endpoint %q: answered %d, want %d", c.domain, c.endpoint, a.StatusCode, want)
		}
	}
	if n := g.metric(t, "tollgate_proxy_quota_unavailable_admitted_total"); n != float64(admitted) {
		t.Errorf("%v admissions counted, want %d", n, admitted)
	}
}

// TestMock: the answer is the configured one, behind the quota, without the
// endpoint server.
func TestMock(t *testing.T) {
	up := startRecorder(t, says(ok200))
	d := domainOf("test", up.url(), "GET /m", "HEAD /m", "GET /empty", "GET /none")
	d.Plugins.UsageQuota = oneCondition("")
	m := &catalog.Mock{Response: catalog.Response{StatusCode: 418, Body: "tea",
		Headers: map[string]string{"Content-Type": "text/tea", "X-B": "2", "X-A": "1\r\nEvil: 1", "Set-Cookie": "a=1",
			"Content-Length": "99", "Transfer-Encoding": "chunked", "Connection": "close"}}}
	d.Endpoints[0].Plugins.Mock, d.Endpoints[1].Plugins.Mock = m, m
	d.Endpoints[2].Plugins.Mock = mockOf(200, "")
	d.Endpoints[3].Plugins.Mock = mockOf(204, "never sent")
	verdict := quota.Verdict{Admitted: true}
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { return verdict, nil })
	}, d)
	const head = "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\nContent-Type: text/tea\r\nSet-Cookie: a=1\r\nX-A: 1  Evil: 1\r\nX-B: 2\r\n\r\n"
	c := dial(t, g.addr)
	defer c.Close()
	for range 2 {
		for _, tc := range []struct{ method, path, want string }{
			{"GET", "/m", head + "tea"},
			{"HEAD", "/m", head},
			{"GET", "/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
			{"GET", "/none", "HTTP/1.1 204 No Content\r\n\r\n"},
		} {
			c.send(tc.method + " /test" + tc.path + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if a := c.readFor(tc.method); a == nil || undated(a) != tc.want {
				t.Errorf("%s %s: answered\n%q, want\n%q", tc.method, tc.path, undated(a), tc.want)
			}
		}
	}
	verdict = quota.Verdict{}
	if a := g.get(t, "/test/m"); a.code() != 20004 {
		t.Errorf("over quota: answered %s", a.raw)
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
}
