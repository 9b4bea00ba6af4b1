package admin

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/stats"
	"github.com/tollgate/tollgate/proxy/callstats"
	"github.com/tollgate/tollgate/store/catalog"
)

// Stats is what the admin API needs of its node to tell what happened to calls.
type Stats interface {
	// Stats asks all members for points of a domain and adds them up. Missing are the IDs
	// of those that have not answered. q is complete. The error may be ErrNotFound, or a
	// Refusal where there are too many points.
	Stats(ctx context.Context, q stats.Query) (points []stats.Point, missing []string, err error)
}

func (s *server) getStats(r *request) (any, error) {
	key, err := r.domainKey()
	if err != nil {
		return nil, err
	}
	q, err := r.query.stats(s.Clock())
	if err != nil {
		return nil, err
	}
	q.Domain = key
	points, missing, err := s.Control.Stats(r.Context(), q)
	if err != nil {
		return nil, noDomain(key, err)
	}
	sum := stats.Sum(points)
	out := api.Stats{Domain: key, From: q.From, To: q.To, Step: q.Step, Missing: missing, Sum: newCallStats(&sum), Points: make([]api.StatsPoint, len(points))}
	if out.Missing == nil {
		out.Missing = []string{}
	}
	for i := range points {
		p := &points[i]
		out.Points[i] = api.StatsPoint{At: p.At, Endpoint: p.Endpoint, CallStats: newCallStats(&p.Counts)}
	}
	return out, nil
}

// stats is the question that a query asks, complete but for the domain. What is empty is
// not given.
func (q query) stats(now time.Time) (stats.Query, error) {
	ask := stats.Query{Endpoint: q["endpoint"], From: stats.Unset, To: stats.Unset}
	var problems []catalog.Problem
	for name, to := range map[string]*int64{"from": &ask.From, "to": &ask.To} {
		if q[name] == "" {
			continue
		}
		at, err := strconv.ParseInt(q[name], 10, 64)
		if err != nil || at < 0 || at > stats.MaxTime {
			problems = append(problems, catalog.Problem{Path: "?" + name, Message: fmt.Sprintf("must be a time in Unix seconds, a whole number from 0 to %d", stats.MaxTime)})
			continue
		}
		*to = at
	}
	switch step := q["step"]; step {
	case "":
	case "60", "600", "86400":
		ask.Step, _ = strconv.ParseInt(step, 10, 64)
	default:
		problems = append(problems, catalog.Problem{Path: "?step", Message: "must be 60, 600 or 86400 seconds"})
	}
	if problems == nil {
		if ask.Complete(now); ask.From >= ask.To {
			problems = []catalog.Problem{{Path: "?to", Message: fmt.Sprintf("must be later than from: they are %d and %d", ask.To, ask.From)}}
		}
	}
	if problems != nil {
		slices.SortFunc(problems, func(a, b catalog.Problem) int { return strings.Compare(a.Path, b.Path) })
		return ask, wrong("the query", problems)
	}
	return ask, nil
}

func newCallStats(c *callstats.Counts) api.CallStats {
	out := api.CallStats{
		Successes: c.Successes, Failures: c.Failures, ByGateway: c.ByGateway, Total: c.Total(),
		MeanMillis: millis(c.Mean()), P50Millis: millis(c.Quantile(0.5)), P99Millis: millis(c.Quantile(0.99)),
		BytesOut: c.BytesOut, Refusals: make(map[string]uint64, len(c.Refusals)),
	}
	for _, r := range c.Refusals {
		out.Refusals[strconv.Itoa(int(r.Of))] = r.N
	}
	return out
}

// millis is a time in ms with three decimals.
func millis(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }
