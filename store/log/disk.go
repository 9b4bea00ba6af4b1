package log

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

// diskPoll is between two looks at the disk.
const diskPoll = 100 * time.Millisecond

// ErrDiskHung: the disk has not answered for longer than Config.DiskTimeout while
// this node led. Nothing can be written, so nothing can be decided, and raft does
// not step down by itself (hashicorp/raft#503, #666): the process must end.
var ErrDiskHung = errors.New("the disk does not answer")

// Failed has an error when this node cannot go on: ErrDiskHung, a write that has failed,
// or what Fail was told. Close closes it.
func (l *Log) Failed() <-chan error { return l.failed }

// Fail says that this node cannot go on. It is for the machine; the first error
// counts.
func (l *Log) Fail(err error) {
	select {
	case <-l.closed:
		return
	default:
	}
	select {
	case l.failed <- err:
	default:
	}
}

// disk is the log and the stable store, timed. Raft writes to it in one goroutine
// at a time; what is under way has the oldest start.
type disk struct {
	raft.LogStore
	stable raft.StableStore
	// busySince is when the operation under way began, in ns since the epoch of
	// the process' monotonic clock; 0 while there is none.
	busySince atomic.Int64
	begin     time.Time
	wrote     prometheus.Observer // of the time that entries took
}

func newDisk(log raft.LogStore, stable raft.StableStore, wrote prometheus.Observer) *disk {
	return &disk{LogStore: log, stable: stable, begin: time.Now(), wrote: wrote}
}

// timed runs an operation of the disk.
func (d *disk) timed(op func() error) error {
	d.busySince.Store(int64(time.Since(d.begin)) + 1)
	defer d.busySince.Store(0)
	return op()
}

// busy is how long the operation under way has taken, 0 if there is none.
func (d *disk) busy() time.Duration {
	since := d.busySince.Load()
	if since == 0 {
		return 0
	}
	return time.Since(d.begin) - time.Duration(since)
}

// IsMonotonic implements raft.MonotonicLogStore.
func (d *disk) IsMonotonic() bool { return isMonotonic(d.LogStore) }

// StoreLog implements raft.LogStore.
func (d *disk) StoreLog(l *raft.Log) error { return d.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (d *disk) StoreLogs(l []*raft.Log) error {
	begin := time.Now()
	err := d.timed(func() error { return d.LogStore.StoreLogs(l) })
	d.wrote.Observe(time.Since(begin).Seconds())
	return err
}

// Set implements raft.StableStore.
func (d *disk) Set(key, val []byte) error {
	return d.timed(func() error { return d.stable.Set(key, val) })
}

// SetUint64 implements raft.StableStore.
func (d *disk) SetUint64(key []byte, val uint64) error {
	return d.timed(func() error { return d.stable.SetUint64(key, val) })
}

// Get implements raft.StableStore.
func (d *disk) Get(key []byte) ([]byte, error) { return d.stable.Get(key) }

// GetUint64 implements raft.StableStore.
func (d *disk) GetUint64(key []byte) (uint64, error) { return d.stable.GetUint64(key) }

// otherVoters reports whether the membership has a voter beside this node.
func (l *Log) otherVoters() bool {
	return slices.ContainsFunc(l.others(), func(m raft.Server) bool { return m.Suffrage == raft.Voter })
}

// DiskSlow is why nothing can be written now: a write has taken longer than
// Config.DiskTimeout. It is empty while the disk answers.
func (l *Log) DiskSlow() string {
	if busy := l.disk.busy(); l.cfg.DiskTimeout > 0 && busy > l.cfg.DiskTimeout {
		return fmt.Sprintf("a write to %s has taken %.1f s, more than the --disk-timeout of %v", l.cfg.Dir, busy.Seconds(), l.cfg.DiskTimeout)
	}
	return ""
}

// watchDisk says that the disk hangs, and gives a leader up, if another voter can lead.
// A follower waits: nobody waits for it.
func (l *Log) watchDisk() {
	tick := time.NewTicker(diskPoll)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-l.closed:
			return
		case <-tick.C:
		}
		why := l.DiskSlow()
		if why != "" && l.IsLeader() && l.otherVoters() {
			l.Fail(fmt.Errorf("%w: %s, while this node leads", ErrDiskHung, why))
			return
		}
		switch {
		case why != "" && !told:
			l.cfg.Logger.Warn("the disk does not answer: this node applies nothing until it does", "dataDir", l.cfg.Dir, "diskTimeoutSeconds", l.cfg.DiskTimeout.Seconds())
		case why == "" && told:
			l.cfg.Logger.Info("the disk answers again", "dataDir", l.cfg.Dir)
		}
		told = why != ""
	}
}
