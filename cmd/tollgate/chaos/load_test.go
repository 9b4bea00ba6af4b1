//go:build linux

package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Who loads the cluster: clients that stay with one node, as behind a load
// balancer, and clients that go about and do not wait for long.
const (
	clientsPerNode = 5
	roamers        = 4
	meanThink      = 5 * time.Millisecond
	burst          = 40 // calls without a pause
	idlePause      = 10 * time.Millisecond
)

// crowd is the clients of one round.
type crowd struct {
	c       *cluster
	clients []*client
}

// newCrowd makes the clients of a cluster.
func newCrowd(c *cluster) *crowd {
	w := &crowd{c: c}
	for range clientsPerNode * len(c.nodes) {
		w.clients = append(w.clients, newClient(len(w.clients), patient))
	}
	for range roamers {
		w.clients = append(w.clients, newClient(len(w.clients), impatient))
	}
	return w
}

// node is where a client makes its next call.
func (w *crowd) node(cl *client, rng *rand.Rand) *node {
	if cl.number < clientsPerNode*len(w.c.nodes) {
		return w.c.nodes[cl.number%len(w.c.nodes)]
	}
	return w.c.nodes[rng.IntN(len(w.c.nodes))]
}

// load calls what the menu has until ctx ends.
func (w *crowd) load(ctx context.Context, m *menu, seed uint64) {
	var wg sync.WaitGroup
	for _, cl := range w.clients {
		rng := rand.New(rand.NewPCG(seed, uint64(cl.number)))
		wg.Go(func() {
			quick := 0
			for ctx.Err() == nil {
				t := m.pick(rng)
				if t == nil {
					pause(ctx, idlePause)
					continue
				}
				n := w.node(cl, rng)
				v := cl.call(n, t)
				switch {
				case v == unknown || v == notReady:
					pause(ctx, idlePause) // a node that is down refuses quickly
				case quick > 0:
					quick--
				case rng.IntN(200) == 0:
					quick = burst
				default:
					pause(ctx, time.Duration(rng.Int64N(int64(2*meanThink))))
				}
			}
		})
	}
	wg.Wait()
}

// pause is the time a client takes before its next call.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// finish calls every target of one window that was called at all, until each
// node has answered 20004. It returns those it could not bring that far.
func (w *crowd) finish(m *menu, patience time.Duration) (open []*target) {
	deadline := time.Now().Add(patience)
	work := make(chan *target)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, cl := range w.clients[:clientsPerNode*len(w.c.nodes)] {
		wg.Go(func() {
			for t := range work {
				for i := range w.c.nodes { // each client begins elsewhere
					if n := w.c.nodes[(cl.number+i)%len(w.c.nodes)]; !exhaust(cl, n, t, deadline) {
						mu.Lock()
						open = append(open, t)
						mu.Unlock()
					}
				}
			}
		})
	}
	for _, t := range m.all() {
		if !t.oneWindow() || t.asked.Load() == 0 {
			continue
		}
		hands := 1
		if t.class == big {
			hands = len(w.clients) / 2
		}
		for range hands {
			work <- t
		}
	}
	close(work)
	wg.Wait()
	return open
}

// exhaust calls a target at a node until it is refused.
func exhaust(cl *client, n *node, t *target, deadline time.Time) bool {
	for time.Now().Before(deadline) {
		if cl.call(n, t) == refused {
			return true
		}
	}
	return false
}

// histories is what all clients have seen. They must be idle.
func (w *crowd) histories() history {
	var all history
	for _, cl := range w.clients {
		all = append(all, cl.history...)
	}
	return all
}

func (w *crowd) close() {
	for _, cl := range w.clients {
		cl.close()
	}
}
