package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Numbers of targets in one round, and how many small ones are called at a time.
const (
	bigTargets    = 10
	smallTargets  = 72
	ownDomains    = 12 // of the small targets; the others are endpoints of one domain
	shortTargets  = 4
	smallCallers  = 24 // of another domain, each with a counter of its own
	smallAtOnce   = 4
	longWindow    = time.Hour
	endOfWindow   = 150 // 20004s of a big target after which the next is called
	strictLimit   = 60  // up to it, units are never leased (see strict)
	mostOfSmall   = 200
	leastOfBig    = 2_000
	mostOfBig     = 20_000
	callsPastFull = 20
)

// menu is what the clients of one round call: fresh domains, so that the round
// sees each of its windows from the first call.
type menu struct {
	targets [classes][]*target
	// front is the first target of a class that is still called.
	front [classes]atomic.Int64
	// documents are the domains, by key.
	documents map[string][]byte
}

// newMenu draws up the targets of a round.
func newMenu(rng *rand.Rand, round int) *menu {
	m := &menu{documents: map[string][]byte{}}
	between := func(a, b int) int { return a + rng.IntN(b-a+1) }
	add := func(c class, domain, path string, limit int, window time.Duration) *target {
		t := &target{class: c, domain: domain, path: path, limit: limit, window: window}
		m.targets[c] = append(m.targets[c], t)
		return t
	}
	for i := range bigTargets {
		add(big, fmt.Sprintf("big-%d-%d", round, i), "/x", between(leastOfBig, mostOfBig), longWindow)
	}
	for i := range smallTargets {
		domain, path := fmt.Sprintf("small-%d", round), fmt.Sprintf("/x%d", i)
		if i%(smallTargets/ownDomains) == 0 {
			domain, path = fmt.Sprintf("small-%d-%d", round, i), "/x"
		}
		limit := between(20, mostOfSmall)
		if i%2 == 0 {
			limit = between(20, strictLimit)
		}
		add(small, domain, path, limit, longWindow)
	}
	limit := between(20, mostOfSmall)
	for i := range smallCallers {
		add(small, fmt.Sprintf("callers-%d", round), "/x", limit, longWindow).caller = fmt.Sprintf("c%d", i)
	}
	rng.Shuffle(len(m.targets[small]), func(i, j int) {
		m.targets[small][i], m.targets[small][j] = m.targets[small][j], m.targets[small][i]
	})
	for i := range shortTargets {
		add(short, fmt.Sprintf("short-%d-%d", round, i), "/x", between(40, 600), time.Duration(1+i%3)*time.Second)
	}
	g := &group{name: fmt.Sprintf("/pair-%d", round), limit: between(100, 1000)}
	for _, path := range []string{"/a", "/b"} {
		add(pair, g.name[1:], path, between(g.limit/3, g.limit), longWindow).group = g
	}
	m.write()
	return m
}

// withoutCallers leaves out what older releases know nothing of.
func (m *menu) withoutCallers() {
	m.targets[small] = slices.DeleteFunc(m.targets[small], func(t *target) bool { return t.caller != "" })
	clear(m.documents)
	m.write()
}

// all is every target.
func (m *menu) all() []*target { return slices.Concat(m.targets[:]...) }

// strict reports whether the target's window is too small for units to be
// leased, with any number of members that the test has: each call takes its
// unit in the log, and only calls in flight can lose one.
func (t *target) strict() bool { return t.oneWindow() && t.limit <= strictLimit && t.class == small }

// write makes the documents. A target alone in its domain has its quota there, and
// callers have theirs; others have one of their own as endpoints.
func (m *menu) write() {
	byDomain := map[string][]*target{}
	for _, t := range m.all() {
		byDomain[t.domain] = append(byDomain[t.domain], t)
	}
	for key, targets := range byDomain {
		m.documents[key] = document(key, targets)
	}
}

// document is a domain of targets that the gateway answers itself.
func document(key string, targets []*target) []byte {
	type object = map[string]any
	beans := func(limit int, window time.Duration) object {
		return object{"usageQuotaBeans": []object{{"maxUsageQuota": limit, "resetTimeSeconds": int(window / time.Second)}}}
	}
	plugins := func(p object) object { return object{"plugins": p} }
	domain := object{"HTTP_PROXY": object{"url": "http://127.0.0.1:1"}}
	if t := targets[0]; t.caller != "" {
		own := beans(t.limit, t.window)
		own["usageQuotaBeans"].([]object)[0]["by"] = "header:" + callerField
		domain["USAGE_QUOTA"], targets = own, targets[:1]
	} else if g := targets[0].group; g != nil {
		domain["USAGE_QUOTA"] = beans(g.limit, longWindow)
	} else if len(targets) == 1 {
		domain["USAGE_QUOTA"] = beans(targets[0].limit, targets[0].window)
	}
	paths := object{}
	for _, t := range targets {
		own := object{"MOCK": object{"statusCode": 200, "headers": object{}, "body": "ok"}}
		if len(targets) > 1 {
			own["ENDPOINT_USAGE_QUOTA"] = beans(t.limit, t.window)
		}
		paths[t.path] = object{"post": object{"x-toastcloud-apigw": plugins(own)}}
	}
	raw, err := json.Marshal(object{
		"swagger": "2.0", "info": object{"title": key, "version": "1"}, "basePath": "/" + key, "schemes": []string{"http"},
		"x-toastcloud-apigw": plugins(domain), "paths": paths,
	})
	if err != nil {
		panic(err) // texts and numbers
	}
	return raw
}

// pick chooses what to call next; nil when all there is to call was called.
func (m *menu) pick(rng *rand.Rand) *target {
	switch r := rng.IntN(100); {
	case r < 40:
		return m.next(big, 1, rng, func(t *target) bool { return t.refused.Load() > endOfWindow })
	case r < 75:
		return m.next(small, smallAtOnce, rng, func(t *target) bool {
			return t.asked.Load() >= int64(t.limit+t.limit/4+callsPastFull)
		})
	case r < 95:
		return m.targets[short][rng.IntN(shortTargets)]
	default:
		return m.targets[pair][rng.IntN(len(m.targets[pair]))]
	}
}

// next chooses among the first few targets of a class that are not done with.
func (m *menu) next(c class, few int, rng *rand.Rand, done func(*target) bool) *target {
	list := m.targets[c]
	for {
		at := m.front[c].Load()
		if at >= int64(len(list)) {
			return nil
		}
		if done(list[at]) {
			m.front[c].CompareAndSwap(at, at+1)
			continue
		}
		t := list[min(int(at)+rng.IntN(few), len(list)-1)]
		if done(t) {
			t = list[at]
		}
		return t
	}
}
