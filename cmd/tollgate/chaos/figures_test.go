//go:build linux

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// figures is what a round measured.
type figures struct {
	calls    int
	verdicts [wrong + 1]int
	// limit and admitted are summed over the targets that were used up, by
	// class; perhaps is calls that may have used a unit, lost what the cluster
	// knows to be lost with nodes.
	limit, admitted, perhaps, lost [classes]int
	// worst is the target of the big ones that lost most of its limit.
	worst   float64
	heal    time.Duration
	stalled time.Duration
	longest time.Duration // of the calls at nodes that ran
	// leaderless is what was felt of each loss of a leader.
	leaderless []loss
}

// loss is one loss of a leader, as felt at the other nodes.
type loss struct {
	what string
	// first is the time to the first admission that needed the log.
	first time.Duration
	// wait is the longest that a call waited, from the loss on.
	wait time.Duration
	// undecided is how many calls were answered 50300.
	undecided int
}

// felt is how long after a loss calls are looked at.
const felt = 4 * time.Second

func (r *round) figures() figures {
	f := figures{calls: len(r.all), stalled: r.slow.longest}
	for _, o := range r.all {
		f.verdicts[o.verdict]++
		if o.patience == patient && !r.c.paused(o) {
			f.longest = max(f.longest, o.ret-o.call)
		}
	}
	for t, h := range r.parts {
		if !t.oneWindow() || h.count(refused) == 0 {
			continue
		}
		in, perhaps := h.count(admitted), h.perhaps()
		f.limit[t.class] += t.limit
		f.admitted[t.class] += in
		f.perhaps[t.class] += perhaps
		f.lost[t.class] += r.lost[t]
		if t.class == big {
			f.worst = max(f.worst, float64(t.limit-in-perhaps)/float64(t.limit))
		}
	}
	for _, st := range r.strikes.done {
		if st.wasLeader && (st.kind == killed || st.kind == frozen || st.kind == cutOff) {
			f.leaderless = append(f.leaderless, r.loss(st))
		}
	}
	return f
}

// loss looks at the calls at the other nodes after the leader was lost.
func (r *round) loss(st strike) loss {
	l := loss{what: st.kind.String(), first: -1}
	for _, o := range r.all {
		if o.node == st.node.i || o.ret < st.begin || o.call > st.begin+felt || r.c.paused(o) {
			continue
		}
		if o.patience == patient {
			l.wait = max(l.wait, o.ret-max(o.call, st.begin))
		}
		if o.verdict == undecided {
			l.undecided++
		}
		if o.verdict == admitted && o.target.strict() && o.call > st.begin && (l.first < 0 || o.ret-st.begin < l.first) {
			l.first = o.ret - st.begin
		}
	}
	return l
}

func (f figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls:", f.calls)
	for v, n := range f.verdicts {
		if n > 0 {
			fmt.Fprintf(&b, " %d %v", n, verdict(v))
		}
	}
	fmt.Fprintf(&b, "; longest %v, healed within %v, this process stalled for %v at most\n", f.longest.Round(time.Millisecond), f.heal.Round(time.Millisecond), f.stalled.Round(time.Millisecond))
	for c := range classes {
		if f.limit[c] > 0 {
			fmt.Fprintf(&b, "    %v: %d of %d admitted (%.2f %%), %d perhaps, %d lost\n", c, f.admitted[c], f.limit[c], 100*float64(f.admitted[c])/float64(f.limit[c]), f.perhaps[c], f.lost[c])
		}
	}
	fmt.Fprintf(&b, "    the big target that lost most lost %.2f %% of its limit\n", 100*f.worst)
	slices.SortFunc(f.leaderless, func(a, b loss) int { return cmp.Compare(a.what, b.what) })
	for _, l := range f.leaderless {
		first := "none needed the log"
		if l.first >= 0 {
			first = "the log admitted again after " + l.first.Round(time.Millisecond).String()
		}
		fmt.Fprintf(&b, "    %s of the leader: %s, a call waited for %v at most, %d were undecided\n", l.what, first, l.wait.Round(time.Millisecond), l.undecided)
	}
	return b.String()
}

// stalls measures how long this process was kept from running: that much, calls
// may seem longer than they were.
type stalls struct{ longest time.Duration }

const stallTick = 10 * time.Millisecond

func (s *stalls) watch(ctx context.Context) {
	for ctx.Err() == nil {
		begin := clock()
		pause(ctx, stallTick)
		s.longest = max(s.longest, clock()-begin-stallTick)
	}
}
