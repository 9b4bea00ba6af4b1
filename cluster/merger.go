package cluster

import (
	"context"
	"sync"

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

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// pendingFrame is a frame on its way into the log.
type pendingFrame struct {
	frame  []byte
	result quota.Result
	err    error
	done   chan struct{}
}

func newMerger(log proposer, leases quota.Params, m *metrics) *merger {
	ctx, stop := context.WithCancel(context.Background())
	g := &merger{log: log, leases: leases, metrics: m, wake: make(chan struct{}, 1), stop: stop}
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
	p := &pendingFrame{frame: frame, done: make(chan struct{})}
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
		ledger.Gather() // the nodes that were just answered send their next frames
		for entry := g.take(); len(entry) > 0; entry = g.take() {
			g.propose(ctx, entry)
			ledger.Gather()
		}
	}
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
	res, err := g.log.Propose(store.Command{Kind: store.KindFrames, Leases: g.leases, Frames: frames}).Wait(ctx)
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
