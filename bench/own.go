package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// Bounds of Own.
const (
	MostDuration = 24 * time.Hour
	LeastTimeout = time.Millisecond
	MostBody     = 64 << 20 // bytes
	// LeastDuration leaves a slice that figures can be made of.
	LeastDuration = 10 * time.Millisecond
)

// Own is a load of somebody's own gateway: the load generator by itself.
// Validate tells of values beyond their bounds, by the names of the flags that
// set them.
type Own struct {
	// Nodes get the calls in equal shares, one or more.
	Nodes []OwnNode
	// Method and Body, at most MostBody bytes, are of every call, and Header
	// has more fields of it, as name and value.
	Method string
	Header [][2]string
	Body   []byte
	// Auth is how calls prove who they are, by Secret and, of a JWT, Issuer,
	// which may be empty.
	Auth           Auth
	Secret, Issuer string
	// Connections is how many calls may be under way at once, 1 to
	// MostConnections, Rate the calls a second of an open loop, at most
	// MostRate; 0 is a closed one.
	Connections int
	Rate        float64
	// Warmup, 0 to MostWarmup, comes before Duration, LeastDuration to
	// MostDuration, which is measured.
	Warmup, Duration time.Duration
	// Timeout bounds the wait for an answer, LeastTimeout to load.MostTimeout.
	Timeout time.Duration
	// Limit is that of the one quota that all the calls are on and that was
	// unused before, 0 if there is none to be judged; Window is its length.
	Limit  uint64
	Window time.Duration
	// Commit is the revision of this program.
	Commit string
	// Command, Progress and Terminal are as in Config.
	Command  string
	Progress io.Writer
	Terminal bool
}

// OwnNode is where to call a node.
type OwnNode struct {
	Address string // host:port
	URI     string // path and query, as they go on the request line
}

// Validate reports everything that is wrong at once.
func (o *Own) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Nodes) == 0 {
		bad("URL is missing: there is nothing to load")
	}
	if o.Connections < max(1, len(o.Nodes)) || o.Connections > MostConnections {
		bad("--connections %d: must be %d to %d, one for each URL at least", o.Connections, max(1, len(o.Nodes)), MostConnections)
	}
	if !(o.Rate >= 0 && o.Rate <= MostRate) {
		bad("--rate %v: must be 0, for a closed loop, to %v calls a second", o.Rate, MostRate)
	}
	if len(o.Body) > MostBody {
		bad("the body has %d bytes: must be at most %d", len(o.Body), MostBody)
	}
	for _, d := range []struct {
		flag       string
		value      time.Duration
		least, top time.Duration
	}{
		{"warmup", o.Warmup, 0, MostWarmup},
		{"duration", o.Duration, LeastDuration, MostDuration},
		{"timeout", o.Timeout, LeastTimeout, load.MostTimeout},
	} {
		if d.value < d.least || d.value > d.top {
			bad("--%s %v: must be %v to %v", d.flag, d.value, d.least, d.top)
		}
	}
	switch {
	case o.Limit == 0 && o.Window != 0:
		bad("--window %v: says nothing without --limit", o.Window)
	case o.Limit > 0 && o.Window < time.Second:
		bad("--window %v: must be the length of the window in which --limit calls are allowed, 1s or more", o.Window)
	}
	return errors.Join(errs...)
}

// slices cuts the duration into slices of a second, or into one that is
// shorter.
func (o *Own) slices() (n int, each time.Duration) {
	n = min(max(1, int(o.Duration/time.Second)), load.MostSlices)
	return n, o.Duration / time.Duration(n)
}

// Run makes the load and returns what it showed, as a run of one result. What
// is wrong with the quota is in its Failed, and that nothing was answered;
// calls that failed are only counted.
func (o *Own) Run(ctx context.Context) (*report.Run, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	prepare, err := o.prepare()
	if err != nil {
		return nil, err
	}
	run := &report.Run{
		Format: report.Format, Began: time.Now(), Commit: o.Commit, Command: o.Command, Machine: report.ThisMachine(),
	}
	setup := Setup{Connections: o.Connections, Rate: o.Rate}
	result := report.Result{Scenario: "load", System: "tollgate", Load: setup.loadText(), Speed: speed()}
	n, each := o.slices()
	plan := load.Plan{
		Connections: o.Connections, Rate: o.Rate, Warmup: o.Warmup, Slices: n, Slice: each, Timeout: o.Timeout,
		Prepare: prepare, Progress: console{o.Progress, o.Terminal}.progress("load"),
	}
	for _, node := range o.Nodes {
		plan.Addresses = append(plan.Addresses, node.Address)
	}
	if o.Limit > 0 {
		plan.Counters = 1
	}
	out, err := load.Run(ctx, plan)
	if err != nil {
		return nil, err
	}
	console{o.Progress, o.Terminal}.state("")
	fill(&result, out)
	o.judge(&result, out)
	run.Results = []report.Result{result}
	run.Seconds = time.Since(run.Began).Seconds()
	return run, nil
}

// judge puts in what the calls show of the quota, and what is wrong.
func (o *Own) judge(r *report.Result, out *load.Outcome) {
	judgeDecided(r)
	if o.Limit > 0 {
		e := load.Exactness(out.Calls, o.Limit, o.Window, 1)
		r.Exactness = &e
		judgeExactness(r, out.Calls, o.Window, false)
	}
}

// prepare makes the calls: connection c is to node c modulo their number, as
// load gives them out.
func (o *Own) prepare() (func(req *fasthttp.Request, conn, n int) int, error) {
	counter := -1
	if o.Limit > 0 {
		counter = 0
	}
	list := make([]func(req *fasthttp.Request, conn, n int) int, len(o.Nodes))
	for i, node := range o.Nodes {
		t := load.Target{Method: o.Method, URI: node.URI, Header: slices.Clone(o.Header), Body: o.Body, Counter: counter}
		var err error
		switch o.Auth {
		case HMAC:
			list[i] = load.HMAC(o.Secret, t)
		case JWT:
			list[i], err = load.JWT(o.Secret, o.Issuer, o.Warmup+o.Duration+time.Hour, t)
		default:
			list[i] = load.Plain(t)
		}
		if err != nil {
			return nil, err
		}
	}
	return func(req *fasthttp.Request, conn, n int) int { return list[conn%len(list)](req, conn, n) }, nil
}
