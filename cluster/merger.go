package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster/ledger"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// maxEntryBytes bounds the frames of one entry: a slow link carries it in a small
// part of the time after which a follower that hears nothing stands for election.
const maxEntryBytes = 128 << 10

// proposer is the part of the store that the merger needs.
type proposer interface {
	Propose(store.Command) *store.Proposal
}

// merger turns the frames that all nodes send to the leader into log entries.
// It has one entry under way; the frames that arrive meanwhile go into the next.
type merger struct {
	log     proposer
	leases  quota.Params
	metrics *metrics

	mu      sync.Mutex
	waiting []*pendingFrame
	wake    chan struct{}

	// answered is when the nodes of late were answered, took how long the newest entry
	// was under way.
	answered map[string]time.Time
	took     time.Duration

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// pendingFrame is a frame on its way into the log.
type pendingFrame struct {
	node   string
	frame  []byte
	result quota.Result
	err    error
	done   chan struct{}
}

func newMerger(log proposer, leases quota.Params, m *metrics) *merger {
	ctx, stop := context.WithCancel(context.Background())
	g := &merger{log: log, leases: leases, metrics: m, wake: make(chan struct{}, 1), answered: map[string]time.Time{}, stop: stop}
	g.wg.Go(func() { g.run(ctx) })
	return g
}

// close ends the merger once the entries under way are answered.
func (g *merger) close() {
	g.stop()
	g.wg.Wait()
}

// submit decides a frame that quota.DecodeFrame has accepted. It fails with the
// store's errors; after ErrUnknownOutcome or ctx's end the same frame must be
// sent again.
func (g *merger) submit(ctx context.Context, frame []byte) (quota.Result, error) {
	p := &pendingFrame{node: quota.FrameNode(frame), frame: frame, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return quota.Result{}, store.ErrUnknownOutcome
	}
}

func (g *merger) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			finish(g.take(), nil, store.ErrClosed)
			return
		case <-g.wake:
		}
		for entry := g.next(ctx); len(entry) > 0; entry = g.next(ctx) {
			g.propose(ctx, entry)
		}
	}
}

// next is the frames of the next entry, if any wait. The nodes that were just answered
// are about to send more: an entry each would cost the cluster a write of all disks
// each, and have every node wait for the entries of the others. So they are waited for,
// for a part of what an entry takes.
func (g *merger) next(ctx context.Context) []*pendingFrame {
	ledger.Gather()
	if missing := g.missing(); len(missing) > 0 {
		t := time.NewTimer(min(g.took/2, mostGrace))
		defer t.Stop()
		for waits := true; waits && len(missing) > 0; missing = g.missing() {
			select {
			case <-g.wake:
			case <-t.C:
				waits = false
			case <-ctx.Done():
				waits = false
			}
		}
		for _, node := range missing { // it has nothing to say
			delete(g.answered, node)
		}
	}
	return g.take()
}

// mostGrace bounds how long an entry waits for the frames of more nodes.
const mostGrace = 2 * time.Millisecond

// missing are the nodes that were answered of late and whose next frames are not there
// yet; none while no frame waits at all.
func (g *merger) missing() (nodes []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		return nil
	}
	late := time.Now().Add(-4 * g.took)
	for node, at := range g.answered {
		if at.Before(late) {
			delete(g.answered, node)
		} else if !slices.ContainsFunc(g.waiting, func(p *pendingFrame) bool { return p.node == node }) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// take takes the frames of the next entry.
func (g *merger) take() []*pendingFrame {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, size := 0, 0
	for n < len(g.waiting) && (n == 0 || size+len(g.waiting[n].frame) <= maxEntryBytes) {
		size += len(g.waiting[n].frame)
		n++
	}
	entry := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return entry
}

// propose puts the frames into the log as one entry, in the order they came,
// and answers them once it is applied.
func (g *merger) propose(ctx context.Context, entry []*pendingFrame) {
	frames := make([][]byte, len(entry))
	for i, p := range entry {
		frames[i] = p.frame
	}
	g.metrics.entries.Inc()
	g.metrics.entryFrames.Observe(float64(len(entry)))
	begin := time.Now()
	res, err := g.log.Propose(store.Command{Kind: store.KindFrames, Leases: g.leases, Frames: frames}).Wait(ctx)
	end := time.Now()
	g.took = end.Sub(begin)
	for _, p := range entry {
		g.answered[p.node] = end
	}
	finish(entry, res.Frames, err)
}

func finish(entry []*pendingFrame, results []quota.Result, err error) {
	for i, p := range entry {
		if p.err = err; err == nil {
			p.result = results[i]
		}
		close(p.done)
	}
}
