package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/envelope"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// refusal is a row of spec section 2 with the request that provokes it.
type refusal struct {
	raw     string
	status  int
	message string // with its code
}

// TestErrorCodes provokes every row of spec section 2 and every code of ours,
// and compares what the client gets to the byte. The messages are written out
// here: they are the contract, whatever the code says.
func TestErrorCodes(t *testing.T) {
	seen := map[int]bool{}
	check := func(t *testing.T, addr string, r refusal) {
		t.Helper()
		a := ask(t, addr, r.raw)
		if a == nil {
			t.Fatalf("%s: no answer", r.message)
		}
		var code int
		if _, err := fmt.Sscanf(r.message, "%d ", &code); err != nil {
			t.Fatal(err)
		}
		seen[code] = true
		want := fmt.Sprintf(`{"header":{"resultCode":%d,"resultMessage":"%s","isSuccessful":false}}`, code, r.message)
		if a.StatusCode != r.status || a.body != want || a.Header.Get("Content-Type") != "application/json;charset=UTF-8" {
			t.Errorf("answered\n%s\nwant %d\n%s", a.raw, r.status, want)
		}
	}
	up, gone, silent := startRecorder(t, says(ok200)), startRecorder(t, says(ok200)), startRecorder(t, hangs)
	_ = gone.Close()
	g := startGateway(t, func(c *Config) {
		c.MaxRequestBody, c.UpstreamTimeout, c.BodyTimeout = 1024, 100*time.Millisecond, 100*time.Millisecond
		c.Quota = quotaFunc(func(domain, _ string) (quota.Verdict, error) {
			switch domain {
			case "panics":
				panic("on purpose")
			case "undecided":
				return quota.Verdict{}, errors.New("no quorum")
			}
			return quota.Verdict{Admitted: domain != "used"}, nil
		})
	}, codeDomains(t, up.url(), gone.url(), silent.url())...)
	g.SetCluster("c")
	for _, r := range slices.Concat(seedRefusals(), ourRefusals()) {
		check(t, g.addr, r)
	}
	// Its two targets have just refused a connection of an earlier call.
	check(t, g.addr, refusal{withFields("/bothgone/a", ""), 502, "50200 Endpoint server unreachable or its answer broken"})
	check(t, g.addr, refusal{withFields("/bothgone/a", ""), 502, "50201 No healthy endpoint server"})
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}

	starting := newGateway(t, func(c *Config) { c.MaxConns, c.MaxConnsPerClient = 1, 1 })
	check(t, starting.addr, refusal{withFields("/test/a", ""), 503, "50301 Node not ready or stopping"})
	eventually(t, "that connection is gone", func() bool { return starting.metric(t, "tollgate_proxy_connections") == 0 })
	one := dial(t, starting.addr)
	defer one.Close()
	one.send(withFields("/test/a", ""))
	one.read() // from now on the only connection there may be
	check(t, starting.addr, refusal{"", 503, "50301 Node has too many client connections"})

	crowded := newGateway(t, func(c *Config) { c.MaxConnsPerClient = 1 })
	other := dial(t, crowded.addr)
	defer other.Close()
	other.send(withFields("/test/a", ""))
	other.read()
	check(t, crowded.addr, refusal{"", 429, "42900 Too many connections of one client"})

	secure := domainOf("secure", up.url(), everything...)
	secure.Schemes = []string{"https"}
	strict := startGateway(t, func(c *Config) { c.RequireHTTPS = true }, secure)
	check(t, strict.addr, refusal{withFields("/secure/a", ""), 403, "40301 HTTPS required"})

	for _, code := range envelope.Codes {
		if !seen[code] {
			t.Errorf("%d was not provoked", code)
		}
	}
}

// hangs never replies.
func hangs(c net.Conn, _ int, _ string) bool {
	_, _ = io.Copy(io.Discard, c)
	return false
}

// codeDomains are deployed for TestErrorCodes.
func codeDomains(t *testing.T, up, gone, silent string) []*catalog.Domain {
	const one = `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]}`
	preAPI := func(url string, millis int) string {
		return fmt.Sprintf(` "PRE_API":{"method":"GET","url":%q,"timeoutMillis":%d}`, url, millis)
	}
	return []*catalog.Domain{
		parsed(t, "plain", up, "", "GET /**", "POST /**"),
		parsed(t, "used", up, one, "GET /**"),
		parsed(t, "undecided", up, one, "GET /**"),
		parsed(t, "panics", up, one, "GET /**"),
		parsed(t, "hmac", up, `"HMAC":{"secretKey":"test","clockSkew":60}`, "GET /**"),
		parsed(t, "keys", up, `"API_KEY":{}`, "GET /**"),
		parsed(t, "jwt", up, `"JWT":{"secretKey":"test","clockSkew":60,"issuer":"me"}`, "GET /**"),
		parsed(t, "acl", up, `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.0/8"}]}`, "GET /**"),
		parsed(t, "cors", up, `"CORS":{"allowedOrigins":["https://a.example"],"allowedMethods":["PUT"],"allowedHeaders":["X-A"]}`, "GET /**"),
		parsed(t, "preapi", up, "", "GET /gone"+preAPI(gone, 0), "GET /silent"+preAPI(silent, 50)),
		parsed(t, "rewrite", up, `"URI_REWRITE":{"uriPattern":"/a","rewriteUri":"/%1"}`,
			`GET /pattern "URI_REWRITE":{"uriPattern":"/(a","rewriteUri":"/b"}`,
			`GET /form "URI_REWRITE":{"uriPattern":"/(.*)","rewriteUri":"/%2"}`,
			`GET /both "URI_REWRITE":{"uriPattern":"/(a","rewriteUri":"/%2"}`,
			"GET /domain"),
		parsed(t, "gone", gone, "", "GET /**"),
		parsed(t, "silent", silent, "", "GET /**"),
		withTargets(domainOf("bothgone", "", "GET /**"), gone+"/a", gone+"/b"),
	}
}

// seedRefusals are the rows that docs/error-codes.ko.txt promises.
func seedRefusals() []refusal {
	now := time.Now()
	exp := func(in time.Duration) string { return fmt.Sprintf(`{"iss":"me","exp":%d}`, now.Add(in).Unix()) }
	hmac := func(fields string) string { return withFields("/hmac/a", fields) }
	jwt := func(authorization string) string { return withFields("/jwt/a", "Authorization: "+authorization+"\r\n") }
	return []refusal{
		{withFields("/used/a", ""), 403, "20004 Usage quota exceeded"},
		{hmac("Authorization: x\r\n"), 401, "20001 HMAC authentication failed (The timestamp field is empty)"},
		{hmac("X-TC-Timestamp: \r\n"), 401, "20001 HMAC authentication failed (The timestamp field is empty)"},
		{hmac("X-TC-Timestamp: yesterday\r\n"), 401, "20001 HMAC authentication failed (Invalid timestamp format)"},
		{signed("test", "/hmac/a", stamp(now.Add(-2*time.Minute))), 401, "20001 HMAC authentication failed (Exceeded expiration time)"},
		{signed("test", "/hmac/a", stamp(now.Add(2*time.Minute))), 401, "20001 HMAC authentication failed (Exceeded expiration time)"},
		{hmac("X-TC-Timestamp: " + stamp(now) + "\r\n"), 401, "20001 HMAC authentication failed (The authorization field is empty)"},
		{hmac("Authorization:\r\nX-TC-Timestamp: " + stamp(now) + "\r\n"), 401, "20001 HMAC authentication failed (The authorization field is empty)"},
		{signed("Test", "/hmac/a", stamp(now)), 401, "20001 HMAC authentication failed (Invalid authorization)"},
		{withFields("/jwt/a", ""), 401, "20002 JWT authentication failed (The authorization field is empty)"},
		{jwt(""), 401, "20002 JWT authentication failed (The authorization field is empty)"},
		{jwt(token("test", exp(-2*time.Minute))), 401, "20002 JWT authentication failed (Exceeded expiration time)"},
		{jwt(token("Test", exp(-2*time.Minute))), 401, "20002 JWT authentication failed (Invalid authorization)"},
		{jwt(token("test", strings.Replace(exp(time.Hour), "me", "you", 1))), 401, "20002 JWT authentication failed (Invalid authorization)"},
		{jwt(token("test", `{"iss":"me"}`)), 401, "20002 JWT authentication failed (Invalid authorization)"},
		{jwt("nonsense"), 401, "20002 JWT authentication failed (Invalid authorization)"},
		{withFields("/preapi/gone", ""), 502, "20008 Pre api connection failed"},
		{withFields("/preapi/silent", ""), 502, "20008 Pre api connection failed"},
		{withFields("/rewrite/pattern", ""), 500, "20005 URI Pattern's syntax is invalid"},
		{withFields("/rewrite/both", ""), 500, "20005 URI Pattern's syntax is invalid"},
		{withFields("/rewrite/form", ""), 500, "20006 Rewrite URI's syntax is invalid"},
		{withFields("/rewrite/domain", ""), 500, "20006 Rewrite URI's syntax is invalid"},
	}
}

// ourRefusals are those that spec section 2 adds to the seed's.
func ourRefusals() []refusal {
	preflight := func(origin, method, fields string) string {
		return fmt.Sprintf("OPTIONS /cors/a HTTP/1.1\r\nHost: h\r\nOrigin: %s\r\nAccess-Control-Request-Method: %s\r\nAccess-Control-Request-Headers: %s\r\n\r\n", origin, method, fields)
	}
	return []refusal{
		{withFields("/plain/%2e%2e/a", ""), 400, "40000 Malformed request (dot segment in the path)"},
		{"nonsense\r\n\r\n", 400, "40000 Malformed request (the request line is not METHOD target HTTP/1.1)"},
		{withFields("/keys/a", ""), 401, "40100 API key missing or unknown"},
		{withFields("/acl/a", ""), 403, "40300 IP address not allowed"},
		{preflight("https://b.example", "PUT", "X-A"), 403, "40300 CORS preflight refused (the origin is not in allowedOrigins)"},
		{preflight("https://a.example", "GET", "X-A"), 403, "40300 CORS preflight refused (the method is not in allowedMethods)"},
		{preflight("https://a.example", "PUT", "X-A, X-B"), 403, "40300 CORS preflight refused (a header is not in allowedHeaders)"},
		{withFields("/nope/a", ""), 404, "40400 No domain has this key"},
		{"DELETE /plain/a HTTP/1.1\r\nHost: h\r\n\r\n", 404, "40401 No endpoint matches"},
		{"POST /plain/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n", 413, "41300 Request body too large"},
		{"POST /plain/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx", 408, "40800 The request body did not come in time"},
		{withFields("/plain/a", "Expect: more\r\n"), 417, "41700 Unknown expectation (only 100-continue is known)"},
		{"BREW /plain/a HTTP/1.1\r\nHost: h\r\n\r\n", 501, "50100 Unknown method (known are GET POST PUT DELETE HEAD PATCH OPTIONS)"},
		{withFields("/plain/a", "X: "+strings.Repeat("x", 20<<10)+"\r\n"), 431, "43100 Request header too large"},
		{withFields("/panics/a", ""), 500, "50000 Internal error"},
		{withFields("/gone/a", ""), 502, "50200 Endpoint server unreachable or its answer broken"},
		{withFields("/undecided/a", ""), 503, "50300 Usage quota cannot be decided now"},
		{withFields("/used/a", "Via: "+strings.Repeat(string(viaOf("c"))+", ", 10)+"1.0 x\r\n"), 508, "50800 Call has passed through this cluster 10 times already"},
		{withFields("/silent/a", ""), 504, "50400 Endpoint server timed out"},
	}
}
