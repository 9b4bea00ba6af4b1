package stats

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proxy/callstats"
)

// Step is the length of a point in time, in seconds, and how long its points are kept.
type Step struct {
	Seconds int64
	Keep    time.Duration
}

const day = 24 * time.Hour

// Steps are all steps, the finest first (spec section 13).
var Steps = [...]Step{{60, day}, {600, 90 * day}, {86400, 2 * 365 * day}}

// minute is the finest step, in seconds: what is flushed at once.
const minute = 60

// MaxPoints bounds the points of an answer: in JSON they take about 20 MB.
const MaxPoints = 100_000

// ErrTooMany: an answer would have more than MaxPoints points.
var ErrTooMany = errors.New("that is more than 100000 points: ask for one endpoint, a longer step or a shorter time")

// Query is a question for points of a domain. Times are Unix seconds.
type Query struct {
	Domain string
	// Endpoint is METHOD /pattern; empty: all.
	Endpoint string
	// From is the beginning of the first point, To the end of the last. Both are whole
	// steps.
	From, To int64
	// Step is one of Steps, in seconds.
	Step int64
}

// Unset is a From or To that nobody has given.
const Unset = -1

// defaultSpan is what is told of where nobody says from when, in seconds.
const defaultSpan = 3600

// Complete puts in what is not given: the last hour, and the finest step that is kept
// since From. It widens the time to whole steps. From is at or behind To if the question
// is for no time at all.
func (q *Query) Complete(now time.Time) {
	to, from := q.To, q.From
	if to == Unset {
		to = now.Unix() + 1 // the running step is told
	}
	if from == Unset {
		from = max(0, to-defaultSpan)
	}
	if q.Step == 0 {
		q.Step = Steps[len(Steps)-1].Seconds
		for _, s := range slices.Backward(Steps[:]) {
			if from+s.Seconds >= now.Add(-s.Keep).Unix() {
				q.Step = s.Seconds
			}
		}
	}
	if from >= to {
		q.From, q.To = from, to
		return
	}
	q.To = floor(to+q.Step-1, q.Step)
	if q.From == Unset { // whole steps of what is asked for, not one more
		from = max(0, q.To-defaultSpan)
	}
	q.From = floor(from, q.Step)
}

// MaxTime is the last time that can be asked for: the end of the year 9999.
const MaxTime = 253_402_300_799

// whole tells whether the question can be answered as it is.
func (q *Query) whole() bool {
	return slices.ContainsFunc(Steps[:], func(s Step) bool { return s.Seconds == q.Step }) &&
		q.From >= 0 && q.From%q.Step == 0 && q.To%q.Step == 0 && q.To <= MaxTime+q.Step
}

// floor is the beginning of the step that a time lies in.
func floor(at, step int64) int64 { return at - at%step }

// Point is what happened to the calls of an endpoint in a step that begins At.
type Point struct {
	At       int64
	Endpoint string
	callstats.Counts
}

// gathered are points under way to an answer, of which none is there twice.
type gathered struct {
	query Query
	at    map[place]*callstats.Counts
}

type place struct {
	at       int64
	endpoint string
}

func gather(q Query) *gathered { return &gathered{q, map[place]*callstats.Counts{}} }

// add counts in what is asked for; ErrTooMany if there is no place for it.
func (g *gathered) add(at int64, endpoint string, c *callstats.Counts) error {
	at = floor(at, g.query.Step)
	if at < g.query.From || at >= g.query.To || g.query.Endpoint != "" && g.query.Endpoint != endpoint {
		return nil
	}
	to := g.at[place{at, endpoint}]
	if to == nil {
		if len(g.at) == MaxPoints {
			return ErrTooMany
		}
		to = &callstats.Counts{}
		g.at[place{at, endpoint}] = to
	}
	to.Add(c)
	return nil
}

// points lists what has been gathered by time, and then by endpoint.
func (g *gathered) points() []Point {
	list := make([]Point, 0, len(g.at))
	for p, c := range g.at {
		if c.Total() > 0 {
			list = append(list, Point{p.at, p.endpoint, *c})
		}
	}
	slices.SortFunc(list, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Endpoint, b.Endpoint))
	})
	return list
}

// Merge adds up what the members of a cluster have answered to one question.
func Merge(q Query, answers [][]Point) ([]Point, error) {
	g := gather(q)
	for _, points := range answers {
		for i := range points {
			if err := g.add(points[i].At, points[i].Endpoint, &points[i].Counts); err != nil {
				return nil, err
			}
		}
	}
	return g.points(), nil
}

// Sum adds up points.
func Sum(points []Point) (sum callstats.Counts) {
	for i := range points {
		sum.Add(&points[i].Counts)
	}
	return sum
}
