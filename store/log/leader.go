package log

import (
	"context"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

// enqueueTimeout bounds how long a proposal waits to be taken up. A leader
// whose disk stands still takes none up.
const enqueueTimeout = time.Second

// Leader is the ID and cluster address of the leader this node knows; empty if
// it knows none.
func (l *Log) Leader() (id, addr string) {
	a, i := l.raft.LeaderWithID()
	_, addr = unnamed(string(a)) // a follower has it as it was named to it
	return string(i), addr
}

// IsLeader reports whether this node leads, as far as it knows.
func (l *Log) IsLeader() bool { return l.raft.State() == raft.Leader }

// Role is "leader", "follower", "candidate" or "nonvoter".
func (l *Log) Role() string {
	switch l.raft.State() {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	default:
		for _, srv := range l.Servers().List {
			if srv.ID == l.cfg.ID && !srv.Voter {
				return "nonvoter"
			}
		}
		return "follower"
	}
}

// Term is the current Raft term.
func (l *Log) Term() uint64 { return l.raft.CurrentTerm() }

// Last is the index and the term of the newest entry that this node has, in its log or in
// its newest snapshot.
func (l *Log) Last() (index, term uint64) {
	stats := l.raft.Stats()
	for _, of := range []string{"last_snapshot_", "last_log_"} {
		i, _ := strconv.ParseUint(stats[of+"index"], 10, 64) // raft writes numbers
		t, _ := strconv.ParseUint(stats[of+"term"], 10, 64)
		index, term = max(index, i), max(term, t)
	}
	return index, term
}

// LeaderMoved has a value whenever the known leader may have changed since the
// last one was received. It is for one receiver.
func (l *Log) LeaderMoved() <-chan struct{} { return l.leaderMoved }

// watchLeader turns raft's observations into LeaderMoved. An observer that is
// never read would lose observations, not block raft.
func (l *Log) watchLeader() {
	for {
		select {
		case <-l.observed:
			select {
			case l.leaderMoved <- struct{}{}:
			default: // one is pending already
			}
		case <-l.closed:
			return
		}
	}
}

// Proposal is an entry on its way into the log.
type Proposal struct {
	future raft.ApplyFuture
	err    error // why it is not on its way
	begin  time.Time
	took   prometheus.Observer
}

// Refused is a proposal that is not on its way, because of err.
func Refused(err error) *Proposal { return &Proposal{err: err} }

// Propose hands a payload to the log, which keeps it. It returns at once with a
// proposal to wait for; proposals of one leader are applied in the order they
// were made in.
func (l *Log) Propose(payload []byte) *Proposal {
	begin := time.Now()
	return &Proposal{future: l.raft.Apply(payload, enqueueTimeout), begin: begin, took: l.timings.commit}
}

// Wait returns what the machine made of a committed entry. ErrNotLeader means
// that nothing was proposed; ErrUnknownOutcome, and ctx's end, that the entry
// may or may not come to be applied.
func (p *Proposal) Wait(ctx context.Context) (any, error) {
	if p.err != nil {
		return nil, p.err
	}
	done := make(chan error, 1)
	go func() { done <- p.future.Error() }() // ends with raft's answer, at the latest at Shutdown
	select {
	case err := <-done:
		if err != nil {
			return nil, translate(err)
		}
		p.took.Observe(time.Since(p.begin).Seconds())
		return p.future.Response(), nil
	case <-ctx.Done():
		return nil, ErrUnknownOutcome
	}
}

// ReadIndex returns, on the leader, an index that a replica must have applied
// to see all that was answered before the call, and the group's time. A log
// entry of its own makes sure that this node does lead, and that it has applied
// what earlier leaders committed.
func (l *Log) ReadIndex(ctx context.Context) (index uint64, now int64, err error) {
	done := make(chan error, 1)
	barrier := l.raft.Barrier(enqueueTimeout)
	go func() { done <- barrier.Error() }()
	select {
	case err := <-done:
		if err != nil {
			if err = translate(err); err == ErrUnknownOutcome {
				err = ErrNotLeader // a read has no outcome
			}
			return 0, 0, err
		}
		stamp, err := l.Stamp()
		return l.Applied(), stamp.Time, err
	case <-ctx.Done():
		return 0, 0, ErrNoLeader
	}
}

// Applied is the index of the newest entry that the machine has applied.
func (l *Log) Applied() uint64 { return l.fsm.applied.Index() }

// WaitApplied returns once the entry at index has been applied here.
func (l *Log) WaitApplied(ctx context.Context, index uint64) error {
	reached, stop := l.fsm.applied.wait(index)
	defer stop()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return ErrClosed
	}
}
