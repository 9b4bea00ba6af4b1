package node_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/proxy/hmacsign"
)

// callersDomain is a domain with API keys, and a quota for each consumer.
func callersDomain(plugins string) string {
	return `{"swagger":"2.0","info":{"title":"Callers","version":"1"},"basePath":"/c","schemes":["http"],
		"paths":{"/x":{"get":{}},"/mock":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"body":"ok"}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:9"},` + plugins + `}}}`
}

// with makes a call with headers.
func with(t *testing.T, n *nodetest.Node, path string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+n.ProxyAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	r, err := send(web, req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// is checks an answer's status.
func (r reply) is(t *testing.T, status int) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%v, want %d", r, status)
	}
}

// TestConsumers: a key is let in by every node as soon as it is made, counts for its
// consumer on all of them, and is let in by none once it is deleted.
func TestConsumers(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Raised()
	api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", callersDomain(`"API_KEY":{},"USAGE_QUOTA":{"headers":true,"usageQuotaBeans":[
		{"maxUsageQuota":5,"resetTimeSeconds":3600,"by":"consumer","plans":{"pro":8}}]}`)).is(t, 200)
	keys := map[string]string{}
	for i, id := range []string{"kim", "lee"} {
		api(t, c.Nodes[i], "PUT", "/v1/domains/c/consumers/"+id, `{"name":"N"}`).is(t, 200)
		var made struct{ Key, Prefix string }
		api(t, c.Nodes[i], "POST", "/v1/domains/c/consumers/"+id+"/keys", "").into(t, &made)
		if !strings.HasPrefix(made.Key, "tg_") || len(made.Key) != 46 || made.Key[:11] != made.Prefix {
			t.Fatalf("%+v", made)
		}
		keys[id] = made.Key
	}
	for _, n := range c.Nodes {
		if r := with(t, n, "/c/mock"); r.code != 40100 || r.status != 401 {
			t.Errorf("without a key: %v", r)
		}
		if r := with(t, n, "/c/mock", "X-Api-Key", keys["kim"]+"x"); r.code != 40100 {
			t.Errorf("another key: %v", r)
		}
	}
	count := func(id string, n int) (admitted int) {
		t.Helper()
		for i := range n {
			switch r := with(t, c.Nodes[i%3], "/c/mock", "X-Api-Key", keys[id]); {
			case r.status == 200:
				admitted++
			case r.code != 20004 || r.header.Get("RateLimit") == "" || !strings.Contains(r.header.Get("RateLimit-Policy"), `"domain-3600s-consumer";q=`):
				t.Errorf("%s: %v %v", id, r, r.header)
			}
		}
		return admitted
	}
	if n := count("kim", 9); n != 5 {
		t.Errorf("kim: %d admitted, want 5", n)
	}
	if n := count("lee", 3); n != 3 {
		t.Errorf("lee: %d admitted, want 3", n)
	}
	api(t, c.Nodes[2], "PUT", "/v1/domains/c/consumers/kim", `{"plan":"pro"}`).is(t, 200)
	if n := count("kim", 6); n != 3 {
		t.Errorf("kim, pro: %d admitted, want 3", n)
	}
	var read struct {
		Conditions []struct {
			Used, WindowID uint64
			Callers        int
		}
		Top []struct {
			Caller string
			Used   uint64
		}
	}
	api(t, c.Nodes[1], "GET", "/v1/domains/c/quota?caller=kim&top=1", "").into(t, &read)
	if len(read.Conditions) != 1 || read.Conditions[0].Used != 8 || len(read.Top) != 1 || read.Top[0].Caller != "kim" {
		t.Errorf("%+v", read)
	}
	api(t, c.Nodes[1], "POST", "/v1/domains/c/quota/reset", fmt.Sprintf(`{"window":3600,"by":"consumer","caller":"kim","windowId":%d}`, read.Conditions[0].WindowID)).is(t, 200)
	api(t, c.Nodes[1], "POST", "/v1/domains/c/quota/reset", fmt.Sprintf(`{"window":3600,"by":"consumer","caller":"kim","windowId":%d}`, read.Conditions[0].WindowID)).is(t, 409)
	if n := count("kim", 9); n != 8 {
		t.Errorf("kim, after a reset: %d admitted, want 8", n)
	}
	api(t, c.Nodes[0], "POST", "/v1/domains/c/quota/adjust", `{"window":3600,"by":"consumer","caller":"kim","add":2}`).is(t, 200)
	if n := count("kim", 3); n != 2 {
		t.Errorf("kim, adjusted: %d admitted, want 2", n)
	}
	api(t, c.Nodes[0], "DELETE", "/v1/domains/c/consumers/lee/keys/"+keys["lee"][:11], "").is(t, 200)
	for _, n := range c.Nodes {
		if r := with(t, n, "/c/mock", "X-Api-Key", keys["lee"]); r.code != 40100 {
			t.Errorf("a deleted key: %v", r)
		}
	}
	c.Digest()
}

// TestCallersExact: many callers at all nodes at once: each is admitted exactly its
// maximum, whether its calls come often or not.
func TestCallersExact(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Raised()
	const callers, limit, calls = 40, 30, 45
	api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", callersDomain(fmt.Sprintf(`"USAGE_QUOTA":{"usageQuotaBeans":[
		{"maxUsageQuota":%d,"resetTimeSeconds":3600,"by":"header:X-Tenant"}]}`, limit))).is(t, 200)
	var wg sync.WaitGroup
	var admitted [callers]atomic.Int64
	for who := range callers {
		for _, n := range c.Nodes {
			wg.Go(func() {
				for range calls / 3 {
					if r := with(t, n, "/c/mock", "X-Tenant", fmt.Sprint("t", who)); r.status == 200 {
						admitted[who].Add(1)
					} else if r.code != 20004 {
						t.Errorf("%v", r)
					}
				}
			})
		}
	}
	wg.Wait()
	for who := range callers {
		if n := admitted[who].Load(); n != limit {
			t.Errorf("t%d: %d admitted, want %d", who, n, limit)
		}
	}
	c.Digest()
}

// TestCalendarCostAndSingleUse: a month's quota, of calls that cost, and signatures that
// are good once on whichever node.
func TestCalendarCostAndSingleUse(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Raised()
	api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", strings.Replace(callersDomain(`"HMAC":{"secretKey":"test","clockSkew":60,"singleUse":true},
		"USAGE_QUOTA":{"order":"afterAuthentication","usageQuotaBeans":[{"maxUsageQuota":10,"period":{"unit":"month","timeZone":"Asia/Seoul"}}]}`),
		`"plugins":{"MOCK"`, `"plugins":{"USAGE_COST":{"units":4},"MOCK"`, 1)).is(t, 200)
	admitted := 0
	for i := range 4 {
		at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		signed := []string{"X-TC-Timestamp", at, "Authorization", hmacsign.Sign("test", "GET", fmt.Sprintf("/c/mock?i=%d", i), at)}
		for _, n := range c.Nodes {
			r := with(t, n, fmt.Sprintf("/c/mock?i=%d", i), signed...)
			switch {
			case r.status == 200:
				admitted++
			case r.code == 20004 && r.header.Get("Retry-After") == "":
				t.Errorf("%v", r)
			case r.code != 20001 && r.code != 20004:
				t.Errorf("%v", r)
			}
			if n != c.Nodes[0] && r.code != 20001 {
				t.Errorf("a signature that was used: %v", r)
			}
		}
	}
	if admitted != 2 {
		t.Errorf("%d calls of 4 units were admitted, want 2 of 10 units", admitted)
	}
	c.Digest()
}

// TestOddCallers: values that look alike or are long are callers of their own, and a
// consumer that is deleted and made again has used what it had used.
func TestOddCallers(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 1)
	c.Raised()
	n := c.Nodes[0]
	const limit = 2
	bean := fmt.Sprintf(`"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600,"by":"%%s"}]}`, limit)
	api(t, n, "POST", "/v1/domains?deploy=true", callersDomain(fmt.Sprintf(bean, "header:X-Tenant"))).is(t, 200)
	admitted := func(path string, headers ...string) (count int) {
		t.Helper()
		for range limit + 1 {
			if r := with(t, n, path, headers...); r.status == 200 {
				count++
			} else if r.code != 20004 {
				t.Fatalf("%.40q: %v", headers, r)
			}
		}
		return count
	}
	long := strings.Repeat("x", 7000)
	for _, who := range []string{"", "kim", "Kim", "k\u0456m", "k\u00edm", "ki\u0301m", "k im", `k"im`, "k%69m", long, long + "x", long[1:] + "y"} {
		if got := admitted("/c/mock", "X-Tenant", who); got != limit {
			t.Errorf("%.40q: %d admitted, want %d", who, got, limit)
		}
	}
	if r := with(t, n, "/c/mock", "X-Tenant", strings.Repeat("x", 64<<10)); r.code != 43100 {
		t.Errorf("a header of 64 KiB: %v", r)
	}

	api(t, n, "POST", "/v1/domains?deploy=true", strings.Replace(callersDomain(`"API_KEY":{},`+fmt.Sprintf(bean, "consumer")), `"basePath":"/c"`, `"basePath":"/k"`, 1)).is(t, 200)
	for _, id := range []string{"a%2Fb", "a/b", "%6bim%20", "k%D1%96m", "..", strings.Repeat("a", 300)} {
		if r := api(t, n, "PUT", "/v1/domains/k/consumers/"+id, `{}`); r.status < 400 || r.status >= 500 {
			t.Errorf("a consumer %.20q: %v", id, r)
		}
	}
	made := func() (key string) {
		t.Helper()
		api(t, n, "PUT", "/v1/domains/k/consumers/kim", `{}`).is(t, 200)
		var answer struct{ Key string }
		api(t, n, "POST", "/v1/domains/k/consumers/kim/keys", "").into(t, &answer)
		return answer.Key
	}
	first := made()
	if got := admitted("/k/mock", "X-Api-Key", first); got != limit {
		t.Errorf("kim: %d admitted, want %d", got, limit)
	}
	api(t, n, "DELETE", "/v1/domains/k/consumers/kim", "").is(t, 200)
	if r := with(t, n, "/k/mock", "X-Api-Key", first); r.code != 40100 {
		t.Errorf("a deleted consumer's key: %v", r)
	}
	if got := admitted("/k/mock", "X-Api-Key", made()); got != 0 {
		t.Errorf("kim, made again: %d admitted, want none", got)
	}
}

// TestReplays: a signature that was used is good nowhere and never again: at the newest
// edge of the skew, also once all nodes were started again; at the oldest edge, while the
// cluster forgets it.
func TestReplays(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Raised()
	const skew = time.Minute
	api(t, c.Nodes[0], "POST", "/v1/domains?deploy=true", callersDomain(`"HMAC":{"secretKey":"test","clockSkew":60,"singleUse":true}`)).is(t, 200)
	calls := 0
	use := func(n *nodetest.Node, ahead time.Duration) (path string, headers []string, forgotten time.Time) {
		t.Helper()
		for range 10 { // so near to its edge, a signature may be out of date once it is there
			calls++
			at := time.Now().Add(ahead)
			stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
			path = fmt.Sprintf("/c/mock?i=%d", calls)
			headers = []string{"X-TC-Timestamp", stamp, "Authorization", hmacsign.Sign("test", "GET", path, stamp)}
			if r := with(t, n, path, headers...); r.status == 200 {
				return path, headers, at.Add(skew + 5*time.Second)
			} else if r.code != 20001 && r.code != 50300 {
				t.Fatalf("%v", r)
			}
		}
		t.Fatal("no signature is taken")
		return "", nil, time.Time{}
	}
	refused := func(path string, headers []string) {
		t.Helper()
		for _, n := range c.Nodes {
			if r := with(t, n, path, headers...); r.code != 20001 && r.code != 50300 {
				t.Fatalf("a replay at %s: %v", n.ID, r)
			}
		}
	}

	newPath, newest, _ := use(c.Nodes[0], skew-time.Second)
	refused(newPath, newest)
	path, oldest, forgotten := use(c.Nodes[1], time.Second-skew)
	for time.Now().Before(forgotten.Add(time.Second)) {
		refused(path, oldest)
	}
	for _, n := range c.Nodes {
		n.Stop()
	}
	c.StartAll()
	refused(newPath, newest)
	use(c.Nodes[2], skew-time.Second) // what was not used is good
}
