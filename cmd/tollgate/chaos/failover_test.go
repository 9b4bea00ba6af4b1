//go:build linux

package chaos

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// Two strict clients and a leased one call each node.
const strictClients = 2

// BenchmarkFailover kills the leader of three nodes under load, again and again
// (-benchtime 50x). It reports the longest that a call at the other nodes waited after a
// kill: one that needs the log (strict), and one that has units left on its node (leased).
func BenchmarkFailover(b *testing.B) {
	net, err := newWires(3)
	if err != nil {
		b.Fatal(err)
	}
	c := startCluster(b, tollgate(b), net, 3)
	const plenty = 1_000_000_000
	leased := &target{domain: "leased", path: "/x", limit: plenty, window: longWindow}
	strict := &target{domain: "strict", path: "/x", caller: "any", limit: 10, window: longWindow}
	for _, t := range []*target{leased, strict} {
		if err := c.put(c.leader(), document(t.domain, []*target{t})); err != nil {
			b.Fatal(err)
		}
		for _, n := range c.nodes {
			if err := c.await(n.id+" serves "+t.domain, healPatience, func() error { return serves(n, t.domain) }); err != nil {
				b.Fatal(err)
			}
		}
	}
	var waits [2][]float64 // ms, of strict and leased calls
	undecided := 0
	for i := range b.N {
		history, at, dead := c.failover(b, i, strict, leased)
		var longest [2]time.Duration
		for _, o := range history {
			if o.node == dead || o.ret < at || o.call > at+felt {
				continue
			}
			kind := 0
			if o.target == leased {
				kind = 1
			}
			if o.verdict != admitted {
				undecided++
			}
			longest[kind] = max(longest[kind], o.ret-max(o.call, at))
		}
		for kind, d := range longest {
			waits[kind] = append(waits[kind], float64(d.Microseconds())/1000)
		}
		if max(longest[0], longest[1]) > 400*time.Millisecond { // worth looking at in the nodes' logs
			b.Logf("kill %d, of %s at %v: strict %v, leased %v", i+1, c.nodes[dead].id, at, longest[0], longest[1])
		}
	}
	for kind, name := range []string{"strict", "leased"} {
		slices.Sort(waits[kind])
		b.ReportMetric(waits[kind][len(waits[kind])/2], name+"-p50-ms")
		b.ReportMetric(waits[kind][len(waits[kind])-1], name+"-max-ms")
	}
	b.ReportMetric(float64(undecided), "undecided")
}

// failover has calls made, kills the leader after a second, and brings it back.
func (c *cluster) failover(b *testing.B, round int, strict, leased *target) (all history, at time.Duration, dead int) {
	stop := make(chan struct{})
	var clients []*client
	var wg sync.WaitGroup
	for _, n := range c.nodes {
		for k := range strictClients + 1 {
			cl := newClient(len(clients), patient)
			clients = append(clients, cl)
			wg.Go(func() {
				defer cl.close()
				for calls := 0; ; calls++ {
					select {
					case <-stop:
						return
					case <-time.After(2 * time.Millisecond): // the pace of a client
					}
					t := leased
					if k < strictClients { // somebody new each time, for whom nothing is leased
						t = &target{domain: strict.domain, path: strict.path, caller: fmt.Sprint(round, " ", cl.number, " ", calls)}
					}
					cl.call(n, t)
				}
			})
		}
	}
	time.Sleep(time.Second) // of load before, not for a state
	leader := c.leader()
	at = clock()
	leader.process().Kill()
	time.Sleep(felt)
	close(stop)
	wg.Wait()
	if err := leader.start(); err != nil {
		b.Fatal(err)
	}
	if err := c.healed(healPatience); err != nil {
		b.Fatal(err)
	}
	for _, cl := range clients {
		all = append(all, cl.history...)
	}
	return all, at, leader.i
}
