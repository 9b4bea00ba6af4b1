package bench

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/proxy/route"
	"github.com/tollgate/tollgate/store/catalog"
)

// defaults is the configuration of a run without flags.
func defaults() Config {
	return Config{Warmup: DefaultWarmup, Slice: DefaultSlice, Slices: DefaultSlices, Peers: true}
}

func defaultPoints(t *testing.T) []point {
	t.Helper()
	cfg := defaults()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	points, err := cfg.points()
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// TestScenarios: names are good and unique, quotas are ones that can be judged,
// and the whole run keeps to its time.
func TestScenarios(t *testing.T) {
	form := regexp.MustCompile(`^[a-z-]{1,32}$`)
	names := map[string]bool{}
	for i := range Scenarios {
		s := &Scenarios[i]
		if !form.MatchString(s.Name) || names[s.Name] || s.Summary == "" {
			t.Errorf("scenario %d: name %q, summary %q", i, s.Name, s.Summary)
		}
		names[s.Name] = true
	}
	points := defaultPoints(t)
	results := map[string]bool{}
	for i := range points {
		p := &points[i]
		if results[p.name()] {
			t.Errorf("two points are named %s", p.name())
		}
		results[p.name()] = true
		for _, q := range p.Quotas {
			if q.Limit%uint64(p.Units) != 0 {
				t.Errorf("%s: %d calls of %d units do not use a quota up", p.name(), q.Limit, p.Units)
			}
			if q.Limit < p.Quotas[0].Limit {
				t.Errorf("%s: the quota that is judged, %+v, is not the first to be used up: %+v", p.name(), p.Quotas[0], q)
			}
		}
	}
	r := run{cfg: defaults()}
	whole := r.estimate(points)
	if whole >= 10*time.Minute {
		t.Errorf("the default run takes about %v", whole)
	}
	if r.cfg.Peers = false; r.estimate(points) >= whole {
		t.Error("peers take no time")
	}
}

// TestDocuments: nodes take the documents of every point without a warning, with
// as many endpoints and quotas as the scenario says, and the calls find them.
func TestDocuments(t *testing.T) {
	for _, p := range defaultPoints(t) {
		doc, err := p.document(p.keys()[0], "http://127.0.0.1:8080", 1)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := catalog.Parse(doc, node.ParseOptions())
		if err != nil || parsed.Warnings != nil && p.Auth != SingleUse { // which warns of the rate that it can take
			t.Errorf("%s: %v, %+v", p.name(), err, parsed)
			continue
		}
		counters := 0
		for _, q := range p.Quotas {
			if q.On == OnCaller {
				counters++
				continue
			}
			counters += p.counters(q) / p.Domains
		}
		if d := parsed.Domain; len(d.Endpoints) != p.Endpoints || len(d.Conditions()) != counters {
			t.Errorf("%s: %d endpoints with %d conditions, want %d with %d", p.name(), len(d.Endpoints), len(d.Conditions()), p.Endpoints, counters)
		}
	}
}

// calls makes calls of a setup as the load does, n of each connection.
func calls(t *testing.T, s Setup, n int) (requests []string, cells []int) {
	t.Helper()
	prepare, err := s.prepare(time.Second, slices.Repeat([]string{"tg_key"}, s.Domains*s.callers()))
	if err != nil {
		t.Fatal(err)
	}
	for conn := range s.Connections {
		var req fasthttp.Request
		for i := range n {
			cells = append(cells, prepare(&req, conn, i))
			requests = append(requests, string(req.Header.Method())+" "+string(req.RequestURI()))
		}
	}
	return requests, cells
}

// TestCallers: every caller of every domain has a cell and a counter of its own,
// and calls of strangers have none.
func TestCallers(t *testing.T) {
	q := Quota{OnCaller, 10, time.Hour}
	s := Setup{Nodes: 3, Domains: 2, Endpoints: 2, Callers: 5, Strangers: true, Units: 1, Connections: 4, Quotas: []Quota{q}}
	prepare, err := s.prepare(time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	strangers := map[string]bool{}
	counterOf := map[string]int{}
	for conn := range s.Connections {
		var req fasthttp.Request
		for i := range 80 {
			cell := prepare(&req, conn, i)
			who := string(req.Header.Peek(callerField))
			if cell < 0 {
				if strangers[who] || i%2 == 0 {
					t.Errorf("%s, call %d: not a stranger", who, i)
				}
				strangers[who] = true
				continue
			}
			domain, _, _ := strings.Cut(string(req.RequestURI()[1:]), "/")
			counter := s.counter(q, int32(cell))
			if other, met := counterOf[domain+who]; met && other != counter || counter >= s.counters(q) {
				t.Errorf("%s of %s is on counter %d and on %d of %d", who, domain, other, counter, s.counters(q))
			}
			counterOf[domain+who] = counter
		}
	}
	if len(counterOf) != 10 || len(strangers) != 160 {
		t.Errorf("%d callers of 10, %d strangers of 160", len(counterOf), len(strangers))
	}
}

// TestCells: the cell of a call says which node it goes to, and which counter
// of which quota it is on.
func TestCells(t *testing.T) {
	s := Setup{Nodes: 3, Domains: 2, Endpoints: 4, Connections: 5, Quotas: []Quota{{OnDomain, 10, time.Hour}, {OnEndpoint, 10, time.Hour}}}
	requests, cells := calls(t, s, 16)
	met := map[string]bool{}
	for i, cell := range cells {
		conn := i / 16
		if cell < 0 || cell >= s.cells() || s.node(int32(cell)) != conn%3 {
			t.Fatalf("call %d of connection %d is on cell %d", i%16, conn, cell)
		}
		domain, counter := s.counter(s.Quotas[0], int32(cell)), s.counter(s.Quotas[1], int32(cell))
		want := fmt.Sprintf("GET /bench%d/items%d/42?view=full", domain, counter-4*domain)
		if requests[i] != want || counter/4 != domain {
			t.Errorf("cell %d, domain %d, counter %d: %s", cell, domain, counter, requests[i])
		}
		met[requests[i]] = true
	}
	if len(met) != 8 {
		t.Errorf("%d of 8 endpoints were called", len(met))
	}
	if n := s.counters(s.Quotas[0]); n != 2 {
		t.Errorf("%d counters of domains", n)
	}
	if n := s.counters(s.Quotas[1]); n != 8 {
		t.Errorf("%d counters of endpoints", n)
	}
	s.Quotas = nil
	if _, cells := calls(t, s, 2); slices.Max(cells) != -1 || s.cells() != 0 {
		t.Errorf("calls without a quota are on cells %v", cells)
	}
}

// TestCallsMatch: what is called is an endpoint of the document, and the rewrite
// of the pipeline takes it.
func TestCallsMatch(t *testing.T) {
	compiled, err := route.Compile(pattern(17))
	if err != nil {
		t.Fatal(err)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(target("key", 17), "/key"), "?")
	if !compiled.Match(path) {
		t.Errorf("%s does not match %s", path, pattern(17))
	}
}

func TestPoints(t *testing.T) {
	s := Scenario{Name: "s", Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 5, time.Second}}}}
	for _, c := range []struct {
		vary Axis
		want string
	}{
		{Axis{VaryNodes, []Value{{Number: 5, Label: "3+2", Nonvoters: 2}}}, `s/nodes=3+2 {"Nodes":5,"Nonvoters":2,"Domains":1,"Endpoints":1,"Connections":64}`},
		{Axis{VaryDomains, numbers(7)}, `s/domains=7 {"Nodes":3,"Nonvoters":0,"Domains":7,"Endpoints":1,"Connections":64}`},
		{Axis{VaryCounters, numbers(9)}, `s/counters=9 {"Nodes":3,"Nonvoters":0,"Domains":1,"Endpoints":9,"Connections":64}`},
		{Axis{VaryConnections, numbers(2)}, `s/connections=2 {"Nodes":3,"Nonvoters":0,"Domains":1,"Endpoints":1,"Connections":2}`},
	} {
		s.Vary = c.vary
		points, err := s.points()
		if err != nil || len(points) != 1 {
			t.Fatalf("%v: %v, %v", c.vary, points, err)
		}
		p := points[0]
		b, err := json.Marshal(struct{ Nodes, Nonvoters, Domains, Endpoints, Connections int }{p.Nodes, p.Nonvoters, p.Domains, p.Endpoints, p.Connections})
		if got := p.name() + " " + string(b); err != nil || got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	s.Vary = Axis{VaryLimit, numbers(70, 80)}
	points, err := s.points()
	if err != nil || points[0].Quotas[0].Limit != 70 || points[1].Quotas[0].Limit != 80 || s.Quotas[0].Limit != 5 {
		t.Errorf("limits: %+v, %v; the scenario's own is %d", points, err, s.Quotas[0].Limit)
	}
	for _, bad := range []struct {
		change func(*Scenario)
		want   string
	}{
		{func(s *Scenario) { s.Nodes = 0 }, "scenario s: nodes are 0: must be 1 to 9"},
		{func(s *Scenario) { s.Nonvoters = 3 }, "scenario s: non-voters are 3: must be 0 to 2"},
		{func(s *Scenario) { s.Domains, s.Endpoints = 1000, 1000 }, "scenario s: domains × endpoints × callers are 1e+06: must be 1 to 100000"},
		{func(s *Scenario) { s.Vary = Axis{"colours", numbers(1)} }, `scenario s: nothing varies "colours"`},
		{func(s *Scenario) { s.Nonvoters, s.During = 1, KillLeader }, "scenario s: it kills the leader of 2 voters: must be 3 or more"},
	} {
		s := Scenario{Name: "s", Setup: Setup{Nodes: 3}}
		bad.change(&s)
		if _, err := s.points(); err == nil || err.Error() != bad.want {
			t.Errorf("got %v, want %s", err, bad.want)
		}
	}
}

// TestConfig: what a person asks for is what is measured, and everything that
// is wrong with it is said at once.
func TestConfig(t *testing.T) {
	cfg := defaults()
	cfg.Scenarios = []string{"log", "open-loop", "proxy", "connections"}
	cfg.Connections, cfg.Rate = 10, 123
	points, err := cfg.points()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range points {
		got = append(got, fmt.Sprintf("%s: %s", p.name(), p.loadText()))
	}
	want := []string{
		"proxy: closed loop, 10 connections",
		"open-loop: open loop, 123 calls/s, 10 connections",
		"connections/connections=1: closed loop, 1 connection",
		"connections/connections=4: closed loop, 4 connections",
		"connections/connections=16: closed loop, 16 connections",
		"connections/connections=64: closed loop, 64 connections",
		"connections/connections=256: closed loop, 256 connections",
		"log/rate=1000: open loop, 1000 calls/s, 10 connections",
		"log/rate=2000: open loop, 2000 calls/s, 10 connections",
		"log/rate=5000: open loop, 5000 calls/s, 10 connections",
		"log/rate=10000: open loop, 10000 calls/s, 10 connections",
		"log/rate=20000: open loop, 20000 calls/s, 10 connections",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	cfg = Config{Scenarios: []string{"proxy", "nothing", "proxy"}, Dir: "/nowhere", Connections: -1, Rate: -1, Warmup: -1, Slice: time.Millisecond}
	err = cfg.Validate()
	for _, want := range []string{
		`there is no scenario "nothing"; there are proxy, pipeline, `,
		`scenario "proxy" is given twice`,
		"--dir: stat /nowhere: no such file or directory",
		"--connections -1: must be 1 to 10000",
		"--rate -1: must be above 0 and at most 1e+06 calls a second",
		"--warmup -1ns: must be 0 to 1h0m0s",
		"--slice 1ms: must be 10ms to 1h0m0s",
		"--slices 0: must be 1 to 1000",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say: %s", err, want)
		}
	}
}
