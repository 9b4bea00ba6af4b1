package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/store/quota"
)

// pretended is a request as Explain takes it; ok is false for what no program
// could put so.
func pretended(raw string) (r ExplainRequest, ok bool) {
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		return r, false
	}
	r = ExplainRequest{Method: req.Method, URL: req.RequestURI, Headers: map[string]string{}, ClientIP: netip.MustParseAddr("127.0.0.1")}
	for name, values := range req.Header {
		r.Headers[name] = values[0]
	}
	return r, true
}

// TestExplainAgrees: what is refused without asking anybody is refused by
// Explain as well, by the same words; what has to be asked for is left open.
func TestExplainAgrees(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			t.Error("something was counted")
			return quota.Verdict{}, nil
		})
	}, codeDomains(t, up.url(), up.url(), up.url())...)
	g.SetCluster("c")
	agreed := 0
	for _, row := range slices.Concat(seedRefusals(), ourRefusals()) {
		request, ok := pretended(row.raw)
		if !ok {
			continue
		}
		e := g.Explain(request)
		var code int
		if _, err := fmt.Sscanf(row.message, "%d", &code); err != nil {
			t.Fatal(err)
		}
		switch code {
		case 20004, 20008, 40800, 41300, 50000, 50200, 50300, 50400:
			if e.Answer != nil || e.Call == nil {
				t.Errorf("%s: decided as %+v", row.message, e.Answer)
			}
		default:
			agreed++
			if e.Call != nil || e.Answer == nil || e.Answer.Status != row.status || e.Answer.ResultCode != code || e.Answer.ResultMessage != row.message {
				t.Errorf("%s: explained as %+v", row.message, e.Answer)
			}
		}
	}
	if agreed < 25 {
		t.Errorf("only %d rows were compared", agreed)
	}
	for name, value := range map[string]string{"X": "1\r\nHost: evil", "X\r\nY": "1", "X Y": "1", "X_Y": "1"} {
		e := g.Explain(ExplainRequest{Method: "GET", URL: "/plain/a", Headers: map[string]string{name: value}})
		if e.Answer == nil || e.Answer.ResultCode != 40000 {
			t.Errorf("%q: explained as %+v", name, e.Answer)
		}
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("somebody was called: %q", got)
	}
}

// everyPlugin is a domain with all plugins that go together; its endpoint has
// the rest.
func everyPlugin(t testing.TB, url, preAPI string) (plugins, endpoint string) {
	t.Helper()
	plugins = `"IPACL":{"isPermit":true,"ipList":[{"ip":"10.0.0.0/8"},{"ip":"127.0.0.0/8"}]},"MAINTENANCE":{"isUse":false,"statusCode":503},` +
		`"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":100,"resetTimeSeconds":60}]},"HMAC":{"secretKey":"hunter2","clockSkew":60},` +
		`"URI_REWRITE":{"uriPattern":"/{version}/{name}","rewriteUri":"/{name}/{version}"},` + corsList
	endpoint = `"ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":10,"resetTimeSeconds":1}]},"PRE_API":{"method":"POST","url":"` + preAPI + `?key=hunter2"},` +
		`"HEADER":{"requestHeaders":{"Authorization":"Basic hunter2","X-A":"1","x-api-key":"hunter2"},"responseHeaders":{"X-Out":"1"}}`
	return plugins, endpoint
}

// TestExplainWhole: one explanation with everything in it, as JSON, and no
// secret.
func TestExplainWhole(t *testing.T) {
	const up, pre = "http://up.example:8080/base", "http://pre.example/check"
	plugins, endpoint := everyPlugin(t, up, pre)
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { panic("counted") })
	}, parsed(t, "test", up, plugins, "GET /{v}/{n:[a-z]+} "+endpoint))
	now := stamp(time.Now())
	const target = "/test/v1/members?a=1&b=%2f"
	r := ExplainRequest{Method: "GET", URL: target, ClientIP: netip.MustParseAddr("::ffff:10.1.2.3"), Headers: map[string]string{
		"Host": "api.example", "X-TC-Timestamp": now, "authorization": hmacsign.Sign("hunter2", "GET", target, now),
		"Origin": "https://a.example", "x-a": "old", "X-Forwarded-For": "1.1.1.1", "Connection": "X-Own", "X-Own": "1", "Accept": "*/*",
	}}
	got, err := json.MarshalIndent(g.Explain(r), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "domain": {
  "key": "test",
  "name": "The test API"
 },
 "endpoint": {
  "method": "GET",
  "pattern": "/{v}/{n:[a-z]+}",
  "variables": {
   "n": "members",
   "v": "v1"
  }
 },
 "plugins": [
  {
   "plugins": [
    "CORS"
   ],
   "decision": "pass",
   "reason": "the origin is allowed: the answer says that its scripts may read it"
  },
  {
   "plugins": [
    "IPACL"
   ],
   "decision": "pass",
   "reason": "10.1.2.3 is in 10.0.0.0/8, and only what is listed may call"
  },
  {
   "plugins": [
    "USAGE_QUOTA",
    "ENDPOINT_USAGE_QUOTA"
   ],
   "decision": "unknown",
   "reason": "a real call counts on the domain's 100 per 60 s, the endpoint's 10 per 1 s, and is answered 20004 when one of them is used up"
  },
  {
   "plugins": [
    "HMAC"
   ],
   "decision": "pass",
   "reason": "Authorization is the signature of stringToSign",
   "stringToSign": "GET\n/test/v1/members?a=1\u0026b=%2f\nNOW"
  },
  {
   "plugins": [
    "PRE_API"
   ],
   "decision": "unknown",
   "reason": "POST http://pre.example/check?… is asked, with the client's header: 200 lets the call go on, any other status is the answer, none within 5s is 20008"
  },
  {
   "plugins": [
    "URI_REWRITE"
   ],
   "decision": "pass",
   "reason": "uriPattern /{version}/{name} matches /v1/members: the path becomes /members/v1"
  },
  {
   "plugins": [
    "HEADER"
   ],
   "decision": "pass",
   "reason": "sets Authorization, X-A, x-api-key of the request; sets X-Out of the answer"
  },
  {
   "plugins": [
    "HTTP_PROXY"
   ],
   "decision": "call",
   "reason": "GET http://up.example:8080/base/members/v1?a=1\u0026b=%2f"
  }
 ],
 "call": {
  "method": "GET",
  "url": "http://up.example:8080/base/members/v1?a=1\u0026b=%2f",
  "setHeaders": {
   "Authorization": "********",
   "Forwarded": "for=10.1.2.3;host=api.example;proto=http",
   "Host": "up.example:8080",
   "X-A": "1",
   "X-Forwarded-For": "10.1.2.3",
   "X-Forwarded-Host": "api.example",
   "X-Forwarded-Prefix": "/test",
   "X-Forwarded-Proto": "http",
   "X-Request-Id": "(made anew for each call)",
   "x-api-key": "********"
  },
  "droppedHeaders": [
   "Connection",
   "X-Forwarded-For",
   "X-Own"
  ]
 },
 "answer": null
}`
	if text := strings.Replace(string(got), now, "NOW", 1); text != want {
		t.Errorf("explained as\n%s\nwant\n%s", text, want)
	}
	if strings.Contains(string(got), "hunter2") {
		t.Error("a secret is in it")
	}
	for _, bad := range []map[string]string{{"Authorization": "x"}, {"X-TC-Timestamp": "x"}, {}} {
		r.Headers = bad
		text, err := json.Marshal(g.Explain(r))
		if err != nil {
			t.Fatal(err)
		}
		if expected := hmacsign.Sign("hunter2", "GET", target, bad["X-TC-Timestamp"]); strings.Contains(string(text), "hunter2") || strings.Contains(string(text), expected) {
			t.Errorf("a secret is in %s", text)
		}
	}
}

// TestExplainEnds: who ends a call, and that what follows is not reached.
func TestExplainEnds(t *testing.T) {
	g := startGateway(t, nil,
		parsed(t, "mock", "http://up.example", "", `GET /a "HEADER":{"responseHeaders":{"X-A":"1"}},"MOCK":{"statusCode":418,"headers":{"Set-Cookie":"hunter2","X-B":"2"},"body":"tea"}`),
		parsed(t, "acl", "http://up.example", `"IPACL":{"isPermit":false,"ipList":[{"ip":"10.0.0.0/8"}]},"JWT":{"secretKey":"hunter2"}`, "GET /a"),
		parsed(t, "maintenance", "http://up.example", `"MAINTENANCE":{"isUse":true,"statusCode":503,"body":"later"},`+corsAny, "GET /a"))
	ten := netip.MustParseAddr("10.0.0.1")
	for _, tc := range []struct {
		r      ExplainRequest
		status int
		steps  string
	}{
		{ExplainRequest{Method: "GET", URL: "/mock/a"}, 418, "HEADER pass, MOCK answer, HTTP_PROXY unreached"},
		{ExplainRequest{Method: "GET", URL: "/acl/a", ClientIP: ten}, 403, "IPACL refuse, JWT unreached, HTTP_PROXY unreached"},
		{ExplainRequest{Method: "GET", URL: "/acl/a"}, 401, "IPACL unknown, JWT refuse, HTTP_PROXY unreached"},
		{ExplainRequest{Method: "GET", URL: "/acl/a", Headers: map[string]string{"Authorization": token("hunter2", fmt.Sprintf(`{"exp":%d}`, time.Now().Add(time.Hour).Unix()))}}, 0,
			"IPACL unknown, JWT pass, HTTP_PROXY call"},
		{ExplainRequest{Method: "GET", URL: "/maintenance/a"}, 503, "CORS pass, MAINTENANCE answer, HTTP_PROXY unreached"},
		{ExplainRequest{Method: "GET", URL: "/maintenance/b"}, 404, "CORS pass"},
		{ExplainRequest{Method: "OPTIONS", URL: "/maintenance/b", Headers: map[string]string{"Origin": "x", "Access-Control-Request-Method": "PUT"}}, 200, "CORS answer"},
		{ExplainRequest{Method: "GET", URL: "/nope"}, 404, ""},
		{ExplainRequest{Method: "GET", URL: "http://node/mock/a"}, 400, ""},
		{ExplainRequest{Method: "BREW", URL: "/mock/a"}, 501, ""},
		{ExplainRequest{Method: "GET", URL: "/mock/a", Headers: map[string]string{"Expect": "x"}}, 417, ""},
		{ExplainRequest{Method: "OPTIONS", URL: "*"}, 200, ""},
		{ExplainRequest{}, 400, ""},
		{ExplainRequest{Method: "GET", URL: "/mock/" + strings.Repeat("a", 16<<10)}, 431, ""},
	} {
		e := g.Explain(tc.r)
		var steps []string
		for _, f := range e.Plugins {
			steps = append(steps, strings.Join(f.Plugins, "+")+" "+string(f.Decision))
		}
		status := 0
		if e.Answer != nil {
			status = e.Answer.Status
		}
		if got := strings.Join(steps, ", "); got != tc.steps || status != tc.status || (e.Call != nil) != (tc.status == 0) {
			t.Errorf("%s %.40s: %d %s, want %d %s", tc.r.Method, tc.r.URL, status, got, tc.status, tc.steps)
		}
	}
	if a := g.Explain(ExplainRequest{Method: "GET", URL: "/mock/a"}).Answer; a.BodyBytes != 3 || a.Headers["X-B"] != "2" || a.Headers["Set-Cookie"] != "********" {
		t.Errorf("mock explained as %+v", a)
	}
	var r ExplainRequest
	if err := json.Unmarshal([]byte(`{"method":"GET","url":"/mock/a","headers":{"a":"b"},"clientIp":"::1"}`), &r); err != nil || r.ClientIP != netip.IPv6Loopback() {
		t.Errorf("read as %+v, %v", r, err)
	}
}

// TestExplainSaysWhatWasSigned: a signature of something else than what was sent
// is told, and nothing of the secret.
func TestExplainSaysWhatWasSigned(t *testing.T) {
	g := startGateway(t, nil, parsed(t, "shop", "http://up.example", `"HMAC":{"secretKey":"hunter2","clockSkew":60}`, "GET /**"))
	now := stamp(time.Now())
	for signed, says := range map[string]string{
		"/a%20b?c=1":               "with the target without /shop; sign what is sent",
		"/shop/a b?c=1":            "with the target decoded; sign what is sent",
		"https://h/shop/a%20b?c=1": "with the host in front of the target; sign what is sent",
		"/other":                   "the secretKey may be another one",
	} {
		e := g.Explain(ExplainRequest{Method: "GET", URL: "/shop/a%20b?c=1", Headers: map[string]string{
			"Host": "h", "X-TC-Timestamp": now, "Authorization": hmacsign.Sign("hunter2", "GET", signed, now)}})
		if len(e.Plugins) == 0 || !strings.Contains(e.Plugins[0].Reason, says) || strings.Contains(e.Plugins[0].Reason, "hunter2") {
			t.Errorf("%s: explained as %+v", signed, e.Plugins)
		}
	}
}
