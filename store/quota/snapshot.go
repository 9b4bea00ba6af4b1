package quota

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/tidwall/btree"

	"github.com/tollgate/tollgate/store/wire"
)

// The whole state, in the terms of codec.go; equal states have equal bytes. By the first
// version:
//
//	state    now:u entries:u term:u leaseMillis:u longLeaseMillis:u minLease:u members:u lastID:u
//	         domains:u  { key:s counters:u counter* }
//	         sessions:u { node:s incarnation:u seq:u result }
//	counter  id:u endpoint:s reset:u max:u
//	         start:u windowMax:u used:u lost:u debt:u phase:u drained:u
//	         leases:u { node:s incarnation:u units:u length:u expires:u }
//
// That of the third is in snapshot_third.go.

const maxCount = math.MaxUint32 // of a list: stops absurd lengths, not real ones

// Snapshot is a State as it was at one moment. It does not change when the state
// does, and may be read while the state is changed.
type Snapshot struct {
	version  Version
	head     []byte // what stands before the domains
	terms    terms
	domains  *btree.Map[string, *domain]
	sessions map[string]session
	claims   *btree.Map[string, *signatures]
}

// Snapshot is the state as of now, at the cost of a copy of the sessions. What
// of the counters is changed later is copied first, once a snapshot.
func (s *State) Snapshot() *Snapshot {
	shared := s.view(s.domains.Copy(), s.claims.domains.Copy())
	s.epoch++
	return shared
}

// view is the state as it is until it is changed.
func (s *State) view(domains *btree.Map[string, *domain], claims *btree.Map[string, *signatures]) *Snapshot {
	v := &Snapshot{version: s.version, terms: s.terms, domains: domains, claims: claims, sessions: make(map[string]session, len(s.sessions))}
	v.head = wire.AppendUints(nil, uint64(s.now), s.entries, s.terms.newest, uint64(s.params.LeaseMillis), uint64(s.params.LongLeaseMillis), uint64(s.params.MinLease),
		uint64(s.members), s.lastID)
	if s.version >= Third {
		v.head = wire.AppendUints(v.head, uint64(s.serial), s.forgets)
	}
	v.head = wire.AppendUints(v.head, uint64(domains.Len()))
	for node, ses := range s.sessions {
		v.sessions[node] = *ses
	}
	return v
}

// Append appends the state's canonical encoding, for snapshots and digests.
func (s *State) Append(b []byte) []byte {
	buf := bytes.NewBuffer(b)
	_, _ = s.view(&s.domains, &s.claims.domains).WriteTo(buf) // a buffer refuses nothing
	return buf.Bytes()
}

// chunk is how much of an encoding is written at a time, in bytes.
const chunk = 32 << 10

// chunks writes an encoding piece by piece.
type chunks struct {
	w       io.Writer
	b       []byte
	written int64
	err     error
}

// flush writes what there is, if it is enough to be worth it. It reports whether all has
// gone well.
func (c *chunks) flush(least int) bool {
	if c.err == nil && len(c.b) >= least {
		var n int
		n, c.err = c.w.Write(c.b)
		c.written, c.b = c.written+int64(n), c.b[:0]
	}
	return c.err == nil
}

// WriteTo implements io.WriterTo: it writes the canonical encoding.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	c := &chunks{w: w, b: append(make([]byte, 0, 2*chunk), s.head...)}
	s.domains.Scan(func(key string, d *domain) bool {
		c.b = wire.AppendString(c.b, key)
		c.b = wire.AppendUints(c.b, uint64(len(d.rules)))
		for _, r := range d.rules {
			if s.version >= Third {
				r.append(c, &s.terms)
			} else {
				c.b = r.own.appendFirst(c.b, &s.terms)
			}
			if !c.flush(chunk) {
				return false
			}
		}
		return true
	})
	c.b = wire.AppendUints(c.b, uint64(len(s.sessions)))
	for _, node := range sorted(s.sessions) {
		ses := s.sessions[node]
		c.b = wire.AppendString(c.b, node)
		c.b = wire.AppendUints(c.b, ses.incarnation)
		if s.version >= Third {
			c.b = wire.AppendUints(c.b, ses.forgets)
		}
		c.b = ses.result.Append(wire.AppendUints(c.b, ses.seq))
		if !c.flush(chunk) {
			break
		}
	}
	if s.version >= Third {
		appendClaims(c, s.claims)
	}
	c.flush(1)
	return c.written, c.err
}

func (c *counter) appendFirst(b []byte, t *terms) []byte {
	w, r := &c.window, c.rule
	b = wire.AppendUints(b, r.id)
	b = wire.AppendString(b, r.cond.Endpoint)
	b = wire.AppendUints(b, uint64(r.cond.ResetSeconds), r.cond.Max,
		uint64(w.start), w.limit, w.used, w.lost, w.debt, uint64(w.phase), w.drained, uint64(len(w.leases)))
	for _, l := range w.leases {
		b = wire.AppendString(b, l.holder.node)
		b = wire.AppendUints(b, l.holder.incarnation, l.units, uint64(l.length), uint64(l.until(t)))
	}
	return b
}

// DecodeState is the inverse of State.Append, for a state of that version.
func DecodeState(b []byte, v Version) (*State, error) {
	r := reader{wire.NewReader(b)}
	s := NewState()
	s.version = v
	s.now, s.entries, s.terms.newest = r.time("now"), r.number("entries"), r.number("term")
	s.params = Params{
		LeaseMillis:     uint32(r.Uint("lease", 0, math.MaxUint32)),
		LongLeaseMillis: uint32(r.Uint("long lease", 0, math.MaxUint32)),
		MinLease:        uint32(r.Uint("smallest lease", 0, math.MaxUint32)),
	}
	s.members = int(r.Uint("members", 0, math.MaxInt32))
	s.lastID = r.Uint("last ID", 0, maxRule)
	if v >= Third {
		s.serial, s.forgets = r.time("serial"), r.number("forgets")
	}
	previous := ""
	for i := range r.Uint("number of domains", 0, maxCount) {
		if r.Err() != nil {
			break
		}
		key := r.String("domain", 0, maxDomainBytes)
		d := &domain{rules: wire.List(r.Reader, "rules", maxCount, func() *rule { return r.rule(s) })}
		known := len(s.rules)
		if r.Err() != nil {
			break
		}
		if s.add(key, d); i > 0 && key <= previous || len(s.rules) != known+len(d.rules) {
			r.Fail("domain %q does not come after %q, or has a counter that is there already", key, previous)
		}
		previous = key
	}
	for range r.Uint("number of sessions", 0, maxCount) {
		if r.Err() != nil {
			break
		}
		node, ses := r.String("node", 0, maxNodeBytes), &session{incarnation: r.number("incarnation")}
		if v >= Third {
			ses.forgets = r.number("forgets")
		}
		ses.seq, ses.result = r.number("seq"), r.result()
		s.sessions[node] = ses
	}
	if v >= Third {
		r.claims(s)
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("quota state: %w", err)
	}
	return s, nil
}

func (r reader) rule(s *State) *rule {
	if s.version >= Third {
		return r.ruleThird(s)
	}
	one := &rule{id: r.Uint("id", 0, maxRule), cond: Condition{
		Endpoint:     r.String("endpoint", 0, maxEndpointBytes),
		ResetSeconds: uint32(r.Uint("reset", 1, math.MaxUint32)),
		Max:          r.number("max"),
	}}
	one.own = &counter{rule: one, window: window{
		start: r.time("start"), limit: r.number("max"), used: r.number("used"), lost: r.number("lost"), debt: r.number("debt"),
		phase: r.phase(), drained: r.number("drained"),
		leases: wire.List(r.Reader, "leases", maxCount, func() lease {
			return lease{
				holder: holder{node: r.String("node", 0, maxNodeBytes), incarnation: r.number("incarnation")},
				units:  r.number("units"), length: r.time("length"), expires: r.time("expires"), term: s.terms.newest,
			}
		}),
	}}
	if w := &one.own.window; w.start != 0 {
		w.serial, w.ends = w.start, w.start+one.cond.Seconds()*1000
	}
	return one
}
