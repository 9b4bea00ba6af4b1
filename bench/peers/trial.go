package peers

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// Scenarios of ours that peers take part in.
const (
	ScenarioProxy       = "proxy"
	ScenarioSharedQuota = "shared-quota"
	ScenarioSharedExact = "shared-exact"
)

// proxyPath is what proxies are called for.
const proxyPath = "/"

// trial is a load on a peer, and what it is to show.
type trial struct {
	scenario string
	// path is what calls are for, of peers that speak HTTP, value of the others.
	path, value string
	exact       bool // the load is to go past the limit, from the first call on
}

// trials are what a duty is measured by, in this order.
var trials = map[Duty][]trial{
	Proxy: {{scenario: ScenarioProxy, path: proxyPath}},
	HTTPQuota: {
		{scenario: ScenarioSharedQuota, path: farPath},
		{scenario: ScenarioSharedExact, path: endPath, exact: true},
	},
	RatelimitQuota: {
		{scenario: ScenarioSharedQuota, value: farValue},
		{scenario: ScenarioSharedExact, value: endValue, exact: true},
	},
}

// try makes one load on a peer and fills the result in.
func (c *Config) try(ctx context.Context, duty Duty, t trial, running *Running, r *report.Result) error {
	if t.exact {
		if err := c.awaitHour(ctx); err != nil {
			return err
		}
	}
	if c.Speed != nil {
		r.Speed = c.Speed()
	}
	warmup := c.Warmup
	if t.exact {
		warmup = 0
	}
	cpu := &cpuSlices{running: running}
	var out *load.Outcome
	var err error
	if duty == RatelimitQuota {
		out, err = c.loadRatelimit(ctx, t, warmup, running, cpu)
		r.Load = fmt.Sprintf("closed loop, %d callers over %d gRPC connections", c.Connections, ratelimitConnections*len(running.Addresses))
	} else {
		out, err = c.loadHTTP(ctx, t, warmup, running, cpu)
		r.Load = fmt.Sprintf("closed loop, %d connections", c.Connections)
	}
	if err != nil {
		return err
	}
	r.Slices, r.Counts, r.Latency = out.Slices, out.Counts, load.Summarize(out.Latency)
	if t.exact {
		exactness := load.Exactness(out.Calls, c.Limit, time.Hour, 1)
		r.Exactness = &exactness
		if r.Counts.Refused == 0 {
			r.Failed = append(r.Failed, fmt.Sprintf("the load did not go past the limit of %d an hour: %d were admitted", c.Limit, r.Counts.Admitted))
		}
	} else if r.Counts.Refused > 0 {
		r.Failed = append(r.Failed, fmt.Sprintf("%d of %d calls were refused, far from a limit", r.Counts.Refused, r.Counts.Offered))
	}
	if bad := r.Counts.Failed + r.Counts.Unknown; bad > 0 {
		r.Failed = append(r.Failed, fmt.Sprintf("%d of %d calls failed, %d got no answer", r.Counts.Failed, r.Counts.Offered, r.Counts.Unknown))
	}
	return cpu.fill(r)
}

// loadHTTP calls the instances over HTTP.
func (c *Config) loadHTTP(ctx context.Context, t trial, warmup time.Duration, running *Running, cpu *cpuSlices) (*load.Outcome, error) {
	counter, counters := -1, 0
	if t.exact {
		counter, counters = 0, 1
	}
	return load.Run(ctx, load.Plan{
		Addresses: running.Addresses, Connections: c.Connections,
		Warmup: warmup, Slice: c.Slice, Slices: c.Slices, Timeout: c.Timeout,
		Prepare: load.Plain(load.Target{URI: t.path, Counter: counter}), Counters: counters,
		Judge: judge, Progress: c.Progress, OnSlice: cpu.at,
	})
}

// judge tells what a peer's answer means.
func judge(answer *fasthttp.Response) load.Verdict {
	switch answer.StatusCode() {
	case fasthttp.StatusOK:
		return load.Admitted
	case fasthttp.StatusTooManyRequests:
		return load.Refused
	}
	return load.Failed
}

// loadRatelimit calls the instances of the rate limit service.
func (c *Config) loadRatelimit(ctx context.Context, t trial, warmup time.Duration, running *Running, cpu *cpuSlices) (*load.Outcome, error) {
	caller, err := dialRatelimit(running.Addresses, ratelimitConnections)
	if err != nil {
		return nil, err
	}
	defer caller.close()
	request := rateLimitRequest(ratelimitDomain, ratelimitKey, t.value)
	counter, limit := -1, uint64(farLimit)
	if t.exact {
		counter, limit = 0, c.Limit
	}
	var first atomic.Pointer[error]
	loop := closedLoop{
		callers: c.Connections, warmup: warmup, slice: c.Slice, slices: c.Slices, patience: c.Timeout, counter: counter,
		call: func(ctx context.Context, i int) load.Verdict {
			verdict, err := caller.decide(ctx, i, request, limit)
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
			return verdict
		},
		onSlice: cpu.at, progress: c.Progress,
	}
	out, err := loop.run(ctx)
	if err == nil && first.Load() != nil {
		c.log("the first call that failed: " + (*first.Load()).Error())
	}
	return out, err
}

// awaitHour waits for the next hour if this one, by UTC, would end during the
// load: some count by the clock's hours, and would begin anew.
func (c *Config) awaitHour(ctx context.Context) error {
	need := time.Duration(c.Slices)*c.Slice + c.Timeout
	now := time.Now()
	left := now.Truncate(time.Hour).Add(time.Hour).Sub(now)
	if left > need {
		return nil
	}
	c.log("waiting " + strconv.FormatFloat(left.Seconds(), 'f', 0, 64) + " s for the next hour, since a quota an hour is to outlast the load")
	timer := time.NewTimer(left + time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
