package ledger

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/store/quota"
)

// machine is a state machine as the store has it: it tells the ledger what has
// changed under its own lock, and whoever reads it needs that lock.
type machine struct {
	mu     sync.RWMutex
	state  *quota.State
	ledger *Ledger
	params quota.Params
}

// Send implements FrameSender.
func (m *machine) Send(_ context.Context, frame []byte) (quota.Result, error) {
	m.mu.RLock() // as the cluster reads the store
	began := m.state.Now()
	m.mu.RUnlock()
	f, err := quota.DecodeFrame(slices.Clone(frame), quota.Third)
	if err != nil {
		return quota.Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Advance(max(began, time.Now().UnixMilli()))
	m.state.BeginFrames(m.params)
	res := m.state.Apply(f)
	m.ledger.PhasesChanged(m.state.TakeChanges())
	return res, nil
}

// TestLockOrder: the state machine's lock comes before the ledger's. A ledger that
// kept its lock while it calls the leader, and so the state machine, would stand still
// for ever.
func TestLockOrder(t *testing.T) {
	m := &machine{state: newState(), params: rigLeases}
	m.ledger = newLedger(Config{Node: "n1", Incarnation: 1, Wait: patience, Leases: rigLeases, Sender: m}, newMetrics(prometheus.NewRegistry()), systemClock())
	m.state.SetMembers(1)
	deploy := func(limit uint64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.state.Advance(time.Now().UnixMilli())
		m.state.SetConditions("d", []quota.Condition{{Max: limit, ResetSeconds: 3600}}, "")
		m.ledger.RulesChanged(map[string][]quota.Rule{"d": m.state.Rules("d")}, quota.Third)
		m.ledger.PhasesChanged(m.state.TakeChanges())
	}
	deploy(1 << 30)
	m.ledger.start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					_, _ = m.ledger.takeOne("d", "")
				}
			})
		}
		for i := range 50 {
			deploy(1<<30 - uint64(i))
			m.ledger.Settle(t.Context(), "d")
		}
		wg.Wait()
		deploy(1) // all that is leased is called back
		m.ledger.Close(t.Context())
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the ledger stands still: it waits for the state machine, under its own lock")
	}
}
