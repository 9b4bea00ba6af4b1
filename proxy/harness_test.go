package proxy

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// patience bounds every wait of these tests.
const patience = time.Minute

// gateway is a Proxy that serves on a socket.
type gateway struct {
	*Proxy
	addr string
	reg  *prometheus.Registry
}

// startGateway starts an open Proxy with the domains; change may be nil.
func startGateway(t testing.TB, change func(*Config), domains ...*catalog.Domain) *gateway {
	t.Helper()
	g := newGateway(t, change)
	g.deploy(t, 1, domains...)
	g.SetOpen(true)
	return g
}

func newGateway(t testing.TB, change func(*Config)) *gateway {
	t.Helper()
	g := &gateway{reg: prometheus.NewRegistry()}
	cfg := Config{Quota: admitAll{}, Logger: slog.New(slog.DiscardHandler), Registerer: g.reg}
	cfg.UpstreamHold = 100 * time.Millisecond // an endpoint server of a test may be slow
	if change != nil {
		change(&cfg)
	}
	var err error
	if g.Proxy, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- g.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := g.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return g
}

func (g *gateway) deploy(t testing.TB, serial uint64, domains ...*catalog.Domain) {
	t.Helper()
	var list []Deployment
	for _, d := range domains {
		list = append(list, Deployment{d, serial})
	}
	if err := g.Publish(list); err != nil {
		t.Fatal(err)
	}
}

// metric reads one sample of a metric, the sum over its series that have all
// the label values.
func (g *gateway) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]bool{}
			for _, l := range m.GetLabel() {
				has[l.GetValue()] = true
			}
			matches := true
			for _, l := range labels {
				matches = matches && has[l]
			}
			if matches {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// domainOf makes a domain with an endpoint for each "METHOD /pattern".
func domainOf(key, url string, endpoints ...string) *catalog.Domain {
	d := &catalog.Domain{Key: key, Name: key, Schemes: []string{"http"}}
	d.Plugins.HTTPProxy = &catalog.HTTPProxy{URL: url}
	for _, e := range endpoints {
		method, pattern, _ := strings.Cut(e, " ")
		d.Endpoints = append(d.Endpoints, catalog.Endpoint{Method: method, Pattern: pattern})
	}
	return d
}

// withTargets gives a domain several endpoint servers.
func withTargets(d *catalog.Domain, urls ...string) *catalog.Domain {
	proxy := *d.Plugins.HTTPProxy
	proxy.URL, proxy.Targets = "", nil
	for _, u := range urls {
		proxy.Targets = append(proxy.Targets, catalog.Target{URL: u})
	}
	d.Plugins.HTTPProxy = &proxy
	return d
}

// everything is the endpoints of a domain that takes all methods and paths.
var everything = []string{"GET /**", "POST /**", "PUT /**", "DELETE /**", "HEAD /**", "PATCH /**", "OPTIONS /**"}

type admitAll struct{ onlyTakes }

// onlyTakes is the rest of a Quota that decides calls and nothing else.
type onlyTakes struct{}

func (onlyTakes) Standings(_ *quota.Call, into []quota.Standing) []quota.Standing { return into }

func (onlyTakes) Claim(string, []byte, time.Time) (bool, error) { return true, nil }

func (admitAll) Take(*quota.Call) (quota.Verdict, error) {
	return quota.Verdict{Admitted: true}, nil
}

// quotaFunc makes a function a Quota.
type quotaFunc func(domain, endpoint string) (quota.Verdict, error)

func (f quotaFunc) Take(c *quota.Call) (quota.Verdict, error) { return f(c.Domain, c.Endpoint) }

func (quotaFunc) Standings(c *quota.Call, into []quota.Standing) []quota.Standing {
	return onlyTakes{}.Standings(c, into)
}

func (quotaFunc) Claim(string, []byte, time.Time) (bool, error) { return true, nil }

// get asks for a target and wants an answer.
func (g *gateway) get(t testing.TB, target string) *answer {
	t.Helper()
	a := ask(t, g.addr, "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n")
	if a == nil {
		t.Fatalf("GET %s: no answer", target)
	}
	return a
}

// eventually polls until ok or the test's patience ends.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
