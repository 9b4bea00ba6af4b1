package upstream

import (
	"math"
	"math/bits"
)

// Balance is how a Group chooses among its targets.
type Balance uint8

// The balances.
const (
	// LeastRequests takes two at random, by their weights, and of these the one
	// with fewer calls in flight for its weight.
	LeastRequests Balance = iota
	// RoundRobin takes one after the other, those of more weight more often and
	// never in a row if others are due (nginx's smooth weighted round-robin).
	RoundRobin
	// HashBy takes the one that the key of the call belongs to: weighted
	// rendezvous hashing, which moves only the calls of the target that leaves or
	// comes. All nodes choose alike.
	HashBy
)

// whole is the share of a target of weight 1 that gets all its calls; slow
// return gives it fewer.
const whole = 100

// shares are what the targets get of the next call, 0 for those not tried.
type shares [MaxTargets]int64

// tier is how much is overlooked in choosing.
type tier uint8

const (
	// settled: only targets that nothing is known against.
	settled tier = iota
	// ejected: those too that answered 502, 503 or 504.
	ejected
	// refusing: those too that have just refused a connection.
	refusing
)

// choose gives the target for a call, nil where none is to be tried. tried has
// a bit for each target that could not be connected to by this call.
func (g *Group) choose(key, tried uint64, now moment) *target {
	for skip, round := tried, 0; round <= len(g.targets); round++ {
		var of shares
		total := int64(0)
		for tier := settled; total == 0; tier++ {
			if tier > ejected && (tier > refusing || tried == 0) {
				return nil
			}
			for i, t := range g.targets {
				if skip&(1<<i) == 0 {
					of[i] = g.share(t, tier, now)
					total += of[i]
				}
			}
		}
		t := g.one(&of, total, key)
		if tried != 0 || len(g.targets) == 1 || t.claim(now) {
			return t
		}
		skip |= 1 << t.index // another call is trying it
	}
	return nil
}

// share is what a target gets of the next call.
func (g *Group) share(t *target, tier tier, now moment) int64 {
	if g.fails(t) {
		return 0
	}
	if tier < refusing && t.refuses(now) && len(g.targets) > 1 {
		return 0
	}
	if tier > settled {
		return t.weight * whole
	}
	return t.weight * g.returning(t, now)
}

func (g *Group) one(of *shares, total int64, key uint64) *target {
	switch g.balance {
	case RoundRobin:
		return g.next(of, total)
	case HashBy:
		return g.hashed(of, key)
	}
	first := g.drawn(of, total, -1)
	if total == of[first.index] {
		return first
	}
	second := g.drawn(of, total-of[first.index], first.index)
	// Half a call is added to the second, so that where it makes no difference
	// weights alone decide.
	a, b := first.inFlight.Load(), second.inFlight.Load()
	if 2*a*of[second.index] > (2*b+1)*of[first.index] {
		return second
	}
	return first
}

// drawn gives one target at random, by their shares, but not the one without.
func (g *Group) drawn(of *shares, total int64, without int) (last *target) {
	n := int64(g.random(uint64(total)))
	for i, t := range g.targets {
		if of[i] == 0 || i == without {
			continue
		}
		last = t
		if n -= of[i]; n < 0 {
			break
		}
	}
	return last
}

// next is RoundRobin's.
func (g *Group) next(of *shares, total int64) (best *target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, t := range g.targets {
		if of[i] == 0 {
			continue
		}
		t.current += of[i]
		if best == nil || t.current > best.current {
			best = t
		}
	}
	best.current -= total
	return best
}

// hashed is HashBy's: the highest score wins, which is the weight over a number
// drawn by key and target that falls off exponentially.
func (g *Group) hashed(of *shares, key uint64) (best *target) {
	highest := 0.0
	for i, t := range g.targets {
		if of[i] == 0 {
			continue
		}
		u := (float64(mix(key^t.seed)>>11) + .5) / (1 << 53) // between 0 and 1, without either
		if score := float64(of[i]) / -math.Log(u); best == nil || score > highest {
			best, highest = t, score
		}
	}
	return best
}

// HashOf is the key of what calls of one kind have in common, the same on all
// nodes: FNV-1a.
func HashOf(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

// mix spreads a number over all bits (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Plan is a target as Explain shows it.
type Plan struct {
	// URL is that of the request at this target, Host what it gets as Host.
	URL, Host string
	// Weight is as configured, among those of the other targets.
	Weight int
	// Out says why it is not tried, empty: it is.
	Out string
	// Due is true for the one that a call of this key goes to, with HashBy.
	Due bool
}

// Plan says which targets a call would go to. It changes nothing.
func (g *Group) Plan(path, query []byte, key uint64) []Plan {
	now := g.moment()
	list := make([]Plan, len(g.targets))
	var of shares
	open := uint64(0)
	for tier := settled; open == 0 && tier <= ejected; tier++ {
		for i, t := range g.targets {
			if of[i] = g.share(t, tier, now); of[i] > 0 {
				open |= 1 << i
			}
		}
	}
	for i, t := range g.targets {
		list[i] = Plan{URL: t.server.URL(path, query), Host: t.server.Host(), Weight: int(t.weight)}
		if g.single || open&(1<<i) != 0 {
			continue
		}
		list[i].Out = g.out(t, now)
	}
	if g.balance == HashBy && bits.OnesCount64(open) > 0 {
		list[g.hashed(&of, key).index].Due = true
	}
	return list
}
