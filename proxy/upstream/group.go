package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// MaxTargets bounds the servers of a Group.
const MaxTargets = 64

// TargetConfig is one server of a Group.
type TargetConfig struct {
	// URL is as New takes it.
	URL string
	// Weight is its share of the calls beside the others', 1 to 1,000.
	Weight int
}

// GroupConfig is what a Group needs. Server and Targets are required.
type GroupConfig struct {
	// Server is the Config of each target.
	Server Config
	// Targets are 1 to MaxTargets.
	Targets []TargetConfig
	// Balance chooses among them.
	Balance Balance
	// Check asks them again and again; nil: nobody does.
	Check *Check
	// Former is the Group that this one takes the place of: a target of the same
	// URL goes on as healthy as it was. It may be nil.
	Former *Group
	// Observer gives who is told about a target, by what Answer.Target says of
	// it; nil: nobody is.
	Observer func(target string) TargetObserver

	// Random stands in for rand.Uint64N in tests.
	Random func(n uint64) uint64
}

// TargetObserver is told about one target. Its methods may be called at the
// same time, and must not wait.
type TargetObserver interface {
	// Called: the target was called; err is nil where it has answered. goesOn is
	// true where another target is called in its place.
	Called(err error, goesOn bool)
	// Changed: it has left the balance, or is back.
	Changed(Change)
}

// Group is the endpoint servers of one domain, of which each call gets one. Its
// methods may be called at the same time.
type Group struct {
	targets []*target
	// single is true where there is nothing to choose and nothing to know.
	single  bool
	balance Balance
	check   *Check
	server  Config
	now     func() time.Time
	random  func(n uint64) uint64

	// mu is held while a target is ejected, or chosen by RoundRobin.
	mu sync.Mutex

	// stop ends the checks, running waits for them.
	stop    context.CancelFunc
	running sync.WaitGroup
}

// target is one server of a Group.
type target struct {
	server *Server
	// url tells it apart from others, label is what people read.
	url, label string
	index      int
	weight     int64
	// seed is its part of the hash.
	seed uint64
	*health
	observer TargetObserver
	// current is RoundRobin's, under Group.mu.
	current int64
}

// NewGroup makes a Group. Nothing is connected before the first call or Start.
func NewGroup(cfg GroupConfig) (*Group, error) {
	if n := len(cfg.Targets); n == 0 || n > MaxTargets {
		return nil, fmt.Errorf("%d targets: there must be 1 to %d", n, MaxTargets)
	}
	g := &Group{
		single:  len(cfg.Targets) == 1 && cfg.Check == nil,
		balance: cfg.Balance, check: cfg.Check, server: cfg.Server,
		now: cfg.Server.Clock, random: cfg.Random,
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.random == nil {
		g.random = rand.Uint64N
	}
	ports := map[string]int{}
	for i, tc := range cfg.Targets {
		s, err := New(tc.URL, cfg.Server)
		if err != nil {
			return nil, err
		}
		t := &target{server: s, url: s.URL(nil, nil), index: i, weight: int64(max(1, tc.Weight)), health: &health{}}
		t.seed = HashOf([]byte(t.url))
		t.label = net.JoinHostPort(s.names.host, strconv.Itoa(s.port))
		ports[t.label]++
		g.targets = append(g.targets, t)
	}
	for _, t := range g.targets {
		if ports[t.label] > 1 { // they differ in their paths
			t.label = t.url
		}
		if cfg.Observer != nil {
			t.observer = cfg.Observer(t.label)
		} else {
			t.observer = nobody{}
		}
		g.inherit(t, cfg.Former)
	}
	return g, nil
}

// inherit makes what a former Group knows of a target this one's: the calls
// that it still has in flight count for both.
func (g *Group) inherit(t *target, former *Group) {
	if former == nil {
		return
	}
	for _, had := range former.targets {
		if had.url != t.url {
			continue
		}
		t.health = had.health
		if former.check == nil {
			t.failing.Store(false) // that would be of long ago
		}
	}
}

type nobody struct{}

func (nobody) Called(error, bool) {}
func (nobody) Changed(Change)     {}

var errNoTarget = errors.New("no target was tried: each fails its health check, or has just refused a connection of an earlier call")

// Do is Server.Do at one of the targets; key is what HashBy goes by. What a
// target could not be sent, because no connection to it could be had, goes to
// the next at once. A target is not tried that fails its check or that has just
// refused a connection; the latter is tried where this call itself has met a
// refusal, or where it is the only one. Where none is tried the error's Reason
// is NoTarget.
func (g *Group) Do(req *Request, a *Answer, key uint64) (retried bool, err error) {
	if g.single {
		t := g.targets[0]
		retried, err = t.server.Do(req, a)
		a.Target, a.from = t.label, t.server
		t.observer.Called(err, false)
		return retried, err
	}
	a.Target = ""
	deadline := req.deadline(&g.server)
	for tried := uint64(0); ; {
		t := g.choose(key, tried, g.moment())
		if t == nil {
			if tried == 0 {
				a.Make(0, nil)
				err = &Error{Reason: NoTarget, Err: errNoTarget, Unsent: true}
			}
			return retried, err
		}
		hasTime := tried == 0 || time.Until(deadline) >= g.server.ConnectTimeout
		var again bool
		again, err = t.do(req, a, deadline, !retried)
		retried = retried || again
		a.Target, a.from = t.label, t.server
		g.judge(t, a.Status, err, hasTime)
		tried |= 1 << t.index
		failed, ok := err.(*Error)
		goesOn := ok && failed.Unsent && bits.OnesCount64(tried) < len(g.targets) && time.Now().Before(deadline)
		t.observer.Called(err, goesOn)
		if !goesOn {
			return retried, err
		}
	}
}

// do is Server.do, counted as a call in flight until its answer has ended.
func (t *target) do(req *Request, a *Answer, deadline time.Time, again bool) (retried bool, err error) {
	t.inFlight.Add(1)
	defer func() { // also when something panics
		switch {
		case a.Coming != nil:
			a.Coming.load = &t.inFlight
		case a.Switched != nil:
			a.Switched.load = &t.inFlight
		default:
			t.inFlight.Add(-1)
		}
	}()
	return t.server.do(req, a, deadline, again)
}

// Below is Server.Below for an answer of the Group. An address may be any
// target's, a path is one of the target that has answered.
func (g *Group) Below(a *Answer, location, asHost []byte) (rest []byte, ok bool) {
	if rest, ok = a.from.Below(location, asHost); ok || bytes.HasPrefix(location, slash) && !bytes.HasPrefix(location, doubleSlash) {
		return rest, ok
	}
	for _, t := range g.targets {
		if rest, ok = t.server.Below(location, nil); ok {
			return rest, true
		}
	}
	return nil, false
}

// CloseIdle closes the connections that no call is using. The Group stays
// usable.
func (g *Group) CloseIdle() {
	for _, t := range g.targets {
		t.server.CloseIdle()
	}
}

// Conns returns the number of open connections of calls, idle ones included.
func (g *Group) Conns() (n int) {
	for _, t := range g.targets {
		n += t.server.Conns()
	}
	return n
}

// Labels lists what Answer.Target may say.
func (g *Group) Labels() (labels []string) {
	for _, t := range g.targets {
		labels = append(labels, t.label)
	}
	return labels
}
