package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/store/quota"
)

// logGateway is a gateway with an access log.
type logGateway struct {
	*gateway
	lines *syncBuffer
}

func (g *logGateway) read(t *testing.T) (found []map[string]any) {
	t.Helper()
	for text := range strings.Lines(g.lines.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		found = append(found, line)
	}
	return found
}

// line waits for the one line of a call, which its ID or, where it has none, its
// order tells.
func (g *logGateway) line(t *testing.T, id string) (found map[string]any) {
	t.Helper()
	eventually(t, "a line of "+id, func() bool {
		for _, line := range g.read(t) {
			if line["requestId"] == id {
				found = line
			}
		}
		return found != nil
	})
	return found
}

func logTo(t *testing.T, c *Config) *syncBuffer {
	out := new(syncBuffer)
	log := accesslog.New(out, c.Logger)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	c.AccessLog = log
	return out
}

const secretField = "0ecret"

// TestAccessLog: every field is true, whoever has answered.
func TestAccessLog(t *testing.T) {
	up := startRecorder(t, says("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello"))
	gone := startRecorder(t, says(ok200))
	_ = gone.Close()
	refusing := startRecorder(t, says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) {
		lines = logTo(t, c)
		c.Quota = quotaFunc(func(domain, _ string) (quota.Verdict, error) {
			if domain == "undecided" {
				return quota.Verdict{}, io.ErrNoProgress
			}
			return quota.Verdict{Admitted: !strings.HasPrefix(domain, "exhausted")}, nil
		})
	},
		domainOf("plain", up.url(), "GET /a/{id}", "HEAD /a/{id}", "POST /a/{id}"),
		domainOf("gone", gone.url(), "GET /**"),
		parsed(t, "acl", up.url(), `"IPACL":{"isPermit":true,"ipList":[{"ip":"10.0.0.0/8"}]}`, "GET /**"),
		parsed(t, "maintenance", up.url(), `"MAINTENANCE":{"isUse":true,"statusCode":503,"body":"later"}`, "GET /**"),
		parsed(t, "counted", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":1}]}`, "GET /**"),
		parsed(t, "exhausted", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":1}]}`, "GET /**"),
		parsed(t, "exhaustedpart", up.url(), "", `GET /** "ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":1}]}`),
		parsed(t, "undecided", up.url(), `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":1}]}`, "GET /**"),
		parsed(t, "hmac", up.url(), `"HMAC":{"secretKey":"test","clockSkew":0}`, "GET /**"),
		parsed(t, "jwt", up.url(), `"JWT":{"secretKey":"test","clockSkew":0}`, "GET /**"),
		parsed(t, "cors", up.url(), corsList, "GET /**"),
		parsed(t, "pre", up.url(), "", `GET /refused "PRE_API":{"method":"GET","url":"`+refusing.url()+`/check"}`,
			`GET /gone "PRE_API":{"method":"GET","url":"`+gone.url()+`/check"}`),
		parsed(t, "rewrite", up.url(), `"URI_REWRITE":{"uriPattern":"/(","rewriteUri":"/a"}`, "GET /**"),
		parsed(t, "mock", up.url(), "", `GET /** "MOCK":{"statusCode":202,"body":"mocked"}`),
	)}
	g.lines = lines
	const parent = "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n"
	server, lost, null := up.Addr().String(), gone.Addr().String(), any(nil)
	for _, tc := range []struct {
		name, request string
		want          string // method, domain, endpoint, path; status, resultCode, plugin, quotaUnits, bytesIn
		upstream      any
	}{
		{"plain", "GET /plain/a/1?key=" + secretField + " HTTP/1.1\r\nHost: h\r\n" + parent, `GET plain GET·/a/{id} /plain/a/1 201 0 HTTP_PROXY 0 0`, server},
		{"head", "HEAD /plain/a/1 HTTP/1.1\r\nHost: h\r\n", `HEAD plain HEAD·/a/{id} /plain/a/1 201 0 HTTP_PROXY 0 0`, server},
		{"body", "POST /plain/a/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nCookie: " + secretField + "\r\n\r\n1234567", `POST plain POST·/a/{id} /plain/a/1 201 0 HTTP_PROXY 0 7`, server},
		{"chunks", "POST /plain/a/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nAuthorization: " + secretField + "\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n", `POST plain POST·/a/{id} /plain/a/1 201 0 HTTP_PROXY 0 5`, server},
		{"unknown domain", "GET /nope/a HTTP/1.1\r\nHost: h\r\n", `GET <nil> <nil> /nope/a 404 40400 <nil> 0 0`, null},
		{"unknown endpoint", "GET /plain/b HTTP/1.1\r\nHost: h\r\n", `GET plain <nil> /plain/b 404 40401 <nil> 0 0`, null},
		{"gone", "GET /gone/a HTTP/1.1\r\nHost: h\r\n", `GET gone GET·/** /gone/a 502 50200 HTTP_PROXY 0 0`, lost},
		{"acl", "GET /acl/a HTTP/1.1\r\nHost: h\r\n", `GET acl GET·/** /acl/a 403 40300 IPACL 0 0`, null},
		{"maintenance", "GET /maintenance/a HTTP/1.1\r\nHost: h\r\n", `GET maintenance GET·/** /maintenance/a 503 0 MAINTENANCE 0 0`, null},
		{"counted", "GET /counted/a HTTP/1.1\r\nHost: h\r\n", `GET counted GET·/** /counted/a 201 0 HTTP_PROXY 1 0`, server},
		{"exhausted", "GET /exhausted/a HTTP/1.1\r\nHost: h\r\n", `GET exhausted GET·/** /exhausted/a 403 20004 USAGE_QUOTA 1 0`, null},
		{"exhausted endpoint", "GET /exhaustedpart/a HTTP/1.1\r\nHost: h\r\n", `GET exhaustedpart GET·/** /exhaustedpart/a 403 20004 ENDPOINT_USAGE_QUOTA 1 0`, null},
		{"undecided", "GET /undecided/a HTTP/1.1\r\nHost: h\r\n", `GET undecided GET·/** /undecided/a 503 50300 USAGE_QUOTA 0 0`, null},
		{"hmac", "GET /hmac/a HTTP/1.1\r\nHost: h\r\n", `GET hmac GET·/** /hmac/a 401 20001 HMAC 0 0`, null},
		{"jwt", "GET /jwt/a HTTP/1.1\r\nHost: h\r\nAuthorization: " + secretField + "\r\n", `GET jwt GET·/** /jwt/a 401 20002 JWT 0 0`, null},
		{"preflight refused", "OPTIONS /cors/a HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n", `OPTIONS cors <nil> /cors/a 403 40300 CORS 0 0`, null},
		{"pre API's answer", "GET /pre/refused HTTP/1.1\r\nHost: h\r\n", `GET pre GET·/refused /pre/refused 403 0 PRE_API 0 0`, null},
		{"pre API gone", "GET /pre/gone HTTP/1.1\r\nHost: h\r\n", `GET pre GET·/gone /pre/gone 502 20008 PRE_API 0 0`, null},
		{"rewrite", "GET /rewrite/a HTTP/1.1\r\nHost: h\r\n", `GET rewrite GET·/** /rewrite/a 500 20005 URI_REWRITE 0 0`, null},
		{"mock", "GET /mock/a HTTP/1.1\r\nHost: h\r\n", `GET mock GET·/** /mock/a 202 0 MOCK 0 0`, null},
		{"malformed path", "GET /plain/%zz?a=" + secretField + " HTTP/1.1\r\nHost: h\r\n", `GET plain <nil> /plain/%zz 400 40000 <nil> 0 0`, null},
		{"userinfo", "GET http://u:" + secretField + "@h/plain/a/1 HTTP/1.1\r\nHost: h\r\n", `GET plain <nil> /plain/a/1 400 40000 <nil> 0 0`, null},
		{"unknown method", "BREW /plain/a/1 HTTP/1.1\r\nHost: h\r\n", `<nil> plain <nil> /plain/a/1 501 50100 <nil> 0 0`, null},
		{"malformed head", "nonsense\r\n", `<nil> <nil> <nil> <nil> 400 40000 <nil> 0 0`, null},
		{"control bytes", "\x01\xff\"\r\n", `<nil> <nil> <nil> <nil> 400 40000 <nil> 0 0`, null},
		{"the gateway itself", "OPTIONS * HTTP/1.1\r\nHost: h\r\n", `OPTIONS <nil> <nil> * 200 0 <nil> 0 0`, null},
	} {
		if !strings.Contains(tc.request, "\r\n\r\n") {
			tc.request += "\r\n"
		}
		before := time.Now()
		c := dial(t, g.addr)
		c.send(tc.request)
		method, _, _ := strings.Cut(tc.request, " ")
		a := c.readFor(method)
		if a == nil {
			t.Errorf("%s: no answer", tc.name)
			continue
		}
		line := g.line(t, a.Header.Get("X-Request-Id"))
		c.Close()
		after := time.Now()
		got := ""
		for _, key := range []string{"method", "domain", "endpoint", "path", "status", "resultCode", "plugin", "quotaUnits", "bytesIn"} {
			got += strings.ReplaceAll(fmt.Sprint(line[key]), " ", "·") + " "
		}
		if got = strings.TrimSpace(got); got != tc.want {
			t.Errorf("%s:\n%s, want\n%s", tc.name, got, tc.want)
		}
		if out, _ := line["bytesOut"].(float64); int(out) != len(a.body) {
			t.Errorf("%s: %v bytes out, and %d came", tc.name, out, len(a.body))
		}
		if line["upstreamAddress"] != tc.upstream || (line["upstreamSeconds"] == nil) != (tc.upstream == nil) || line["clientAddress"] != "127.0.0.1" || line["consumer"] != nil {
			t.Errorf("%s: %v", tc.name, line)
		}
		at, err := time.Parse(time.RFC3339, fmt.Sprint(line["time"]))
		total, _ := line["totalSeconds"].(float64)
		if err != nil || at.Before(before.Truncate(time.Microsecond)) || at.After(after) || total < 0 || total > after.Sub(before).Seconds() {
			t.Errorf("%s: at %v for %v s, called from %v to %v", tc.name, at, total, before, after)
		}
		if in, _ := line["upstreamSeconds"].(float64); in > total {
			t.Errorf("%s: %v s of %v at the endpoint server", tc.name, in, total)
		}
		wantTrace := null
		if strings.Contains(tc.request, parent) {
			wantTrace = "0af7651916cd43dd8448eb211c80319c"
		}
		if line["traceId"] != wantTrace || line["cut"] != nil || len(line) != 18 {
			t.Errorf("%s: %d keys, trace %v, cut by %v", tc.name, len(line), line["traceId"], line["cut"])
		}
	}
	if strings.Contains(g.lines.String(), secretField) {
		t.Errorf("a secret is in the log:\n%s", g.lines)
	}
}

// TestAccessLogQuery: the query is there when it is asked for.
func TestAccessLogQuery(t *testing.T) {
	up := startRecorder(t, says(ok200))
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) { lines = logTo(t, c); c.LogQueries = true }, domainOf("test", up.url(), everything...))}
	g.lines = lines
	id := g.get(t, "/test/a?b=%20&c").Header.Get("X-Request-Id")
	if line := g.line(t, id); line["path"] != "/test/a?b=%20&c" {
		t.Errorf("%v", line)
	}
}

// TestAccessLogStreams: the line of an answer that streams comes when it has
// ended, with its bytes and its time, and says when it was cut off.
func TestAccessLogStreams(t *testing.T) {
	const piece = 100_000
	goOn := make(chan bool)
	up := startRecorder(t, func(c net.Conn, _ int, request string) bool {
		if strings.HasPrefix(request, "GET /length") {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 2*piece, strings.Repeat("x", piece))
		} else {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", piece, strings.Repeat("x", piece))
		}
		if !<-goOn {
			return false // cut off
		}
		if strings.HasPrefix(request, "GET /length") {
			_, _ = io.WriteString(c, strings.Repeat("y", piece))
		} else {
			_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n0\r\n\r\n", piece, strings.Repeat("y", piece))
		}
		return true
	})
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) { lines = logTo(t, c) }, domainOf("test", up.url(), everything...))}
	g.lines = lines
	for _, version := range []string{"1.1", "1.0"} {
		for _, path := range []string{"length", "chunks"} {
			for _, whole := range []bool{true, false} {
				name := fmt.Sprintf("%s, HTTP/%s, whole %v", path, version, whole)
				id := strings.NewReplacer(" ", "", ",", "-").Replace(name)
				c := dial(t, g.addr)
				c.send("GET /test/" + path + " HTTP/" + version + "\r\nHost: h\r\nX-Request-Id: " + id + "\r\n\r\n")
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Fatal(name, err)
				}
				if _, err := io.CopyN(io.Discard, resp.Body, piece); err != nil {
					t.Fatal(name, err)
				}
				if strings.Contains(g.lines.String(), id) {
					t.Errorf("%s: the line is there before the end", name)
				}
				time.Sleep(20 * time.Millisecond) // the total time must have it
				goOn <- whole
				_, err = io.Copy(io.Discard, resp.Body)
				line := g.line(t, id)
				c.Close()
				want, cut := 2.0*piece, any(nil)
				if !whole {
					want, cut = piece, "endpointServer"
				}
				if line["bytesOut"] != want || line["cut"] != cut || line["totalSeconds"].(float64) < 0.02 || line["upstreamSeconds"].(float64) > line["totalSeconds"].(float64)-0.02 {
					t.Errorf("%s: %v, and the client read %v", name, line, err)
				}
			}
		}
	}
}

// TestAccessLogClientLeaves: a client that leaves in the middle is told of.
func TestAccessLogClientLeaves(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, _ int, _ string) bool {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for err == nil { // until the gateway lets go
			_, err = fmt.Fprintf(c, "1000\r\n%s\r\n", strings.Repeat("x", 4096))
		}
		return false
	})
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) { lines = logTo(t, c) }, domainOf("test", up.url(), everything...))}
	g.lines = lines
	c := dial(t, g.addr)
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: leaves\r\n\r\n")
	if _, err := io.CopyN(io.Discard, c.r, 10_000); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if line := g.line(t, "leaves"); line["cut"] != "client" || line["bytesOut"].(float64) < 4096 || line["status"] != 200.0 {
		t.Errorf("%v", line)
	}
	if got := g.metric(t, "tollgate_proxy_sent_bytes_total", "test"); got < 4096 {
		t.Errorf("%v bytes are counted", got)
	}
}

// TestAccessLogTurnedAway: a connection that is turned away has a line, too.
func TestAccessLogTurnedAway(t *testing.T) {
	up := startRecorder(t, says(ok200))
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) { lines = logTo(t, c); c.MaxConns = 1 }, domainOf("test", up.url(), everything...))}
	g.lines = lines
	c := dial(t, g.addr)
	defer c.Close()
	c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	c.read()
	a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
	line := g.line(t, a.Header.Get("X-Request-Id"))
	if line["status"] != 503.0 || line["resultCode"] != 50301.0 || line["clientAddress"] != "127.0.0.1" || line["method"] != nil || line["bytesOut"] != float64(len(a.body)) {
		t.Errorf("%v", line)
	}
}

// TestAccessLogUpload: the bytes of a body that streams are counted, also when
// the answer comes before its end.
func TestAccessLogUpload(t *testing.T) {
	up := startRecorder(t, says(ok200))
	var lines *syncBuffer
	g := &logGateway{gateway: startGateway(t, func(c *Config) { lines = logTo(t, c) }, domainOf("test", up.url(), everything...))}
	g.lines = lines
	const size = 1 << 20
	a := ask(t, g.addr, fmt.Sprintf("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
	if line := g.line(t, a.Header.Get("X-Request-Id")); line["bytesIn"] != float64(size) || line["bytesOut"] != 2.0 {
		t.Errorf("%v", line)
	}
	if got := g.metric(t, "tollgate_proxy_received_bytes_total", "test", "POST /**"); got != size {
		t.Errorf("%v bytes are counted", got)
	}
	// A body that ends too soon.
	c := dial(t, g.addr)
	c.send("POST /test/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n1234567890")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	cut := c.read()
	if line := g.line(t, cut.Header.Get("X-Request-Id")); line["bytesIn"] != 10.0 || line["resultCode"] != 40000.0 || line["plugin"] != nil {
		t.Errorf("%v", line)
	}
}
