package log

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// turnTime is between the elections that two members begin early. A member votes for
// another only once it has given the leader up itself, and two that did so at the same
// moment would each vote for themselves. So the last in turn is the one that is elected,
// and whose log has most comes last: one with less would be refused by the others, who
// then wait for their timeouts.
const turnTime = 25 * time.Millisecond

// End is where a member's log ends.
type End struct{ Term, Index uint64 }

func (e End) compare(o End) int {
	return cmp.Or(cmp.Compare(e.Term, o.Term), cmp.Compare(e.Index, o.Index))
}

// AskEnds has ask tell where the logs of other members end, when a leader seems to be gone.
// It may take until ctx ends; ok is false if there is no answer.
func (l *Log) AskEnds(ask func(ctx context.Context, id, addr string) (end End, ok bool)) {
	l.askEnd.Store(&ask)
}

// Peer is a connection that Network.Accept may give: it tells the ID of its other end.
type Peer interface {
	net.Conn
	Peer() string
}

// broken is a connection from a node that has ended.
type broken struct {
	from string
	at   time.Time
}

// accepted is a connection from a node. Its end tells more than a timer: the process at
// the other end is gone, or was cut off.
type accepted struct {
	Peer
	ended chan<- broken
}

// Read implements net.Conn.
func (a accepted) Read(b []byte) (int, error) {
	n, err := a.Peer.Read(b)
	if err != nil {
		select {
		case a.ended <- broken{a.Peer.Peer(), time.Now()}:
		default: // those before it are looked at first; raft's own timers are left
		}
	}
	return n, err
}

// Accept implements net.Listener.
func (n *raftNetwork) Accept() (net.Conn, error) {
	c, err := n.Network.Accept()
	if p, ok := c.(Peer); ok && err == nil {
		return accepted{p, n.ended}, nil
	}
	return c, err
}

// watchConnections begins an election early when the leader's connection has ended and
// nothing more comes of it.
func (l *Log) watchConnections() {
	for {
		select {
		case <-l.closed:
			return
		case b := <-l.network.ended:
			l.suspect(b)
		}
	}
}

// suspect gives the leader up once raft lets it, which is when nothing has come of it for
// LeaderLeaseTimeout, in place of one to two election timeouts. A wrong guess costs
// nothing: members that hear of the leader grant no pre-vote.
func (l *Log) suspect(b broken) {
	usual := l.raft.ReloadableConfig().HeartbeatTimeout
	if !l.follows(b.from) || !l.pause(time.Until(b.at.Add(usual/4))) { // what is on its way arrives
		return
	}
	turn := l.turn(b.from, usual/4)
	if turn < 0 || !l.pause(time.Until(b.at.Add(usual/2+time.Duration(turn)*turnTime))) {
		return
	}
	if leader, _ := l.Leader(); leader != b.from || l.raft.State() != raft.Follower || l.raft.LastContact().After(b.at) {
		return
	}
	l.cfg.Logger.Info("the leader's connection has ended and nothing comes of it: an election begins", "leader", b.from)
	l.early.Inc()
	timeout := func(d time.Duration) {
		l.reload(l.raft, func(conf *raft.ReloadableConfig) { conf.HeartbeatTimeout, conf.ElectionTimeout = d, d })
	}
	timeout(usual / 2) // a shorter one makes raft look at once
	l.pause(2 * usual) // a leader can have been found by then
	timeout(usual)
}

// reload changes how raft runs.
func (l *Log) reload(r *raft.Raft, change func(*raft.ReloadableConfig)) {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	conf := r.ReloadableConfig()
	change(&conf)
	if err := r.ReloadConfig(conf); err != nil { // never: all of it is within raft's bounds
		l.cfg.Logger.Error("could not change how raft runs", "error", err)
	}
}

// follows reports whether a node leads that is another.
func (l *Log) follows(leader string) bool {
	known, _ := l.Leader()
	return known == leader && leader != l.cfg.ID
}

// turn is this node's place among the voters that miss a leader, from 0; -1 if it is
// none. They are asked where their logs end.
func (l *Log) turn(leader string, wait time.Duration) int {
	var voters []raft.Server
	for _, m := range l.configured() {
		if m.Suffrage == raft.Voter && string(m.ID) != leader {
			voters = append(voters, m)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	ends := make([]End, len(voters))
	var wg sync.WaitGroup
	for i, m := range voters {
		if ask := l.askEnd.Load(); string(m.ID) == l.cfg.ID {
			ends[i].Index, ends[i].Term = l.Last()
		} else if ask != nil {
			wg.Go(func() { ends[i], _ = (*ask)(ctx, string(m.ID), string(m.Address)) })
		}
	}
	wg.Wait()
	return turnOf(voters, ends, l.cfg.ID)
}

func turnOf(voters []raft.Server, ends []End, self string) int {
	at := slices.IndexFunc(voters, func(m raft.Server) bool { return string(m.ID) == self })
	if at < 0 {
		return -1
	}
	turn := 0
	for i, m := range voters {
		if cmp.Or(ends[i].compare(ends[at]), cmp.Compare(m.ID, voters[at].ID)) < 0 {
			turn++
		}
	}
	return turn
}

// pause waits. It reports false if the log is closed meanwhile.
func (l *Log) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}
