package report

import (
	"fmt"
	"math"
	"slices"
)

// system is who was measured, for a table.
func (r *Result) system() string {
	if r.System == tollgate {
		return "**tollgate**"
	}
	return r.System
}

// basics are the columns that all tables have, in the order of basicColumns.
func (r *Result) basics() []string {
	l := r.Latency
	return []string{
		callsPerSecond.over(r.Slices).String(), medianLatency.over(r.Slices).String(), tailLatency.over(r.Slices).String(),
		latencyText(r, l.P999), latencyText(r, l.P9999), latencyText(r, l.Max), cpuPerCall.over(r.Slices).String(),
	}
}

var basicColumns = []string{"calls/s", "p50 ms", "p99 ms", "p99.9", "p99.99", "max", "CPU µs/call"}

// mains is the table of the main scenarios.
func (p *page) mains() {
	var rows [][]string
	for _, res := range p.all() {
		if res.System == tollgate && res.main() {
			rows = append(rows, slices.Concat([]string{p.marked(res.Name(), res), res.Load}, res.basics(), []string{res.Counts.refused()}))
		}
	}
	if len(rows) == 0 {
		return
	}
	p.sayf("## Scenarios")
	p.table(2, slices.Concat([]string{"scenario", "load"}, basicColumns, []string{"refused"}), rows)
	p.footnotes()
	p.picture("latency", "Latency by percentile")
	p.picture("time-failover", "The failover over time")
	p.picture("time-deploy", "Deploys over time")
}

// peers are the tables of what others did in the same run, and of who is
// missing.
func (p *page) peers() {
	groups := besides(p.all())
	if len(groups) == 0 && len(p.run.Missing) == 0 {
		return
	}
	p.sayf("## Peers")
	p.sayf("In the same run, on the same machine. The CPU time is of all that a peer needs, a store beside it included.")
	for _, g := range groups {
		var rows [][]string
		for _, res := range g.results {
			rows = append(rows, slices.Concat([]string{p.marked(res.system(), res), res.Load}, res.basics(), []string{res.Counts.refused(), res.Exactness.String()}))
		}
		p.sayf("### %s", g.scenario)
		p.table(2, slices.Concat([]string{"", "load"}, basicColumns, []string{"refused", "quota"}), rows)
		p.footnotes()
		p.picture("peers-"+g.scenario, "Peers in scenario "+g.scenario)
	}
	if len(p.run.Missing) > 0 {
		p.sayf("Missing, and not measured:")
		for _, m := range p.run.Missing {
			fmt.Fprintf(p, "- %s: %s\n", m.System, m.Why)
		}
		p.WriteByte('\n')
	}
}

// exactness is the table of the quotas.
func (p *page) exactness() {
	var rows [][]string
	for _, res := range p.all() {
		e := res.Exactness
		if e == nil {
			continue
		}
		used := nothing
		if e.Used > 0 {
			used = percent(e.Used)
		}
		name := res.Name()
		if len(res.Failed) > 0 {
			name += " FAILED"
		}
		c := res.Counts
		rows = append(rows, []string{
			name, thousands(e.Limit), thousands(uint64(e.Counters)), thousands(uint64(e.Windows)),
			thousands(c.Offered), thousands(c.Admitted), thousands(c.Refused), thousands(c.Undecided), thousands(c.Failed + c.Unknown), thousands(c.Unsent),
			thousands(e.Over), thousands(e.Early), thousands(e.Late), used,
		})
	}
	if len(rows) == 0 {
		return
	}
	p.sayf("## Exactness")
	p.sayf("Over: admitted past the limit of a window. Early: units that nobody was admitted by although calls were refused. Late:\n" +
		"admitted by a call that began after a refusal of the same window had been returned. Used: the share of the units that\n" +
		"calls were admitted by, in windows that refused any. Windows are those that could be judged, of all counters; where none\n" +
		"could be told apart from the next, over is what no windows could have admitted. The counts of calls are of the measured\n" +
		"time, the quota's figures of all calls from the first on.")
	p.table(1, []string{"result", "limit", "counters", "windows", "offered", "admitted", "refused", "undecided", "failed, unknown", "unsent", "over", "early", "late", "used"}, rows)
}

// growth is a table and a plot of each scenario that varies an amount.
func (p *page) growth() {
	groups := growth(p.all())
	if len(groups) == 0 {
		return
	}
	p.sayf("## How cost grows")
	for _, g := range groups {
		p.sayf("### %s", g.scenario)
		var rows [][]string
		for _, res := range g.results {
			name := res.Point.tick()
			if res.System != tollgate {
				name += " " + res.System
			}
			rows = append(rows, slices.Concat([]string{p.marked(name, res)}, res.basics(), res.costs()))
		}
		p.table(1, slices.Concat([]string{g.axis}, basicColumns, costColumns), rows)
		p.footnotes()
		p.picture("growth-"+g.scenario, "Growth of "+g.scenario)
	}
}

var costColumns = []string{"log entries/s", "disk bytes/call", "largest node"}

// costs are what the nodes took beside CPU time, in the order of costColumns.
func (r *Result) costs() []string {
	memory := math.NaN()
	if r.Cluster != nil && r.Cluster.PeakMemory > 0 {
		memory = r.Cluster.PeakMemory
	}
	return []string{r.logRate().String(), r.diskPerCall().String(), byteSize(memory)}
}

// written is the table of what the main scenarios wrote and how they decided.
func (p *page) written() {
	var rows [][]string
	for _, res := range p.all() {
		if res.Cluster == nil || !res.main() {
			continue
		}
		c := res.Cluster
		nodes := fmt.Sprint(c.Nodes)
		if c.Nonvoters > 0 {
			nodes = fmt.Sprintf("%d, %d of them without a vote", c.Nodes, c.Nonvoters)
		}
		row := slices.Concat([]string{res.Name(), nodes}, res.costs()[:2], []string{digits(1000 * res.perCall(c.LogEntries)), res.costs()[2]})
		rows = append(rows, append(row, c.shares()...))
	}
	if len(rows) == 0 {
		return
	}
	p.sayf("## What is written, and where it is decided")
	p.table(1, []string{"scenario", "nodes", "log entries/s", "disk bytes/call", "entries/1,000 calls", "largest node", "local", "replica", "strict", "unavailable"}, rows)
	p.picture("log", "Log entries and disk bytes")
}

// shares are the shares of decisions by way: out of a lease, by the node's
// replica, in the log, not at all.
func (c *Cluster) shares() []string {
	all := 0.0
	for _, n := range c.Decisions {
		all += n
	}
	var shares []string
	for _, way := range []string{"local", "replica", "strict", "unavailable"} {
		shares = append(shares, percent(c.Decisions[way]/all))
	}
	return shares
}
