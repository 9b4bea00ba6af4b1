package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
)

// corsOf lists what an answer says to browsers, one "Name: value" a line.
func corsOf(a *answer) string {
	var lines []string
	for _, name := range []string{"Vary", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods",
		"Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Private-Network"} {
		for _, v := range a.Header[name] {
			lines = append(lines, strings.TrimPrefix(name, "Access-Control-")+": "+v)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	corsList = `"CORS":{"allowedOrigins":["https://a.example","http://b.example:8080"],"allowedMethods":["GET","PUT"],` +
		`"allowedHeaders":["X-A","Content-Type"],"exposedHeaders":["X-E","X-F"],"maxCredentialsAge":600,"allowCredentials":true}`
	corsAny  = `"CORS":{"allowedOrigins":["*"],"allowedMethods":["*"],"allowedHeaders":["*"],"exposedHeaders":["*"]}`
	corsBare = `"CORS":{"allowedOrigins":["https://a.example"]}`
)

// TestPreflight: who asks for what, and what is answered. There is no OPTIONS
// endpoint; none is asked for, nothing is counted, nobody is asked who he is.
func TestPreflight(t *testing.T) {
	up := startRecorder(t, says(ok200))
	const strict = `"IPACL":{"isPermit":true,"ipList":[{"ip":"192.0.2.1"}]},"MAINTENANCE":{"isUse":true,"statusCode":503},` +
		`"HMAC":{"secretKey":"test","clockSkew":0},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]},`
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			t.Error("a preflight was counted")
			return quota.Verdict{}, nil
		})
	}, parsed(t, "list", up.url(), strict+corsList, "GET /a"), parsed(t, "any", up.url(), corsAny, "GET /a"), parsed(t, "bare", up.url(), corsBare, "GET /a"))

	const vary = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\n"
	const list = vary + "Allow-Origin: https://a.example\nAllow-Credentials: true\nAllow-Methods: GET, PUT\nAllow-Headers: X-A, Content-Type\nMax-Age: 600"
	for _, tc := range []struct {
		target, fields string
		status         int
		want           string
	}{
		{"/list/a", "Origin: https://a.example|Method: PUT|Headers: x-a,content-type", 200, list},
		{"/list/no/endpoint", "Origin: https://a.example|Method: GET", 200, list},
		{"/list", "Origin: http://b.example:8080|Method: GET|Headers: ,", 200, strings.Replace(list, "https://a.example", "http://b.example:8080", 1)},
		{"/list/a", "Origin: https://a.example|Method: GET|Headers: X-A|Headers: CONTENT-TYPE", 200, list},
		{"/list/a", "Origin: https://a.example|Method: GET|Headers: X-A|Headers: X-B", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://A.example|Method: GET", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://a.example.evil|Method: GET", 403, "Vary: Origin"},
		{"/list/a", "Origin: null|Method: GET", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://a.example|Method: get", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://a.example|Method: GET|Headers: X-B", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://a.example|Method: GET|Headers: X-A X-B", 403, "Vary: Origin"},
		{"/list/a", "Origin: https://a.example|Method: GET|Headers: " + strings.Repeat("x", 300), 403, "Vary: Origin"},

		{"/any/a", "Origin: https://x.example|Method: BREW|Headers: authorization ,x-b", 200, vary + "Allow-Origin: *\nAllow-Methods: BREW\nAllow-Headers: authorization, x-b\nMax-Age: 0"},
		{"/any/a", "Origin: null|Method: GET", 200, vary + "Allow-Origin: *\nAllow-Methods: GET\nMax-Age: 0"},
		{"/any/a", "Origin: x|Method: G T", 403, "Vary: Origin"},
		{"/any/a", "Origin: x|Method: GET|Headers: a;b", 403, "Vary: Origin"},

		{"/bare/a", "Origin: https://a.example|Method: POST", 200, vary + "Allow-Origin: https://a.example\nAllow-Methods: GET, HEAD, POST\nMax-Age: 0"},
		{"/bare/a", "Origin: https://a.example|Method: PUT", 403, "Vary: Origin"},
		{"/bare/a", "Origin: https://a.example|Method: GET|Headers: Content-Type", 403, "Vary: Origin"},
	} {
		fields := strings.NewReplacer("|Method", "\r\nAccess-Control-Request-Method", "|Headers", "\r\nAccess-Control-Request-Headers").Replace(tc.fields)
		a := ask(t, g.addr, "OPTIONS "+tc.target+" HTTP/1.1\r\nHost: h\r\n"+fields+"\r\n\r\n")
		if a == nil || a.StatusCode != tc.status || corsOf(a) != tc.want || a.Close {
			t.Errorf("%s %s: answered\n%s\nwant %d\n%s", tc.target, tc.fields, a.raw, tc.status, tc.want)
		}
		if tc.status == 200 && (a.body != "" || a.Header.Get("Content-Length") != "0") || tc.status == 403 && a.code() != 40300 {
			t.Errorf("%s %s: answered\n%s", tc.target, tc.fields, a.raw)
		}
	}
	if got := up.requests(); len(got) > 0 {
		t.Errorf("reached the endpoint server: %q", got)
	}
}

// TestNoPreflight: an OPTIONS that is no preflight, or is sent to a domain
// without CORS, is a request like any other.
func TestNoPreflight(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "cors", up.url(), corsAny, "OPTIONS /a"), parsed(t, "none", up.url(), "", "OPTIONS /a"))
	const origin, method = "Origin: https://a.example\r\n", "Access-Control-Request-Method: GET\r\n"
	for _, tc := range []struct {
		target, fields string
		status         int
	}{
		{"/cors/a", origin, 200}, {"/cors/a", method, 200}, {"/cors/a", "Origin:\r\n" + method, 200}, {"/cors/a", "", 200},
		{"/cors/b", origin, 404},
		{"/none/a", origin + method, 200}, {"/none/b", origin + method, 404},
	} {
		a := ask(t, g.addr, "OPTIONS "+tc.target+" HTTP/1.1\r\nHost: h\r\n"+tc.fields+"\r\n")
		n := len(up.requests())
		if a.StatusCode != tc.status || (tc.status == 200) != (n == 1) {
			t.Errorf("%s %q: answered %d, %d requests went on", tc.target, tc.fields, a.StatusCode, n)
		}
		if strings.HasPrefix(tc.target, "/none") && corsOf(a) != "" {
			t.Errorf("%s: marked without CORS: %s", tc.target, a.raw)
		}
	}
	if a := ask(t, g.addr, "OPTIONS /cors/a HTTP/1.1\r\nHost: h\r\n"+origin+method+method+"\r\n"); a.code() != 40000 {
		t.Errorf("two methods asked for: answered %s", a.raw)
	}
}

// TestCORSMarks: every answer of the domain tells browsers who may read it,
// whoever made it.
func TestCORSMarks(t *testing.T) {
	up := startRecorder(t, says("HTTP/1.1 201 Created\r\nContent-Length: 2\r\nVary: Accept-Encoding\r\nAccess-Control-Allow-Origin: https://evil.example\r\n"+
		"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Own\r\nAccess-Control-Max-Age: 9\r\n"+
		"Access-Control-Allow-Private-Network: true\r\nX-E: 1\r\n\r\nok"))
	const quotaOf = `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]},`
	admitted := true
	g := startGateway(t, func(c *Config) {
		c.MaxRequestBody = 1024
		c.Quota = quotaFunc(func(_, endpoint string) (quota.Verdict, error) {
			if strings.Contains(endpoint, "panic") {
				panic("on purpose")
			}
			return quota.Verdict{Admitted: admitted}, nil
		})
	},
		parsed(t, "list", up.url(), quotaOf+corsList, "GET /a", "POST /a", "HEAD /a",
			`GET /mock "MOCK":{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"*","Vary":"X, origin"}}`,
			`GET /panic "ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]}`,
			`GET /header "HEADER":{"requestHeaders":{"Origin":"https://changed.example"},"responseHeaders":{"Access-Control-Allow-Origin":"https://set.example","Vary":"*"}}`),
		parsed(t, "any", up.url(), corsAny, "GET /a"),
		parsed(t, "acl", up.url(), corsList+`,"IPACL":{"isPermit":true,"ipList":[{"ip":"192.0.2.1"}]}`, "GET /a"),
		parsed(t, "maintenance", up.url(), corsList+`,"MAINTENANCE":{"isUse":true,"statusCode":503,"body":"later"}`, "GET /a"),
		parsed(t, "none", up.url(), "", "GET /a"))

	const marked = "Vary: Origin\nAllow-Origin: https://a.example\nAllow-Credentials: true\nExpose-Headers: X-E, X-F"
	const allowed, other = "Origin: https://a.example\r\n", "Origin: https://c.example\r\n"
	try := func(raw string, status int, want string) {
		t.Helper()
		a := ask(t, g.addr, raw)
		if a == nil || a.StatusCode != status || corsOf(a) != want {
			t.Errorf("%.60q: answered\n%+v\n%s\nwant %d\n%s", raw, a, corsOf(a), status, want)
		}
	}
	try(withFields("/list/a", allowed), 201, "Vary: Accept-Encoding\n"+marked)
	try(withFields("/list/a", other), 201, "Vary: Accept-Encoding\nVary: Origin")
	try(withFields("/list/a", ""), 201, "Vary: Accept-Encoding\nVary: Origin")
	try(withFields("/list/mock", allowed), 200, strings.Replace(marked, "Vary: Origin", "Vary: X, origin", 1))
	try(withFields("/list/header", allowed), 201, strings.Replace(marked, "Vary: Origin", "Vary: *", 1))
	try(withFields("/list/nope", allowed), 404, marked)
	try(withFields("/list/%zz", allowed), 400, marked)
	try(withFields("/list/a?x#", other), 400, "Vary: Origin")
	try(withFields("/list/a", allowed+"X Y: 1\r\n"), 400, marked)
	try(withFields("/list/a", "X_Y: 1\r\n"+allowed), 400, marked)
	try("GET http://h/list/a HTTP/1.1\r\nHost: g\r\n"+allowed+"\r\n", 400, marked)
	try("BREW /list/a HTTP/1.1\r\nHost: h\r\n"+allowed+"\r\n", 501, marked)
	try(withFields("/list/a", allowed+"Expect: x\r\n"), 417, marked)
	try(withFields("/list/a", allowed+"X: "+strings.Repeat("x", 20<<10)+"\r\n"), 431, marked)
	try(withFields("/list/a", allowed+strings.Repeat("X: y\r\n", 300)), 431, marked)
	try("POST /list/a HTTP/1.1\r\nHost: h\r\n"+allowed+"Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0\r\n\r\n", 400, marked)
	try(withFields("/list/panic", allowed), 500, marked)
	try("POST /list/a HTTP/1.1\r\nHost: h\r\n"+allowed+"Content-Length: 2000\r\n\r\n", 413, marked)
	try("POST /list/a HTTP/1.1\r\nHost: h\r\n"+allowed+"Expect: 100-continue\r\nContent-Length: 2000\r\n\r\n", 413, marked)
	try("POST /list/nope HTTP/1.1\r\nHost: h\r\n"+allowed+"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 404, marked)
	admitted = false
	try(withFields("/list/a", allowed), 403, marked)
	try(withFields("/acl/a", allowed), 403, marked)
	try(withFields("/maintenance/a", allowed), 503, marked)
	try(withFields("/any/a", other), 201, "Vary: Accept-Encoding\nVary: Origin\nAllow-Origin: *\nExpose-Headers: *")
	try(withFields("/any/a", ""), 201, "Vary: Accept-Encoding\nVary: Origin")
	try(withFields("/nope/a", allowed), 404, "")
	// Without CORS the endpoint server speaks for itself.
	try(withFields("/none/a", allowed), 201, "Vary: Accept-Encoding\nAllow-Origin: https://evil.example\nAllow-Origin: *\n"+
		"Allow-Credentials: true\nExpose-Headers: X-Own\nMax-Age: 9\nAllow-Private-Network: true")
	for _, heard := range up.requests() {
		if strings.Contains(heard, "/header") && !strings.Contains(heard, "Origin: https://changed.example\r\n") {
			t.Errorf("HEADER's Origin did not go on: %q", heard)
		}
	}
	g.SetOpen(false)
	try(withFields("/list/a", allowed), 503, marked)
	try("OPTIONS /list/a HTTP/1.1\r\nHost: h\r\n"+allowed+"Access-Control-Request-Method: GET\r\n\r\n", 503, marked)
}

// TestCORSExpect: an answer that waited for the body is marked too.
func TestCORSExpect(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "list", up.url(), corsList, "POST /a"))
	c := dial(t, g.addr)
	defer c.Close()
	c.send("POST /list/a HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
	if a := c.read(); a == nil || a.StatusCode != http.StatusContinue {
		t.Fatalf("%+v, want 100", a)
	}
	c.send("x")
	if a := c.read(); a == nil || a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("answered %+v", a)
	}
}
