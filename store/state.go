package store

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
	"github.com/tollgate/tollgate/store/wire"
)

// state is everything that is replicated.
type state struct {
	applied   uint64 // index of the newest command
	rules     Rules  // the newest that an entry was applied by
	clusterID string
	// generation counts the recoveries of the cluster, from 1; 0 is 1.
	generation uint64
	members    map[string]Member
	catalog    *catalog.State
	quota      *quota.State
	pieces     *assembly // nil while there are none
	// audit is what was asked for, the newest last. It is only ever appended to: copies
	// share it.
	audit []Audit
	// restoring is what has come of a backup; nil while there is none.
	restoring *restoring
}

func newState() state {
	return state{rules: RulesFirst, members: map[string]Member{}, catalog: catalog.NewState(), quota: quota.NewState()}
}

// apply is the transition. It reads nothing but its arguments.
func (s *state) apply(index, term uint64, c *decoded) Result {
	s.applied = index
	s.rules = max(s.rules, c.Rules)
	s.quota.Upgrade(s.rules.quotas())
	if c.Term == term {
		s.quota.Advance(c.Time)
	}
	s.quota.BeginTerm(term)
	s.dropPieces(term)
	s.dropRestore()
	res := Result{Index: index}
	switch c.Kind {
	case KindInit:
		if s.clusterID == "" {
			s.clusterID = c.ClusterID
		}
	case KindCatalog:
		s.change(*c.Catalog, &res)
	case KindPiece:
		var whole []byte
		if whole, res.Err = s.addPiece(index, term, c.Piece); whole != nil {
			s.change(assembled(whole), &res)
		}
	case KindFrames:
		for _, e := range c.Ends {
			s.quota.SetEnd(e)
		}
		s.quota.BeginFrames(c.Leases)
		res.Frames = make([]quota.Result, len(c.frames))
		for i, f := range c.frames {
			res.Frames[i] = s.quota.Apply(f)
		}
	case KindMember:
		s.members[c.Member.ID] = c.Member
		s.quota.SetMembers(len(s.members))
	case KindForget:
		delete(s.members, c.Member.ID)
		s.quota.SetMembers(len(s.members))
		s.quota.Forget(c.Member.ID)
	case KindConsumer:
		res.Err = s.catalog.ApplyConsumer(c.Consumer, s.quota.Now())
		if res.Consumer = res.Err == nil; res.Consumer {
			s.record(&c.By, consumerActions[c.Consumer.Op], c.Consumer.Domain, 0)
		}
	case KindReset:
		if res.Err = s.quota.Reset(c.Target); res.Err == nil {
			s.record(&c.By, ActionReset, c.Target.Domain, 0)
		}
	case KindAdjust:
		if res.Err = s.quota.Adjust(c.Target, c.Add); res.Err == nil {
			s.record(&c.By, ActionAdjust, c.Target.Domain, 0)
		}
	case KindRestorePiece:
		res.Err = s.addRestore(c.Restore)
	case KindRestore:
		if res.Err = s.restore(c.Restore.ID); res.Err == nil {
			res.Restored = true
			s.record(&c.By, ActionRestore, "", 0)
		}
	case KindAudit:
		s.record(&c.By, c.Action, c.Of, 0)
	}
	return res
}

// change makes a change of the domains.
func (s *state) change(c catalog.Command, res *Result) {
	now := int64(0)
	if s.rules >= RulesThird {
		now = s.quota.Now()
	}
	if res.Catalog, res.Err = s.catalog.Apply(c, now); res.Err == nil {
		s.recordCatalog(&c, res.Catalog)
	}
	if res.Catalog.Deployed || res.Catalog.Deleted {
		s.quota.SetConditions(res.Catalog.Key, res.Catalog.Conditions, s.clusterID)
		s.quota.SetSingleUse(res.Catalog.Key, res.Catalog.SingleUse > 0, int64(res.Catalog.SingleUse)*1000)
	}
}

// The first byte of a snapshot. States of RulesFirst are as they were before there
// were rules.
const (
	stateFirst = 1
	stateRules = 2
)

// snapshot is a state as it was at one moment: it may be written while the state
// goes on to change.
type snapshot struct {
	applied    uint64
	rules      Rules
	clusterID  string
	generation uint64
	members    map[string]Member
	catalog    *catalog.State
	quota      *quota.Snapshot
	pieces     *assembly
	audit      []Audit
	restoring  *restoring
}

// snapshot is the state as of now. It costs a copy of the members.
func (s *state) snapshot() *snapshot {
	return &snapshot{s.applied, s.rules, s.clusterID, s.generation, maps.Clone(s.members), s.catalog.Clone(), s.quota.Snapshot(), s.pieces, audited(s.audit), s.restoring}
}

// WriteTo implements io.WriterTo: it writes the canonical encoding of the state;
// equal states have equal bytes. It goes through each part twice, first for its
// length, and so needs no memory for it.
//
//	version:byte(1) applied:u clusterID:s           by RulesFirst
//	version:byte(2) rules:u applied:u clusterID:s   by later rules
//	                [ generation:u since rules 3 ]
//	members:u { id:s admin:s proxy:s } catalog:s quota:s [ consumers:s histories:s audit:s restoring:s since rules 3 ] [ pieces ]
//	pieces: term:u of:u total:u bytes:s, where there are any
func (s *snapshot) WriteTo(w io.Writer) (int64, error) {
	b := []byte{stateFirst}
	if s.rules > RulesFirst {
		b = wire.AppendUints([]byte{stateRules}, uint64(s.rules))
	}
	b = wire.AppendUints(b, s.applied)
	b = wire.AppendString(b, s.clusterID)
	if s.rules >= RulesThird {
		b = wire.AppendUints(b, s.generation)
	}
	b = wire.AppendUints(b, uint64(len(s.members)))
	for _, id := range slices.Sorted(maps.Keys(s.members)) {
		m := s.members[id]
		b = wire.AppendString(b, m.ID)
		b = wire.AppendString(b, m.AdminAddress)
		b = wire.AppendString(b, m.ProxyAddress)
	}
	var written int64
	parts := []io.WriterTo{s.catalog, s.quota}
	if s.rules >= RulesThird {
		parts = append(parts, s.catalog.ConsumersPart(), s.catalog.HistoriesPart(), auditPart(s.audit), s.restoring)
	}
	for _, part := range parts {
		length, _ := part.WriteTo(io.Discard)
		b = wire.AppendUints(b, uint64(length))
		n, err := w.Write(b)
		if written += int64(n); err != nil {
			return written, err
		}
		m, err := part.WriteTo(w)
		if written += m; err != nil {
			return written, err
		}
		b = b[:0]
	}
	if a := s.pieces; a != nil {
		b = wire.AppendUints(b, a.term)
		b = wire.AppendUints(b, a.of)
		b = wire.AppendUints(b, a.total)
		b = wire.AppendString(b, a.bytes)
	}
	n, err := w.Write(b)
	return written + int64(n), err
}

// append appends the canonical encoding of the state.
func (s *state) append(b []byte) []byte {
	buf := bytes.NewBuffer(b)
	_, _ = s.snapshot().WriteTo(buf) // a buffer refuses nothing
	return buf.Bytes()
}

// decodeState is the inverse of state.append.
func decodeState(b []byte) (state, error) {
	s := newState()
	if len(b) == 0 || b[0] != stateFirst && b[0] != stateRules {
		return state{}, fmt.Errorf("this node reads versions %d and %d", stateFirst, stateRules)
	}
	r := wire.NewReader(b[1:])
	if b[0] == stateRules {
		s.rules = Rules(r.Uint("rules", uint64(RulesFirst)+1, math.MaxUint32))
		if r.Err() == nil && !KnownRules().Has(s.rules) {
			return state{}, &unknownRules{"the snapshot", s.rules}
		}
	}
	const most = math.MaxInt32 // stops absurd lengths, not real ones
	s.applied = r.Uint("applied", 0, math.MaxUint64)
	s.clusterID = r.String("cluster ID", 0, maxAddressBytes)
	if s.rules >= RulesThird {
		s.generation = r.Uint("generation", 0, math.MaxUint64)
	}
	for range r.Uint("number of members", 0, most) {
		m := Member{ID: r.String("ID", 0, maxAddressBytes), AdminAddress: r.String("admin address", 0, maxAddressBytes), ProxyAddress: r.String("proxy address", 0, maxAddressBytes)}
		if r.Err() != nil {
			break
		}
		s.members[m.ID] = m
	}
	cat, quo := r.Bytes("catalogue", 0, most), r.Bytes("quotas", 0, most)
	var consumers, histories, audit, restoring []byte
	if s.rules >= RulesThird {
		consumers, histories, audit, restoring = r.Bytes("consumers", 0, most), r.Bytes("histories", 0, most), r.Bytes("audit", 0, most), r.Bytes("restoring", 0, most)
	}
	if r.Left() {
		s.pieces = decodeAssembly(r)
	}
	if err := r.Done(); err != nil {
		return state{}, err
	}
	var err error
	if s.catalog, err = catalog.DecodeState(cat); err != nil {
		return state{}, err
	}
	if consumers != nil {
		if err := s.catalog.DecodeConsumers(consumers); err != nil {
			return state{}, err
		}
		if err := s.catalog.DecodeHistories(histories); err != nil {
			return state{}, err
		}
		if s.audit, err = decodeAudit(audit); err != nil {
			return state{}, err
		}
		if s.restoring, err = decodeRestoring(restoring); err != nil {
			return state{}, err
		}
	}
	if s.quota, err = quota.DecodeState(quo, s.rules.quotas()); err != nil {
		return state{}, err
	}
	return s, nil
}
