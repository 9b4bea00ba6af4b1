package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/node/admin/api"
)

// history makes calls on a cell, 1 ms each and one after the other.
func history(verdicts ...load.Verdict) []load.Call {
	var list []load.Call
	for i, v := range verdicts {
		at := time.Duration(i) * time.Millisecond
		list = append(list, load.Call{Verdict: v, Begin: at, End: at + time.Millisecond})
	}
	return list
}

// TestJudge: a wrong count fails a result, and so do calls that come to nothing
// where nothing has happened to them.
func TestJudge(t *testing.T) {
	one := []Quota{{OnDomain, 2, time.Hour}}
	many := []Quota{{OnDomain, 1000, time.Hour}}
	slow := history(load.Admitted, load.Refused)
	slow[1].End += time.Second
	for name, c := range map[string]struct {
		setup  Setup
		calls  []load.Call
		counts report.Counts
		failed string // "" is none
		notes  string
	}{
		"exact":             {setup: Setup{Quotas: one}, calls: history(load.Admitted, load.Admitted, load.Refused)},
		"over":              {setup: Setup{Quotas: one}, calls: history(load.Admitted, load.Admitted, load.Admitted), failed: "not exact: 1 calls were admitted past the limit of 2"},
		"late":              {setup: Setup{Quotas: many}, calls: history(load.Refused, load.Unknown, load.Admitted), failed: "not consistent: 1 calls were admitted that began after a refusal of the same window had been returned\nrefused early: 999 of 1000 units were left over in windows that refused calls"},
		"early":             {setup: Setup{Quotas: many}, calls: history(load.Admitted, load.Refused), failed: "refused early: 999 of 1000 units were left over in windows that refused calls"},
		"early, stalled":    {setup: Setup{Quotas: many}, calls: slow, notes: "999 of 1000 units were left over: calls took up to 1001 ms, so that nodes stood still for longer than the 200 ms that they hold units for"},
		"early, faults":     {setup: Setup{Quotas: many, During: KillLeader}, calls: history(load.Admitted, load.Refused)},
		"over, faults":      {setup: Setup{Quotas: one, During: KillLeader}, calls: history(load.Admitted, load.Admitted, load.Admitted), failed: "not exact: 1 calls were admitted past the limit of 2"},
		"nothing decided":   {setup: Setup{Quotas: one}, counts: report.Counts{Offered: 9, Undecided: 9}, failed: "no call was decided: of 9 offered, 9 undecided, 0 failed, 0 without an answer"},
		"errors":            {setup: Setup{}, counts: report.Counts{Admitted: 7, Failed: 2, Unknown: 1}, failed: "2 calls were answered with an error\n1 calls got no answer"},
		"errors, faults":    {setup: Setup{Quotas: one, During: KillLeader}, counts: report.Counts{Admitted: 7, Failed: 2, Unknown: 1}},
		"refused, no quota": {setup: Setup{}, counts: report.Counts{Admitted: 7, Refused: 2}, failed: "2 calls were refused where no quota is"},
	} {
		p := point{Setup: c.setup.settled()}
		p.Nodes = 1
		r := report.Result{Counts: c.counts, Exactness: p.exactness(c.calls)}
		if c.counts == (report.Counts{}) {
			r.Counts.Admitted = 1
		}
		p.judge(&r, c.calls)
		if got := strings.Join(r.Failed, "\n"); got != c.failed {
			t.Errorf("%s: failed:\n%s\nwant:\n%s", name, got, c.failed)
		}
		if got := strings.Join(r.Notes, "\n"); got != c.notes {
			t.Errorf("%s: notes:\n%s\nwant:\n%s", name, got, c.notes)
		}
	}
	r := &report.Run{Results: []report.Result{{Scenario: "a", System: "tollgate"}, {Scenario: "b", System: "nginx", Failed: []string{"x", "y"}}}}
	if got := strings.Join(Failed(r), "; "); got != "b@nginx: x; b@nginx: y" {
		t.Errorf("a failed run tells: %s", got)
	}
}

// TestExactnessByFirstQuota: calls of all endpoints and nodes are on one counter
// of the domain.
func TestExactnessByFirstQuota(t *testing.T) {
	s := Setup{Nodes: 2, Domains: 2, Endpoints: 2, Quotas: []Quota{{OnDomain, 3, time.Hour}}}.settled()
	calls := history(load.Admitted, load.Admitted, load.Admitted, load.Admitted, load.Admitted, load.Admitted, load.Admitted)
	for i := range calls {
		calls[i].Counter = int32(i) // cells 0 to 3 are the first domain, 4 to 6 the second
	}
	if e := s.exactness(calls); e.Counters != 2 || e.Over != 1 {
		t.Errorf("by domain: %+v", e)
	}
	s.Quotas[0] = Quota{OnEndpoint, 1, time.Hour}
	if e := s.exactness(calls); e.Counters != 4 || e.Over != 3 {
		t.Errorf("by endpoint: %+v", e)
	}
}

// TestUsed: what the quotas must read out is every call, up to the limit.
func TestUsed(t *testing.T) {
	p := point{Setup: Setup{Nodes: 1, Domains: 2, Endpoints: 2, Quotas: []Quota{{OnEndpoint, 3, time.Hour}, {OnDomain, 100, 2 * time.Hour}}}.settled()}
	calls := history(load.Admitted, load.Admitted, load.Admitted, load.Refused, load.Admitted)
	calls[4].Counter = 3 // the second endpoint of the second domain
	if !p.readable(calls, time.Minute) {
		t.Fatal("nothing is unknown, and no window has ended, but it is not to be read")
	}
	want := p.wantUsed(calls)
	endpoint := func(i int) *string { s := "GET " + pattern(i); return &s }
	right := []api.Condition{
		{Endpoint: endpoint(0), ResetTimeSeconds: 3600, Used: 3},
		{Endpoint: endpoint(1), ResetTimeSeconds: 3600},
		{ResetTimeSeconds: 7200, Used: 4},
	}
	if n, first := compare(want, 0, right); n != 0 {
		t.Errorf("%d conditions differ, first %s", n, first)
	}
	if n, _ := compare(want, 1, right); n != 3 {
		t.Errorf("of the other domain, %d conditions differ, want 3", n)
	}
	right[2].Used, right[2].MaxUsageQuota = 5, 100
	if n, first := compare(want, 0, right); n != 1 || first != "the whole domain: 5 used of 100, 4 calls counted" {
		t.Errorf("%d conditions differ, first %s", n, first)
	}
	for name, no := range map[string]bool{
		"an answer is missing":    p.readable(append(calls, load.Call{Verdict: load.Unknown}), time.Minute),
		"the window may be over":  p.readable(calls, 40*time.Minute),
		"there was no call":       p.readable(nil, time.Minute),
		"a node died in the load": (&point{Setup: Setup{During: KillLeader, Quotas: p.Quotas}}).readable(calls, time.Minute),
	} {
		if no {
			t.Errorf("%s, but the quota is to read out exactly what the calls show", name)
		}
	}
}

func TestLongestSilence(t *testing.T) {
	p := point{Setup: Setup{Nodes: 3, Quotas: []Quota{{OnDomain, 3, time.Hour}}}.settled()}
	at := func(node int32, ms int, v load.Verdict) load.Call {
		return load.Call{Counter: node, Verdict: v, End: time.Duration(ms) * time.Millisecond}
	}
	calls := []load.Call{
		at(0, 500, load.Admitted), at(1, 10, load.Admitted), at(2, 400, load.Refused), at(1, 700, load.Refused),
		at(0, 550, load.Unknown), at(1, 450, load.Undecided), at(2, 460, load.Failed),
	}
	if silence, lost := p.longestSilence(calls, 0); silence != 390*time.Millisecond || lost != 1 {
		t.Errorf("%v, %d lost", silence, lost)
	}
}
