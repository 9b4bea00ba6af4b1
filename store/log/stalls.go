package log

import (
	"time"

	"github.com/hashicorp/raft"
)

const (
	// stallTime is how long a member may answer without taking entries before
	// that is called a stall.
	stallTime = 3 * time.Second
	// stallPoll is between two looks at the members.
	stallPoll = 500 * time.Millisecond
)

// stalls finds members that answer but take no entries, while the log grows.
type stalls struct {
	term uint64
	seen map[raft.ServerID]*stall
}

// stall is a member's match index, since when it has stood at it, and the end of
// the log at the time.
type stall struct {
	matched, last uint64
	since         time.Time
	told          bool
}

// look compares the members' progress with the look before; it returns those that
// have newly stalled, and how many stand still.
func (s *stalls) look(now time.Time, term, last uint64, members []raft.Server, progress func(raft.ServerID, uint64) peerProgress) (newly []raft.ServerID, standing int) {
	if s.term != term || s.seen == nil {
		s.term, s.seen = term, map[raft.ServerID]*stall{}
	}
	for _, m := range members {
		p := progress(m.ID, term)
		st := s.seen[m.ID]
		if st == nil || p.matched != st.matched || p.matched >= last || now.Sub(p.answered) > stallPoll {
			s.seen[m.ID] = &stall{matched: p.matched, last: last, since: now}
			continue
		}
		if last == st.last || now.Sub(st.since) < stallTime {
			continue
		}
		standing++
		if !st.told {
			st.told = true
			newly = append(newly, m.ID)
		}
	}
	return newly, standing
}

// watchFollowers gives a member that has stalled a new connection, and says so.
func (l *Log) watchFollowers() {
	tick := time.NewTicker(stallPoll)
	defer tick.Stop()
	var seen stalls
	for {
		select {
		case <-l.closed:
			return
		case <-tick.C:
		}
		if !l.IsLeader() {
			l.stalled.Store(0)
			continue
		}
		others := l.others()
		newly, standing := seen.look(time.Now(), l.Term(), l.raft.LastIndex(), others, l.replication.progress)
		l.stalled.Store(int64(standing))
		for _, id := range newly {
			l.cfg.Logger.Warn("a member answers but takes no entries: it gets a new connection", "member", string(id),
				"matchIndex", l.replication.progress(id, l.Term()).matched, "lastIndex", l.raft.LastIndex(), "stalledSeconds", stallTime.Seconds())
			l.network.reset(string(id))
		}
	}
}

// others are the servers of the newest membership but this one.
func (l *Log) others() (list []raft.Server) {
	for _, m := range l.configured() {
		if string(m.ID) != l.cfg.ID {
			list = append(list, m)
		}
	}
	return list
}

// Stalled is how many members answer this leader but take no entries; 0 on a node
// that does not lead.
func (l *Log) Stalled() int { return int(l.stalled.Load()) }
