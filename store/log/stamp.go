package log

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Stamp is the time of the group as a leader would have it, and the term it is
// good for.
type Stamp struct {
	Time int64 // ms since the Unix epoch
	Term uint64
}

// stamps makes stamps. Within a term they run like the monotonic clock: setting
// the wall clock, which would end windows and leases early, counts from the next
// term on.
type stamps struct {
	clock func() time.Time

	mu sync.Mutex
	// offset is asked once a term for what to add to the clock.
	offset func() (time.Duration, bool)
	term   stampTerm
	// asking is the question under way; nil while there is none.
	asking *question
	closed bool
	wg     sync.WaitGroup // for who answers it
}

// stampTerm is what the stamps of a term are counted on from.
type stampTerm struct {
	term   uint64
	base   time.Time // the clock when the first of them was made
	offset time.Duration
}

// question is put to offset in a term. known is set before done is closed.
type question struct {
	term  uint64
	known bool
	done  chan struct{}
}

func newStamps(clock func() time.Time) *stamps {
	return &stamps{clock: clock, offset: func() (time.Duration, bool) { return 0, true }}
}

// CorrectClock has offset asked, in each term that this node leads and before
// anything is stamped in it, what is to be added to this node's clock. It may
// take a moment, and is called without a lock held: nothing is proposed
// meanwhile, nor before it has been known once in the term. A stamp of a clock
// that is a year ahead would end every window, and time would then stand still
// for a year.
func (l *Log) CorrectClock(offset func() (ahead time.Duration, known bool)) {
	l.stamps.mu.Lock()
	defer l.stamps.mu.Unlock()
	l.stamps.offset = offset
}

// Stamp is the group's time now. Only a leader stamps: others are answered
// ErrNotLeader, and so is a leader that does not know the others' clocks yet.
func (l *Log) Stamp() (Stamp, error) {
	for {
		switch l.raft.State() {
		case raft.Leader:
		case raft.Shutdown:
			return Stamp{}, ErrClosed
		default:
			return Stamp{}, ErrNotLeader
		}
		term := l.raft.CurrentTerm()
		s, q, ok := l.stamps.in(term)
		if ok {
			return s, nil
		}
		if q == nil {
			return Stamp{}, ErrClosed
		}
		select {
		case <-q.done:
		case <-l.closed:
			return Stamp{}, ErrClosed
		}
		if q.term == term && !q.known {
			return Stamp{}, ErrNotLeader // not fit to lead yet
		}
	}
}

// in is a stamp of term if ok, or the question that must be answered first; nil
// once that is not put any more.
func (s *stamps) in(term uint64) (stamp Stamp, q *question, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := &s.term; t.term == term {
		passed := s.clock().Sub(t.base)
		return Stamp{t.base.Add(t.offset).UnixMilli() + passed.Milliseconds(), term}, nil, true
	}
	if s.asking == nil && !s.closed {
		q, offset := &question{term: term, done: make(chan struct{})}, s.offset
		s.asking = q
		s.wg.Go(func() { s.ask(q, offset) })
	}
	return Stamp{}, s.asking, false
}

// ask has the question answered.
func (s *stamps) ask(q *question, offset func() (time.Duration, bool)) {
	add, known := offset()
	s.mu.Lock()
	defer s.mu.Unlock()
	if known {
		s.term = stampTerm{q.term, s.clock(), add}
	}
	q.known, s.asking = known, nil
	close(q.done)
}

// close waits for the question under way and has none put from then on.
func (s *stamps) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}
