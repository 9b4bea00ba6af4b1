package node_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// BenchmarkRaftCommit is one raw commit after the other on three nodes: what
// a strict decision cannot be faster than.
func BenchmarkRaftCommit(b *testing.B) {
	c := nodetest.Start(b, 3)
	leader := c.Leader().Store()
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := leader.Apply(context.Background(), store.Command{Kind: store.KindFrames}); err != nil {
			leader = c.Leader().Store() // it may move, on a busy machine
			continue
		}
		took = append(took, time.Since(begin))
	}
	reportPercentiles(b, took)
}

// BenchmarkStrict is a decision of the cluster on three nodes, no HTTP, each
// taking its unit in the log, by the number of callers.
func BenchmarkStrict(b *testing.B) { benchmarkStrict(b, store.BoltDB) }

// BenchmarkStrictWAL is the same with the other --log-store.
func BenchmarkStrictWAL(b *testing.B) { benchmarkStrict(b, store.WAL) }

func benchmarkStrict(b *testing.B, engine store.Engine) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			// No share is worth leasing: every window is strict.
			c := nodetest.Start(b, 3, func(cfg *nodetest.Config) {
				cfg.MinLease, cfg.LogStore = quota.MaxMinLease, string(engine)
			})
			c.Deploy(document([][2]int{{5_000_000, 3600}}, [][2]int{{5_000_000, 3600}}))
			each := make([][]time.Duration, callers)
			next := make(chan struct{}, callers)
			var wg sync.WaitGroup
			for i := range callers {
				cl := c.Nodes[i%3].Cluster()
				wg.Go(func() {
					for range next {
						begin := time.Now()
						if v, err := cl.Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err != nil || !v.Admitted {
							b.Errorf("%+v, %v", v, err)
						}
						each[i] = append(each[i], time.Since(begin))
					}
				})
			}
			b.ResetTimer()
			for range b.N {
				next <- struct{}{}
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
			reportPercentiles(b, slices.Concat(each...))
		})
	}
}

// BenchmarkLogEntries is the log of three nodes while calls are offered at a
// given rate, in the middle of an hour's window on domain and endpoint. The
// log's entries a second are to be the same at every rate: they depend on the
// leases that there are, not on the calls.
func BenchmarkLogEntries(b *testing.B) {
	for _, rate := range []int{1000, 10_000, 100_000} { // calls/s
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			c := nodetest.Start(b, 3)
			c.Deploy(document([][2]int{{1_000_000_000, 3600}}, [][2]int{{1_000_000_000, 3600}}))
			offer(b, c, rate, rate) // a second, for leases to find their size
			before := c.Nodes[0].Store().Applied()
			b.ResetTimer()
			offer(b, c, rate, b.N)
			b.ReportMetric(float64(c.Nodes[0].Store().Applied()-before)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// offer makes n calls at a rate a second, spread over the nodes. A caller that is
// behind makes up for it.
func offer(b *testing.B, c *nodetest.Cluster, rate, n int) {
	var wg sync.WaitGroup
	begin := time.Now()
	for i, nd := range c.Nodes {
		wg.Go(func() {
			for k := i; k < n; k += len(c.Nodes) {
				due := begin.Add(time.Duration(k) * time.Second / time.Duration(rate))
				if early := time.Until(due); early > time.Millisecond {
					time.Sleep(early)
				}
				if v, err := nd.Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err != nil || !v.Admitted {
					b.Errorf("%+v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	b.ReportMetric(percentile(took, 0.5), "p50-ms")
	b.ReportMetric(percentile(took, 0.99), "p99-ms")
}

// percentile is in ms. It sorts what it is given.
func percentile(took []time.Duration, p float64) float64 {
	slices.Sort(took)
	return took[int(p*float64(len(took)-1))].Seconds() * 1000
}
