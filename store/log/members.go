package log

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// answerTime is how long ago a member may have answered that leadership goes to. The
// leader hears from those that are up several times in it.
const answerTime = time.Second

// changeTimeout bounds how long a configuration change waits to be taken up.
const changeTimeout = 2 * time.Second

// Server is one member of the cluster as Raft knows it.
type Server struct {
	ID, Address string
	Voter       bool
}

// Servers is the newest configuration this node has in its log.
type Servers struct {
	List []Server
	// Index names the newest configuration that is committed; a change is made
	// against it. While it is 0, not known, changes are not checked.
	Index uint64
}

// Find is the server of that ID, nil if there is none.
func (s Servers) Find(id string) *Server {
	for i := range s.List {
		if s.List[i].ID == id {
			return &s.List[i]
		}
	}
	return nil
}

// Servers is the cluster's membership.
func (l *Log) Servers() Servers {
	index := l.fsm.configured.Load() // before the list: a change in between is found
	list := Servers{Index: index}
	for _, srv := range l.configured() {
		list.List = append(list.List, Server{
			ID: string(srv.ID), Address: string(srv.Address), Voter: srv.Suffrage == raft.Voter,
		})
	}
	return list
}

// Add makes the server a member, or changes what it is as one, if the
// configuration is still the one named by prev. Raft lets a voter count from
// this moment: reach it, and let it catch up as a non-voter, first.
func (l *Log) Add(srv Server, prev uint64) error {
	add := l.raft.AddNonvoter
	if srv.Voter {
		add = l.raft.AddVoter
	}
	id, addr := raft.ServerID(srv.ID), raft.ServerAddress(srv.Address)
	have := l.Servers().Find(srv.ID)
	if have == nil || have.Address == srv.Address || srv.ID == l.cfg.ID {
		return changed(add(id, addr, prev, changeTimeout))
	}
	release := l.replication.quiet(id)
	f := add(id, addr, prev, changeTimeout) // raft's main loop has taken it up
	_ = l.raft.VerifyLeader().Error()       // and is through with it, whatever it says
	release()
	return changed(f)
}

// Remove ends a membership, if the configuration is still the one named by
// prev. A leader hands leadership over before it is removed.
func (l *Log) Remove(id string, prev uint64) error {
	return changed(l.raft.RemoveServer(raft.ServerID(id), prev, changeTimeout))
}

func changed(f raft.IndexFuture) error {
	err := f.Error()
	if known := translate(err); errors.Is(known, ErrNotLeader) || errors.Is(known, ErrClosed) {
		return known
	}
	if err != nil {
		return fmt.Errorf("changing the membership: %w (%v)", ErrUnknownOutcome, err)
	}
	return nil
}

// Transfer hands leadership to the given server, or to the most advanced voter
// if it is nil, and returns once this node does not lead.
//
// Only a member that has answered lately is tried, and since it was last tried in vain.
// While a transfer is under way raft takes no entries, and where the sender of the member
// that is to lead waits for it, a second transfer never ends.
func (l *Log) Transfer(to *Server) error {
	if !l.IsLeader() {
		return ErrNotLeader
	}
	next := l.successor(to)
	for end := time.Now().Add(answerTime); next == nil && time.Now().Before(end); next = l.successor(to) {
		time.Sleep(commitTimeout) // a leader that is new has yet to hear from the others
	}
	if next == nil {
		return errors.New("leadership transfer: no such voter has answered lately")
	}
	err := l.raft.LeadershipTransferToServer(next.ID, next.Address).Error()
	switch {
	case err == nil:
		return nil
	case errors.Is(translate(err), ErrNotLeader):
		return ErrNotLeader
	default:
		l.replication.transferFailed(next.ID)
		return fmt.Errorf("leadership transfer: %w", err)
	}
}

// successor is the voter that leadership may go to: the given one, or the most advanced
// if it is nil; nil if none has answered lately.
func (l *Log) successor(to *Server) (next *raft.Server) {
	term, best := l.Term(), uint64(0)
	for _, m := range l.others() {
		p := l.replication.progress(m.ID, term)
		switch {
		case m.Suffrage != raft.Voter, time.Since(p.answered) > answerTime, p.answered.Before(p.failed), to != nil && to.ID != string(m.ID):
		case next == nil, p.matched > best:
			next, best = &m, p.matched
		}
	}
	return next
}
