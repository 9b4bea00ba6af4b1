package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// frameAttempt bounds one attempt to have a frame decided, so that nobody waits for a
// leader that has gone silent once another leads.
const frameAttempt = time.Second

// frameSender brings the ledger's frames to the leader.
type frameSender struct{ c *Cluster }

// Send implements ledger.FrameSender: it tries whoever leads until the frame is
// decided. Sending a frame again is harmless.
func (s frameSender) Send(ctx context.Context, frame []byte) (quota.Result, error) {
	for {
		moved := s.c.leaderMoved.next()
		res, err := s.once(ctx, frame, moved)
		if err == nil || errors.Is(err, ErrNotMember) || ctx.Err() != nil {
			return res, err
		}
		s.c.metrics.frameRetries.Inc()
		pause := time.NewTimer(retryPause)
		select {
		case <-moved:
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// once makes one attempt, and gives it up when the leader moves.
func (s frameSender) once(ctx context.Context, frame []byte, moved <-chan struct{}) (quota.Result, error) {
	c := s.c
	id, addr := c.leader()
	if id == "" {
		return quota.Result{}, store.ErrNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, frameAttempt)
	defer cancel()
	go func() {
		select {
		case <-moved:
			cancel()
		case <-ctx.Done():
		}
	}()
	if id == c.cfg.ID {
		// The log keeps the frame; its buffer is the ledger's.
		return c.merger.submit(ctx, append([]byte(nil), frame...))
	}
	peer, err := c.peers.at(id, addr)
	if err != nil {
		return quota.Result{}, err
	}
	r, err := peer.SubmitFrame(ctx, &clusterpb.SubmitFrameRequest{Frame: frame})
	if err != nil {
		return quota.Result{}, fromWire(err)
	}
	return quota.DecodeResult(r.GetResult())
}
