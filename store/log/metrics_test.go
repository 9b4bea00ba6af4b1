package log

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// gathered is the metrics of a registry by name, its labels' values behind it.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]*dto.Metric {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.Metric{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			all[name] = m
		}
	}
	return all
}

// TestMetrics: what Raft does can be seen from outside, on the leader and on who
// follows it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	regs := [2]*prometheus.Registry{prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()}
	leader := start(t, "n1", t.TempDir(), func(cfg *Config) { cfg.Registerer = regs[0] })
	if err := leader.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	lead(t, leader)
	follower := start(t, "n2", t.TempDir(), func(cfg *Config) { cfg.Registerer = regs[1] })
	if err := leader.Add(Server{ID: "n2", Address: follower.cfg.Address}, 0); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := leader.add(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := leader.Snapshot(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower has all", func() bool { return follower.Applied() == leader.Applied() })
	at := [2]map[string]*dto.Metric{gathered(t, regs[0]), gathered(t, regs[1])}
	for name, want := range map[string][2]float64{
		"tollgate_raft_leader":            {1, 0},
		"tollgate_raft_leader_known":      {1, 1},
		"tollgate_raft_term":              {float64(leader.Term()), float64(leader.Term())},
		"tollgate_raft_last_index":        {float64(leader.raft.LastIndex()), float64(leader.raft.LastIndex())},
		"tollgate_raft_apply_lag_entries": {0, 0},
		"tollgate_raft_snapshot_index":    {float64(leader.Applied()), 0},
	} {
		for i := range at {
			if m := at[i][name]; m == nil || m.Gauge.GetValue() != want[i] {
				t.Errorf("n%d: %s is %v, want %v", i+1, name, m, want[i])
			}
		}
	}
	for name, positive := range map[string][2]bool{
		"tollgate_raft_last_contact_seconds":      {false, true},
		"tollgate_raft_commit_index":              {true, true},
		"tollgate_raft_applied_index":             {true, true},
		"tollgate_raft_log_bytes":                 {true, true},
		"tollgate_raft_log_since_snapshot_bytes":  {false, true},
		"tollgate_raft_snapshot_bytes":            {true, false},
		"tollgate_raft_snapshot_duration_seconds": {true, false},
	} {
		for i := range at {
			if m := at[i][name]; m == nil || m.Gauge.GetValue() > 0 != positive[i] {
				t.Errorf("n%d: %s is %v, want it above 0: %t", i+1, name, m, positive[i])
			}
		}
	}
	if m := at[0]["tollgate_raft_commit_duration_seconds"]; m.Histogram.GetSampleCount() != 5 {
		t.Errorf("commits: %v", m)
	}
	for i := range at {
		if m := at[i]["tollgate_raft_fsync_duration_seconds"]; m.Histogram.GetSampleCount() == 0 {
			t.Errorf("n%d: writes: %v", i+1, m)
		}
	}
	if at[0]["tollgate_raft_follower_lag_entries n2"] == nil || at[1]["tollgate_raft_follower_lag_entries n1"] != nil {
		t.Error("the leader alone tells what its followers have")
	}
	for i, reg := range regs {
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("n%d: %v, %v", i+1, problems, err)
		}
	}
}
