package ledger

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/tollgate/tollgate/store/quota"
)

// maxCallers bounds how many callers a node remembers. Calls of others are decided in
// the log, one by one.
const maxCallers = 1 << 18

// callerShards is how many parts the callers are kept in. One is looked after each tick.
const callerShards = 64

// callerRest is for how many ticks a caller is remembered that does not call.
const callerRest = 4 * callerShards

// callers are the holdings of callers that were seen lately.
type callers struct {
	shards [callerShards]callerShard
	// most is how many a shard has, rest for how many ticks it remembers one that does
	// not call.
	most int
	rest int64
	// tick counts the ticks.
	tick atomic.Int64
	// near are some of those in the shards, each in the slot of its digest. Who calls often
	// is found here, without the lock.
	near [nearCallers]atomic.Pointer[holding]
}

// nearCallers is how many slots there are, 64 KiB.
const nearCallers = 1 << 13

type callerShard struct {
	mu   sync.RWMutex
	held map[quota.ID]*holding
}

func newCallers() *callers {
	cs := &callers{most: maxCallers / callerShards, rest: callerRest}
	for i := range cs.shards {
		cs.shards[i].held = map[quota.ID]*holding{}
	}
	return cs
}

func (cs *callers) shard(id quota.ID) *callerShard {
	return &cs.shards[binary.LittleEndian.Uint64(id.Caller[:])%callerShards]
}

func (cs *callers) slot(id quota.ID) *atomic.Pointer[holding] {
	return &cs.near[binary.LittleEndian.Uint64(id.Caller[8:])%nearCallers]
}

// find is a caller's holding; nil if the node does not remember it.
func (cs *callers) find(id quota.ID) *holding {
	near := cs.slot(id)
	if h := near.Load(); h != nil && h.id == id {
		return h
	}
	s := cs.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.held[id]
	if h != nil {
		near.Store(h) // under the lock: nobody is forgotten meanwhile
	}
	return h
}

// get is a caller's holding. Where there is no more room it is good for one call.
func (cs *callers) get(id quota.ID) *holding {
	h := cs.find(id)
	if h == nil {
		h = cs.make(id)
	}
	if tick := cs.tick.Load(); h.seen.Load() != tick {
		h.seen.Store(tick)
	}
	return h
}

func (cs *callers) make(id quota.ID) *holding {
	s := cs.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[id]
	if h == nil {
		h = &holding{id: id}
		if len(s.held) < cs.most {
			s.held[id] = h
		}
	}
	return h
}

// forget has the node remember no more, in one of the shards, of callers that have not
// called for a while and of whom it holds nothing. The ledger calls it, under its lock,
// once a tick.
func (cs *callers) forget() {
	tick := cs.tick.Add(1)
	s := &cs.shards[tick%callerShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, h := range s.held {
		if tick-h.seen.Load() > cs.rest && h.lease.Load() == nil && h.owed.Load() == 0 && !h.marked && !h.patient && !h.asking {
			delete(s.held, id)
			cs.slot(id).CompareAndSwap(h, nil)
		}
	}
}

// each visits all.
func (cs *callers) each(visit func(*holding)) {
	for i := range cs.shards {
		s := &cs.shards[i]
		s.mu.RLock()
		for _, h := range s.held {
			visit(h)
		}
		s.mu.RUnlock()
	}
}
