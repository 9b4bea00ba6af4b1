package ledger

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/quota"
)

// rich is a ledger that holds units of four counters, two of the domain "d" and
// two of its endpoint "e", for an hour.
func rich(units int64) *Ledger {
	l := newLedger(Config{Node: "n1", Incarnation: 1, Wait: time.Second, Leases: strictly}, simMetrics, systemClock())
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

// benchCaller is a caller with a value of 36 bytes.
type benchCaller struct{ value []byte }

func (c *benchCaller) CallerBy(quota.By) []byte { return c.value }
func (c *benchCaller) CallerPlan(string) string { return "" }

// hotCaller is a ledger that holds units of one caller, and a call of that caller.
func hotCaller() (*Ledger, *quota.Call) {
	l := newLedger(Config{Node: "n1", Incarnation: 1, Wait: time.Second, Leases: strictly}, simMetrics, systemClock())
	r := quota.Rule{ID: 1, Condition: quota.Condition{By: quota.ByConsumer}}
	l.RulesChanged(map[string][]quota.Rule{"d": {r}}, quota.Third)
	c := &quota.Call{Domain: "d", Caller: &benchCaller{[]byte("0f0e0d0c-0b0a-4908-8706-050403020100")}}
	h := l.callers.get(quota.ID{Rule: 1, Caller: quota.DigestOf(r.Seed, c.Caller.CallerBy(r.By))})
	le := newLease(h.id, 1, l.applier.stripes)
	le.units.Store(1 << 50)
	le.deadline.Store(int64(time.Hour))
	h.lease.Store(le)
	return l, c
}

// BenchmarkCaller is a decision out of a hot caller's lease, its digest included.
func BenchmarkCaller(b *testing.B) {
	l, c := hotCaller()
	b.ReportAllocs()
	for b.Loop() {
		if v, err := l.Take(c); err != nil || !v.Admitted {
			b.Fatalf("%+v, %v", v, err)
		}
	}
}

func TestCallersDoNotAllocate(t *testing.T) {
	l, c := hotCaller()
	if n := testing.AllocsPerRun(1000, func() { _, _ = l.Take(c) }); n != 0 {
		t.Errorf("%v allocations a decision for a caller", n)
	}
}
