package report

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sample makes runs that look like real ones.
type sample struct {
	t    testing.TB
	rand *rand.Rand
	run  *Run
}

// traits are what a result of a sample is like.
type traits struct {
	system   string
	point    *Point
	load     string
	rate     float64 // calls/s
	p50, p99 float64 // ms
	cpu      float64 // µs a call
	noise    float64 // of the slices, a share
	slices   int
	entries  float64 // of the log, a second; 0 is no cluster
	quota    *Exactness
	refused  float64 // share of the calls
	notes    []string
}

const (
	closedLoad = "closed loop, 64 connections"
	openLoad   = "open loop, 5000 calls/s, 64 connections"
)

// sampleRun is a run of the benchmark as it comes out where all goes well, but
// for a peer that is not there.
func sampleRun(t testing.TB, seed uint64) *Run {
	s := &sample{t: t, rand: rand.New(rand.NewPCG(seed, 5)), run: &Run{
		Format:  Format,
		Began:   time.Date(2026, 11, 22, 17, 45, 24, 0, time.UTC),
		Seconds: 531.4,
		Commit:  "cc558a7a8723bf00327a3abee6e5b71fd3d3f013",
		Command: "tollgate-bench run",
		Machine: Machine{CPU: "AMD EPYC", Cores: 2, MemoryBytes: 24684096 << 10, OS: "Linux 6.18.44", Go: "go1.26.8"},
		Missing: []Missing{{"ratelimit", "no ratelimit on the PATH or in bin/peers (make bench-peers)"}},
	}}
	s.mains()
	s.sweeps()
	s.peers()
	return s.run
}

// mains adds what is measured at one point.
func (s *sample) mains() {
	s.add("proxy", traits{rate: 33600, p50: 1.7, p99: 5.3, cpu: 31, entries: 2})
	for i, auth := range []string{"plain", "hmac", "jwt"} {
		s.add("pipeline", traits{
			point: &Point{"auth", float64(i), auth}, rate: 24000 - 2200*float64(i), p50: 2.4, p99: 6.9 + float64(i), cpu: 44 + 5*float64(i), entries: 31,
			quota: &Exactness{Limit: 1_000_000_000_000, Windows: 1, Counters: 1},
		})
	}
	s.add("quota-far", traits{rate: 32100, p50: 1.8, p99: 5.4, cpu: 33, entries: 36, quota: &Exactness{Limit: 1_000_000, Windows: 2, Counters: 2}})
	s.add("quota-end", traits{rate: 59200, p50: 0.93, p99: 4.6, cpu: 18, entries: 61, refused: 0.831, quota: &Exactness{Limit: 10_000, Windows: 5, Counters: 1, Used: 1}})
	s.add("strict-open", traits{load: openLoad, rate: 5000, p50: 1.1, p99: 3.9, cpu: 61, entries: 210, refused: 0.98, quota: &Exactness{Limit: 100, Counters: 1}})
	s.add("open-loop", traits{load: openLoad, rate: 5000, p50: 0.31, p99: 2.1, cpu: 48, noise: 0.001, entries: 34, quota: &Exactness{Limit: 1_000_000_000_000, Windows: 1, Counters: 1}})
	s.add("shared-quota", traits{rate: 60400, p50: 0.9, p99: 4.1, cpu: 15, entries: 35, quota: &Exactness{Limit: 1_000_000_000_000, Windows: 1, Counters: 1}})
	s.add("shared-exact", traits{rate: 61000, p50: 0.9, p99: 4.4, cpu: 15, entries: 9, refused: 0.967, quota: &Exactness{Limit: 10_000, Windows: 1, Counters: 1, Used: 1}})
	s.add("deploy", traits{rate: 29900, p50: 1.9, p99: 9.8, cpu: 37, noise: 0.1, entries: 47, quota: &Exactness{Limit: 1_000_000_000_000, Windows: 1, Counters: 1}, notes: []string{"50 deploys, the slowest took 41 ms"}})
	s.add("failover", traits{
		load: "open loop, 2000 calls/s, 64 connections", rate: 2000, p50: 0.34, p99: 3.1, cpu: 55, slices: 10, entries: 12, refused: 0.4,
		quota: &Exactness{Limit: 12_000, Windows: 1, Counters: 1, Used: 0.998},
		notes: []string{"the leader n1 was killed at 2.500 s; the longest gap without an admission was 0.612 s"},
	})
	failover := &s.run.Results[len(s.run.Results)-1]
	failover.Slices[2].Calls = 900
	failover.Slices[2].P99 = 610
	failover.Latency.Max = 640
	failover.Counts.Undecided = 14
	failover.Counts.Unknown = 21
	failover.Counts.Unsent = 3
	failover.Counts.Offered += 38
	failover.Lateness = &Latency{P50: 0.05, P99: 1.4, Max: 9}
}

// sweeps adds what is measured at several points.
func (s *sample) sweeps() {
	for _, limit := range []float64{10, 100, 1000} {
		s.add("strict", traits{point: &Point{Axis: "limit", Value: limit}, rate: 58000, p50: 0.94, p99: 4.9, cpu: 19, entries: 20 + limit/20, refused: 1 - limit/58000,
			quota: &Exactness{Limit: uint64(limit), Windows: 5, Counters: 1, Used: 1}})
	}
	for i, n := range []float64{1, 4, 16, 64, 256} {
		s.add("connections", traits{point: &Point{Axis: "connections", Value: n}, load: "closed loop, " + plural(uint64(n), "connection"),
			rate: []float64{4800, 14000, 25000, 32000, 34000}[i], p50: 0.2 * math.Sqrt(n), p99: 0.6 * math.Sqrt(n), cpu: 70 - 9*float64(i), entries: 35})
	}
	for i, label := range []string{"0", "1KiB", "64KiB", "1MiB"} {
		s.add("payload", traits{point: &Point{"payload", math.Pow(32, float64(i)), label}, load: "closed loop, 16 connections",
			rate: []float64{24000, 21000, 6200, 410}[i], p50: []float64{0.6, 0.7, 2.2, 37}[i], p99: []float64{2, 2.1, 8, 91}[i], cpu: []float64{38, 41, 150, 2300}[i], entries: 35})
	}
	for _, n := range []float64{1, 10, 100, 1000} {
		s.add("counters", traits{point: &Point{Axis: "counters", Value: n}, rate: 32000 - 2000*math.Log10(n), p50: 1.8, p99: 5.4, cpu: 33, entries: 31 + n/30,
			quota: &Exactness{Limit: 1_000_000, Windows: int(n), Counters: int(n)}})
	}
	for i, label := range []string{"", "", "", "3+2"} {
		s.add("nodes", traits{point: &Point{"nodes", []float64{1, 3, 5, 5}[i], label}, rate: []float64{34000, 32000, 27000, 28000}[i], p50: 1.8, p99: 5.4, cpu: 33, entries: 35})
	}
	for _, rate := range []float64{1000, 2000, 5000, 10_000, 20_000} {
		s.add("log", traits{point: &Point{Axis: "rate", Value: rate}, load: "open loop, " + digits(rate) + " calls/s, 64 connections",
			rate: rate, p50: 0.3, p99: 1 + rate/5000, cpu: 40 - rate/1000, noise: 0.002, entries: 34})
	}
}

// peers adds what others did.
func (s *sample) peers() {
	for i, name := range []string{"nginx", "haproxy", "caddy"} {
		s.add("proxy", traits{system: name, rate: []float64{41000, 44000, 19000}[i], p50: 1.4, p99: []float64{4.1, 3.9, 9.6}[i], cpu: []float64{22, 20, 61}[i],
			notes: []string{[]string{"nginx/1.26.3", "HAProxy version 3.0.11", "Caddy v2.10.2"}[i]}})
	}
	s.add("shared-exact", traits{system: "haproxy", rate: 44100, p50: 1.4, p99: 4.2, cpu: 20, refused: 0.41, quota: &Exactness{Limit: 10_000, Windows: 1, Counters: 1, Over: 12_377, Late: 9_101, Used: 1},
		notes: []string{"HAProxy version 3.0.11", "stick-tables are told to peers once a second or so"}})
}

// add makes a result from its traits.
func (s *sample) add(scenario string, c traits) {
	if c.system == "" {
		c.system = "tollgate"
	}
	if c.load == "" {
		c.load = closedLoad
	}
	if c.noise == 0 {
		c.noise = 0.03
	}
	if c.slices == 0 {
		c.slices = 5
	}
	r := Result{Scenario: scenario, System: c.system, Point: c.point, Load: c.load, Speed: 1480 * s.about(0.01), Exactness: c.quota, Notes: c.notes}
	for range c.slices {
		calls := c.rate * s.about(c.noise)
		r.Slices = append(r.Slices, Slice{
			Seconds: 1, Calls: uint64(calls),
			P50: c.p50 * s.about(c.noise), P99: c.p99 * s.about(4*c.noise),
			CPUSeconds: calls * c.cpu * s.about(c.noise) / 1e6,
		})
		r.Counts.Offered += uint64(calls)
	}
	r.Counts.Refused = uint64(float64(r.Counts.Offered) * c.refused)
	r.Counts.Admitted = r.Counts.Offered - r.Counts.Refused
	r.Latency = s.latency(c.p50, c.p99)
	if c.entries > 0 {
		seconds := float64(c.slices)
		r.Cluster = &Cluster{Nodes: 3, LogEntries: c.entries * seconds * s.about(0.02), DiskBytes: c.entries * seconds * 12_800, PeakMemory: 61e6,
			Decisions: map[string]float64{"local": float64(r.Counts.Admitted), "replica": float64(r.Counts.Refused)}}
		if c.point != nil && c.point.Axis == "nodes" {
			r.Cluster.Nodes = int(c.point.Value)
			if c.point.Label != "" {
				r.Cluster.Nonvoters = 2
			}
		}
	}
	s.run.Results = append(s.run.Results, r)
}

// about is 1, more or less.
func (s *sample) about(noise float64) float64 {
	return 1 + noise*max(-2, min(2, s.rand.NormFloat64()))
}

// latencies are those made already, by p50 and p99. No test is parallel.
var latencies = map[[2]float64]Latency{}

// latency is a distribution with a long tail, of 100,000 calls.
func (s *sample) latency(p50, p99 float64) Latency {
	if l, ok := latencies[[2]float64{p50, p99}]; ok {
		return l
	}
	h := hdrhistogram.New(1, 60_000_000, 3)
	sigma := math.Log(p99/p50) / 2.326 // deviations from p50 to p99
	const calls, step = 1e5, 0.02
	for x := 0.0; x < 5; x += step { // from -log10(1-p) to the next
		share := math.Pow(10, -x)
		us := 1000 * p50 * math.Exp(sigma*math.Sqrt2*math.Erfinv(1-2*share*math.Pow(10, -step/2)))
		if err := h.RecordValues(int64(max(1, us)), int64(math.Ceil(calls*(share-math.Pow(10, -x-step))))); err != nil {
			s.t.Fatal(err)
		}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		s.t.Fatal(err)
	}
	ms := func(p float64) float64 { return float64(h.ValueAtQuantile(p)) / 1000 }
	l := Latency{Mean: h.Mean() / 1000, P50: ms(50), P90: ms(90), P99: ms(99), P999: ms(99.9), P9999: ms(99.99), Max: float64(h.Max()) / 1000, Histogram: string(text)}
	latencies[[2]float64{p50, p99}] = l
	return l
}
