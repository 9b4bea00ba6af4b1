package log

import (
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// turnTime is between the elections that two members begin early. A member votes for
// another only once it has given the leader up itself, and two that did so at the same
// moment would each vote for themselves.
const turnTime = 25 * time.Millisecond

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
	turn := l.turn(b.from)
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

// turn is this node's place among the voters that miss a leader, from 0; -1 if it is
// none, or that node does not lead.
func (l *Log) turn(leader string) int {
	if known, _ := l.Leader(); known != leader || leader == l.cfg.ID {
		return -1
	}
	return turnOf(l.configured(), leader, l.cfg.ID)
}

func turnOf(servers []raft.Server, leader, self string) int {
	var voters []string
	for _, m := range servers {
		if m.Suffrage == raft.Voter && string(m.ID) != leader {
			voters = append(voters, string(m.ID))
		}
	}
	slices.SortFunc(voters, strings.Compare)
	return slices.Index(voters, self)
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
