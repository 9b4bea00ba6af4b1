package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
)

// Calls are recorded by cell: what is called, and at which node. A cell's number
// is (domain × endpoints + endpoint) × nodes + node.

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
	return s.Domains * s.Endpoints * s.Nodes
}

// node is the number of the node of a cell, target that of the domain's
// endpoint.
func (s *Setup) node(cell int32) int   { return int(cell) % s.Nodes }
func (s *Setup) target(cell int32) int { return int(cell) / s.Nodes }

// counters is how many counters a quota makes, counter the one that a cell is
// on.
func (s *Setup) counters(q Quota) int {
	if q.On == OnDomain {
		return s.Domains
	}
	return s.Domains * s.Endpoints
}

func (s *Setup) counter(q Quota, cell int32) int {
	if q.On == OnDomain {
		return s.target(cell) / s.Endpoints
	}
	return s.target(cell)
}

// prepare makes the calls: every target in turn, connection c at node c modulo
// their number, as load gives them out. whole is how long the load lasts.
func (s *Setup) prepare(whole time.Duration) (func(req *fasthttp.Request, conn, n int) int, error) {
	var body []byte
	if s.Payload > 0 {
		body = Payload(s.Payload)
	}
	targets := make([]load.Target, 0, s.Domains*s.Endpoints)
	for _, key := range s.keys() {
		for e := range s.Endpoints {
			targets = append(targets, load.Target{Method: s.method(), URI: target(key, e), Body: body, Counter: len(targets)})
		}
	}
	next, err := s.authenticated(targets, whole)
	if err != nil {
		return nil, err
	}
	counted := len(s.Quotas) > 0
	return func(req *fasthttp.Request, conn, n int) int {
		target := next(req, conn, n)
		if !counted {
			return -1
		}
		return target*s.Nodes + conn%s.Nodes
	}, nil
}

// authenticated makes calls of targets that prove who they are.
func (s *Setup) authenticated(targets []load.Target, whole time.Duration) (func(req *fasthttp.Request, conn, n int) int, error) {
	switch s.Auth {
	case HMAC:
		return load.HMAC(secret, targets...), nil
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
	e := load.Exactness(on, q.Limit, q.Window, s.counters(q))
	return &e
}
