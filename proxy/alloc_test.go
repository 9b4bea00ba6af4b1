package proxy

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/accesslog"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/proxy/hmacsign"
	"github.com/tollgate/tollgate/proxy/turns"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// blunt is the URL of an endpoint server that allocates nothing.
func blunt(t testing.TB) string { return "http://" + turns.Serve(t, "ok") }

const usual = " HTTP/1.1\r\nHost: gateway.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=1; b=2\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n"

// signedFields are those of the full pipeline; the domain's clockSkew is 0.
var signedFields = func() string {
	const target, at = "/full/members/1?x=1", "2016-07-23T12:20:02+09:00"
	return " HTTP/1.1\r\nX-TC-Timestamp: " + at + "\r\nAuthorization: " + hmacsign.Sign("test", "GET", target, at) + "\r\nOrigin: https://a.example\r\n"
}()

// paths are the ways of a request that must not allocate.
var paths = []struct{ name, request, end string }{
	{"plain", "GET /plain/members/1?x=1" + usual, "\r\n\r\nok"},
	{"held", "GET /held/members/1?x=1" + usual, "xheld"},
	{"quota", "GET /quota/members/1?x=1" + usual, "\r\n\r\nok"},
	{"body", "POST /quota/members HTTP/1.1\r\nContent-Length: 5" + usual[len(" HTTP/1.1"):] + "hello", "\r\n\r\nok"},
	{"chunked body", "POST /quota/members HTTP/1.1\r\nTransfer-Encoding: chunked" + usual[len(" HTTP/1.1"):] + "5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n", "\r\n\r\nok"},
	{"unwanted body", "POST /nope/members HTTP/1.1\r\nContent-Length: 5" + usual[len(" HTTP/1.1"):] + "hello", `"isSuccessful":false}}`},
	{"targets", "GET /targets/members/1?x=1" + usual, "\r\n\r\nok"},
	{"round robin", "GET /roundrobin/members/1?x=1" + usual, "\r\n\r\nok"},
	{"hash of a header", "GET /hash/members/1?x=1" + usual, "\r\n\r\nok"},
	{"encoded", "GET /quota/members/%ea%b0%80" + usual, "\r\n\r\nok"},
	{"full", "GET /full/members/1?x=1" + signedFields + usual[len(" HTTP/1.1\r\n"):], "\r\n\r\nok"},
	{"pre API", "GET /preapi/members/1?x=1" + usual, "\r\n\r\nok"},
	{"preflight", "OPTIONS /full/members/1 HTTP/1.1\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a\r\nOrigin: https://a.example" + usual[len(" HTTP/1.1"):], " GMT\r\n\r\n"},
	{"wrongly signed", "GET /full/members/2" + signedFields + usual[len(" HTTP/1.1\r\n"):], `"isSuccessful":false}}`},
	{"address not allowed", "GET /acl/members/1" + usual, `"isSuccessful":false}}`},
	{"maintenance", "GET /maintenance/members/1" + usual, "\r\n\r\nlater"},
	{"mock", "GET /mock/members/1" + usual, "\r\n\r\nhello"},
	{"exhausted", "GET /exhausted/members/1" + usual, `"isSuccessful":false}}`},
	{"unknown domain", "GET /nope/members/1" + usual, `"isSuccessful":false}}`},
	{"no endpoint", "GET /plain/nope" + usual, `"isSuccessful":false}}`},
}

func leanGateway(t testing.TB, log *accesslog.Log, stats *callstats.Recorder) *gateway {
	url := blunt(t)
	withQuota := func(key string) *catalog.Domain {
		d := domainOf(key, url, "GET /members/{id}", "POST /members")
		d.Plugins.UsageQuota = oneCondition("")
		d.Endpoints[0].Plugins.UsageQuota = oneCondition("")
		return d
	}
	mock := withQuota("mock")
	mock.Endpoints[0].Plugins.Mock = mockOf(200, "hello")
	mock.Endpoints[0].Plugins.Mock.Headers = map[string]string{"Content-Type": "text/plain", "X-A": "1"}
	balanced := func(key, balance, header string) *catalog.Domain {
		d := withTargets(domainOf(key, "", "GET /members/{id}"), url, url+"/", url+"//") // one server, thrice
		d.Plugins.HTTPProxy.Balance, d.Plugins.HTTPProxy.HashHeader = balance, header
		return d
	}
	return startGateway(t, func(c *Config) {
		c.AccessLog, c.Stats = log, stats
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) // as in a node: at level info
		c.Quota = quotaFunc(func(domain, _ string) (quota.Verdict, error) {
			return quota.Verdict{Admitted: domain != "exhausted", RetryAfter: 90 * time.Second}, nil
		})
	}, domainOf("plain", url, "GET /members/{id}"), domainOf("held", "http://"+turns.Serve(t, strings.Repeat("x", 8<<10)+"held"), "GET /members/{id}"), withQuota("quota"), mock, withQuota("exhausted"),
		balanced("targets", "", ""), balanced("roundrobin", catalog.RoundRobin, ""), balanced("hash", catalog.Hash, "User-Agent"), fullPipeline(t, url),
		parsed(t, "preapi", url, "", `GET /members/{id} "PRE_API":{"method":"GET","url":"`+url+`/check"}`),
		parsed(t, "acl", url, `"IPACL":{"isPermit":false,"ipList":[{"ip":"127.0.0.0/8"}]}`, "GET /members/{id}"),
		parsed(t, "maintenance", url, `"MAINTENANCE":{"isUse":true,"statusCode":503,"body":"later"}`, "GET /members/{id}"))
}

// fullPipeline is a domain with every plugin that lets a call through by itself.
func fullPipeline(t testing.TB, url string) *catalog.Domain {
	const one = `{"usageQuotaBeans":[{"maxUsageQuota":1000000,"resetTimeSeconds":60}]}`
	return parsed(t, "full", url, `"IPACL":{"isPermit":true,"ipList":[{"ip":"10.0.0.0/8"},{"ip":"127.0.0.0/8"},{"ip":"2001:db8::/32"}]},`+
		`"MAINTENANCE":{"isUse":false,"statusCode":503},"USAGE_QUOTA":`+one+`,"HMAC":{"secretKey":"test","clockSkew":0},`+
		`"URI_REWRITE":{"uriPattern":"/{kind}/{id}","rewriteUri":"/v1/{kind}/{id}"},`+corsList,
		`GET /members/{id} "ENDPOINT_USAGE_QUOTA":`+one+`,"HEADER":{"requestHeaders":{"X-Gateway":"tollgate","Cookie":"c=1"},"responseHeaders":{"X-Gateway":"tollgate","Content-Type":"text/x"}}`)
}

// TestAllocations: a request costs no allocation, from the client's socket to
// the endpoint server's and back.
func TestAllocations(t *testing.T) {
	t.Run("without a log", func(t *testing.T) { testAllocations(t, leanGateway(t, nil, nil)) })
	t.Run("with statistics", func(t *testing.T) { testAllocations(t, leanGateway(t, nil, callstats.New())) })
	t.Run("with an access log", func(t *testing.T) { testAllocations(t, leanGateway(t, logNowhere(t), nil)) })
}

// logNowhere gives a gateway an access log that nobody reads.
func logNowhere(t testing.TB) *accesslog.Log {
	log := accesslog.New(io.Discard, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = log.Close(context.Background()) }) // it takes everything
	return log
}

func testAllocations(t *testing.T, g *gateway) {
	for _, p := range paths {
		wantNoAllocations(t, turns.Dial(t, g.addr), p.name, p.request, p.end)
	}
}

// TestAllocationsBehindProxy: nor does one that a trusted proxy has passed on.
func TestAllocationsBehindProxy(t *testing.T) {
	g := startGateway(t, trusting(t, "127.0.0.0/8", "10.0.0.0/8"), domainOf("plain", blunt(t), "GET /members/{id}"))
	for _, from := range []string{"192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666", "198.51.100.1, [2001:db8::1]:443, 10.1.1.1"} {
		request := "GET /plain/members/1 HTTP/1.1\r\nX-Forwarded-For: " + from + "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example\r\nX-Forwarded-Prefix: /outer" + usual[len(" HTTP/1.1"):]
		wantNoAllocations(t, turns.Dial(t, g.addr), from, request, "\r\n\r\nok")
	}
}

func wantNoAllocations(t *testing.T, c *turns.Client, name, raw, last string) {
	t.Helper()
	defer c.Close()
	request, end := []byte(raw), []byte(last)
	for range 100 { // buffers find their size
		c.Ask(t, request, end)
	}
	// testing.AllocsPerRun would round 0.9 down to 0.
	const runs = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		c.Ask(t, request, end)
	}
	runtime.ReadMemStats(&after)
	// A little is for what goes on beside: the garbage collector empties
	// pools, fasthttp's clock ticks. One is a single byte: what fasthttp waits
	// with for a request, in place of its buffers.
	if n := float64(after.Mallocs-before.Mallocs)/runs - 1; n > allowedAllocations {
		t.Errorf("%s: %.2f allocations a request", name, n)
	}
}

// BenchmarkProxy measures whole requests over real sockets: client, gateway
// and endpoint server share the machine.
func BenchmarkProxy(b *testing.B) {
	for _, p := range paths {
		b.Run(p.name, func(b *testing.B) {
			benchmarkPath(b, leanGateway(b, nil, nil), p.request, p.end)
		})
	}
}

func benchmarkPath(b *testing.B, g *gateway, ask, until string) {
	request, end := []byte(ask), []byte(until)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := turns.Dial(b, g.addr)
		defer c.Close()
		for pb.Next() {
			c.Ask(b, request, end)
		}
	})
}

// BenchmarkDirect is the same client at the endpoint server itself: what is
// left of BenchmarkProxy without the gateway.
func BenchmarkDirect(b *testing.B) {
	addr := blunt(b)[len("http://"):]
	request, end := []byte("GET /members/1?x=1"+usual), []byte("\r\n\r\nok")
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := turns.Dial(b, addr)
		defer c.Close()
		for pb.Next() {
			c.Ask(b, request, end)
		}
	})
}
