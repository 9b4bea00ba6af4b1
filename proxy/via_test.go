package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/upstream"
	"github.com/tollgate/tollgate/store/quota"
)

// TestViaOf: the name is a hash of the cluster's ID, the same on all nodes.
func TestViaOf(t *testing.T) {
	for id, want := range map[string]string{
		"":  "1.1 tollgate-e3b0c442",
		"c": "1.1 tollgate-2e7d2c03",
	} {
		if got := string(viaOf(id)); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// TestVia: the gateway names itself behind those that a message has passed
// already, to the endpoint server, to the Pre API and to the client, but not in
// answers of its own.
func TestVia(t *testing.T) {
	const ours = "1.1 tollgate-2e7d2c03"
	say := ok200
	var mu sync.Mutex
	up := startRecorder(t, func(c net.Conn, n int, r string) bool {
		mu.Lock()
		defer mu.Unlock()
		return says(say)(c, n, r)
	})
	pre := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "test", up.url(), "", `GET /a "PRE_API":{"method":"GET","url":"`+pre.url()+`"}`,
		`GET /set "HEADER":{"requestHeaders":{"Via":"1.1 me"},"responseHeaders":{"via":"1.1 me"}}`,
		`GET /mock "MOCK":{"statusCode":200,"headers":{"Via":"1.1 me"}}`))
	g.SetCluster("c")
	for _, tc := range []struct{ path, fields, say, request, answer string }{
		{"/a", "", "", "\r\nVia: " + ours + "\r\n", ours},
		{"/a", "VIA: 1.0 fred\r\n", "via: 1.1 x\r\n", "\r\nVia: 1.0 fred, " + ours + "\r\n", "1.1 x, " + ours},
		{"/a", "Via: 1.0 a, 1.1 b\r\nX: y\r\nvia: 1.1 c\r\n", "Via: 1.0 a\r\nX: y\r\nVia: 1.1 b (c)\r\n", "\r\nVia: 1.0 a, 1.1 b, 1.1 c, " + ours + "\r\n", "1.0 a|1.1 b (c), " + ours},
		{"/set", "Via: " + ours + "\r\n", "", "\r\nVia: " + ours + ", " + ours + "\r\n", ours},
		{"/mock", "", "", "", ""},
		{"/nope", "", "", "", ""},
	} {
		mu.Lock()
		say = strings.Replace(ok200, "\r\n", "\r\n"+tc.say, 1)
		mu.Unlock()
		a := ask(t, g.addr, "GET /test"+tc.path+" HTTP/1.1\r\nHost: h\r\n"+tc.fields+"\r\n")
		if got := strings.Join(a.Header.Values("Via"), "|"); got != tc.answer {
			t.Errorf("%s %q: answered with Via %q, want %q", tc.path, tc.fields, got, tc.answer)
		}
		heard := up.requests()
		if tc.path == "/a" {
			heard = append(heard, pre.requests()...)
		}
		for _, request := range heard {
			if strings.Count(strings.ToLower(request), "\r\nvia:") != 1 || !strings.Contains(request, tc.request) {
				t.Errorf("%s %q: went on as %q, want %q", tc.path, tc.fields, request, tc.request)
			}
		}
		if want := len(tc.request); (want > 0) != (len(heard) > 0) {
			t.Errorf("%s: %d requests went on", tc.path, len(heard))
		}
	}
}

// TestCircle: a domain whose endpoint server is the gateway itself ends after
// ten rounds, and the eleventh call is charged to nobody. Another cluster's
// name, or one in Connection, changes nothing.
func TestCircle(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	var mu sync.Mutex
	d := parsed(t, "loop", "http://"+ln.Addr().String()+"/loop", `"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":100,"resetTimeSeconds":60}]}`,
		`GET /** "HEADER":{"requestHeaders":{"via":"1.1 me","X-A":"1"}}`)
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) {
			mu.Lock()
			defer mu.Unlock()
			taken++
			return quota.Verdict{Admitted: true}, nil
		})
	}, d)
	g.SetCluster("c")
	served := make(chan error, 1)
	go func() { served <- g.Serve(ln) }()
	t.Cleanup(func() { <-served })
	t.Cleanup(func() { _ = ln.Close() })
	if a := g.get(t, "/loop/a"); a.StatusCode != 508 || a.code() != 50800 {
		t.Errorf("answered %s", a.raw)
	}
	if taken != 10 {
		t.Errorf("%d calls were counted, want 10", taken)
	}
	nine := strings.Repeat("1.1 tollgate-2e7d2c03,", 9)
	up := startRecorder(t, says(ok200))
	g.deploy(t, 2, domainOf("test", up.url(), everything...))
	for _, tc := range []struct {
		fields string
		code   int
	}{
		{"Via: " + nine + "\r\n", 0},
		{"Via: " + strings.Repeat("1.1 tollgate-00000000, ", 50) + "\r\n", 0},
		{"Via: " + nine + "\r\nvia: 1.1 tollgate-2e7d2c03\r\n", 50800},
		{"Via: " + nine + "\r\nvia: 1.1 tollgate-2e7d2c03\r\nConnection: via\r\n", 40000},
	} {
		if a := ask(t, g.addr, "GET /test/a HTTP/1.1\r\nHost: h\r\n"+tc.fields+"\r\n"); a.code() != tc.code {
			t.Errorf("%.60q: answered %s", tc.fields, a.raw)
		}
	}
}

// TestDate: an answer has the Date of whoever made it first.
func TestDate(t *testing.T) {
	up := startRecorder(t, func(c net.Conn, n int, r string) bool {
		if strings.HasPrefix(r, "GET /dated") {
			return says("HTTP/1.1 200 OK\r\ndate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 2\r\n\r\nok")(c, n, r)
		}
		return says(ok200)(c, n, r)
	})
	g := startGateway(t, nil, domainOf("test", up.url(), everything...))
	if a := g.get(t, "/test/dated"); fmt.Sprint(a.Header["Date"]) != "[Mon, 02 Jan 2006 15:04:05 GMT]" {
		t.Errorf("answered %s", a.raw)
	}
	for _, path := range []string{"/test/a", "/nope/a"} {
		before := time.Now().Truncate(time.Second)
		a := g.get(t, path)
		at, err := http.ParseTime(a.Header.Get("Date"))
		if err != nil || at.Before(before) || at.After(time.Now()) || len(a.Header["Date"]) != 1 {
			t.Errorf("%s: answered %s", path, a.raw)
		}
	}
	c := &clock{}
	for second, want := range map[int64]string{0: "Thu, 01 Jan 1970 00:00:00 GMT", 1: "Thu, 01 Jan 1970 00:00:01 GMT"} {
		for range 2 {
			if got := string(c.date(time.Unix(second, 500))); got != want {
				t.Errorf("%d: %q", second, got)
			}
		}
	}
	at := time.Unix(7, 0)
	c.date(at)
	if n := testing.AllocsPerRun(100, func() { c.date(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFailureLog: a failing server makes a line that says why, one for each
// domain and reason in ten seconds, with the number of those left out.
func TestFailureLog(t *testing.T) {
	var logs lockedBuilder
	up := httpsServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	broken := startRecorder(t, says("HTTP/1.1 000 Nothing\r\n\r\n"))
	cut := startRecorder(t, func(c net.Conn, n int, r string) bool {
		says("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", 100_000))(c, n, r)
		return false
	})
	g := startGateway(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logs, nil))
	}, domainOf("secure", up.URL, everything...), domainOf("broken", broken.url(), everything...), domainOf("cut", cut.url(), everything...),
		parsed(t, "pre", broken.url(), "", `GET /a "PRE_API":{"method":"GET","url":"`+broken.url()+`"}`))
	for range 20 {
		g.get(t, "/secure/a")
		g.get(t, "/broken/a")
	}
	g.get(t, "/pre/a")
	c := dial(t, g.addr)
	defer c.Close()
	c.send("GET /cut/a HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, want := range []string{
		`level=WARN msg="an endpoint server failed" domain=secure server=` + up.Listener.Addr().String() + ` reason=connect error="tls: failed to verify certificate: x509: certificate signed by unknown authority" omitted=0`,
		`level=WARN msg="an endpoint server failed" domain=broken server=` + broken.Addr().String() + ` reason=broken error="the answer's status is 000: it must be 100 to 599" omitted=0`,
		`level=WARN msg="a Pre API failed" domain=pre server=` + broken.Addr().String() + ` reason=broken`,
		`level=WARN msg="an endpoint server failed" domain=cut server=` + cut.Addr().String() + ` reason=broken error="unexpected EOF" omitted=0`,
	} {
		eventually(t, "the log has "+want, func() bool { return strings.Contains(logs.String(), want) })
	}
	if n := strings.Count(logs.String(), "level=WARN"); n != 4 {
		t.Errorf("%d lines:\n%s", n, logs.String())
	}

	logs.Reset()
	l := failureLog{log: slog.New(slog.NewTextHandler(&logs, nil)), msg: "failed", domain: "d"}
	start := time.Now()
	e := &upstream.Error{Reason: upstream.Busy, Err: fmt.Errorf("all busy")}
	for i := range 101 {
		l.add("s", e, start.Add(time.Duration(i)*100*time.Millisecond))
	}
	if n := strings.Count(logs.String(), "\n"); n != 2 || !strings.Contains(logs.String(), "reason=busy error=\"all busy\" omitted=99") {
		t.Errorf("%d lines:\n%s", n, logs.String())
	}
}

// lockedBuilder is a strings.Builder for several writers.
type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuilder) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
