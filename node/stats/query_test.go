package stats

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proxy/callstats"
)

// TestComplete: what is left out of a question, and that times are whole steps.
func TestComplete(t *testing.T) {
	const now = noon + 30
	for _, c := range []struct{ from, to, step, wantFrom, wantTo, wantStep int64 }{
		{Unset, Unset, 0, noon - 3540, noon + 60, 60},
		{Unset, Unset, 600, noon - 3000, noon + 600, 600},
		{Unset, Unset, 86400, noon - 43200, noon + 43200, 86400},
		{Unset, noon - 60, 0, noon - 3660, noon - 60, 60},
		{Unset, noon - 59, 0, noon - 3600, noon, 60},
		{Unset, 100, 60, 0, 120, 60},
		{noon - 86400, Unset, 0, noon - 86400, noon + 60, 60},
		{noon - 86401 - 60, Unset, 0, noon - 87000, noon + 600, 600},
		{noon - 90*86400, Unset, 0, noon - 90*86400, noon + 600, 600},
		{noon - 91*86400, Unset, 0, noon - 91*86400 - 43200, noon + 43200, 86400},
		{0, Unset, 0, 0, noon + 43200, 86400},
		{noon + 1, noon + 2, 60, noon, noon + 60, 60},
		{noon + 60, noon + 60, 60, noon + 60, noon + 60, 60},
		{now + 5, Unset, 60, now + 5, now + 1, 60},
	} {
		q := Query{From: c.from, To: c.to, Step: c.step}
		q.Complete(time.Unix(now, 0))
		if q != (Query{From: c.wantFrom, To: c.wantTo, Step: c.wantStep}) {
			t.Errorf("%+v: %+v", c, q)
		}
	}
}

// TestMergeOfMembers: points of members add up, in order, and there is a bound of them.
func TestMergeOfMembers(t *testing.T) {
	point := func(at int64, endpoint string, n uint64) Point {
		return Point{at, endpoint, callstats.Counts{Successes: n, Micros: 1}}
	}
	q := Query{From: 0, To: 600, Step: 60}
	got, err := Merge(q, [][]Point{{point(60, "b", 1), point(60, "a", 2)}, nil, {point(0, "b", 3), point(60, "b", 4), point(600, "b", 5)}})
	if want := []Point{point(0, "b", 3), point(60, "a", 2), {60, "b", callstats.Counts{Successes: 5, Micros: 2}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if sum := Sum(got); sum.Total() != 10 || sum.Micros != 4 {
		t.Errorf("%+v", sum)
	}
	var many [2][]Point
	for i := range MaxPoints {
		many[i%2] = append(many[i%2], point(0, fmt.Sprint(i), 1))
	}
	if got, err = Merge(q, many[:]); err != nil || len(got) != MaxPoints {
		t.Errorf("%d points, %v", len(got), err)
	}
	if _, err = Merge(q, append(many[:], []Point{point(0, "one more", 1)})); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
}

// TestTooMany: a node does not gather more points than an answer may have.
func TestTooMany(t *testing.T) {
	b := newBench(t)
	for i := range 2 {
		for e := range MaxPoints/2 + 1 {
			b.calls("shop", fmt.Sprint(e), 1, 0)
		}
		b.at(noon + 60*int64(i+1))
	}
	q := Query{Domain: "shop", From: noon, To: noon + 120, Step: 60}
	if _, err := b.Query(q); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	q.Endpoint = "7"
	if points, err := b.Query(q); err != nil || len(points) != 2 {
		t.Errorf("%d points, %v", len(points), err)
	}
}

// TestNoQuestion: what only a broken member would ask is refused, and does no harm.
func TestNoQuestion(t *testing.T) {
	b := newBench(t)
	for _, q := range []Query{{}, {Step: 60, From: -60}, {Step: 61}, {Step: 60, From: 1, To: 60}, {Step: 60, To: 61}, {Step: 60, To: 1 << 62}, {Step: -60, To: 60}} {
		q.Domain = "shop"
		if _, err := b.Query(q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
	b.calls("shop", "GET /a", 1, 0)
	b.check(60, "", "0 GET /a: 1/0")
}
