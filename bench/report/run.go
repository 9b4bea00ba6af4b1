// Package report is what a run of the benchmark leaves behind: its figures as
// data, as tables and as plots, and the comparison of two of them.
package report

import (
	"strconv"
	"time"
)

// Format is the version of a Run's encoding.
const Format = 1

// Run is one run of the benchmark. It is kept as JSON.
type Run struct {
	Format  int       `json:"format"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"` // that it took
	// Commit is the revision that the binary was built from, with "+dirty"
	// where the work tree differed from it; "unknown" if it does not tell.
	Commit  string  `json:"commit"`
	Command string  `json:"command"` // that made it
	Machine Machine `json:"machine"`
	// Missing names the peers that were asked for and are not installed.
	Missing []Missing `json:"missing,omitempty"`
	Results []Result  `json:"results"`
}

// Machine is where a run was made.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes uint64 `json:"memoryBytes"`
	OS          string `json:"os"` // kernel and its release
	Go          string `json:"go"`
}

// Missing is a peer that was not measured.
type Missing struct {
	System string `json:"system"`
	Why    string `json:"why"`
}

// Result is one scenario, at one point of what it varies.
type Result struct {
	// Scenario names what was done, System to what: "tollgate" or a peer.
	Scenario string `json:"scenario"`
	System   string `json:"system"`
	// Point is where on the scenario's axis this is; nil if it has none.
	Point *Point `json:"point,omitempty"`
	// Load says how it was loaded, such as "closed loop, 64 connections".
	Load string `json:"load"`
	// Speed is how much work of a fixed kind the machine did a second just
	// before, on one core: what neighbours on the machine take shows here.
	Speed float64 `json:"speed"`
	// Slices are the figures of equal stretches of time; medians and noise
	// come from them.
	Slices []Slice `json:"slices"`
	// Latency is of all answered calls, from the intended send time; Lateness,
	// of an open loop, is how much of it the generator itself was behind.
	Latency  Latency  `json:"latency"`
	Lateness *Latency `json:"lateness,omitempty"`
	// Counts are calls by what became of them.
	Counts Counts `json:"counts"`
	// Exactness tells of the quotas; nil where there are none.
	Exactness *Exactness `json:"exactness,omitempty"`
	// Cluster is what the nodes did meanwhile; nil for a peer.
	Cluster *Cluster `json:"cluster,omitempty"`
	// Notes are what a reader of the figures must know.
	Notes []string `json:"notes,omitempty"`
	// Failed is what was wrong. A run with a failed result has failed.
	Failed []string `json:"failed,omitempty"`
}

// Name is the result's name among those of a run.
func (r *Result) Name() string {
	name := r.Scenario
	if r.Point != nil {
		name += "/" + r.Point.String()
	}
	if r.System != "tollgate" {
		name += "@" + r.System
	}
	return name
}

// Point is a value of what a scenario varies, such as 1000 endpoints.
type Point struct {
	Axis  string  `json:"axis"`
	Value float64 `json:"value"`
	// Label stands for the value where a number does not say it.
	Label string `json:"label,omitempty"`
}

// Slice is the figures of a stretch of time.
type Slice struct {
	Seconds float64 `json:"seconds"`
	// Calls were answered in it; latencies in ms.
	Calls uint64  `json:"calls"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	// CPUSeconds is what the gateway's processes used: of all nodes, or of the
	// peer and what it needs; not the load, not the endpoint server.
	CPUSeconds float64 `json:"cpuSeconds"`
}

// Latency is a distribution, in ms.
type Latency struct {
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	P9999 float64 `json:"p99.99"`
	Max   float64 `json:"max"`
	// Histogram is the whole of it, in µs, as HdrHistogram encodes it (V2,
	// compressed, base64).
	Histogram string `json:"histogram,omitempty"`
}

// Counts are calls by what became of them.
type Counts struct {
	Offered   uint64 `json:"offered"` // the sum of all that follow
	Admitted  uint64 `json:"admitted"`
	Refused   uint64 `json:"refused"`   // 20004, or a peer's 429
	Undecided uint64 `json:"undecided"` // 50300
	Failed    uint64 `json:"failed"`    // any other status
	Unknown   uint64 `json:"unknown"`   // no answer
	// Unsent calls of an open loop were due, and not made until its end, since
	// every connection was still busy with those before.
	Unsent uint64 `json:"unsent,omitempty"`
}

// Exactness is what the calls show of the quotas' promises (spec section 10).
type Exactness struct {
	// Limit is the units of a window, Windows how many whole ones were seen
	// and Counters of how many counters.
	Limit    uint64 `json:"limit"`
	Windows  int    `json:"windows"`
	Counters int    `json:"counters"`
	// Over are admissions past the limit, Early units that nobody was
	// admitted by although calls were refused, Late admissions begun after the
	// window's first refusal had been returned.
	Over  uint64 `json:"over"`
	Early uint64 `json:"early"`
	Late  uint64 `json:"late"`
	// Used is the share of the windows' units that calls were admitted by, of
	// windows that refused any.
	Used float64 `json:"used"`
}

// Cluster is what the nodes did while they were loaded.
type Cluster struct {
	Nodes      int     `json:"nodes"`
	Nonvoters  int     `json:"nonvoters"`
	LogEntries float64 `json:"logEntries"`
	DiskBytes  float64 `json:"diskBytes"` // written by all nodes
	// Decisions by way: local, strict, replica, unavailable.
	Decisions map[string]float64 `json:"decisions"`
	// PeakMemory is the largest node's, bytes.
	PeakMemory float64 `json:"peakMemory"`
}

// String is the point as it is named.
func (p *Point) String() string {
	if p.Label != "" {
		return p.Axis + "=" + p.Label
	}
	return p.Axis + "=" + strconv.FormatFloat(p.Value, 'f', -1, 64)
}

// Throughput is the answered calls a second of a slice.
func (s Slice) Throughput() float64 { return float64(s.Calls) / s.Seconds }

// CPUPerCall is the CPU time the gateway used for a call, µs.
func (s Slice) CPUPerCall() float64 { return s.CPUSeconds / float64(max(s.Calls, 1)) * 1e6 }
