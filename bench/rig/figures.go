package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tollgate/tollgate/bench/process"
)

// The metrics that are read of nodes.
const (
	metricEntries   = "tollgate_quota_log_entries_total"
	metricDecisions = "tollgate_quota_decisions_total"
	labelWay        = "way"
)

// Figures are what the nodes of a cluster have done since they were started.
// Where the system does not tell, DiskBytes and PeakMemory are 0.
type Figures struct {
	// LogEntries of quota frames were proposed.
	LogEntries float64
	// Decisions counts calls by way: local, strict, replica, unavailable.
	Decisions map[string]float64
	// DiskBytes were written by all nodes.
	DiskBytes float64
	// PeakMemory is the largest node's, bytes.
	PeakMemory float64
}

// Figures reads them of all nodes. Of a node that was killed, they are those of
// just before.
func (c *Cluster) Figures(ctx context.Context) (Figures, error) {
	var all Figures
	c.mu.Lock()
	all.add(c.past)
	lives := append([]*process.Process(nil), c.lives...)
	c.mu.Unlock()
	for _, n := range c.Nodes {
		if n.live.Load() == nil {
			continue
		}
		f, err := c.nodeFigures(ctx, n)
		if err != nil {
			return Figures{}, err
		}
		all.add(f)
	}
	for _, p := range lives {
		written, err := p.DiskWritten()
		if err != nil && !errors.Is(err, process.ErrNoProc) {
			return Figures{}, err
		}
		all.DiskBytes += float64(written)
	}
	return all, nil
}

// CPU is the CPU time, in seconds, that all nodes have used since they were
// started. Where the system does not tell, that is a process.ErrNoProc.
func (c *Cluster) CPU() (float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return process.CPU(c.lives...)
}

// Since is what was done since before; the peak is f's.
func (f Figures) Since(before Figures) Figures {
	f.LogEntries -= before.LogEntries
	f.DiskBytes -= before.DiskBytes
	f.Decisions = maps.Clone(f.Decisions)
	for way, n := range before.Decisions {
		f.Decisions[way] -= n
	}
	return f
}

// add sums figures up.
func (f *Figures) add(g Figures) {
	f.LogEntries += g.LogEntries
	f.DiskBytes += g.DiskBytes
	f.PeakMemory = max(f.PeakMemory, g.PeakMemory)
	if f.Decisions == nil {
		f.Decisions = map[string]float64{}
	}
	for way, n := range g.Decisions {
		f.Decisions[way] += n
	}
}

// nodeFigures are those of one node that runs, without what it wrote.
func (c *Cluster) nodeFigures(ctx context.Context, n *Node) (f Figures, err error) {
	peak, err := n.process().PeakMemory()
	if err != nil && !errors.Is(err, process.ErrNoProc) {
		return f, err
	}
	raw, err := c.api(n).Metrics(ctx, metricEntries, metricDecisions)
	if err != nil {
		return f, err
	}
	if f, err = readMetrics(raw); err != nil {
		return f, fmt.Errorf("the metrics of %s: %w", n.ID, err)
	}
	f.PeakMemory = float64(peak)
	return f, nil
}

// readMetrics reads the figures out of the Prometheus text format.
func readMetrics(text []byte) (f Figures, err error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return f, err
	}
	entries, decisions := families[metricEntries], families[metricDecisions]
	if len(entries.GetMetric()) != 1 || len(decisions.GetMetric()) == 0 {
		return f, fmt.Errorf("they do not have one %s and some %s", metricEntries, metricDecisions)
	}
	f.LogEntries = entries.GetMetric()[0].GetCounter().GetValue()
	f.Decisions = map[string]float64{}
	for _, m := range decisions.GetMetric() {
		f.Decisions[label(m, labelWay)] += m.GetCounter().GetValue()
	}
	return f, nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
