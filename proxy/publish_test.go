package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// TestPublishUnderLoad deploys revision after revision under load. No request
// is dropped, and none has the quota of one revision and the endpoint server
// of another.
func TestPublishUnderLoad(t *testing.T) {
	const revisions, clients = 60, 4
	var taken, served [revisions + 1]atomic.Int64
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		var revision int
		if _, err := fmt.Sscanf(request, "GET /r%d/", &revision); err != nil {
			return false
		}
		served[revision].Add(1)
		return says(ok200)(c, n, request)
	})
	domain := func(revision int) *catalog.Domain {
		d := domainOf("test", fmt.Sprintf("%s/r%d", up.url(), revision), "GET /**")
		d.Endpoints[0].Pattern = fmt.Sprintf("/{r%d}", revision) // so that the ID tells the revision
		d.Endpoints[0].Plugins.UsageQuota = oneCondition("")
		return d
	}
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(_, endpoint string) (quota.Verdict, error) {
			var revision int
			if _, err := fmt.Sscanf(endpoint, "GET /{r%d}", &revision); err != nil {
				return quota.Verdict{}, err
			}
			taken[revision].Add(1)
			return quota.Verdict{Admitted: true}, nil
		})
	}, domain(0))

	var wg sync.WaitGroup
	var asked atomic.Int64
	stop := make(chan struct{})
	for range clients {
		wg.Go(func() {
			c := dial(t, g.addr)
			defer c.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.send("GET /test/a HTTP/1.1\r\nHost: h\r\n\r\n")
				if a := c.read(); a == nil || a.StatusCode != 200 {
					t.Errorf("dropped: %+v", a)
					return
				}
				asked.Add(1)
			}
		})
	}
	for revision := 1; revision <= revisions; revision++ {
		before := asked.Load()
		g.deploy(t, uint64(revision)+1, domain(revision))
		eventually(t, "requests on this revision", func() bool { return asked.Load() > before+2*clients })
	}
	close(stop)
	wg.Wait()
	for revision := range served {
		if a, b := taken[revision].Load(), served[revision].Load(); a != b {
			t.Errorf("revision %d: %d taken, %d served", revision, a, b)
		}
	}
	// Whoever came too late to an old revision has let go of its connections too.
	eventually(t, "only the last revision's connections are open", func() bool {
		return up.open() == g.table.Load().domains["test"].group.Conns()
	})
}

// TestPublishKeepsAndDrains: an unchanged domain keeps its connections, a
// replaced one's are closed when its last request is done.
func TestPublishKeepsAndDrains(t *testing.T) {
	hold := make(chan struct{})
	up := startRecorder(t, func(c net.Conn, n int, request string) bool {
		if strings.Contains(request, " /hold ") {
			<-hold
		}
		return says(ok200)(c, n, request)
	})
	same, other := domainOf("same", up.url(), everything...), domainOf("other", up.url(), everything...)
	g := startGateway(t, nil, same, other)
	g.get(t, "/same/a")
	g.get(t, "/other/a")
	held := make(chan *answer, 1)
	go func() { held <- g.get(t, "/other/hold") }()
	eventually(t, "the held request is there", func() bool { return len(up.requests()) == 0 && up.open() == 2 && g.inFlight("other") == 1 })
	compiled := g.table.Load().domains["same"]

	if err := g.Publish([]Deployment{{same, 1}, {other, 2}}); err != nil {
		t.Fatal(err)
	}
	if g.table.Load().domains["same"] != compiled {
		t.Error("an unchanged domain was compiled again")
	}
	if a := g.get(t, "/other/a"); a.StatusCode != 200 {
		t.Errorf("the new deployment: %d", a.StatusCode)
	}
	if n := up.open(); n != 3 {
		t.Errorf("%d connections, want 3: same, old other (in use), new other", n)
	}
	close(hold)
	if a := <-held; a.StatusCode != 200 {
		t.Errorf("the request in flight: %d", a.StatusCode)
	}
	eventually(t, "the old connections are closed", func() bool { return up.open() == 2 })
	g.get(t, "/same/a")
	if n := up.accepted(); n != 3 {
		t.Errorf("%d connections were made, want 3", n)
	}

	if err := g.Publish([]Deployment{{same, 1}}); err != nil {
		t.Fatal(err)
	}
	if a := g.get(t, "/other/a"); a.code() != 40400 {
		t.Errorf("a domain that is gone: %d %s", a.StatusCode, a.body)
	}
	eventually(t, "its connections are closed", func() bool { return up.open() == 1 })
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == "other" {
					t.Errorf("a domain that is gone is still in %s", f.GetName())
				}
			}
		}
	}
}

func (g *gateway) inFlight(key string) int64 { return g.table.Load().domains[key].inFlight.Load() }

// TestPublishBad: what does not compile is named and leaves the last good one
// serving; everything else goes live.
func TestPublishBad(t *testing.T) {
	up := startRecorder(t, says(ok200))
	good := func(key string) *catalog.Domain { return domainOf(key, up.url(), "GET /**") }
	g := startGateway(t, nil, good("old"))

	acl := good("acl")
	acl.Plugins.IPACL = &catalog.IPACL{IPList: []catalog.IPIn{{IP: "192.0.2.256"}}}
	preAPI := good("preapi")
	preAPI.Endpoints[0].Plugins.PreAPI = &catalog.PreAPI{Method: "GET", URL: "ftp://h/?key=hunter2"}
	setter := good("setter")
	setter.Endpoints[0].Plugins.Header = &catalog.Header{RequestHeaders: map[string]string{"X": "1\r\nY: 2"}}
	inert := good("inert")
	inert.Plugins.Maintenance = &catalog.Maintenance{}
	noServer := good("noserver")
	noServer.Plugins.HTTPProxy = nil
	err := g.Publish([]Deployment{
		{domainOf("old", up.url(), "GET no-slash"), 2}, {good("new"), 1}, {good("new"), 2}, {nil, 1},
		{acl, 1}, {preAPI, 1}, {setter, 1}, {inert, 1}, {noServer, 1},
		{domainOf("ftp", "ftp://h/", "GET /**"), 1}, {domainOf("nohost", "http://:80/", "GET /**"), 1},
		{domainOf("user", "http://u:p@h/", "GET /**"), 1}, {domainOf("query", "http://h/?a", "GET /**"), 1},
		{domainOf("twice", up.url(), "GET /a", "GET /%61"), 1},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"domain old:", "no-slash", "domain new: deployed twice", "without a domain",
		"domain acl: IPACL: \"192.0.2.256\"", "domain preapi: endpoint GET /**: PRE_API:",
		"domain setter: endpoint GET /**: HEADER:", "domain noserver:", "domain ftp:", "domain nohost:", "domain user:", "domain query:", "domain twice:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats what may be a key:\n%v", err)
	}
	for target, want := range map[string]int{"/old/a": 200, "/new/a": 200, "/inert/a": 200, "/acl/a": 404, "/noserver/a": 404, "/ftp/a": 404} {
		if a := g.get(t, target); a.StatusCode != want {
			t.Errorf("%s: answered %d, want %d", target, a.StatusCode, want)
		}
	}
}

// TestRouting: domain by the first segment to the byte, endpoint by the rest.
func TestRouting(t *testing.T) {
	up := startRecorder(t, says(ok200))
	d := domainOf("test", up.url(), "GET /**", "GET /a/{b}", "POST /a", "GET /", "GET /가 나/*", "GET /%EB%8B%A4/x", "GET /n/{n:[0-9]+}")
	var ids []string
	d.Plugins.UsageQuota = oneCondition("")
	for i := range d.Endpoints {
		d.Endpoints[i].Plugins.UsageQuota = oneCondition("")
	}
	g := startGateway(t, func(c *Config) {
		c.Quota = quotaFunc(func(_, endpoint string) (quota.Verdict, error) {
			ids = append(ids, endpoint)
			return quota.Verdict{Admitted: true}, nil
		})
	}, d, domainOf("~a.b_c-1", up.url(), "GET /x"))
	for _, tc := range []struct {
		request string
		code    int
		id      string
	}{
		{"GET /test/a/x", 0, "GET /a/{b}"},
		{"GET /test/%61/x", 0, "GET /a/{b}"},
		{"GET /test/a/x/y", 0, "GET /**"},
		{"POST /test/a", 0, "POST /a"},
		{"POST /test/a/", 40401, ""},
		{"PUT /test/a", 40401, ""},
		{"HEAD /test/a", 40401, ""},
		{"GET /test", 0, "GET /"},
		{"GET /test/", 0, "GET /"},
		{"GET /test?x", 0, "GET /"},
		{"GET /test/%ea%b0%80%20%EB%82%98/1", 0, "GET /가 나/*"},
		{"GET /test/%eb%8b%a4/x", 0, "GET /%EB%8B%A4/x"},
		{"GET /test/n/12", 0, "GET /n/{n:[0-9]+}"},
		{"GET /test/n/%31%32", 0, "GET /n/{n:[0-9]+}"},
		{"GET /test/n/x", 0, "GET /**"},
		{"GET /Test/a", 40400, ""},
		{"GET /%74est/a", 40400, ""},
		{"GET /", 40400, ""},
		{"GET //test/a", 40400, ""},
		{"GET /test;x/a", 40400, ""},
		{"GET /testx/a", 40400, ""},
		{"GET /~a.b_c-1/x", 0, ""},
	} {
		ids = nil
		method, _, _ := strings.Cut(tc.request, " ")
		c := dial(t, g.addr)
		_, _ = io.WriteString(c, tc.request+" HTTP/1.1\r\nHost: h\r\n\r\n")
		a := c.readFor(method)
		c.Close()
		if method != "HEAD" && a.code() != tc.code || (tc.code == 0) != (a.StatusCode == 200) || strings.Join(ids, " ") != tc.id {
			t.Errorf("%s: answered %d %s by %q, want %d by %q", tc.request, a.StatusCode, a.body, ids, tc.code, tc.id)
		}
	}
}
