package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proxy/gate"
	"github.com/tollgate/tollgate/proxy/subnet"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// trusting makes a gateway trust proxies.
func trusting(t testing.TB, proxies ...string) func(*Config) {
	t.Helper()
	var list []netip.Prefix
	for _, p := range proxies {
		s, err := subnet.Parse(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return func(c *Config) { c.TrustedProxies = list }
}

// aProxy is the address from which trusted proxies call in these tests, aClient
// that of everybody else.
const aProxy, aClient = 9, 1

// TestClientAddress: whose call it is, by X-Forwarded-For of a trusted proxy.
func TestClientAddress(t *testing.T) {
	const behind = "127.0.0.9"
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing", nil, behind},
		{"empty", []string{""}, behind},
		{"one", []string{"192.0.2.1"}, "192.0.2.1"},
		{"spoofed", []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		{"spoofed as a proxy", []string{"10.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		{"chained", []string{"198.51.100.7, 192.0.2.1, 10.0.0.1, 10.255.0.1"}, "192.0.2.1"},
		{"nobody but proxies", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"without spaces", []string{"192.0.2.1,10.0.0.2,10.0.0.1"}, "192.0.2.1"},
		{"spaces and tabs", []string{"\t 192.0.2.1 \t,\t10.0.0.2 "}, "192.0.2.1"},
		{"two lines", []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		{"two lines, the last one of proxies", []string{"198.51.100.7, 192.0.2.1", "10.0.0.2, 10.0.0.1"}, "192.0.2.1"},
		{"two lines, the last one empty", []string{"192.0.2.1", ""}, behind},
		{"port", []string{"192.0.2.1:65535"}, "192.0.2.1"},
		{"IPv6", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6, long", []string{"2001:0DB8:0:0:0:0:0:1"}, "2001:db8::1"},
		{"IPv6 in brackets", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with a port", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"IPv6 of a proxy", []string{"192.0.2.1, fd00::1"}, "192.0.2.1"},
		{"IPv4 in IPv6", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a proxy's IPv4 in IPv6", []string{"192.0.2.1, ::ffff:10.0.0.1"}, "192.0.2.1"},
		{"IPv4 in IPv6 with a port", []string{"[::ffff:192.0.2.1]:1"}, "192.0.2.1"},
		{"zone", []string{"fe80::1%eth0"}, "fe80::1"},
		{"zone, brackets and port", []string{"[fe80::1%eth0]:80"}, "fe80::1"},
		{"unknown", []string{"192.0.2.1, unknown"}, behind},
		{"hidden", []string{"192.0.2.1, _gazonk, 10.0.0.1"}, "10.0.0.1"},
		{"an empty entry", []string{"192.0.2.1, , 10.0.0.1"}, "10.0.0.1"},
		{"a comma at the end", []string{"192.0.2.1,"}, behind},
		{"a comma at the beginning", []string{",192.0.2.1"}, "192.0.2.1"},
		{"garbage", []string{"192.0.2.1, 10.0.0.1 10.0.0.2"}, behind},
		{"garbage left of the client", []string{"<script>, 192.0.2.1"}, "192.0.2.1"},
		{"quoted", []string{`"192.0.2.1"`}, behind},
		{"of Forwarded", []string{`for=192.0.2.1`}, behind},
		{"a name", []string{"client.example"}, behind},
		{"a subnet", []string{"192.0.2.0/24"}, behind},
		{"three numbers", []string{"192.0.2"}, behind},
		{"too large a number", []string{"192.0.2.256"}, behind},
		{"leading zeros", []string{"192.0.02.1"}, behind},
		{"hexadecimal", []string{"0xC0000201"}, behind},
		{"port that is none", []string{"192.0.2.1:65536"}, behind},
		{"port missing", []string{"192.0.2.1:"}, behind},
		{"port with a sign", []string{"192.0.2.1:+1"}, behind},
		{"bracket missing", []string{"[2001:db8::1"}, behind},
		{"IPv4 in brackets", []string{"[192.0.2.1]"}, behind},
		{"something behind the bracket", []string{"[2001:db8::1]x"}, behind},
		{"zone of IPv4", []string{"192.0.2.1%eth0"}, behind},
		{"zone missing", []string{"fe80::1%"}, behind},
		{"many", []string{strings.Repeat("198.51.100.7, ", 500) + "192.0.2.1"}, "192.0.2.1"},
		{"many proxies", []string{"192.0.2.1" + strings.Repeat(", 10.0.0.1", 1000)}, "192.0.2.1"},
		{"many commas", []string{strings.Repeat(",", 5000)}, behind},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := ""
			up := startRecorder(t, says(ok200))
			g := startGateway(t, trusting(t, "127.0.0.9", "10.0.0.0/8", "fd00::/8"), domainOf("test", up.url(), everything...))
			c := dialFrom(t, g.addr, aProxy)
			defer c.Close()
			var lines strings.Builder
			for _, line := range tc.lines {
				fmt.Fprintf(&lines, "x-forwarded-for: %s\r\n", line)
			}
			c.send(withFields("/test/a", lines.String()))
			if a := c.read(); a == nil || a.StatusCode != 200 {
				t.Fatalf("answered %+v", a)
			}
			heard := strings.Join(up.requests(), "")
			_, client, _ = strings.Cut(heard, "\r\nForwarded: for=")
			client, _, _ = strings.Cut(client, ";")
			want := tc.want
			if strings.Contains(want, ":") {
				want = `"[` + want + `]"`
			}
			if client != want {
				t.Errorf("%q: taken for %s, want %s", tc.lines, client, want)
			}
			// The chain goes on, whatever is in it.
			chain := ""
			for _, line := range tc.lines {
				if line = strings.Trim(line, " \t"); line != "" {
					chain += line + ", "
				}
			}
			if want := "\r\nX-Forwarded-For: " + chain + behind + "\r\n"; !strings.Contains(heard, want) {
				t.Errorf("went on as %q, want %q", heard, want)
			}
		})
	}
}

// TestForwarded: what goes on of X-Forwarded-* and Forwarded, from a trusted
// proxy and from anybody else.
func TestForwarded(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, trusting(t, "127.0.0.9", "10.0.0.0/8"), domainOf("test", up.url(), everything...))
	of := func(from byte, raw string) string {
		t.Helper()
		c := dialFrom(t, g.addr, from)
		defer c.Close()
		c.send(raw)
		if a := c.read(); a == nil || a.StatusCode != 200 {
			t.Fatalf("%q: answered %+v", raw, a)
		}
		heard := strings.Join(up.requests(), "")
		i := strings.Index(heard, "X-Forwarded-For")
		return strings.ReplaceAll(strings.TrimSuffix(heard[i:], "\r\n\r\n"), "\r\n", "\n")
	}
	const spoofed = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=1.1.1.1\r\nX-Real-Ip: 1.1.1.1\r\n"
	for _, tc := range []struct {
		name   string
		from   byte
		fields string
		want   string
	}{
		{"anybody", aClient, "", "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.1;host=h;proto=http"},
		{"anybody, spoofed", aClient, spoofed, "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.1;host=h;proto=http"},
		{"proxy that says nothing", aProxy, "", "X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=http"},
		{"proxy", aProxy, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example:8443\r\nX-Forwarded-Prefix: /outer\r\nForwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\nX-Forwarded-Port: 6\r\n",
			"X-Forwarded-For: 192.0.2.1, 127.0.0.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: api.example:8443\nX-Forwarded-Prefix: /outer/test\nForwarded: for=192.0.2.1;host=\"api.example:8443\";proto=https"},
		{"IPv6", aProxy, "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Host: [2001:db8::2]\r\n",
			"X-Forwarded-For: 2001:db8::1, 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: [2001:db8::2]\nX-Forwarded-Prefix: /test\nForwarded: for=\"[2001:db8::1]\";host=\"[2001:db8::2]\";proto=http"},
		{"several values: the nearest proxy's", aProxy, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https, http\r\nX-Forwarded-Host: evil, api.example\r\nX-Forwarded-Prefix: /a/, /b\r\nX-Forwarded-Prefix: /c\r\n",
			"X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: api.example\nX-Forwarded-Prefix: /a/b/c/test\nForwarded: for=127.0.0.9;host=api.example;proto=http"},
		{"WebSocket", aProxy, "X-Forwarded-Proto: WSS\r\n", "X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=https"},
		{"what is none is not believed", aProxy, "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a\"b;proto=x\r\nX-Forwarded-Prefix: //evil.example\r\n",
			"X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=http"},
		{"prefix with dots", aProxy, "X-Forwarded-Prefix: /a/%2e%2e\r\n", "X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=http"},
		{"empty", aProxy, "X-Forwarded-Proto:\r\nX-Forwarded-Host:\r\nX-Forwarded-Prefix:\r\nX-Forwarded-For:\r\n", "X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=http"},
		{"prefix of the root", aProxy, "X-Forwarded-Prefix: /\r\n", "X-Forwarded-For: 127.0.0.9\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-Forwarded-Prefix: /test\nForwarded: for=127.0.0.9;host=h;proto=http"},
	} {
		if got := of(tc.from, withFields("/test/a", tc.fields)); got != tc.want {
			t.Errorf("%s: went on as\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
	if got, want := of(aClient, "GET /test/a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), `Forwarded: for=127.0.0.1;host="[::1]:80";proto=http`; !strings.HasSuffix(got, want) {
		t.Errorf("went on as\n%s\nwant %s", got, want)
	}
	// Nothing of one call is left in the next one of the connection.
	c := dialFrom(t, g.addr, aProxy)
	defer c.Close()
	for _, client := range []string{"2001:db8:1111:2222:3333:4444:5555:6666", "192.0.2.1", ""} {
		c.send(withFields("/test/a", map[bool]string{true: "X-Forwarded-Prefix: /p\r\nX-Forwarded-For: " + client + "\r\n", false: ""}[client != ""]))
		c.read()
		heard := strings.Join(up.requests(), "")
		want := map[bool]string{true: "/p/test\r\nForwarded: for=", false: ": /test\r\nForwarded: for=127.0.0.9;"}[client != ""]
		if !strings.Contains(heard, want) || client != "" && strings.Count(heard, client) != 2 {
			t.Errorf("%s: went on as %q", client, heard)
		}
	}
}

// TestBehindProxy: access control and limits go by the client that a trusted
// proxy names, call by call, and the proxy's connections have no limit.
func TestBehindProxy(t *testing.T) {
	hold := make(chan struct{})
	up := startRecorder(t, says(ok200))
	slow := startRecorder(t, func(c net.Conn, n int, request string) bool { <-hold; return says(ok200)(c, n, request) })
	taken := 0
	g := startGateway(t, func(c *Config) {
		trusting(t, "127.0.0.9")(c)
		c.MaxConns, c.MaxConnsPerClient, c.MaxCallsPerClient = 100, 2, 2
		c.Quota = quotaFunc(func(string, string) (quota.Verdict, error) { taken++; return quota.Verdict{Admitted: true}, nil })
	}, domainOf("slow", slow.url(), everything...), parsed(t, "acl", up.url(), `"IPACL":{"isPermit":true,"ipList":[{"ip":"192.0.2.0/24"}]}`, "GET /a"))
	var open []*client
	for range 8 {
		c := dialFrom(t, g.addr, aProxy)
		defer c.Close()
		open = append(open, c)
	}
	call := func(c *client, target, from string) *answer {
		c.send(withFields(target, "X-Forwarded-For: "+from+"\r\n"))
		return c.read()
	}
	for from, want := range map[string]int{"192.0.2.1": 200, "198.51.100.1": 403, "192.0.2.1, 198.51.100.1": 403, "198.51.100.1, 192.0.2.1": 200, "nobody": 403} {
		if a := call(open[0], "/acl/a", from); a == nil || a.StatusCode != want {
			t.Errorf("from %s: answered %+v, want %d", from, a, want)
		}
	}
	for i, from := range []string{"192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"} {
		open[i].send(withFields("/slow/a", "X-Forwarded-For: "+from+"\r\n"))
	}
	eventually(t, "four calls are in flight", func() bool { return g.inFlight("slow") == 4 })
	for from, want := range map[string]int{"192.0.2.1": 429, "192.0.2.2": 200, "2001:db8::3": 429, "2001:db8:0:1::1": 403} {
		if a := call(open[4], "/acl/a", from); a == nil || a.StatusCode != want {
			t.Errorf("%s, who has two calls in flight or none: answered %+v, want %d", from, a, want)
		}
	}
	close(hold)
	for _, c := range open[:4] {
		c.read()
	}
	if a := call(open[0], "/acl/a", "192.0.2.1"); a == nil || a.StatusCode != 200 {
		t.Errorf("when its calls are over: answered %+v", a)
	}
	for _, c := range open {
		c.Close()
	}
	eventually(t, "nobody is counted any more", func() bool {
		g.clients.mu.Lock()
		defer g.clients.mu.Unlock()
		return len(g.clients.by) == 0 && g.clients.conns == 0
	})
	if taken != 0 {
		t.Errorf("%d units taken of no quota", taken)
	}
}

// TestBodyShareBehindProxy: an eighth of the bodies' memory is for each client
// that a trusted proxy names.
func TestBodyShareBehindProxy(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, func(c *Config) {
		trusting(t, "127.0.0.9")(c)
		c.BodyMemory, c.BodyTimeout = 8<<20, patience
	}, domainOf("test", up.url(), everything...))
	const length = 300 << 10
	begin := func(from string) *client {
		c := dialFrom(t, g.addr, aProxy)
		c.send(fmt.Sprintf("POST /test/a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n%s", from, length, strings.Repeat("x", 60<<10)))
		return c
	}
	full := false
	for range 40 {
		c := begin("192.0.2.1")
		defer c.Close()
	}
	eventually(t, "one client has its share", func() bool {
		g.clients.mu.Lock()
		defer g.clients.mu.Unlock()
		full = full || g.metric(t, "tollgate_proxy_refusals_total", "50301") > 0
		return full
	})
	refused := g.metric(t, "tollgate_proxy_refusals_total", "50301")
	c := begin("192.0.2.2")
	defer c.Close()
	c.send(strings.Repeat("x", length-60<<10))
	if a := c.read(); a == nil || a.StatusCode != 200 {
		t.Errorf("another client, when %v of the first were refused: answered %+v", refused, a)
	}
}

// TestRequireHTTPS: a domain of https alone wants it, by what a trusted proxy
// says, else by the connection; and says so before anything else of the domain.
func TestRequireHTTPS(t *testing.T) {
	up := startRecorder(t, says(ok200))
	var domains []*catalog.Domain
	for key, schemes := range map[string][]string{"secure": {"https"}, "both": {"http", "https"}, "plain": {"http"}, "open": nil} {
		d := parsed(t, key, up.url(), `"IPACL":{"isPermit":true,"ipList":[{"ip":"127.0.0.0/8"}]},"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":1,"resetTimeSeconds":60}]},`+corsList, "GET /a")
		d.Schemes = schemes
		domains = append(domains, d)
	}
	taken := map[string]int{}
	for _, required := range []bool{true, false} {
		g := startGateway(t, func(c *Config) {
			trusting(t, "127.0.0.9")(c)
			c.RequireHTTPS = required
			c.Quota = quotaFunc(func(domain, _ string) (quota.Verdict, error) {
				taken[domain]++
				return quota.Verdict{Admitted: true}, nil
			})
		}, domains...)
		for _, tc := range []struct {
			key, fields string
			from        byte
			refused     bool
		}{
			{"secure", "", aClient, true},
			{"secure", "X-Forwarded-Proto: https\r\n", aClient, true},
			{"secure", "", aProxy, true},
			{"secure", "X-Forwarded-Proto: http\r\n", aProxy, true},
			{"secure", "X-Forwarded-Proto: https\r\n", aProxy, false},
			{"secure", "X-Forwarded-Proto: https, http\r\n", aProxy, true},
			{"secure", "X-Forwarded-Proto: x\r\n", aProxy, true},
			{"both", "", aClient, false},
			{"plain", "", aClient, false},
			{"plain", "X-Forwarded-Proto: https\r\n", aProxy, false},
			{"open", "", aClient, false},
		} {
			c := dialFrom(t, g.addr, tc.from)
			before := taken[tc.key]
			c.send(withFields("/"+tc.key+"/a", "Origin: https://a.example\r\n"+tc.fields))
			a := c.read()
			switch refused := tc.refused && required; {
			case a == nil:
				t.Fatalf("%+v: no answer", tc)
			case refused && (a.StatusCode != 403 || a.code() != 40301 || a.Close || taken[tc.key] != before || a.Header.Get("Access-Control-Allow-Origin") == ""):
				t.Errorf("%+v: answered %s, %d units taken", tc, a.raw, taken[tc.key]-before)
			case !refused && a.StatusCode != 200:
				t.Errorf("%+v, required %v: answered %s", tc, required, a.raw)
			}
			explained := g.Explain(ExplainRequest{Method: "GET", URL: "/" + tc.key + "/a", ClientIP: netip.AddrFrom4([4]byte{127, 0, 0, tc.from}), Headers: fieldMap(tc.fields)})
			if refused := explained.Answer != nil && explained.Answer.ResultCode == 40301; refused != (tc.refused && required) {
				t.Errorf("%+v: explained as %+v", tc, explained.Answer)
			}
			c.send("OPTIONS /" + tc.key + "/a HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n" + tc.fields + "\r\n")
			if a := c.read(); a == nil || (a.code() == 40301) != (tc.refused && required) {
				t.Errorf("%+v: preflight answered %+v", tc, a)
			}
			_ = c.Close()
		}
		// Where nobody knows whether the peer is trusted, nothing is known.
		e := g.Explain(ExplainRequest{Method: "GET", URL: "/secure/a", Headers: map[string]string{"X-Forwarded-Proto": "https"}})
		if e.Answer != nil {
			t.Errorf("explained without an address as %+v", e.Answer)
		}
		if e = g.Explain(ExplainRequest{Method: "GET", URL: "/secure/a"}); required != (e.Answer != nil && e.Answer.ResultCode == 40301) {
			t.Errorf("explained without an address and X-Forwarded-Proto as %+v", e.Answer)
		}
	}
}

// fieldMap is header lines as ExplainRequest has them.
func fieldMap(lines string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			m[name] = value
		}
	}
	return m
}

// TestExplainBehindProxy: an explanation believes a trusted proxy as a call does.
func TestExplainBehindProxy(t *testing.T) {
	g := startGateway(t, trusting(t, "10.0.0.0/8"), parsed(t, "test", "http://up.example", `"IPACL":{"isPermit":true,"ipList":[{"ip":"192.0.2.0/24"}]}`, "GET /a"))
	r := ExplainRequest{Method: "GET", URL: "/test/a", ClientIP: netip.MustParseAddr("10.0.0.1"), Headers: map[string]string{
		"Host": "h", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/p", "Forwarded": "for=6.6.6.6",
	}}
	e := g.Explain(r)
	if e.Call == nil {
		t.Fatalf("explained as %+v", e.Answer)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.1, 10.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "h",
		"X-Forwarded-Prefix": "/p/test", "Forwarded": "for=192.0.2.1;host=h;proto=https",
	} {
		if got := e.Call.SetHeaders[name]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if fmt.Sprint(e.Call.DroppedHeaders) != "[Forwarded]" {
		t.Errorf("dropped: %q", e.Call.DroppedHeaders)
	}
	r.ClientIP = netip.MustParseAddr("192.0.2.9")
	if e = g.Explain(r); e.Call == nil || e.Call.SetHeaders["X-Forwarded-For"] != "192.0.2.9" || len(e.Call.DroppedHeaders) != 4 {
		t.Errorf("from a stranger explained as %+v", e.Call)
	}
}

// FuzzForwarded compares the walk with an obvious one, and sees that what goes
// on is lines of their own whatever was sent.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "192.0.2.1", "10.0.0.1,192.0.2.1, 10.0.0.2", "[2001:db8::1]:80, ::ffff:10.0.0.1", "fe80::1%eth0,10.1.1.1:5", ",,", "10.0.0.1:, 10.0.0.1", "[10.0.0.1]:1"} {
		f.Add(seed, "https", "h:1", "/a,/b/", "10.0.0.9")
		f.Add("1.1.1.1", seed, seed, seed, "192.0.2.1")
	}
	trusted := subnet.NewList([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	f.Fuzz(func(t *testing.T, forwardedFor, proto, host, prefix, from string) {
		peer, err := netip.ParseAddr(from)
		if err != nil {
			return
		}
		peer = subnet.Plain(peer)
		p := &Proxy{trusted: trusted}
		c := &call{proxy: p}
		block := "Host: h\r\nX-Forwarded-For: 10.9.9.9\r\nX-Forwarded-For: " + forwardedFor + "\r\nX-Forwarded-Proto: " + proto +
			"\r\nX-Forwarded-Host: " + host + "\r\nX-Forwarded-Prefix: " + prefix + "\r\n\r\n"
		raw := gate.Raw{Method: []byte("GET"), Target: []byte("/key/a"), Protocol: []byte("HTTP/1.1"), Header: []byte(block)}
		if c.Request.Read(raw, 200) != nil || len(c.Request.Fields) != 6 {
			return
		}
		p.cfg.ClientTLS = nil
		c.pretendFrom(peer)
		want := peer
		for entries := strings.Split("10.9.9.9,"+forwardedFor, ","); len(entries) > 0 && trusted.Contains(want); entries = entries[:len(entries)-1] {
			addr, ok := obviousEntry(strings.Trim(entries[len(entries)-1], " \t"))
			if !ok {
				break
			}
			want = addr
		}
		if c.Client != want {
			t.Fatalf("%q from %v: taken for %v, want %v", forwardedFor, peer, c.Client, want)
		}
		lines := string(c.Upstream.AppendForwarded(nil))
		if n := strings.Count(lines, "\n"); n != 0 && n != 5 || strings.Count(lines, "\r") != n {
			t.Fatalf("went on as %q", lines)
		}
		if strings.Contains(lines, "Forwarded: for=") && strings.Count(lines[strings.Index(lines, "\r\nForwarded: ")+2:], `"`)%2 != 0 {
			t.Fatalf("quotes are left open: %q", lines)
		}
	})
}

// obviousEntry is parseEntry by way of the library.
func obviousEntry(s string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return subnet.Plain(p.Addr()), true
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' && strings.Contains(s, ":") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	return subnet.Plain(a), err == nil
}
