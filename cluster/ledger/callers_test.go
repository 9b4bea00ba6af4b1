package ledger

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
)

// TestCallersAreFound: one holding for each caller, found again until it is forgotten, then
// another; also where two callers have the same slot.
func TestCallersAreFound(t *testing.T) {
	cs := newCallers()
	ids := make([]quota.ID, 3*nearCallers)
	had := map[*holding]bool{}
	for i := range ids {
		ids[i] = quota.ID{Rule: 1, Caller: quota.DigestOf(quota.Seed{}, fmt.Append(nil, i))}
		if cs.find(ids[i]) != nil {
			t.Fatal("a caller is found before it has called")
		}
		had[cs.get(ids[i])] = true
	}
	if len(had) != len(ids) {
		t.Fatalf("%d callers have %d holdings", len(ids), len(had))
	}
	for range 2 {
		for _, id := range ids {
			if h := cs.find(id); !had[h] || h.id != id {
				t.Fatalf("found is %+v", h)
			}
		}
	}
	for range callerRest + 2*callerShards {
		cs.forget()
	}
	for _, id := range ids {
		if cs.find(id) != nil {
			t.Fatal("a caller is found that was forgotten")
		}
		if had[cs.get(id)] {
			t.Fatal("a caller's holding is used again that was forgotten")
		}
	}
}

// TestForgottenWhileCalling: a caller who is forgotten as he calls is not found.
func TestForgottenWhileCalling(t *testing.T) {
	cs := newCallers()
	cs.rest = -1 // for no time
	id := quota.ID{Rule: 1, Caller: quota.Digest{callerShards - 1}}
	var calling sync.WaitGroup
	for range 2 {
		calling.Go(func() {
			for range 100_000 {
				cs.get(id)
			}
		})
	}
	s := cs.shard(id)
	for range 100_000 {
		cs.tick.Store(callerShards - 2) // the next is of this caller's shard
		cs.forget()
		s.mu.RLock()
		near, held := cs.slot(id).Load(), s.held[id]
		s.mu.RUnlock()
		if near != nil && near != held {
			t.Fatal("found is who was forgotten")
		}
	}
	calling.Wait()
}
