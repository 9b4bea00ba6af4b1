package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/bench/load"
	"github.com/tollgate/tollgate/bench/rig"
	"github.com/tollgate/tollgate/node/admin/api"
)

const (
	// readPatience is how long nodes may take to report what was spent: they do
	// so when leases end, after 200 ms.
	readPatience = 5 * time.Second
	readPause    = 20 * time.Millisecond
)

// condition is one condition of one domain.
type condition struct {
	domain   int
	endpoint string // method and pattern; empty for the whole domain
	seconds  uint32
}

// readable reports whether the quotas must read out exactly what the calls
// show: nothing may be unknown of any call, and no window may have ended.
func (p *point) readable(calls []load.Call, elapsed time.Duration) bool {
	if p.During.faulty() || len(calls) == 0 {
		return false
	}
	for _, q := range p.Quotas {
		if elapsed > q.Window/2 {
			return false
		}
	}
	for i := range calls {
		if v := calls[i].Verdict; v != load.Admitted && v != load.Refused {
			return false
		}
	}
	return true
}

// wantUsed is what the conditions must read out: every call counts on every
// condition without callers, up to its limit.
func (p *point) wantUsed(calls []load.Call) map[condition]uint64 {
	want := map[condition]uint64{}
	for _, q := range p.Quotas {
		if q.On == OnCaller { // it has no figure of its own
			continue
		}
		counted := make([]uint64, p.counters(q))
		for i := range calls {
			counted[p.counter(q, calls[i].Counter)]++
		}
		for i, n := range counted {
			at := condition{domain: i, seconds: uint32(q.Window / time.Second)}
			if q.On == OnEndpoint {
				at.domain, at.endpoint = i/p.Endpoints, p.method()+" "+pattern(i%p.Endpoints)
			}
			want[at] = min(n, p.most(q)) * uint64(p.Units)
		}
	}
	return want
}

// checkUsed compares what the quotas read out with the calls. It gives the nodes
// time to report, and returns what is wrong then.
func (p *point) checkUsed(ctx context.Context, c *rig.Cluster, calls []load.Call) (wrong []string, err error) {
	want := p.wantUsed(calls)
	deadline := time.Now().Add(readPatience)
	for i, key := range p.keys() {
		for {
			readings, err := c.Quota(ctx, key)
			if err != nil {
				return nil, err
			}
			differing, first := compare(want, i, readings)
			if differing == 0 {
				break
			}
			if time.Now().After(deadline) {
				wrong = append(wrong, fmt.Sprintf("the quota of %s reads otherwise than the calls show at %d of %d conditions; %s",
					key, differing, len(readings), first))
				break
			}
			if err := pause(ctx, readPause); err != nil {
				return nil, err
			}
		}
	}
	return wrong, nil
}

// compare counts the conditions of a domain that read out otherwise than
// wanted, and tells of the first.
func compare(want map[condition]uint64, domain int, readings []api.Condition) (differing int, first string) {
	for _, r := range readings {
		if r.By != "" {
			continue
		}
		at := condition{domain: domain, seconds: r.ResetTimeSeconds}
		name := "the whole domain"
		if r.Endpoint != nil {
			at.endpoint, name = *r.Endpoint, *r.Endpoint
		}
		n, known := want[at]
		if known && n == r.Used {
			continue
		}
		if differing++; differing == 1 {
			first = fmt.Sprintf("%s: %d used of %d, %d calls counted", name, r.Used, r.MaxUsageQuota, n)
		}
	}
	return differing, first
}
