package store

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

// enqueueTimeout bounds how long a proposal waits to be taken up. A leader
// whose disk stands still takes none up.
const enqueueTimeout = time.Second

// Leader is the ID and cluster address of the leader this node knows; empty if
// it knows none.
func (s *Store) Leader() (id, addr string) {
	a, i := s.raft.LeaderWithID()
	_, addr = unnamed(string(a)) // a follower has it as it was named to it
	return string(i), addr
}

// IsLeader reports whether this node leads, as far as it knows.
func (s *Store) IsLeader() bool { return s.raft.State() == raft.Leader }

// Role is "leader", "follower", "candidate" or "nonvoter".
func (s *Store) Role() string {
	switch s.raft.State() {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	default:
		for _, srv := range s.Servers().List {
			if srv.ID == s.cfg.ID && !srv.Voter {
				return "nonvoter"
			}
		}
		return "follower"
	}
}

// Term is the current Raft term.
func (s *Store) Term() uint64 { return s.raft.CurrentTerm() }

// LeaderMoved has a value whenever the known leader may have changed since the
// last one was received. It is for one receiver.
func (s *Store) LeaderMoved() <-chan struct{} { return s.leaderMoved }

// watchLeader turns raft's observations into LeaderMoved. An observer that is
// never read would lose observations, not block raft.
func (s *Store) watchLeader() {
	for {
		select {
		case <-s.observed:
			select {
			case s.leaderMoved <- struct{}{}:
			default: // one is pending already
			}
		case <-s.closed:
			return
		}
	}
}

// CorrectClock has offset asked, in each term that this node leads and before
// anything is stamped in it, what is to be added to this node's clock. It may
// take a moment: nothing is proposed meanwhile, nor before it has been known once
// in the term. A stamp of a clock that is a year ahead would end every window, and
// time would then stand still for a year.
func (s *Store) CorrectClock(offset func() (ahead time.Duration, known bool)) {
	s.stamping.Lock()
	defer s.stamping.Unlock()
	s.offset = offset
}

// Proposal is a command on its way into the log.
type Proposal struct {
	future raft.ApplyFuture
	err    error // why it is not on its way
}

// Propose stamps the command with the cluster time and hands it to the log. It
// returns at once with a proposal to wait for; proposals of one leader are
// applied in the order they were made in.
func (s *Store) Propose(c Command) *Proposal {
	var err error
	if c.Time, c.Term, err = s.stamp(); err != nil {
		return &Proposal{err: err}
	}
	return &Proposal{future: s.raft.Apply(c.Append(nil), enqueueTimeout)}
}

// stamp is the cluster time, in milliseconds, as this node would have it, and
// the term it is good for. Within a term it runs like the monotonic clock:
// setting the wall clock, which would end windows and leases early, counts from
// the next term on. Only a leader stamps.
func (s *Store) stamp() (now int64, term uint64, err error) {
	s.stamping.Lock()
	defer s.stamping.Unlock()
	switch s.raft.State() {
	case raft.Leader:
	case raft.Shutdown:
		return 0, 0, ErrClosed
	default:
		return 0, 0, ErrNotLeader
	}
	if term = s.raft.CurrentTerm(); term != s.stampTerm {
		offset, known := s.offset()
		if !known {
			return 0, 0, ErrNotLeader // not fit to lead yet
		}
		s.stampOffset = offset
		s.stampTerm, s.stampBase = term, s.cfg.Clock()
	}
	passed := s.cfg.Clock().Sub(s.stampBase)
	return s.stampBase.Add(s.stampOffset).UnixMilli() + passed.Milliseconds(), term, nil
}

// Wait returns the result of a committed and applied command. ErrNotLeader
// means that nothing was proposed; ErrUnknownOutcome, and ctx's end, that the
// command may or may not come to be applied.
func (p *Proposal) Wait(ctx context.Context) (Result, error) {
	if p.err != nil {
		return Result{}, p.err
	}
	done := make(chan error, 1)
	go func() { done <- p.future.Error() }() // ends with raft's answer, at the latest at Shutdown
	select {
	case err := <-done:
		if err != nil {
			return Result{}, translate(err)
		}
		return p.future.Response().(Result), nil
	case <-ctx.Done():
		return Result{}, ErrUnknownOutcome
	}
}

// Apply proposes a command and waits for its result.
func (s *Store) Apply(ctx context.Context, c Command) (Result, error) {
	return s.Propose(c).Wait(ctx)
}

// ReadIndex returns, on the leader, an index that a replica must have applied
// to see all that was answered before the call, and the leader's cluster time.
// A log entry of its own makes sure that this node does lead, and that it has
// applied what earlier leaders committed.
func (s *Store) ReadIndex(ctx context.Context) (index uint64, now int64, err error) {
	done := make(chan error, 1)
	barrier := s.raft.Barrier(enqueueTimeout)
	go func() { done <- barrier.Error() }()
	select {
	case err := <-done:
		if err != nil {
			if err = translate(err); err == ErrUnknownOutcome {
				err = ErrNotLeader // a read has no outcome
			}
			return 0, 0, err
		}
		now, _, err := s.stamp()
		return s.Applied(), now, err
	case <-ctx.Done():
		return 0, 0, ErrNoLeader
	}
}
