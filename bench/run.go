package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/peers"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/bench/rig"
)

// What a point takes beside its load, for the estimate: a cluster's start, the
// deploys, the speed, the read-out of quotas.
const (
	pointOverhead = 1500 * time.Millisecond
	peerOverhead  = 2 * time.Second
)

// run is one run of the benchmark.
type run struct {
	cfg     Config
	console console
	dir     string // scratch
	origin  *rig.Origin
	report  *report.Run
}

// Run measures what the configuration says, one point after the other, and
// returns the results, of which Failed tells whether one is wrong. An error is
// that nothing could be measured, or that ctx has ended. Nothing that was
// started runs any more when Run returns.
func Run(ctx context.Context, cfg Config) (_ *report.Run, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	points, err := cfg.points()
	if err != nil {
		return nil, err
	}
	commit, err := rig.Commit(ctx, cfg.Binary)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r := &run{cfg: cfg, console: console{cfg.Progress, cfg.Terminal}, report: &report.Run{
		Format: report.Format, Began: began, Commit: commit, Command: cfg.Command, Machine: report.ThisMachine(),
	}}
	if r.dir, err = os.MkdirTemp(cfg.Dir, "tollgate-bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.origin, err = rig.OpenOrigin(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.origin.Close()) }()

	r.console.line("%d points to measure, which takes about %v", len(points), r.estimate(points))
	for i := range points {
		result, err := r.measure(ctx, &points[i])
		if err != nil {
			return nil, err
		}
		r.take(fmt.Sprintf("[%*d/%d]", len(fmt.Sprint(len(points))), i+1, len(points)), result)
	}
	if err := r.measurePeers(ctx, points); err != nil {
		return nil, err
	}
	r.report.Seconds = time.Since(began).Seconds()
	return r.report, nil
}

// take keeps a result and shows it.
func (r *run) take(number string, result report.Result) {
	r.report.Results = append(r.report.Results, result)
	r.console.result(number, &result)
}

// estimate is how long the run takes.
func (r *run) estimate(points []point) time.Duration {
	var sum time.Duration
	for i := range points {
		sum += r.cfg.loadTime(&points[i]) + pointOverhead
	}
	if asked := r.peerScenarios(points); len(asked) > 0 {
		for i := range peers.Peers {
			sum += peerOverhead
			for _, name := range asked {
				if (peers.Peers[i].Duty == peers.Proxy) == (name == peers.ScenarioProxy) {
					sum += r.cfg.Warmup + time.Duration(r.cfg.Slices)*r.cfg.Slice
				}
			}
		}
	}
	return sum.Round(time.Second)
}

// peerScenarios are those of the points' scenarios that peers are measured in.
func (r *run) peerScenarios(points []point) (names []string) {
	if !r.cfg.Peers {
		return nil
	}
	for _, name := range []string{peers.ScenarioProxy, peers.ScenarioSharedQuota, peers.ScenarioSharedExact} {
		if slices.ContainsFunc(points, func(p point) bool { return p.scenario == name }) {
			names = append(names, name)
		}
	}
	return names
}

// measurePeers measures the peers that are installed.
func (r *run) measurePeers(ctx context.Context, points []point) error {
	asked := r.peerScenarios(points)
	if len(asked) == 0 {
		return nil
	}
	connections := r.cfg.Connections
	if connections == 0 {
		connections = DefaultConnections
	}
	doing := "peers"
	results, missing, err := peers.Measure(ctx, peers.Config{
		Dir: r.dir, Origin: r.origin.Addr(), Scenarios: asked, Connections: connections,
		Warmup: r.cfg.Warmup, Slice: r.cfg.Slice, Slices: r.cfg.Slices,
		Speed: speed, Log: func(text string) { doing = text; r.console.line("%s", text) },
		Progress: func(p load.Progress) { r.console.progress(doing)(p) },
	})
	if err != nil {
		return err
	}
	r.report.Missing = missing
	for _, result := range results {
		r.take("[peer]", result)
	}
	return nil
}
