package ledger

import (
	"time"

	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// The leader's machine, and what work takes there. Times were measured on the
// machine of bench/SCALE.md, an exchange between two ends over loopback counting
// half for each.
const (
	leaderCores = 8
	leaderWire  = 1.25 // bytes a ns out: 10 Gbit/s

	// A frame is an RPC with an answer; what is in it is decoded, and its
	// result encoded.
	rpcTime, rpcByteTime = 30_000, 1.7 // ns, ns a byte
	rpcItemTime          = 200         // ns
	// Its sender is looked for in a copy of the list of members.
	memberTime = 140 // ns a member
	// An entry is appended to each follower's log by a message of its own.
	appendTime, appendByteTime = 20_000, 0.5
	// An entry is written to a disk that makes it safe, at the leader and
	// then at the followers. diskByteTime is bbolt's work; of diskTime, half.
	diskTime, diskByteTime = 400_000, 6
	// Applying goes one by one. BenchmarkScale measures it beside: apply-ns.
	applyFrameTime, applyItemTime = 1_000, 700

	// entryBytes bounds the frames of an entry, as the cluster's merger does.
	entryBytes = 1 << 20

	// messageBytes is what a message has around what is in it.
	messageBytes = 200
)

// scaleLeader is the leader of a fleet: the frames that wait as in its merger, one log
// entry under way, and the state machine.
type scaleLeader struct {
	f      *fleet
	state  *quota.State
	frames []scaleFrame // that wait for an entry
	busy   bool
	// changes are the counters that entered a phase, all of them; followers
	// have been told of the first told.
	changes []quota.Info
	told    int
	buf     []byte
}

// scaleFrame is a frame at the leader; answer is called at its sender.
type scaleFrame struct {
	from   *scaleNode
	bytes  []byte
	answer func(quota.Result)
}

func (l *scaleLeader) init(f *fleet) {
	l.f, l.state = f, newState()
	l.state.Advance(scaleEpoch)
	l.state.BeginFrames(f.params())
	l.state.SetMembers(f.spec.nodes)
	f.spec.conditions(f.windows.limits(), setting(l.state))
}

// node is the node that leads.
func (l *scaleLeader) node() *scaleNode { return l.f.nodes[0] }

// receive takes a frame in.
func (l *scaleLeader) receive(frame scaleFrame) {
	if frame.from != l.node() {
		l.f.in += uint64(len(frame.bytes)) + messageBytes
	}
	l.f.frames++
	l.frames = append(l.frames, frame)
	l.propose()
}

// propose has one entry of the frames that wait under way.
func (l *scaleLeader) propose() {
	if l.busy || len(l.frames) == 0 {
		return
	}
	l.busy = true
	l.announce() // an entry brings the news of what was committed before
	frames := l.take()
	c := store.Command{Kind: store.KindFrames, Time: scaleEpoch + l.f.now/ms, Term: 1, Leases: l.f.params()}
	for _, frame := range frames {
		c.Frames = append(c.Frames, frame.bytes)
	}
	l.buf = c.Append(l.buf[:0])
	e := scaleEntry{begun: l.f.now, stamp: c.Time, frames: frames, followers: l.f.spec.nodes - 1, bytes: len(l.buf)}
	follower := l.f.nodes[len(l.f.nodes)-1]
	e.commit = l.f.now + 2*e.diskTime() + appendTime + l.f.way(l.node(), follower) + l.f.way(follower, l.node())
	l.f.after(e.commit-l.f.now, func() { l.commit(e) })
}

// take takes the frames of the next entry.
func (l *scaleLeader) take() []scaleFrame {
	n, size := 0, 0
	for n < len(l.frames) && (n == 0 || size+len(l.frames[n].bytes) <= entryBytes) {
		size += len(l.frames[n].bytes)
		n++
	}
	frames := l.frames[:n:n]
	l.frames = l.frames[n:]
	return frames
}

// announce has the followers apply what is committed.
func (l *scaleLeader) announce() {
	if l.told == len(l.changes) {
		return
	}
	l.told = len(l.changes)
	for _, n := range l.f.nodes[1:] {
		changes := l.told
		l.f.after(l.f.way(l.node(), n), func() { n.hear(changes) })
	}
}

// commit applies an entry and answers its frames.
func (l *scaleLeader) commit(e scaleEntry) {
	began := time.Now()
	l.state.Advance(e.stamp)
	l.state.BeginTerm(1)
	l.state.BeginFrames(l.f.params())
	results := make([]quota.Result, len(e.frames))
	for i := range e.frames {
		frame, err := quota.DecodeFrame(e.frames[i].bytes, quota.Third)
		if err != nil {
			panic(err)
		}
		e.items += len(frame.Returns) + len(frame.Reports) + len(frame.Takes) + len(frame.Charges)
		results[i] = l.state.Apply(frame)
	}
	l.f.applied(time.Since(began), &e)
	l.heed(e)
	for i := range results {
		e.frameBytes += len(e.frames[i].bytes)
		if e.frames[i].from != l.node() {
			l.buf = results[i].Append(l.buf[:0])
			e.resultBytes += len(l.buf) + messageBytes
		}
	}
	l.f.count(&e)
	l.f.after(e.done()-l.f.now, func() {
		l.busy = false
		for i := range e.frames {
			from := e.frames[i].from
			l.f.after(l.f.way(l.node(), from), func() { e.frames[i].answer(results[i]) })
		}
		l.propose()
	})
}

// heed takes in what an entry changed, and has the followers hear of it, by the
// next entry or when none comes.
func (l *scaleLeader) heed(e scaleEntry) {
	news := l.state.TakeChanges()
	if len(news) == 0 {
		return
	}
	l.f.windows.entered(e.commit, news)
	l.changes = append(l.changes, news...)
	l.node().hear(len(l.changes))
	idle := 20*ms + l.f.rng.Int64N(20*ms) // raft's commit timeout, once to twice
	l.f.after(idle, l.announce)
}

// scaleEntry is a log entry of the leader.
type scaleEntry struct {
	begun, commit, stamp int64
	frames               []scaleFrame
	followers            int
	// items are what is in the frames; frameBytes and resultBytes are theirs.
	items                          int
	bytes, frameBytes, resultBytes int
}

func (e *scaleEntry) diskTime() int64 { return diskTime + diskByteTime*int64(e.bytes) }

func (e *scaleEntry) applyTime() int64 {
	return applyFrameTime*int64(len(e.frames)) + applyItemTime*int64(e.items)
}

// out is the bytes that the leader sends for the entry.
func (e *scaleEntry) out() int { return e.followers*(e.bytes+messageBytes) + e.resultBytes }

// cpu is the time that the leader's cores work on the entry, ns.
func (e *scaleEntry) cpu() int64 {
	rpc := float64(rpcTime+memberTime*(e.followers+1))*float64(len(e.frames)) + rpcByteTime*float64(e.frameBytes+e.resultBytes) + rpcItemTime*float64(e.items)
	appends := float64(e.followers) * (appendTime + appendByteTime*float64(e.bytes))
	return int64(rpc+appends) + e.diskTime() - diskTime/2 + e.applyTime()
}

// bounds are when the entry is done as far as its own way, the leader's cores
// and its wire are concerned. One entry is under way, so that the last of them is
// when the next one begins.
func (e *scaleEntry) bounds() (path, cores, wire int64) {
	return e.commit + e.applyTime(), e.begun + e.cpu()/leaderCores, e.begun + int64(float64(e.out())/leaderWire)
}

func (e *scaleEntry) done() int64 {
	path, cores, wire := e.bounds()
	return max(path, cores, wire)
}
