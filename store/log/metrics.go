package log

import (
	"errors"
	"math"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

// gauges is what a log tells of itself as it is asked.
var gauges = []struct {
	name, help string
	read       func(*Log) float64
}{
	{"tollgate_raft_leader", "1 on the node that leads, 0 on the others.",
		func(l *Log) float64 { return boolean(l.IsLeader()) }},
	{"tollgate_raft_leader_known", "1 while this node knows a leader, 0 while it does not.",
		func(l *Log) float64 { id, _ := l.Leader(); return boolean(id != "") }},
	{"tollgate_raft_term", "The current term. It rises with every election.",
		func(l *Log) float64 { return float64(l.Term()) }},
	{"tollgate_raft_last_contact_seconds", "Time since this node last heard from the leader, in seconds; 0 on the leader, NaN before the first time.",
		(*Log).lastContact},
	{"tollgate_raft_last_index", "Index of the newest entry that this node has in its log.",
		func(l *Log) float64 { return float64(l.raft.LastIndex()) }},
	{"tollgate_raft_commit_index", "Index of the newest entry that this node knows to be committed.",
		func(l *Log) float64 { return float64(l.raft.CommitIndex()) }},
	{"tollgate_raft_applied_index", "Index of the newest entry that this node has taken from the log to be applied.",
		func(l *Log) float64 { return float64(l.raft.AppliedIndex()) }},
	{"tollgate_raft_apply_lag_entries", "Entries that this node knows to be committed and has not applied yet.",
		func(l *Log) float64 { return lag(l.raft.CommitIndex(), l.raft.AppliedIndex()) }},
	{"tollgate_raft_disk_busy_seconds", "Time that the write to the log that is under way has taken, in seconds; 0 if there is none.",
		func(l *Log) float64 { return l.disk.busy().Seconds() }},
	{"tollgate_raft_log_bytes", "Size of the files that hold the log, in bytes. That of boltdb does not shrink; what is free in it is used again.",
		func(l *Log) float64 { return float64(logBytes(l.cfg.Dir)) }},
	{"tollgate_raft_log_since_snapshot_bytes", "What the log has grown by since the newest snapshot, in bytes. A restart reads it.",
		func(l *Log) float64 { index, _ := l.snapshots.newest(); return float64(l.recent.since(index)) }},
	{"tollgate_raft_snapshot_index", "Index of the newest entry in the newest snapshot; 0 if there is none.",
		func(l *Log) float64 { index, _ := l.snapshots.newest(); return float64(index) }},
	{"tollgate_raft_snapshot_bytes", "Size of the newest snapshot, in bytes.",
		func(l *Log) float64 { _, size := l.snapshots.newest(); return float64(size) }},
	{"tollgate_raft_snapshot_duration_seconds", "Time that the newest snapshot took to be written, in seconds; 0 if this process has written none.",
		func(l *Log) float64 { return l.snapshots.duration().Seconds() }},
}

// followerLag is told for each other member, by the leader.
var followerLag = prometheus.NewDesc("tollgate_raft_follower_lag_entries",
	"Entries of this leader's log that a member has not said to have. Nothing on a node that does not lead.", []string{"member"}, nil)

// timings are the histograms of a log.
type timings struct{ commit, fsync prometheus.Histogram }

func newTimings() timings {
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)})
	}
	return timings{
		commit: histogram("tollgate_raft_commit_duration_seconds", "Time from a proposal on this leader until it was committed and applied, in seconds."),
		fsync:  histogram("tollgate_raft_fsync_duration_seconds", "Time that a write of entries to the log took on this node, until it was on the disk, in seconds."),
	}
}

// register has the metrics collected by Config.Registerer.
func (l *Log) register() error {
	if l.cfg.Registerer == nil {
		return nil
	}
	errs := []error{
		l.cfg.Registerer.Register(l.timings.commit), l.cfg.Registerer.Register(l.timings.fsync),
		l.cfg.Registerer.Register(followers{l}), l.cfg.Registerer.Register(l.early),
	}
	for _, g := range gauges {
		errs = append(errs, l.cfg.Registerer.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: g.name, Help: g.help}, func() float64 { return g.read(l) })))
	}
	return errors.Join(errs...)
}

func boolean(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// lag is how far behind the end something is.
func lag(end, at uint64) float64 { return float64(end - min(end, at)) }

func (l *Log) lastContact() float64 {
	if l.IsLeader() {
		return 0
	}
	last := l.raft.LastContact()
	if last.IsZero() {
		return math.NaN()
	}
	return time.Since(last).Seconds()
}

// followers tells of the other members.
type followers struct{ l *Log }

// Describe implements prometheus.Collector.
func (followers) Describe(ch chan<- *prometheus.Desc) { ch <- followerLag }

// Collect implements prometheus.Collector.
func (f followers) Collect(ch chan<- prometheus.Metric) {
	if f.l.raft.State() != raft.Leader {
		return
	}
	last, term := f.l.raft.LastIndex(), f.l.Term()
	for _, m := range f.l.others() {
		behind := lag(last, f.l.replication.progress(m.ID, term).matched)
		ch <- prometheus.MustNewConstMetric(followerLag, prometheus.GaugeValue, behind, string(m.ID))
	}
}
