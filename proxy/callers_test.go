package proxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// noting is a Quota that notes what it is asked, in the terms of its conditions, and
// refuses the stages of the domains that it is told to.
type noting struct {
	mu      sync.Mutex
	by      []quota.By
	plan    string // the claim that names it
	refuses map[string]quota.Verdict
	asked   []string
	claims  map[string]bool
	broken  bool
}

func (c *noting) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, fmt.Sprintf(format, args...))
}

// said is what was asked since the last time.
func (c *noting) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.asked
	c.asked = nil
	return said
}

func (c *noting) Take(call *quota.Call) (quota.Verdict, error) {
	text := fmt.Sprintf("take %s %d of %d", call.Domain, call.Stage, call.Cost())
	for _, by := range c.by {
		text += fmt.Sprintf(" %s=%q", by, call.Caller.CallerBy(by))
	}
	if c.plan != "-" {
		text += " plan=" + call.Caller.CallerPlan(c.plan)
	}
	c.note("%s", text)
	if v, ok := c.refuses[fmt.Sprintf("%s %d", call.Domain, call.Stage)]; ok {
		return v, nil
	}
	v := quota.Verdict{Admitted: true}
	if call.Reserve {
		v.Reservation = &noted{c, call.Stage}
	}
	return v, nil
}

func (c *noting) Standings(call *quota.Call, into []quota.Standing) []quota.Standing {
	return append(into,
		quota.Standing{Name: quota.ConditionName{ResetSeconds: 60}, Max: 10, Remaining: 7, ResetMillis: 1500, Known: true},
		quota.Standing{Name: quota.ConditionName{Endpoint: "GET /x", Period: quota.Period{Unit: quota.Month, Zone: "UTC"}, By: "claim:a\"b"}, Max: 5})
}

func (c *noting) Claim(domain string, signature []byte, at time.Time) (bool, error) {
	if c.broken {
		return false, io.ErrNoProgress
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := domain + string(signature)
	first := !c.claims[key]
	c.claims[key] = true
	return first, nil
}

// noted is a reservation that notes what becomes of it.
type noted struct {
	c     *noting
	stage quota.Stage
}

func (n *noted) Settle(units uint64)  { n.c.note("settle %d: %d", n.stage, units) }
func (n *noted) Refund(byCaller bool) { n.c.note("refund %d: %v", n.stage, byCaller) }

// consumers is a Keys with one consumer.
type consumers struct{}

func (consumers) Consumer(domain string, key [sha256.Size]byte) (id, plan string, ok bool) {
	if key == sha256.Sum256([]byte("tg_kim")) {
		return "kim", "pro", true
	}
	return "", "", false
}

// TestCallerValues: what callers are told apart by is what the contract says, and nothing
// that they can choose but the header.
func TestCallerValues(t *testing.T) {
	up := startRecorder(t, says(ok200))
	q := &noting{by: []quota.By{quota.ByIP, quota.ByHeader("x-tenant"), quota.ByConsumer}}
	g := startGateway(t, func(c *Config) {
		c.Quota, c.Keys = q, consumers{}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, parsed(t, "d", up.url(), `"API_KEY":{},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":9,"resetTimeSeconds":60,"by":"consumer"}]}`, "GET /**"))
	for head, want := range map[string]string{
		"X-Forwarded-For: 192.0.2.7\r\nX-Tenant: a\r\nx-tenant: b\r\n": `ip="\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\a" header:x-tenant="a, b"`,
		"X-Forwarded-For: 2001:db8:1:2:3:4:5:6\r\n":                    `ip=" \x01\r\xb8\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00" header:x-tenant=""`,
		"X-Forwarded-For: ::ffff:192.0.2.7\r\nX-Tenant: \r\n":          `ip="\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\a" header:x-tenant=""`,
		"X-Forwarded-For: 192.0.2.7\r\nX-Consumer-Id: lee\r\n":         `ip="\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\a" header:x-tenant=""`,
	} {
		a := ask(t, g.addr, "GET /d/x HTTP/1.1\r\nHost: h\r\nX-Api-Key: tg_kim\r\n"+head+"\r\n")
		if want := []string{`take d 1 of 1 ` + want + ` consumer="kim" plan=pro`}; a.StatusCode != 200 || !slices.Equal(q.said(), want) {
			t.Errorf("%q: %d, want %q", head, a.StatusCode, want)
		}
	}
	for _, request := range up.requests() {
		if strings.Contains(request, "tg_kim") || strings.Count(request, "X-Consumer-Id: kim\r\n") != 1 || strings.Contains(request, "lee") {
			t.Errorf("the endpoint server gets %q", request)
		}
	}
	for _, head := range []string{"", "X-Api-Key: tg_lee\r\n", "X-Api-Key: \r\n"} {
		if a := ask(t, g.addr, "GET /d/x HTTP/1.1\r\nHost: h\r\n"+head+"\r\n"); a.StatusCode != 401 || a.code() != 40100 || len(q.said()) > 0 {
			t.Errorf("%q: %d %s", head, a.StatusCode, a.body)
		}
	}
}

// TestSettling: what a call reserves is settled once, however it ends; and what a condition
// behind authentication refuses does not count on those before it, as far as it must not.
func TestSettling(t *testing.T) {
	worth := startRecorder(t, says("HTTP/1.1 200 OK\r\nX-Units: 3\r\nContent-Length: 0\r\n\r\n"))
	silent := startRecorder(t, says(ok200))
	gone := startRecorder(t, says(ok200))
	_ = gone.Close()
	q := &noting{plan: "-", refuses: map[string]quota.Verdict{"refused 1": {ByCaller: true}, "full 0": {}}}
	const both = `"API_KEY":{},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":90,"resetTimeSeconds":60},{"maxUsageQuota":90,"resetTimeSeconds":60,"by":"consumer"}]}`
	const early = `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":90,"resetTimeSeconds":60}]}`
	const cost = `GET /** "USAGE_COST":{"units":8,"settleHeader":"X-Units"}`
	g := startGateway(t, func(c *Config) { c.Quota, c.Keys = q, consumers{} },
		parsed(t, "worth", worth.url(), early, cost), parsed(t, "silent", silent.url(), early, cost), parsed(t, "gone", gone.url(), early, cost),
		parsed(t, "full", silent.url(), early, cost), parsed(t, "both", silent.url(), both, "GET /**"), parsed(t, "refused", silent.url(), both, "GET /**"),
		parsed(t, "mock", silent.url(), early, `GET /** "MOCK":{"statusCode":200,"body":"m"},"USAGE_COST":{"units":8,"settleHeader":"X-Units"}`))
	for _, c := range []struct{ domain, want string }{
		{"worth", "take worth 0 of 8; settle 0: 3"},
		{"silent", "take silent 0 of 8; settle 0: 8"},
		{"gone", "take gone 0 of 8; settle 0: 8"},
		{"full", "take full 0 of 8"},
		{"mock", "take mock 0 of 8; settle 0: 8"},
		{"both", "take both 0 of 1; take both 1 of 1; settle 0: 1"},
		{"refused", "take refused 0 of 1; take refused 1 of 1; refund 0: true"},
	} {
		ask(t, g.addr, "GET /"+c.domain+"/x HTTP/1.1\r\nHost: h\r\nX-Api-Key: tg_kim\r\n\r\n")
		var got []string
		eventually(t, c.domain+" is settled", func() bool { // a call is over when its answer has been read, or soon after
			got = append(got, q.said()...)
			return strings.Join(got, "; ") == c.want
		})
	}
	ask(t, g.addr, "GET /both/x HTTP/1.1\r\nHost: h\r\n\r\n") // not let in: it counts before that, and not behind
	var got []string
	eventually(t, "it is settled", func() bool {
		got = append(got, q.said()...)
		return slices.Equal(got, []string{"take both 0 of 1", "settle 0: 1"})
	})
	if n := g.metric(t, "tollgate_proxy_quota_unsettled_total", "silent"); n != 1 {
		t.Errorf("%v answers did not say what they were worth, want 1", n)
	}
}

// TestSettleHeader: an answer costs what its header says, if that is a whole number of
// units, be it more than was reserved; else what was reserved.
func TestSettleHeader(t *testing.T) {
	answers := map[string]int{
		"X-Units: 3\r\n": 3, "x-units:\t3 \r\n": 3, "X-Units: 0\r\n": 0, "X-Units: 007\r\n": 7,
		"X-Units: 20\r\n": 20, "X-Units: 1000000000000\r\n": 1_000_000_000_000,
		"X-Units: 1000000000001\r\n": 8, "X-Units: -1\r\n": 8, "X-Units: +3\r\n": 8, "X-Units: 3.5\r\n": 8, "X-Units: 1e3\r\n": 8,
		"X-Units: 0x10\r\n": 8, "X-Units: three\r\n": 8, "X-Units: \r\n": 8, "": 8, "X-Units: 18446744073709551617\r\n": 8,
		"X-Units: 3, 4\r\n": 8, "X-Units: 3\r\nX-Units: 4\r\n": 8, "X-Units: \xd9\xa3\r\n": 8, "X-Units: " + strings.Repeat("9", 4000) + "\r\n": 8,
	}
	const cost = `GET /** "USAGE_COST":{"units":8,"settleHeader":"X-Units"}`
	q := &noting{plan: "-"}
	var domains []*catalog.Domain
	var keys []string
	unsettled, over := 0, 0
	for answer, units := range answers {
		up := startRecorder(t, says("HTTP/1.1 200 OK\r\n"+answer+"Content-Length: 0\r\n\r\n"))
		keys = append(keys, answer)
		domains = append(domains, parsed(t, fmt.Sprint("d", len(keys)), up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":90,"resetTimeSeconds":60}]}`, cost))
		if units == 8 {
			unsettled++
		}
		over += max(units-8, 0)
	}
	g := startGateway(t, func(c *Config) { c.Quota = q }, domains...)
	missed, beyond := 0.0, 0.0
	for i, answer := range keys {
		key := fmt.Sprint("d", i+1)
		ask(t, g.addr, "GET /"+key+"/x HTTP/1.1\r\nHost: h\r\n\r\n")
		want := []string{"take " + key + " 0 of 8", fmt.Sprintf("settle 0: %d", answers[answer])}
		var got []string
		eventually(t, fmt.Sprintf("%.40q is settled", answer), func() bool {
			got = append(got, q.said()...)
			return len(got) == len(want)
		})
		if !slices.Equal(got, want) {
			t.Errorf("%.40q: %q, want %q", answer, got, want)
		}
		missed += g.metric(t, "tollgate_proxy_quota_unsettled_total", key)
		beyond += g.metric(t, "tollgate_proxy_quota_over_reserve_units_total", key)
	}
	if missed != float64(unsettled) || beyond != float64(over) {
		t.Errorf("%v answers counted as unsettled, and %v units as over-reserve; want %d and %d", missed, beyond, unsettled, over)
	}
}

// TestRateLimitFields: every answer of the domain has them, refusals too.
func TestRateLimitFields(t *testing.T) {
	up := startRecorder(t, says(ok200))
	q := &noting{plan: "-", refuses: map[string]quota.Verdict{"full 0": {RetryAfter: time.Second}}}
	const beans = `"USAGE_QUOTA":{"headers":true,"usageQuotaBeans":[{"maxUsageQuota":9,"resetTimeSeconds":60}]}`
	g := startGateway(t, func(c *Config) { c.Quota = q }, parsed(t, "d", up.url(), beans, "GET /**"), parsed(t, "full", up.url(), beans, "GET /**"),
		parsed(t, "none", up.url(), strings.Replace(beans, `"headers":true,`, "", 1), "GET /**"))
	for path, status := range map[string]int{"/d/x": 200, "/full/x": 403} {
		a := ask(t, g.addr, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		policy, limit := a.Header.Get("RateLimit-Policy"), a.Header.Get("RateLimit")
		if a.StatusCode != status || policy != `"domain-60s";q=10;w=60, "endpoint-month-claim:a?b";q=5;w=2592000` || limit != `"domain-60s";r=7;t=2` {
			t.Errorf("%s: %d, RateLimit-Policy: %s, RateLimit: %s", path, a.StatusCode, policy, limit)
		}
	}
	if a := ask(t, g.addr, "GET /none/x HTTP/1.1\r\nHost: h\r\n\r\n"); a.Header.Get("RateLimit-Policy")+a.Header.Get("RateLimit") != "" {
		t.Errorf("unasked: %v", a.Header)
	}
}

// TestSingleUse: a signature is claimed once it has been verified, and then refused; what
// cannot be decided is admitted by nobody.
func TestSingleUse(t *testing.T) {
	up := startRecorder(t, says(ok200))
	q := &noting{plan: "-", claims: map[string]bool{}}
	g := startGateway(t, func(c *Config) { c.Quota = q }, parsed(t, "d", up.url(),
		`"HMAC":{"secretKey":"test","clockSkew":60,"singleUse":true},"USAGE_QUOTA":{"onUnavailable":"admit","usageQuotaBeans":[{"maxUsageQuota":9,"resetTimeSeconds":60}]}`, "GET /**"))
	call := func(n int) string {
		return signed("test", fmt.Sprintf("/d/x?%d", n), stamp(time.Now()))
	}
	one := call(1)
	for _, c := range []struct {
		request string
		code    int
	}{{strings.Replace(one, "/d/x?1", "/d/x?2", 1), 20001}, {one, 0}, {one, 20001}, {call(3), 0}} {
		if a := ask(t, g.addr, c.request); a.code() != c.code {
			t.Errorf("%q: %d %s, want %d", c.request, a.StatusCode, a.body, c.code)
		}
	}
	q.broken = true
	if a := ask(t, g.addr, call(4)); a.code() != 50300 {
		t.Errorf("undecided: %d %s", a.StatusCode, a.body)
	}
}
