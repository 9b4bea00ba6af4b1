package quota

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The whole state, in the terms of codec.go; equal states have equal bytes.
//
//	state    now:u domains:u  { key:s counters:u counter* }
//	               sessions:u { node:s session }
//	counter  endpoint:s reset:u max:u start:u windowMax:u used:u phase:u
//	session  incarnation:u seq:u result taken:u { domain:s admitted:u
//	         units:u { endpoint:s reset:u start:u } }

const maxCount = math.MaxUint32 // of a list: stops absurd lengths, not real ones

// Append appends the state's canonical encoding, for snapshots and digests.
func (s *State) Append(b []byte) []byte {
	b = protowire.AppendVarint(b, uint64(s.now))
	b = protowire.AppendVarint(b, uint64(len(s.domains)))
	for _, key := range sorted(s.domains) {
		b = protowire.AppendString(b, key)
		d := s.domains[key]
		b = protowire.AppendVarint(b, uint64(len(d.counters)))
		for _, c := range d.counters {
			b = c.append(b)
		}
	}
	b = protowire.AppendVarint(b, uint64(len(s.sessions)))
	for _, node := range sorted(s.sessions) {
		b = protowire.AppendString(b, node)
		b = s.sessions[node].append(b)
	}
	return b
}

func (c *counter) append(b []byte) []byte {
	b = protowire.AppendString(b, c.endpoint)
	for _, v := range [...]uint64{
		uint64(c.reset), c.max,
		uint64(c.window.start), c.window.max, c.window.used, uint64(c.window.phase),
	} {
		b = protowire.AppendVarint(b, v)
	}
	return b
}

func (ses *session) append(b []byte) []byte {
	b = protowire.AppendVarint(b, ses.incarnation)
	b = protowire.AppendVarint(b, ses.seq)
	b = ses.result.Append(b)
	b = protowire.AppendVarint(b, uint64(len(ses.taken)))
	for _, t := range ses.taken {
		b = protowire.AppendString(b, t.domain)
		b = protowire.AppendVarint(b, t.admitted)
		b = protowire.AppendVarint(b, uint64(len(t.units)))
		for _, u := range t.units {
			b = protowire.AppendString(b, u.endpoint)
			b = protowire.AppendVarint(b, uint64(u.reset))
			b = protowire.AppendVarint(b, uint64(u.start))
		}
	}
	return b
}

// DecodeState is the inverse of State.Append.
func DecodeState(b []byte) (*State, error) {
	r := &reader{b: b}
	s := NewState()
	s.now = r.time("now")
	for range r.bounded("number of domains", 0, maxCount) {
		if r.err != nil {
			break
		}
		key := r.string("domain", maxDomainBytes)
		d := &domain{byEndpoint: map[string][]*counter{}}
		for range r.bounded("number of counters", 1, maxCount) {
			if r.err != nil {
				break
			}
			d.counters = append(d.counters, r.counter())
		}
		d.index()
		s.domains[key] = d
	}
	for range r.bounded("number of sessions", 0, maxCount) {
		if r.err != nil {
			break
		}
		node := r.string("node", maxNodeBytes)
		s.sessions[node] = r.session()
	}
	if err := r.done(); err != nil {
		return nil, fmt.Errorf("quota state: %w", err)
	}
	return s, nil
}

func (r *reader) time(name string) int64 { return int64(r.bounded(name, 0, math.MaxInt64)) }

func (r *reader) counter() *counter {
	return &counter{
		endpoint: r.string("endpoint", maxEndpointBytes),
		reset:    uint32(r.bounded("reset", 1, math.MaxUint32)),
		max:      r.uvarint(),
		window: window{
			start: r.time("start"),
			max:   r.uvarint(),
			used:  r.uvarint(),
			phase: Phase(r.bounded("phase", 0, uint64(Exhausted))),
		},
	}
}

func (r *reader) session() *session {
	ses := &session{incarnation: r.uvarint(), seq: r.uvarint(), result: r.result()}
	n := r.bounded("number of taken", 0, MaxFrameCalls)
	ses.taken = make([]taken, 0, n)
	for range n {
		t := taken{domain: r.string("domain", maxDomainBytes), admitted: r.uvarint()}
		for range r.bounded("number of units", 0, maxCount) {
			if r.err != nil {
				break
			}
			t.units = append(t.units, unit{
				endpoint: r.string("endpoint", maxEndpointBytes),
				reset:    uint32(r.bounded("reset", 1, math.MaxUint32)),
				start:    r.time("start"),
			})
		}
		ses.taken = append(ses.taken, t)
	}
	return ses
}
