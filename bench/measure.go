package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/bench/rig"
)

// measure loads one point of a scenario, on a cluster of its own: it starts in
// half a second, and has nothing left of the point before. What keeps it from
// being measured is in the result's Failed, as is what was measured and is
// wrong; an error is only the end of ctx.
func (r *run) measure(ctx context.Context, p *point) (report.Result, error) {
	result := report.Result{Scenario: p.scenario, System: "tollgate", Point: p.at, Load: p.loadText(), Speed: speed()}
	err := r.measureInto(ctx, p, &result)
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	if err != nil {
		result.Failed = append(result.Failed, "it could not be measured: "+err.Error())
		return result, nil
	}
	return result, nil
}

func (r *run) measureInto(ctx context.Context, p *point, result *report.Result) (err error) {
	dir, err := os.MkdirTemp(r.dir, p.scenario+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := rig.Open(ctx, rig.Config{Binary: r.cfg.Binary, Dir: filepath.Join(dir, "nodes"), Nodes: p.Nodes, Nonvoters: p.Nonvoters})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := p.deploy(ctx, c, r.origin.URL()); err != nil {
		return err
	}
	var keys []string
	if p.Auth == APIKey {
		if keys, err = p.consumers(ctx, c); err != nil {
			return err
		}
	}
	began := time.Now()
	out, in, w, err := r.load(ctx, p, c, keys)
	if err := errors.Join(c.Err(), err); err != nil { // a node that ended is why, where both are
		return err
	}
	fill(result, out)
	w.fill(result)
	result.Exactness = p.exactness(out.Calls)
	result.Notes = append(result.Notes, in.notes...)
	p.judge(result, out.Calls)
	p.tell(result, out, in)
	if p.readable(out.Calls, time.Since(began)) {
		wrong, err := p.checkUsed(ctx, c, out.Calls)
		if err != nil {
			return err
		}
		result.Failed = append(result.Failed, wrong...)
	}
	return nil
}

// deploy makes the setup's domains live.
func (p *point) deploy(ctx context.Context, c *rig.Cluster, origin string) error {
	domains := make([]rig.Domain, 0, p.Domains)
	for _, key := range p.keys() {
		doc, err := p.document(key, origin, 1)
		if err != nil {
			return err
		}
		domains = append(domains, rig.Domain{Key: key, Document: doc})
	}
	return c.Deploy(ctx, domains...)
}

// consumers makes every caller a consumer, and returns their API keys, by domain
// and caller. Every node knows them.
func (p *point) consumers(ctx context.Context, c *rig.Cluster) (keys []string, err error) {
	for _, domain := range p.keys() {
		for i := range p.Callers {
			key, err := c.Consumer(ctx, domain, caller(i))
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// load makes the setup's calls, has its event happen meanwhile, and watches the
// nodes.
func (r *run) load(ctx context.Context, p *point, c *rig.Cluster, keys []string) (*load.Outcome, incident, *watch, error) {
	whole := r.cfg.loadTime(p)
	prepare, err := p.prepare(whole, keys)
	if err != nil {
		return nil, incident{}, nil, err
	}
	w := &watch{ctx: ctx, cluster: c, slices: r.cfg.slicesOf(p), faulty: p.During.faulty()}
	plan := load.Plan{
		Addresses: c.Addresses(), Connections: p.Connections, Rate: p.Rate,
		Warmup: r.cfg.warmupOf(p), Slice: r.cfg.Slice, Slices: w.slices,
		Prepare: prepare, Counters: p.cells(),
		Progress: r.console.progress(p.name()), OnSlice: w.onSlice,
	}
	var in incident
	var wg sync.WaitGroup
	over := make(chan struct{})
	wg.Go(func() { in = p.happen(ctx, c, r.origin.URL(), whole, over) })
	out, err := load.Run(ctx, plan)
	close(over)
	wg.Wait()
	if p.During.faulty() { // at the load's end a node may still be on its way back
		w.read(&w.after)
	}
	w.wg.Wait()
	return out, in, w, errors.Join(err, in.err, w.err)
}

// name is that of the point's result.
func (p *point) name() string {
	r := report.Result{Scenario: p.scenario, System: "tollgate", Point: p.at}
	return r.Name()
}

// tell notes what the figures alone do not say.
func (p *point) tell(result *report.Result, out *load.Outcome, in incident) {
	note := func(format string, args ...any) { result.Notes = append(result.Notes, fmt.Sprintf(format, args...)) }
	if in.victim >= 0 {
		silence, lost := p.longestSilence(out.Calls, in.victim)
		note("at the other nodes, the longest time without a decision was %.0f ms; of their calls, %d failed or got no answer", millis(silence), lost)
		if lost > 0 {
			result.Failed = append(result.Failed, fmt.Sprintf("%d calls of nodes that nothing had happened to failed or got no answer", lost))
		}
	}
	if cl := result.Cluster; p.at != nil && p.at.Axis == string(VaryRate) {
		span := 0.0
		for _, s := range result.Slices {
			span += s.Seconds
		}
		note("%.0f log entries and %.0f KB written a second", cl.LogEntries/span, cl.DiskBytes/span/1e3)
	}
}
