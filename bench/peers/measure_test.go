package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// config is of a short load on fakes, those of names.
func config(t *testing.T, names ...string) Config {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	t.Cleanup(origin.Close)
	return Config{
		Dir: t.TempDir(), Origin: origin.Listener.Addr().String(), Connections: 6,
		Warmup: 20 * time.Millisecond, Slice: 150 * time.Millisecond, Slices: 2, Limit: 3,
		folders: fakePrograms(t, names...), peers: fakePeers(),
	}
}

// names are those of results.
func names(results []report.Result) (list []string) {
	for i := range results {
		list = append(list, results[i].Name())
	}
	return list
}

func TestMeasure(t *testing.T) {
	cfg := config(t, "nginx", "haproxy", "caddy", "redis-server", "ratelimit")
	speed, logged := 0.0, []string{}
	cfg.Speed = func() float64 { speed++; return speed }
	cfg.Log = func(line string) { logged = append(logged, line) }
	results, missing, err := Measure(t.Context(), cfg)
	if err != nil || missing != nil {
		t.Errorf("everything is there: missing %+v, error %v", missing, err)
	}
	want := []string{
		"proxy@nginx", "proxy@haproxy", "proxy@caddy",
		"shared-quota@ratelimit+redis", "shared-exact@ratelimit+redis", "shared-quota@haproxy", "shared-exact@haproxy",
	}
	if got := names(results); !slices.Equal(got, want) {
		t.Fatalf("results are %q, expected %q", got, want)
	}
	for i, r := range results {
		if r.Failed != nil {
			t.Errorf("%s: %q", want[i], r.Failed)
			continue
		}
		if r.Speed != float64(i+1) || r.Load == "" || len(r.Slices) != 2 || r.Latency.Max == 0 || r.Counts.Admitted == 0 {
			t.Errorf("%s has not all figures: %+v", want[i], r)
		}
		if len(r.Notes) == 0 || !strings.Contains(r.Notes[0], r.System+" 9.8.7-fake") {
			t.Errorf("%s does not tell the version: %q", want[i], r.Notes)
		}
		for _, s := range r.Slices {
			if s.Seconds == 0 || s.CPUSeconds < 0 {
				t.Errorf("%s has the slice %+v", want[i], s)
			}
		}
		if exact := r.Scenario == ScenarioSharedExact; exact != (r.Exactness != nil) {
			t.Errorf("%s tells of exactness: %+v", want[i], r.Exactness)
		}
	}
	if e := results[4].Exactness; e != nil && *e != (report.Exactness{Limit: 3, Windows: 1, Counters: 1, Used: 1}) {
		t.Errorf("three instances that share a count of 3: %+v", e)
	}
	if e := results[6].Exactness; e != nil && (e.Over == 0 || e.Over > 6) {
		t.Errorf("three instances that count to 3 each for themselves: %+v", e)
	}
	if len(logged) != len(want) {
		t.Errorf("it told of %q, expected one line a load", logged)
	}
}

// TestMissing: what is not installed is named, with what of it is not there.
func TestMissing(t *testing.T) {
	cfg := config(t, "nginx", "ratelimit")
	results, missing, err := Measure(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(results); !slices.Equal(got, []string{"proxy@nginx"}) || results[0].Failed != nil {
		t.Errorf("only nginx is there, results are %+v", results)
	}
	var systems []string
	for _, m := range missing {
		systems = append(systems, m.System)
		program := map[string]string{"ratelimit+redis": "redis-server"}[m.System]
		if program == "" {
			program = m.System
		}
		if !strings.HasPrefix(m.Why, program+" is not installed") {
			t.Errorf("%s is missing: %q", m.System, m.Why)
		}
	}
	if want := []string{"haproxy", "caddy", "ratelimit+redis"}; !slices.Equal(systems, want) {
		t.Errorf("missing are %q, expected %q, each once", systems, want)
	}
}

func TestScenarios(t *testing.T) {
	cfg := config(t, "caddy", "haproxy")
	cfg.Scenarios = []string{ScenarioSharedExact}
	results, missing, err := Measure(t.Context(), cfg)
	if got := names(results); err != nil || !slices.Equal(got, []string{"shared-exact@haproxy"}) {
		t.Errorf("results are %q, error %v", got, err)
	}
	if len(missing) != 1 || missing[0].System != "ratelimit+redis" {
		t.Errorf("missing are %+v, expected what has part in the scenario", missing)
	}
}

// TestPeersFail: a peer that does not do its work is told of, and the others are
// measured.
func TestPeersFail(t *testing.T) {
	for setting, want := range map[string]string{
		failsToStart: "no licence",
		diesLater:    "out of luck",
		answersWrong: "calls failed",
	} {
		t.Run(setting, func(t *testing.T) {
			cfg := config(t, "nginx", "caddy")
			cfg.Scenarios = []string{ScenarioProxy}
			t.Setenv(setting, "nginx")
			results, _, err := Measure(t.Context(), cfg)
			if got := names(results); err != nil || !slices.Equal(got, []string{"proxy@nginx", "proxy@caddy"}) {
				t.Fatalf("results are %q, error %v", got, err)
			}
			if got := strings.Join(results[0].Failed, "; "); !strings.Contains(got, want) {
				t.Errorf("it failed with %q, expected %q", got, want)
			}
			if results[1].Failed != nil {
				t.Errorf("the peer after it failed with %q", results[1].Failed)
			}
		})
	}
}

// TestNotExhausted: a load that does not reach the limit shows nothing.
func TestNotExhausted(t *testing.T) {
	cfg := config(t, "redis-server", "ratelimit")
	cfg.Scenarios, cfg.Limit = []string{ScenarioSharedExact}, mostLimit
	results, _, err := Measure(t.Context(), cfg)
	if err != nil || len(results) != 1 || len(results[0].Failed) != 1 || !strings.Contains(results[0].Failed[0], "did not go past the limit of 1000000000") {
		t.Errorf("results are %+v, error %v", results, err)
	}
}

// TestMeasureStopped: nothing runs any more once it has been stopped.
func TestMeasureStopped(t *testing.T) {
	cfg := config(t, "nginx", "caddy")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	address := ""
	cfg.Slices = 1000
	cfg.Progress = func(load.Progress) {
		once.Do(func() {
			raw, err := os.ReadFile(filepath.Join(cfg.Dir, "nginx-proxy", "nginx.conf"))
			if err != nil {
				t.Error(err)
			}
			address = found(string(raw), `^\s*listen (\S+)`)
			cancel()
		})
	}
	if _, _, err := Measure(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is stopped: %v", err)
	}
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
		t.Error("the peer still runs")
	}
}

func TestConfigCheck(t *testing.T) {
	good := Config{Dir: "dir", Origin: "127.0.0.1:80", Connections: 1, Slice: time.Second, Slices: 1}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"Dir is empty":                       func(c *Config) { c.Dir = "" },
		"Origin is empty":                    func(c *Config) { c.Origin = "" },
		"Connections is 0: must be 1":        func(c *Config) { c.Connections = 0 },
		"Slices is -1: must be 1":            func(c *Config) { c.Slices = -1 },
		"Slice is 0s: must be above 0":       func(c *Config) { c.Slice = 0 },
		"Warmup is -1s: must be 0":           func(c *Config) { c.Warmup = -time.Second },
		"Timeout is -1s: must be 0":          func(c *Config) { c.Timeout = -time.Second },
		"Limit is 2000000000: must be at mo": func(c *Config) { c.Limit = 2_000_000_000 },
	} {
		c := good
		change(&c)
		if _, _, err := Measure(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected an error with %q, got %v", want, err)
		}
	}
}
