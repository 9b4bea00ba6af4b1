package bench

import (
	"fmt"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/store/quota"
)

// mostEarly is the share of the units, of windows that refused calls, that may
// be left over where nothing has failed.
const mostEarly = 0.001

// judge puts in what is wrong with a result. Where the setup has faults, calls
// may be lost by them, and units that a lost node held; where it has not, every
// call must have been decided and answered as the scenario means it to be. Over
// and late are wrong always.
func (p *point) judge(r *report.Result, calls []load.Call) {
	bad := func(format string, args ...any) { r.Failed = append(r.Failed, fmt.Sprintf(format, args...)) }
	judgeDecided(r)
	c, faulty := r.Counts, p.During.faulty()
	if c.Failed > 0 && !faulty {
		bad("%d calls were answered with an error", c.Failed)
	}
	if c.Unknown > 0 && !faulty {
		bad("%d calls got no answer", c.Unknown)
	}
	if len(p.Quotas) == 0 {
		if c.Refused > 0 {
			bad("%d calls were refused where no quota is", c.Refused)
		}
		return
	}
	judgeExactness(r, calls, p.Quotas[0].Window, faulty)
}

// judgeDecided puts in that nothing was decided.
func judgeDecided(r *report.Result) {
	if c := r.Counts; c.Admitted+c.Refused == 0 {
		r.Failed = append(r.Failed, fmt.Sprintf("no call was decided: of %d offered, %d undecided, %d failed, %d without an answer",
			c.Offered, c.Undecided, c.Failed, c.Unknown))
	}
}

// judgeExactness puts in the promises that were not kept in windows of a
// length. Units may be left over that were held by a node that was lost, or cut
// off for longer than its leases last; one that is not given a processor for as
// long is no better off. That shows in the calls, which then take as long, and
// is noted: what is wrong then is the machine, which has too much to do.
func judgeExactness(r *report.Result, calls []load.Call, window time.Duration, faulty bool) {
	e := r.Exactness
	bad := func(format string, args ...any) { r.Failed = append(r.Failed, fmt.Sprintf(format, args...)) }
	if e.Over > 0 {
		bad("not exact: %d calls were admitted past the limit of %d", e.Over, e.Limit)
	}
	if e.Late > 0 {
		bad("not consistent: %d calls were admitted that began after a refusal of the same window had been returned", e.Late)
	}
	units := float64(e.Limit) * float64(max(e.Windows, 1))
	if faulty || float64(e.Early) <= mostEarly*units {
		return
	}
	longest, lease := longestCall(calls), leaseOf(window)
	if longest > lease {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %.0f units were left over: calls took up to %.0f ms, so that nodes stood still for longer than the %.0f ms that they hold units for",
			e.Early, units, millis(longest), millis(lease)))
		return
	}
	bad("refused early: %d of %.0f units were left over in windows that refused calls", e.Early, units)
}

// leaseOf is how long nodes hold units of a window.
func leaseOf(window time.Duration) time.Duration {
	return min(quota.DefaultLeaseMillis*time.Millisecond, window/10)
}

// longestCall is how long the slowest answer took.
func longestCall(calls []load.Call) (longest time.Duration) {
	for i := range calls {
		longest = max(longest, calls[i].End-calls[i].Begin)
	}
	return longest
}

// Failed lists what is wrong with a run, one line a reason, each with the name
// of the result. A run without any has not failed.
func Failed(r *report.Run) (wrong []string) {
	for i := range r.Results {
		for _, why := range r.Results[i].Failed {
			wrong = append(wrong, r.Results[i].Name()+": "+why)
		}
	}
	return wrong
}
