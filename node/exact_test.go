package node_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store/quota"
)

// document is a domain "d" with quotas for itself and for GET /x/**, each
// condition as max and seconds.
func document(domain, endpoint [][2]int) string {
	beans := func(list [][2]int) string {
		s := ""
		for i, b := range list {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprintf(`{"maxUsageQuota":%d,"resetTimeSeconds":%d}`, b[0], b[1])
		}
		return s
	}
	plugins := `"HTTP_PROXY":{"url":"http://127.0.0.1:1"}`
	if len(domain) > 0 {
		plugins += `,"USAGE_QUOTA":{"usageQuotaBeans":[` + beans(domain) + `]}`
	}
	own := `"MOCK":{"statusCode":200,"headers":{},"body":"ok"}`
	if len(endpoint) > 0 {
		own += `,"ENDPOINT_USAGE_QUOTA":{"usageQuotaBeans":[` + beans(endpoint) + `]}`
	}
	return `{"swagger":"2.0","info":{"title":"d","version":"1"},"basePath":"/d","schemes":["http"],
		"paths":{"/x/**":{"get":{"x-toastcloud-apigw":{"plugins":{` + own + `}}}}},
		"x-toastcloud-apigw":{"plugins":{` + plugins + `}}}`
}

const endpoint = "GET /x/**"

type takeFunc = func(*quota.Call) (quota.Verdict, error)

// tally is what a load saw.
type tally struct {
	admitted, refused, undecided atomic.Int64
	// late counts calls that were begun after some node had answered 20004
	// and admitted all the same.
	late atomic.Int64
	// exhausted is set once some node has answered 20004.
	exhausted atomic.Bool
}

// load makes calls from clients spread over the nodes, each one after the
// other, until each has made its share of calls.
func load(c *nodetest.Cluster, clients, calls int, endpoint string, t *tally) {
	var wg sync.WaitGroup
	nodes := c.Up()
	for i := range clients {
		wg.Go(func() {
			cl := nodes[i%len(nodes)].Cluster()
			for range calls / clients {
				t.call(cl.Take, endpoint)
			}
		})
	}
	wg.Wait()
}

func (t *tally) call(take takeFunc, endpoint string) {
	after := t.exhausted.Load()
	v, err := take(&quota.Call{Domain: "d", Endpoint: endpoint})
	switch {
	case err != nil:
		t.undecided.Add(1)
	case v.Admitted:
		t.admitted.Add(1)
		if after {
			t.late.Add(1)
		}
	default:
		t.refused.Add(1)
		t.exhausted.Store(true)
	}
}

// TestExactlyTheLimit: 64 clients on three nodes; exactly the limit is
// admitted, whichever condition is the narrowest, and nothing after a refusal.
func TestExactlyTheLimit(t *testing.T) {
	c := nodetest.Start(t, 3)
	for _, limit := range []int{1, 7, 100, 10_000} {
		for _, conditions := range []struct {
			name             string
			domain, endpoint [][2]int
		}{
			{"domain", [][2]int{{limit, 3600}}, nil},
			{"endpoint", nil, [][2]int{{limit, 3601}}},
			{"both, domain narrower", [][2]int{{limit, 3602}, {limit * 3, 7200}}, [][2]int{{limit * 2, 3602}}},
			{"both, endpoint narrower", [][2]int{{limit * 2, 3603}}, [][2]int{{limit, 3603}, {limit * 3, 7203}}},
		} {
			t.Run(fmt.Sprintf("%d, %s", limit, conditions.name), func(t *testing.T) {
				c.Deploy(document(conditions.domain, conditions.endpoint))
				var got tally
				load(c, 64, limit+limit/2+640, endpoint, &got)
				if got.admitted.Load() != int64(limit) || got.late.Load() != 0 || got.undecided.Load() != 0 {
					t.Errorf("admitted %d of a limit of %d, %d of them begun after a 20004; %d undecided",
						got.admitted.Load(), limit, got.late.Load(), got.undecided.Load())
				}
			})
		}
	}
	c.Digest()
}

// TestEveryWindowIsExact: windows of a second under continuous load. Each opens
// with the first call after the one before, so the first call admitted past n
// full windows must come n seconds or more after the first of all.
func TestEveryWindowIsExact(t *testing.T) {
	const limit, windows = 200, 5
	// Cluster time is in milliseconds: a stamp is up to two behind the clock, that
	// of the term's begin being one and what has passed since the other.
	const resolution = 2 * time.Millisecond
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{limit, 1}}, nil))
	var mu sync.Mutex
	var admitted []time.Time // when the answer came
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range 24 {
		wg.Go(func() {
			cl := c.Nodes[i%3].Cluster()
			for n := 0; n < limit*windows; {
				v, err := cl.Take(&quota.Call{Domain: "d", Endpoint: endpoint})
				if err != nil {
					t.Errorf("undecided: %v", err)
					return
				}
				mu.Lock()
				if v.Admitted {
					admitted = append(admitted, time.Now())
				}
				n = len(admitted)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := 1; n < windows; n++ {
		if after := admitted[n*limit].Sub(begin); after < time.Duration(n)*(time.Second-resolution) {
			t.Errorf("call %d was admitted %v after the first: %d windows of a second admit %d", n*limit+1, after, n, n*limit)
		}
	}
	c.Digest()
}

// TestReadOutShowsEveryAnsweredCall: however the units were come by, the quota
// read-out of every node shows all calls answered before it was asked for.
func TestReadOutShowsEveryAnsweredCall(t *testing.T) {
	c := nodetest.Start(t, 3)
	c.Deploy(document([][2]int{{100_000, 3600}}, [][2]int{{50, 3600}}))
	calls := 0
	for round := range 4 {
		for range 9 * (round + 1) {
			if _, err := c.Nodes[calls%3].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err != nil {
				t.Fatal(err)
			}
			calls++
		}
		for _, n := range c.Nodes {
			ctx, cancel := context.WithTimeout(context.Background(), nodetest.Patience)
			n.Cluster().Settle(ctx, "d")
			now, err := n.Cluster().Refresh(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range n.Store().Readings("d", now) {
				if want := min(uint64(calls), r.Max); r.Used != want {
					t.Errorf("after %d calls %s reads %+v, want used %d", calls, n.ID, r, want)
				}
			}
		}
	}
	c.Digest()
}
