package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// TestOrderOfPlugins: who is asked before whom (spec section 3), by what is
// counted, called and answered.
func TestOrderOfPlugins(t *testing.T) {
	up := startRecorder(t, says(ok200))
	pre := startRecorder(t, says(ok200))
	const acl = `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.1"}]},`
	const maintenance = `"MAINTENANCE":{"isUse":true,"statusCode":503,"body":"later"},`
	const counted = `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]}`
	const hmac = `,"HMAC":{"secretKey":"test","clockSkew":0}`
	endpoints := []string{
		`GET /all "PRE_API":{"method":"GET","url":"` + pre.url() + `"},"URI_REWRITE":{"uriPattern":"/(","rewriteUri":"/"},"MOCK":{"statusCode":201}`,
		`GET /mock "PRE_API":{"method":"GET","url":"` + pre.url() + `"},"MOCK":{"statusCode":201}`,
	}
	var left, taken int
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			taken++
			left--
			return quota.Verdict{Admitted: left >= 0, RetryAfter: time.Minute}, nil
		})
	},
		parsed(t, "acl", up.url(), acl+maintenance+counted+hmac+","+corsAny, endpoints...),
		parsed(t, "maintenance", up.url(), maintenance+counted+hmac+","+corsAny, endpoints...),
		parsed(t, "hmac", up.url(), counted+hmac+","+corsAny, endpoints...))

	const unsigned = "20001 HMAC authentication failed (The timestamp field is empty)"
	const preflight = "OPTIONS %s HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
	now := stamp(time.Now())
	left = 4
	for _, tc := range []struct {
		name, raw      string
		status         int
		holds          string
		taken, preAPIs int
	}{
		{"preflight first", fmt.Sprintf(preflight, "/acl/all"), 200, "", 0, 0},
		{"then the endpoint", withFields("/acl/nope", ""), 404, "40401 ", 0, 0},
		{"then IPACL", withFields("/acl/all", ""), 403, "40300 ", 0, 0},
		{"then MAINTENANCE", withFields("/maintenance/all", ""), 503, "later", 0, 0},
		{"then the quota, for who is not known as well", withFields("/hmac/all", ""), 401, unsigned, 1, 0},
		{"and wrongly signed", signed("Test", "/hmac/mock", now), 401, "(Invalid authorization)", 1, 0},
		{"then the Pre API, then the rewrite", signed("test", "/hmac/all", now), 500, "20005 ", 1, 1},
		{"then the mock", signed("test", "/hmac/mock", now), 201, "", 1, 1},
		{"used up: also for who is not known", withFields("/hmac/all", ""), 403, "20004 ", 1, 0},
		{"used up: wrongly signed", signed("Test", "/hmac/mock", now), 403, "20004 ", 1, 0},
		{"used up: well signed", signed("test", "/hmac/mock", now), 403, "20004 ", 1, 0},
		{"used up: preflight", fmt.Sprintf(preflight, "/hmac/mock"), 200, "", 0, 0},
	} {
		taken = 0
		a := ask(t, g.addr, tc.raw)
		if a == nil || a.StatusCode != tc.status || !strings.Contains(a.body, tc.holds) {
			t.Errorf("%s: answered %+v, want %d %q", tc.name, a, tc.status, tc.holds)
		}
		if n := len(pre.requests()); taken != tc.taken || n != tc.preAPIs {
			t.Errorf("%s: %d counted and %d Pre APIs asked, want %d and %d", tc.name, taken, n, tc.taken, tc.preAPIs)
		}
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
}
