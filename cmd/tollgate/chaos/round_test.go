//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

const (
	deployAtOnce   = 4
	finishPatience = 40 * time.Second
	// calmLoad is how long a round without faults is under load before it is
	// brought to its end.
	calmLoad = 2 * time.Second
)

// round is a set of fresh domains, load on them, faults meanwhile, and then the
// checks.
type round struct {
	c      *cluster
	seed   uint64 // of the load
	gentle bool
	faults []fault
	// meanwhile is done under load in place of faults, where there are none.
	meanwhile func(context.Context) error

	menu    *menu
	crowd   *crowd
	strikes *strikes
	slow    stalls
	all     history
	parts   map[*target]history
	// lost is the units of a window that the cluster has given up for lost with
	// their holders.
	lost map[*target]int
}

// newRound draws up round number of a run. Without faults it is calm, and held
// to be exact; with none that could cost a unit it is gentle.
func newRound(c *cluster, r run, number int, only []kind) *round {
	name := fnv.New64a()
	fmt.Fprintf(name, "%s, round %d", r.test, number) // each test has plans of its own
	rng := rand.New(rand.NewPCG(r.seed, name.Sum64()))
	rd := &round{c: c, seed: rng.Uint64(), strikes: &strikes{c: c}, menu: newMenu(rng, number)}
	rd.faults = plan(rng, len(c.nodes), r.faults, cards(number%4 == 3, only, c.net))
	rd.gentle = !slices.ContainsFunc(rd.faults, func(f fault) bool { return f.kind.loses() })
	return rd
}

// run carries the round out and returns what it found.
func (r *round) run() (figures, []violation, error) {
	if err := r.deploy(); err != nil {
		return figures{}, nil, err
	}
	r.crowd = newCrowd(r.c)
	defer r.crowd.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { r.crowd.load(ctx, r.menu, r.seed) })
	wg.Go(func() { r.slow.watch(ctx) })
	err := r.strikes.run(ctx, r.faults)
	if len(r.faults) == 0 {
		time.Sleep(calmLoad)
	}
	if r.meanwhile != nil {
		err = errors.Join(err, r.meanwhile(ctx))
	}
	time.Sleep(calmAfter)
	ended := clock()
	if err == nil {
		err = r.c.healed(healPatience)
	}
	healed := clock() - ended
	cancel()
	wg.Wait()
	var open []*target
	if err == nil {
		open = r.crowd.finish(r.menu, finishPatience)
	}
	r.all = r.crowd.histories()
	r.parts = r.all.byTarget()
	var found []violation
	if err == nil {
		found = r.readOut()
	}
	found = append(found, r.check(open)...)
	f := r.figures()
	f.heal = healed
	return f, found, errors.Join(append(r.c.died(), err)...)
}

// deploy makes the domains live and waits until every node serves them.
func (r *round) deploy() error {
	keys := make(chan string, len(r.menu.documents))
	for key := range r.menu.documents {
		keys <- key
	}
	close(keys)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for i := range deployAtOnce {
		wg.Go(func() {
			for key := range keys {
				if err := r.deployOne(r.c.nodes[i%len(r.c.nodes)], key); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *round) deployOne(via *node, key string) error {
	if err := r.c.put(via, r.menu.documents[key]); err != nil {
		return fmt.Errorf("deploying %s through %s: %w", key, via.id, err)
	}
	for _, n := range r.c.nodes {
		if err := r.c.await(n.id+" serves "+key, healPatience, func() error { return serves(n, key) }); err != nil {
			return err
		}
	}
	return nil
}

// check holds the history against every promise.
func (r *round) check(open []*target) (found []violation) {
	add := func(v []violation) { found = append(found, v...) }
	groups := map[*group]history{}
	for t, h := range r.parts {
		if !t.oneWindow() {
			add(checkSpans(t, h))
			add(checkRetryAfter(t, h))
			continue
		}
		add(checkNeverOver(t.String(), t.limit, h))
		add(checkConsistent(t.String(), h))
		switch {
		case t.class == small:
			draw := filepath.Join(r.c.dir, strings.NewReplacer("/", "-", " ", "-").Replace(t.String()[1:])+".html")
			add(checkLinearizable(t, h, r.lost[t] == 0 && h.perhaps() <= mostPerhaps, draw))
		case t.class == pair:
			groups[t.group] = append(groups[t.group], h...)
		}
		if h.count(refused) == 0 || t.class == pair { // of a pair, the group may have refused
			continue
		}
		add(checkNeverEarly(t, h, r.lost[t]))
		if t.strict() && r.lost[t] > 0 {
			add([]violation{{fmt.Sprintf("never early: %d units of %v are lost with their holders, and nobody held any", r.lost[t], t), nil}})
		}
	}
	add(r.checkLost())
	for g, h := range groups {
		add(checkNeverOver(g.name, g.limit, h))
	}
	add(checkBounded(quotaWait+margin+r.slow.longest, r.all, r.c.paused))
	add(checkAnswers(r.all))
	for _, t := range open {
		add([]violation{{fmt.Sprintf("healed: %v is not used up on every node %v after the faults ended; its last calls:", t, finishPatience),
			r.parts[t][max(0, len(r.parts[t])-mostShown):]}})
	}
	return found
}

// starved is the share of all units that a round may lose in which nobody died or
// was cut off: on a machine that is too busy, a node may stand still for longer
// than a lease.
const starved = 0.05

// checkLost holds a round without a fault that loses units to that.
func (r *round) checkLost() []violation {
	lost, units := 0, 0
	for t := range r.parts {
		if t.oneWindow() {
			lost, units = lost+r.lost[t], units+t.limit
		}
	}
	if !r.gentle || float64(lost) <= starved*float64(units) {
		return nil
	}
	return []violation{{fmt.Sprintf("never early: %d of %d units are lost with their holders, though no node died or was cut off", lost, units), nil}}
}

// readOut: once everything is used up, every node reads the same quota out. It
// keeps what is lost of each target.
func (r *round) readOut() (found []violation) {
	r.lost = map[*target]int{}
	for key := range r.menu.documents {
		used := true
		for t := range r.parts {
			used = used && (t.domain != key || t.oneWindow())
		}
		if !used {
			continue // windows that come and go
		}
		err := r.c.await("all nodes read the same quota of "+key+" out", healPatience, func() error { return r.sameReadings(key) })
		if err != nil {
			found = append(found, violation{err.Error(), nil})
		}
		r.keepLost(key)
	}
	return found
}

// keepLost notes what is lost of the targets of a domain.
func (r *round) keepLost(key string) {
	for t := range r.parts {
		if t.domain != key || t.caller == "" {
			continue
		}
		var read api.Quota
		err := r.c.admin.of(r.c.nodes[0]).Call(context.Background(), http.MethodGet, api.QuotaPath(key)+"?caller="+t.caller, nil, &read)
		if err == nil && len(read.Conditions) == 1 {
			r.lost[t] = int(read.Conditions[0].Lost)
		}
	}
	conditions, err := r.c.readings(r.c.nodes[0], key)
	if err != nil {
		return // sameReadings has told
	}
	for _, q := range conditions {
		for t := range r.parts {
			if t.domain == key && t.caller == "" && (q.Endpoint == nil && len(conditions) == 1 || q.Endpoint != nil && *q.Endpoint == "POST "+t.path) {
				r.lost[t] = int(q.Lost)
			}
		}
	}
}

func (r *round) sameReadings(key string) error {
	var first string
	for i, n := range r.c.nodes {
		conditions, err := r.c.readings(n, key)
		if err != nil {
			return fmt.Errorf("%s: %w", n.id, err)
		}
		text := ""
		for _, q := range conditions {
			name, ends := "", "no window"
			if q.Endpoint != nil {
				name = *q.Endpoint
			}
			if q.WindowEndsAt != nil {
				ends = *q.WindowEndsAt
			}
			text += fmt.Sprintf("%q: %d of %d in %d s, %d lost, until %s; ", name, q.Used, q.MaxUsageQuota, q.ResetTimeSeconds, q.Lost, ends)
		}
		if i == 0 {
			first = text
		} else if text != first {
			return fmt.Errorf("%s reads %s n1 %s", n.id, text, first)
		}
	}
	return nil
}
