package quota

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/tidwall/btree"

	"github.com/tollgate/tollgate/store/wire"
)

// The whole state, in the terms of codec.go; equal states have equal bytes.
//
//	state    now:u entries:u term:u leaseMillis:u longLeaseMillis:u minLease:u members:u lastID:u
//	         domains:u  { key:s counters:u counter* }
//	         sessions:u { node:s incarnation:u seq:u result }
//	counter  id:u endpoint:s reset:u max:u
//	         start:u windowMax:u used:u lost:u debt:u phase:u drained:u
//	         leases:u { node:s incarnation:u units:u length:u expires:u }

const maxCount = math.MaxUint32 // of a list: stops absurd lengths, not real ones

// Snapshot is a State as it was at one moment. It does not change when the state
// does, and may be read while the state is changed.
type Snapshot struct {
	head     []byte // what stands before the domains
	terms    terms
	domains  *btree.Map[string, *domain]
	sessions map[string]session
}

// Snapshot is the state as of now, at the cost of a copy of the sessions. What
// of the counters is changed later is copied first, once a snapshot.
func (s *State) Snapshot() *Snapshot {
	shared := s.view(s.domains.Copy())
	s.epoch++
	return shared
}

// view is the state as it is until it is changed.
func (s *State) view(domains *btree.Map[string, *domain]) *Snapshot {
	v := &Snapshot{terms: s.terms, domains: domains, sessions: make(map[string]session, len(s.sessions))}
	v.head = wire.AppendUints(nil, uint64(s.now), s.entries, s.terms.newest, uint64(s.params.LeaseMillis), uint64(s.params.LongLeaseMillis), uint64(s.params.MinLease),
		uint64(s.members), s.lastID, uint64(domains.Len()))
	for node, ses := range s.sessions {
		v.sessions[node] = *ses
	}
	return v
}

// Append appends the state's canonical encoding, for snapshots and digests.
func (s *State) Append(b []byte) []byte {
	buf := bytes.NewBuffer(b)
	_, _ = s.view(&s.domains).WriteTo(buf) // a buffer refuses nothing
	return buf.Bytes()
}

// chunk is how much of an encoding is written at a time, in bytes.
const chunk = 32 << 10

// WriteTo implements io.WriterTo: it writes the canonical encoding.
func (s *Snapshot) WriteTo(w io.Writer) (int64, error) {
	var written int64
	b := append(make([]byte, 0, 2*chunk), s.head...)
	flush := func(least int) (err error) {
		if len(b) >= least {
			var n int
			n, err = w.Write(b)
			written, b = written+int64(n), b[:0]
		}
		return err
	}
	var err error
	s.domains.Scan(func(key string, d *domain) bool {
		b = wire.AppendString(b, key)
		b = wire.AppendUints(b, uint64(len(d.counters)))
		for _, c := range d.counters {
			b = c.append(b, &s.terms)
			if err = flush(chunk); err != nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		return written, err
	}
	b = wire.AppendUints(b, uint64(len(s.sessions)))
	for _, node := range sorted(s.sessions) {
		ses := s.sessions[node]
		b = wire.AppendString(b, node)
		b = ses.result.Append(wire.AppendUints(b, ses.incarnation, ses.seq))
		if err = flush(chunk); err != nil {
			return written, err
		}
	}
	return written, flush(1)
}

func (c *counter) append(b []byte, t *terms) []byte {
	w := &c.window
	b = wire.AppendUints(b, c.id)
	b = wire.AppendString(b, c.endpoint)
	b = wire.AppendUints(b, uint64(c.reset), c.max,
		uint64(w.start), w.max, w.used, w.lost, w.debt, uint64(w.phase), w.drained, uint64(len(w.leases)))
	for _, l := range w.leases {
		b = wire.AppendString(b, l.holder.node)
		b = wire.AppendUints(b, l.holder.incarnation, l.units, uint64(l.length), uint64(l.until(t)))
	}
	return b
}

// DecodeState is the inverse of State.Append.
func DecodeState(b []byte) (*State, error) {
	r := reader{wire.NewReader(b)}
	s := NewState()
	s.now, s.entries, s.terms.newest = r.time("now"), r.number("entries"), r.number("term")
	s.params = Params{
		LeaseMillis:     uint32(r.Uint("lease", 0, math.MaxUint32)),
		LongLeaseMillis: uint32(r.Uint("long lease", 0, math.MaxUint32)),
		MinLease:        uint32(r.Uint("smallest lease", 0, math.MaxUint32)),
	}
	s.members = int(r.Uint("members", 0, math.MaxInt32))
	s.lastID = r.number("last ID")
	previous := ""
	for i := range r.Uint("number of domains", 0, maxCount) {
		if r.Err() != nil {
			break
		}
		key := r.String("domain", 0, maxDomainBytes)
		d := &domain{counters: wire.List(r.Reader, "counters", maxCount, func() *counter { return r.counter(s.terms.newest) })}
		known := len(s.counters)
		if s.add(key, d); r.Err() == nil && (i > 0 && key <= previous || len(s.counters) != known+len(d.counters)) {
			r.Fail("domain %q does not come after %q, or has a counter that is there already", key, previous)
		}
		previous = key
	}
	for range r.Uint("number of sessions", 0, maxCount) {
		if r.Err() != nil {
			break
		}
		node := r.String("node", 0, maxNodeBytes)
		s.sessions[node] = &session{incarnation: r.number("incarnation"), seq: r.number("seq"), result: r.result()}
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("quota state: %w", err)
	}
	return s, nil
}

func (r reader) counter(term uint64) *counter {
	return &counter{
		id:       r.number("id"),
		endpoint: r.String("endpoint", 0, maxEndpointBytes),
		reset:    uint32(r.Uint("reset", 1, math.MaxUint32)),
		max:      r.number("max"),
		window: window{
			start:   r.time("start"),
			max:     r.number("max"),
			used:    r.number("used"),
			lost:    r.number("lost"),
			debt:    r.number("debt"),
			phase:   r.phase(),
			drained: r.number("drained"),
			leases: wire.List(r.Reader, "leases", maxCount, func() lease {
				return lease{
					holder:  holder{r.String("node", 0, maxNodeBytes), r.number("incarnation")},
					units:   r.number("units"),
					length:  r.time("length"),
					expires: r.time("expires"),
					term:    term,
				}
			}),
		},
	}
}
