package node_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"

	adminapi "github.com/tollgate/tollgate/node/admin/api"
)

// sent is what clients have got, as statistics should tell it.
type sent struct {
	successes, failures, byGateway, bytes uint64
	refusals                              map[string]uint64
}

// call makes a call and counts its answer.
func (s *sent) call(t *testing.T, n *nodetest.Node, path string) {
	t.Helper()
	r := call(t, web, "GET", n.ProxyAddr(), path, "")
	if r.status < 400 {
		s.successes++
	} else {
		s.failures++
	}
	if r.code != 0 {
		s.refusals[fmt.Sprint(r.code)]++
	}
	if r.code != 0 || strings.HasSuffix(path, "/mock") {
		s.byGateway++
	}
	s.bytes += uint64(len(r.body))
}

// total is how many calls there were.
func (s *sent) total() uint64 { return s.successes + s.failures }

func statsOf(t *testing.T, n *nodetest.Node, query string) (s adminapi.Stats) {
	t.Helper()
	api(t, n, "GET", "/v1/domains/s/stats"+query, "").into(t, &s)
	return s
}

// has waits until a node tells exactly what was sent: a call counts when its answer has
// ended, which may be a moment after the client has it.
func (s *sent) has(t *testing.T, n *nodetest.Node, query string) adminapi.Stats {
	t.Helper()
	var got adminapi.Stats
	nodetest.Eventually(t, fmt.Sprintf("%s tells all %d calls", n.ID, s.total()), func() bool {
		got = statsOf(t, n, query)
		return got.Sum.Total >= s.total()
	})
	if got.Sum.Successes != s.successes || got.Sum.Failures != s.failures || got.Sum.ByGateway != s.byGateway || got.Sum.BytesOut != s.bytes ||
		!reflect.DeepEqual(got.Sum.Refusals, s.refusals) || len(got.Missing) > 0 {
		t.Errorf("%s: %+v, missing %v\nwant %+v", n.ID, got.Sum, got.Missing, *s)
	}
	return got
}

// TestStatsAreExact: calls of every kind at three nodes are told by each of them, to the
// call, while they run, when their minute is over, and after restarts. A member that is
// down is named, and one that was killed has lost its running minute at most.
func TestStatsAreExact(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	t.Cleanup(up.Close)
	var ahead atomic.Int64 // of the clocks of all nodes
	c := nodetest.Start(t, 3, func(cfg *nodetest.Config) {
		cfg.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c.Deploy(`{"swagger":"2.0","info":{"title":"S","version":"1"},"basePath":"/s","schemes":["http"],
		"paths":{"/ok":{"get":{}},"/broken":{"get":{}},"/missing":{"get":{}},
			"/mock":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":404,"headers":{},"body":"m"}}}}},
			"/limited":{"get":{"x-toastcloud-apigw":{"plugins":{"ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":5,"resetTimeSeconds":86400}]}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"` + up.URL + `"}}}}`)
	all := &sent{refusals: map[string]uint64{}}
	round := func() {
		t.Helper()
		for i, n := range c.Nodes {
			for range 3 + i {
				for _, path := range []string{"/s/ok", "/s/broken", "/s/missing", "/s/mock", "/s/limited", "/s/nope"} {
					all.call(t, n, path)
				}
			}
			call(t, web, "GET", n.ProxyAddr(), "/other/ok", "") // of no domain
		}
	}
	round()
	if all.refusals["20004"] != 12-5 || all.refusals["40401"] != 12 || all.successes != 12+5 || all.byGateway != 12+12+7 {
		t.Fatalf("%+v", *all)
	}
	for _, n := range c.Nodes {
		all.has(t, n, "")
	}
	next := func() {
		ahead.Add(int64(time.Minute))
		for _, n := range c.Nodes {
			n.FlushStats()
		}
	}
	next()
	round()
	got := all.has(t, c.Nodes[1], "")
	minutes := map[int64]uint64{}
	for i, p := range got.Points {
		minutes[p.At] += p.Total
		if before := max(i-1, 0); i > 0 && (got.Points[before].At > p.At || got.Points[before].At == p.At && got.Points[before].Endpoint >= p.Endpoint) || p.Total == 0 {
			t.Errorf("point %d: %+v behind %+v", i, p, got.Points[before])
		}
	}
	if len(minutes) < 2 {
		t.Errorf("the calls of more than a minute are in %v", minutes)
	}
	limited := statsOf(t, c.Nodes[2], "?step=86400&endpoint=GET%20/limited")
	if limited.Sum.Total != 24 || limited.Sum.Successes != 5 || limited.Sum.Refusals["20004"] != 19 || limited.Sum.P50Millis <= 0 || limited.Sum.P99Millis < limited.Sum.P50Millis || limited.Sum.MeanMillis <= 0 {
		t.Errorf("%+v", limited)
	}

	for _, n := range c.Nodes { // in the same minute as its calls
		n.Stop()
		n.Start()
		n.WaitReady()
	}
	round()
	for _, n := range c.Nodes {
		all.has(t, n, "?step=600")
	}

	next()
	written := all.total()
	lost := &sent{refusals: map[string]uint64{}}
	dead := c.Nodes[2]
	for range 10 {
		lost.call(t, dead, "/s/mock")
	}
	dead.Kill()
	alone := statsOf(t, c.Nodes[0], "")
	if !reflect.DeepEqual(alone.Missing, []string{"n3"}) || alone.Sum.Total == 0 || alone.Sum.Total >= written {
		t.Errorf("while n3 is down: %d of %d calls, missing %v", alone.Sum.Total, written, alone.Missing)
	}
	dead.Start()
	dead.WaitReady()
	nodetest.Eventually(t, "n3 answers again", func() bool { return len(statsOf(t, c.Nodes[0], "").Missing) == 0 })
	if got := statsOf(t, c.Nodes[0], ""); got.Sum.Total < written || got.Sum.Total > written+lost.total() {
		t.Errorf("after a kill there are %d calls, want %d and up to %d more", got.Sum.Total, written, lost.total())
	}
	if r := api(t, c.Nodes[0], "GET", "/v1/domains/nope/stats", ""); r.status != 404 || r.code != 40400 {
		t.Errorf("an unknown domain: %v", r)
	}
}
