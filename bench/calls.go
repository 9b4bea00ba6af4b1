package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/store/catalog"
)

// Calls are recorded by cell: what is called, by whom, and at which node. A
// cell's number is ((domain × endpoints + endpoint) × callers + caller) × nodes +
// node.

// keys are those of the setup's domains.
func (s *Setup) keys() []string {
	list := make([]string, s.Domains)
	for i := range list {
		list[i] = fmt.Sprintf("bench%d", i)
	}
	return list
}

// cells is how many there are; 0 if calls count on no quota.
func (s *Setup) cells() int {
	if len(s.Quotas) == 0 {
		return 0
	}
	return s.targets() * s.Nodes
}

// targets is how many different calls there are.
func (s *Setup) targets() int { return s.Domains * s.Endpoints * s.callers() }

// callers is how many callers a domain can tell apart.
func (s *Setup) callers() int { return max(s.Callers, 1) }

// node is the number of the node of a cell, target that of the call.
func (s *Setup) node(cell int32) int   { return int(cell) % s.Nodes }
func (s *Setup) target(cell int32) int { return int(cell) / s.Nodes }

// counters is how many counters a quota makes, counter the one that a cell is
// on.
func (s *Setup) counters(q Quota) int {
	switch q.On {
	case OnDomain:
		return s.Domains
	case OnCaller:
		return s.Domains * s.callers()
	}
	return s.Domains * s.Endpoints
}

func (s *Setup) counter(q Quota, cell int32) int {
	endpoint, caller := s.target(cell)/s.callers(), s.target(cell)%s.callers()
	switch q.On {
	case OnDomain:
		return endpoint / s.Endpoints
	case OnCaller:
		return endpoint/s.Endpoints*s.callers() + caller
	}
	return endpoint
}

// most is how many calls a quota admits in a window.
func (s *Setup) most(q Quota) uint64 { return q.Limit / uint64(s.Units) }

// prepare makes the calls: every target in turn, connection c at node c modulo
// their number, as load gives them out. whole is how long the load lasts, keys
// are the callers' API keys, if they have some, by domain and caller.
func (s *Setup) prepare(whole time.Duration, keys []string) (func(req *fasthttp.Request, conn, n int) int, error) {
	var body []byte
	if s.Payload > 0 {
		body = Payload(s.Payload)
	}
	targets := make([]load.Target, 0, s.targets())
	for d, key := range s.keys() {
		for e := range s.Endpoints {
			for c := range s.callers() {
				t := load.Target{Method: s.method(), URI: target(key, e), Body: body, Counter: len(targets)}
				switch {
				case s.Auth == APIKey:
					t.Header = [][2]string{{catalog.DefaultAPIKeyHeader, keys[d*s.Callers+c]}}
				case s.Callers > 0:
					t.Header = [][2]string{{callerField, caller(c)}}
				}
				targets = append(targets, t)
			}
		}
	}
	next, err := s.authenticated(targets, whole)
	if err != nil {
		return nil, err
	}
	if s.Strangers {
		next = besideStrangers(next)
	}
	counted := len(s.Quotas) > 0
	return func(req *fasthttp.Request, conn, n int) int {
		target := next(req, conn, n)
		if !counted || target < 0 {
			return -1
		}
		return target*s.Nodes + conn%s.Nodes
	}, nil
}

// caller is the name of a caller.
func caller(number int) string { return fmt.Sprintf("caller-%d", number) }

// besideStrangers makes every second call one of somebody who never came before.
func besideStrangers(next func(req *fasthttp.Request, conn, n int) int) func(req *fasthttp.Request, conn, n int) int {
	return func(req *fasthttp.Request, conn, n int) int {
		target := next(req, conn, n/2)
		if n%2 == 0 {
			return target
		}
		req.Header.Set(callerField, fmt.Sprintf("stranger-%d-%d", conn, n))
		return -1
	}
}

// authenticated makes calls of targets that prove who they are.
func (s *Setup) authenticated(targets []load.Target, whole time.Duration) (func(req *fasthttp.Request, conn, n int) int, error) {
	switch s.Auth {
	case HMAC:
		return load.HMAC(secret, targets...), nil
	case SingleUse:
		return load.SingleUse(secret, targets...), nil
	case JWT:
		return load.JWT(secret, issuer, whole+time.Hour, targets...)
	}
	return load.Plain(targets...), nil
}

// Payload is a body of so many bytes that nothing compresses, always the same.
func Payload(size int) []byte {
	body := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body) // never fails
	return body
}

// loadText says how a setup is loaded.
func (s *Setup) loadText() string {
	connections := fmt.Sprintf("%d connections", s.Connections)
	if s.Connections == 1 {
		connections = "1 connection"
	}
	if s.Rate == 0 {
		return "closed loop, " + connections
	}
	return fmt.Sprintf("open loop, %v calls/s, %s", s.Rate, connections)
}

// exactness judges the calls by the first of the setup's quotas; nil if it has
// none.
func (s *Setup) exactness(calls []load.Call) *report.Exactness {
	if len(s.Quotas) == 0 {
		return nil
	}
	q := s.Quotas[0]
	on := slices.Clone(calls)
	for i := range on {
		on[i].Counter = int32(s.counter(q, on[i].Counter))
	}
	e := load.Exactness(on, s.most(q), q.Window, s.counters(q))
	return &e
}
