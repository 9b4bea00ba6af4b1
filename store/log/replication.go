package log

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// replication is raft's transport, watched, and without three of its faults.
//
// It does not pipeline. When a pipelined AppendEntries is answered without
// success, raft's sender may wait for its decoder, which has ended: the follower
// gets heartbeats and no entries until the leader changes (hashicorp/raft#612).
// The leader has one entry of quota frames under way at a time, so nothing is lost.
//
// It sends no more than maxExchange at a time: raft counts entries, and a request
// of large ones would hold up the heartbeats behind it.
//
// It waits for a member that cannot be reached, in place of raft, which waits up
// to 10 s longer than the member is away.
type replication struct {
	*raft.NetworkTransport
	// leads reports whether this node leads in a term and has a member of that ID.
	leads  func(term uint64, id raft.ServerID) bool
	closed <-chan struct{}

	mu    sync.Mutex
	peers map[raft.ServerID]*peerProgress
	// gates are closed while the addresses of members change.
	gates map[raft.ServerID]*gate
}

// gate holds the goroutine up that sends a member the log.
type gate struct {
	arrived, open chan struct{}
	once          sync.Once
}

// peerProgress is what is known of a member by its answers.
type peerProgress struct {
	// matched is the newest index that it has said to have in this node's term,
	// answered when it last answered anything.
	matched  uint64
	term     uint64
	answered time.Time
	// failed is when leadership could not be handed to it.
	failed time.Time
}

// reachPause is between two attempts to reach a member.
const reachPause = 50 * time.Millisecond

// AppendEntries implements raft.Transport.
func (r *replication) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	args.Entries = args.Entries[:carried(args.Entries)] // raft goes on with what was sent
	for {
		if !isHeartbeat(args) {
			r.pass(id)
		}
		err := r.NetworkTransport.AppendEntries(id, target, args, resp)
		if err == nil {
			r.answered(id, args, resp)
			return nil
		}
		if isHeartbeat(args) || !r.leads(args.Term, id) {
			return err
		}
		pause := time.NewTimer(reachPause)
		select {
		case <-pause.C:
		case <-r.closed:
			pause.Stop()
			return err
		}
	}
}

// quietWait bounds the wait for a member's sender to come to its gate; it comes at
// least every two commit timeouts, unless it sends a snapshot.
const quietWait = 500 * time.Millisecond

// quiet holds the goroutine up that sends a member the log, until release is called.
// Raft reads the member's name in it without a lock, while it writes the member's
// address (raft.updateLastAppended, startStopReplication).
func (r *replication) quiet(id raft.ServerID) (release func()) {
	g := &gate{arrived: make(chan struct{}), open: make(chan struct{})}
	r.mu.Lock()
	r.gates[id] = g
	r.mu.Unlock()
	wait := time.NewTimer(quietWait)
	defer wait.Stop()
	select {
	case <-g.arrived:
	case <-wait.C:
	case <-r.closed:
	}
	return func() {
		r.mu.Lock()
		delete(r.gates, id)
		r.mu.Unlock()
		close(g.open)
	}
}

// pass waits while the member's gate is closed.
func (r *replication) pass(id raft.ServerID) {
	r.mu.Lock()
	g := r.gates[id]
	r.mu.Unlock()
	if g == nil {
		return
	}
	g.once.Do(func() { close(g.arrived) })
	select {
	case <-g.open:
	case <-r.closed:
	}
}

// carried is how many of the entries go into one request.
func carried(entries []*raft.Log) int {
	size := 0
	for i, e := range entries {
		if size += entrySize(e); size > maxExchange && i > 0 {
			return i
		}
	}
	return len(entries)
}

// isHeartbeat tells raft's heartbeats from requests that carry the log: they say
// nothing of it.
func isHeartbeat(args *raft.AppendEntriesRequest) bool {
	return len(args.Entries) == 0 && args.PrevLogEntry == 0 && args.LeaderCommitIndex == 0
}

// AppendEntriesPipeline implements raft.Transport.
func (r *replication) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

func (r *replication) answered(id raft.ServerID, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[id]
	if p == nil || p.term != args.Term {
		p = &peerProgress{term: args.Term}
		r.peers[id] = p
	}
	p.answered = time.Now()
	if resp.Success && !isHeartbeat(args) {
		p.matched = max(p.matched, args.PrevLogEntry+uint64(len(args.Entries)))
	}
}

// transferFailed notes that leadership could not be handed to a member.
func (r *replication) transferFailed(id raft.ServerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.peers[id]; p != nil {
		p.failed = time.Now()
	}
}

// progress is what is known of a member in a term of this node's.
func (r *replication) progress(id raft.ServerID, term uint64) peerProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.peers[id]; p != nil && p.term == term {
		return *p
	}
	return peerProgress{}
}
