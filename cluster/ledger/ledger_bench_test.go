package ledger

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// rich is a ledger that holds units of four counters, two of the domain "d" and
// two of its endpoint "e", for an hour.
func rich(units int64) *Ledger {
	l := newLedger(Config{Node: "n1", Incarnation: 1, Wait: time.Second, MinLease: 16}, simMetrics, systemClock())
	l.RulesChanged(map[string][]quota.Rule{"d": {{ID: 1}, {ID: 2}, ruleOf(3, "e"), ruleOf(4, "e")}}, quota.Third)
	for _, h := range l.holdings {
		le := newLease(h.id, 1, l.applier.stripes)
		le.units.Store(units)
		le.deadline.Store(int64(time.Hour))
		h.lease.Store(le)
	}
	return l
}

// BenchmarkLocal is a decision over four live conditions out of leased units.
// Run with -cpu 1,2 to see it scale.
func BenchmarkLocal(b *testing.B) {
	l := rich(1 << 50)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if v, err := l.takeOne("d", "e"); err != nil || !v.Admitted {
				b.Fatalf("%+v, %v", v, err)
			}
		}
	})
}

// BenchmarkReplica is a refusal by the replica, with four conditions.
func BenchmarkReplica(b *testing.B) {
	l := rich(1 << 50)
	l.cluster.set(1000, l.clock())
	l.PhasesChanged([]quota.Info{{ID: of(1), Phase: quota.Exhausted, Window: 1, Ends: 1 << 40}})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if v, err := l.takeOne("d", "e"); err != nil || v.Admitted {
				b.Fatalf("%+v, %v", v, err)
			}
		}
	})
}

func TestLocalDecisionsDoNotAllocate(t *testing.T) {
	l := rich(1 << 50)
	if n := testing.AllocsPerRun(1000, func() { _, _ = l.takeOne("d", "e") }); n != 0 {
		t.Errorf("%v allocations a local decision", n)
	}
	l.cluster.set(1000, l.clock())
	l.PhasesChanged([]quota.Info{{ID: of(1), Phase: quota.Exhausted, Window: 1, Ends: 1 << 40}})
	if n := testing.AllocsPerRun(1000, func() { _, _ = l.takeOne("d", "e") }); n != 0 {
		t.Errorf("%v allocations a refusal by the replica", n)
	}
}
