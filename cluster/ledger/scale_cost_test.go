//go:build unix

package ledger

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
)

// BenchmarkScaleCost measures, in CPU time and memory, what grows with the
// number of counters, holders or domains, call by call of the code that does it:
// the simulation's virtual time knows nothing of it.
func BenchmarkScaleCost(b *testing.B) {
	for _, size := range []struct{ counters, holders int }{
		{10_000, 3}, {100_000, 3}, {1_000_000, 3}, {10_000, 50}, {100_000, 50}, {10_000, 200},
	} {
		b.Run(fmt.Sprintf("state/counters=%d/holders=%d", size.counters, size.holders), func(b *testing.B) {
			for b.Loop() {
				stateCost(b, size.counters, size.holders)
			}
		})
	}
	for _, counters := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("ledger/counters=%d", counters), func(b *testing.B) {
			for b.Loop() {
				ledgerCost(b, counters)
			}
		})
	}
	for _, domains := range []int{1_000, 3_000, 10_000} {
		b.Run(fmt.Sprintf("domains=%d", domains), func(b *testing.B) {
			for b.Loop() {
				domainsCost(b, domains)
			}
		})
	}
}

// inUse is the bytes of memory in use.
func inUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// took is the CPU time that f takes, the garbage collector's part included, ms.
func took(f func()) float64 {
	began := cpuTime()
	f()
	return float64(cpuTime()-began) / float64(ms)
}

// cpuTime is what this process has used, ns.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// stateCost measures a state of so many counters, each leased to so many nodes.
func stateCost(b *testing.B, counters, holders int) {
	spec := scaleSpec{counters: counters, nodes: holders}
	before := inUse()
	s := newState()
	s.Advance(scaleEpoch)
	s.SetMembers(holders)
	spec.conditions(nil, setting(s))
	empty := inUse()
	apply := 0.0 // of the frames that renew, the last of each node
	for round := range 2 {
		apply = took(func() { leaseAll(s, counters, holders, round) })
	}
	leased := inUse()
	b.ReportMetric((empty-before)/float64(counters), "B/counter")
	b.ReportMetric((leased-empty)/float64(counters*holders), "B/lease")
	b.ReportMetric(apply*1e6/float64(counters*holders), "renew-ns")
	var snapshot []byte
	b.ReportMetric(took(func() { snapshot = s.Append(nil) }), "snapshot-ms")
	b.ReportMetric(float64(len(snapshot))/1e6, "snapshot-MB")
	b.ReportMetric(took(func() {
		if _, err := quota.DecodeState(snapshot, quota.Third); err != nil {
			b.Fatal(err)
		}
	}), "restore-ms")
	b.ReportMetric(took(func() { s.BeginTerm(2) }), "term-ms")
	b.ReportMetric(took(func() { s.Forget("n001") }), "forget-ms")
}

// setting sets conditions.
func setting(s *quota.State) func(string, []quota.Condition) {
	return func(key string, list []quota.Condition) { s.SetConditions(key, list, "") }
}

// leaseAll has every node report on every counter in full frames: asking in the
// first round, and renewing in the next.
func leaseAll(s *quota.State, counters, holders, round int) {
	var windows []int64
	for _, key := range s.Domains() {
		for _, r := range s.Rules(key) {
			windows = append(windows, r.Window)
		}
	}
	frame := quota.Frame{Incarnation: 1}
	frame.Version = quota.Third
	var encoded, result []byte
	for first := 0; first < counters; first += roundReports {
		for n := range holders {
			frame.Node, frame.Seq = fmt.Sprintf("n%03d", n+1), frame.Seq+1
			frame.Reports, frame.Takes = frame.Reports[:0], frame.Takes[:0]
			for id := first + 1; id <= min(first+roundReports, counters); id++ {
				rep := quota.Report{Counter: of(uint64(id)), Want: quota.DefaultMinLease}
				if round > 0 {
					rep = quota.Report{Counter: of(uint64(id)), Window: windows[id-1], Spent: 1, Want: 1, Renew: true}
				} else if n == 0 { // opens the window
					frame.Takes = append(frame.Takes, takeOf(1, uint64(id)))
				}
				frame.Reports = append(frame.Reports, rep)
			}
			encoded = frame.Append(encoded[:0])
			decoded, err := quota.DecodeFrame(encoded, quota.Third)
			if err != nil {
				panic(err)
			}
			result = s.Apply(decoded).Append(result[:0])
		}
	}
}

// ledgerCost measures the ledger of a node that knows so many counters.
func ledgerCost(b *testing.B, counters int) {
	s := newState()
	spec := scaleSpec{counters: counters}
	spec.conditions(nil, setting(s))
	domains := s.Domains()
	infos := make(map[string][]quota.Rule, len(domains))
	for _, key := range domains {
		infos[key] = s.Rules(key)
	}
	l := newLedger(Config{Node: "n001", Incarnation: 1, Wait: scaleWait, Leases: quota.Params{MinLease: quota.DefaultMinLease}}, simMetrics, systemClock())
	l.applier.stripes = 2
	before := inUse()
	b.ReportMetric(took(func() {
		l.RulesChanged(infos, quota.Third)
	}), "learn-ms")
	known := inUse()
	b.ReportMetric((known-before)/float64(counters), "B/counter")
	b.ReportMetric(took(l.look), "look-idle-ms")
	r := round{sent: l.clock()}
	for _, h := range l.holdings {
		g := quota.Grant{Units: 16, LeaseMillis: 1 << 40, Window: scaleEpoch, EndsIn: 1 << 40}
		l.applier.granted(h, g, scaleEpoch, r.sent)
	}
	b.ReportMetric((inUse()-known)/float64(counters), "B/lease")
	b.ReportMetric(took(l.look), "look-leased-ms")
}

// domainsCost measures what it takes a node to learn of so many domains, as it
// does when it starts, and of one more.
func domainsCost(b *testing.B, domains int) {
	l := newLedger(Config{Node: "n001", Incarnation: 1, Wait: scaleWait, Leases: quota.Params{MinLease: quota.DefaultMinLease}}, simMetrics, systemClock())
	infos := map[string][]quota.Rule{}
	for i := range domains {
		infos[fmt.Sprintf("d%05d", i)] = []quota.Rule{{ID: uint64(i + 1)}}
	}
	b.ReportMetric(took(func() { l.RulesChanged(infos, quota.Third) }), "learn-ms")
	b.ReportMetric(took(func() { l.RulesChanged(map[string][]quota.Rule{"one": {{ID: uint64(domains + 1)}}}, quota.Third) }), "one-more-ms")
}
