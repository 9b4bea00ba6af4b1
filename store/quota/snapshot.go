package quota

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
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

// Append appends the state's canonical encoding, for snapshots and digests.
func (s *State) Append(b []byte) []byte {
	b = appendUvarints(b, uint64(s.now), s.entries, s.term, uint64(s.params.LeaseMillis), uint64(s.params.LongLeaseMillis), uint64(s.params.MinLease),
		uint64(s.members), s.lastID, uint64(len(s.domains)))
	for _, key := range sorted(s.domains) {
		b = protowire.AppendString(b, key)
		b = protowire.AppendVarint(b, uint64(len(s.domains[key].counters)))
		for _, c := range s.domains[key].counters {
			b = c.append(b)
		}
	}
	b = protowire.AppendVarint(b, uint64(len(s.sessions)))
	for _, node := range sorted(s.sessions) {
		ses := s.sessions[node]
		b = protowire.AppendString(b, node)
		b = ses.result.Append(appendUvarints(b, ses.incarnation, ses.seq))
	}
	return b
}

func (c *counter) append(b []byte) []byte {
	w := &c.window
	b = protowire.AppendVarint(b, c.id)
	b = protowire.AppendString(b, c.endpoint)
	b = appendUvarints(b, uint64(c.reset), c.max,
		uint64(w.start), w.max, w.used, w.lost, w.debt, uint64(w.phase), w.drained, uint64(len(w.leases)))
	for _, l := range w.leases {
		b = protowire.AppendString(b, l.holder.node)
		b = appendUvarints(b, l.holder.incarnation, l.units, uint64(l.length), uint64(l.expires))
	}
	return b
}

// DecodeState is the inverse of State.Append.
func DecodeState(b []byte) (*State, error) {
	r := &reader{b: b}
	s := NewState()
	s.now, s.entries, s.term = r.time("now"), r.uvarint(), r.uvarint()
	s.params = Params{
		LeaseMillis:     uint32(r.bounded("lease", 0, math.MaxUint32)),
		LongLeaseMillis: uint32(r.bounded("long lease", 0, math.MaxUint32)),
		MinLease:        uint32(r.bounded("smallest lease", 0, math.MaxUint32)),
	}
	s.members = int(r.bounded("members", 0, math.MaxInt32))
	s.lastID = r.uvarint()
	for range r.bounded("number of domains", 0, maxCount) {
		if r.err != nil {
			break
		}
		key := r.string("domain", maxDomainBytes)
		s.add(key, &domain{counters: list(r, "counters", maxCount, r.counter)})
	}
	for range r.bounded("number of sessions", 0, maxCount) {
		if r.err != nil {
			break
		}
		node := r.string("node", maxNodeBytes)
		s.sessions[node] = &session{incarnation: r.uvarint(), seq: r.uvarint(), result: r.result()}
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("quota state: %w", err)
	}
	return s, nil
}

func (r *reader) counter() *counter {
	return &counter{
		id:       r.uvarint(),
		endpoint: r.string("endpoint", maxEndpointBytes),
		reset:    uint32(r.bounded("reset", 1, math.MaxUint32)),
		max:      r.uvarint(),
		window: window{
			start:   r.time("start"),
			max:     r.uvarint(),
			used:    r.uvarint(),
			lost:    r.uvarint(),
			debt:    r.uvarint(),
			phase:   r.phase(),
			drained: r.uvarint(),
			leases: list(r, "leases", maxCount, func() lease {
				return lease{
					holder:  holder{r.string("node", maxNodeBytes), r.uvarint()},
					units:   r.uvarint(),
					length:  r.time("length"),
					expires: r.time("expires"),
				}
			}),
		},
	}
}
