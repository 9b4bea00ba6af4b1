package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// twoRuns are samples of the same code, of a few scenarios.
func twoRuns(t *testing.T) (a, b *Run) {
	a, b = sampleRun(t, 1), sampleRun(t, 2)
	b.Began = b.Began.Add(30 * time.Minute)
	for _, r := range []*Run{a, b} {
		r.Results = slices.DeleteFunc(r.Results, func(res Result) bool {
			return !slices.Contains([]string{"proxy", "pipeline", "quota-end", "failover", "payload", "nodes"}, res.Scenario)
		})
	}
	return a, b
}

// scale makes all of a result's slices slower by a factor.
func scale(r *Result, slower float64) {
	for i := range r.Slices {
		s := &r.Slices[i]
		s.Calls = uint64(float64(s.Calls) / slower)
		s.P50 *= slower
		s.P99 *= slower
	}
}

func TestCompareAgrees(t *testing.T) {
	c := Compare(twoRuns(t))
	text := golden(t, "compare-agrees.txt", c.Write)
	if !strings.Contains(text, "\nthe runs agree: none of ") || c.Differing() != 0 {
		t.Errorf("runs of the same code: %d figures differ", c.Differing())
	}
}

func TestCompareDoesNotAgree(t *testing.T) {
	a, b := twoRuns(t)
	scale(find(t, b, "pipeline/auth=hmac"), 1.4)
	end := find(t, b, "quota-end")
	end.Failed = []string{"3 calls were admitted past the limit of 10000"}
	c := Compare(a, b)
	text := golden(t, "compare-differs.txt", c.Write)
	if !strings.Contains(text, "\nthe runs do NOT agree: 1 result failed in one of them only; ") || !strings.Contains(text, "pipeline/auth=hmac calls/s -") {
		t.Error("a slowdown of 1.4 and a failed result are not in the verdict")
	}
}

func TestCompareCommits(t *testing.T) {
	a, b := twoRuns(t)
	b.Commit = "a2f2480f6ffb1f04f4e6bd42b4b6a0b5a6c45111"
	for i := range b.Results {
		switch b.Results[i].Scenario {
		case "payload":
			scale(&b.Results[i], 0.5) // twice as fast
		case "nodes":
			scale(&b.Results[i], 1.7)
		}
	}
	golden(t, "compare-commits.txt", Compare(a, b).Write)
}

// Two builds that do not tell their commit are not taken for the same one.
func TestCompareUnknownCommits(t *testing.T) {
	a, b := twoRuns(t)
	for _, commits := range [][2]string{{"unknown", "unknown"}, {"", ""}, {"cc558a7", "unknown"}, {"cc558a7", "cc558a7+dirty"}} {
		a.Commit, b.Commit = commits[0], commits[1]
		var out strings.Builder
		if err := Compare(a, b).Write(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "\nno difference is to be told: none of ") || strings.Contains(out.String(), "the runs agree") {
			t.Errorf("%q: the verdict is not that of different commits:\n%s", commits, out.String())
		}
	}
}

func TestCompareUnlike(t *testing.T) {
	a, b := twoRuns(t)
	a.Commit, b.Commit = a.Commit+"+dirty", b.Commit+"+dirty"
	b.Machine = Machine{CPU: "Neoverse-N1", Cores: 4, OS: "Linux 6.12.9", Go: "go1.26.8"}
	b.Command = "tollgate-bench run --connections 16"
	for i := range b.Results {
		r := &b.Results[i]
		r.Speed = 0
		switch {
		case r.Load == closedLoad:
			r.Load = "closed loop, 16 connections"
		case r.Scenario == "payload":
			r.Slices = r.Slices[:3]
		}
	}
	for _, run := range []*Run{a, b} {
		find(t, run, "failover").Failed = []string{"no leader within 40s"}
	}
	a.Results = a.Results[1:]
	b.Results = slices.DeleteFunc(b.Results, func(r Result) bool { return r.System == "caddy" })
	golden(t, "compare-unlike.txt", Compare(a, b).Write)
}

// A run that the machine slowed as a whole differs in every figure, by slices
// that are all apart. That is noise as far as the machine's speed tells it, and
// no further.
func TestCompareDrift(t *testing.T) {
	a, b := twoRuns(t)
	for i := range b.Results {
		scale(&b.Results[i], 1.35)
	}
	differing := func(speed float64) (n int) {
		for i := range b.Results {
			b.Results[i].Speed = a.Results[i].Speed / speed
		}
		return Compare(a, b).Differing()
	}
	if n := differing(1.35); n != 0 {
		t.Errorf("%d figures differ, though the machine had slowed by as much as they did", n)
	}
	if n := differing(1); n < 20 {
		t.Errorf("only %d figures differ, though the machine was as fast", n)
	}
}

// Which run is the old one changes the sign of what is found and nothing else.
func TestCompareBothWays(t *testing.T) {
	a, b := twoRuns(t)
	for i := range b.Results {
		scale(&b.Results[i], 0.6+0.05*float64(i%17))
		b.Results[i].Speed *= 1 + 0.01*float64(i%7)
	}
	there, back := Compare(a, b), Compare(b, a)
	if there.Differing() == 0 || there.Differing() != back.Differing() {
		t.Errorf("%d figures differ one way, %d the other", there.Differing(), back.Differing())
	}
	for i, p := range there.pairs {
		if q := back.pairs[i]; fmt.Sprintf("%.9f", p.noise) != fmt.Sprintf("%.9f", q.noise) || p.differs() && p.better() == q.better() {
			t.Errorf("%s %s: noise %v and %v, better %v and %v", p.name, p.figure.name, p.noise, q.noise, p.better(), q.better())
		}
	}
	for _, same := range []*Run{a, b} {
		if n := Compare(same, same).Differing(); n != 0 {
			t.Errorf("a run differs from itself in %d figures", n)
		}
	}
}

// What cannot be told of is said to be so, and not to agree.
func TestCompareNothing(t *testing.T) {
	empty := &Run{Commit: "cc558a7a8723"}
	short := sampleRun(t, 1)
	for i := range short.Results {
		short.Results[i].Slices = short.Results[i].Slices[:3]
	}
	for name, c := range map[string]*Comparison{"empty": Compare(empty, empty), "short": Compare(short, short), "disjoint": Compare(empty, short)} {
		var out strings.Builder
		if err := c.Write(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "\nthe runs cannot be compared: ") {
			t.Errorf("%s: the verdict is not that the runs cannot be compared:\n%s", name, out.String())
		}
	}
}
