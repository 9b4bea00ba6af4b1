package node

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// StopGrace is how long a stop may take beyond LameDuck and DrainTimeout,
// whatever hangs.
const StopGrace = 4500 * time.Millisecond

// hangPause is what a step gets to end by itself once its deadline has passed.
const hangPause = 250 * time.Millisecond

// stopper is a step that started, and how to undo it.
type stopper struct {
	step
	stop func(context.Context) error
}

// Close stops the node: not ready, and after LameDuck no more calls; those in
// flight finished, leases given back, leadership handed over. Past ctx's
// deadline, or the drain timeout if that is sooner, it stops without waiting.
// A step that hangs is left behind, and named in the error: Close has returned
// by LameDuck, DrainTimeout and StopGrace. It is idempotent.
func (n *Node) Close(ctx context.Context) error {
	n.closeOnce.Do(func() {
		wasServing := n.currentPhase() == serving
		n.setPhase(stopping)
		if wasServing {
			n.lameDuck(ctx)
		}
		drained := time.Now().Add(n.cfg.DrainTimeout)
		last := drained.Add(StopGrace)
		var errs []error
		for i := len(n.stopped) - 1; i >= 0; i-- {
			errs = append(errs, n.stop(ctx, n.stopped[i], drained, last))
		}
		n.closeErr = errors.Join(errs...)
	})
	return n.closeErr
}

// lameDuck goes on serving while /readyz says that the node stops, so that
// whoever sends it calls can turn to others first.
func (n *Node) lameDuck(ctx context.Context) {
	if n.cfg.LameDuck == 0 {
		return
	}
	n.stopping.Store("lame duck")
	wait := time.NewTimer(n.cfg.LameDuck)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	case <-n.ended: // there is nothing left that could serve
	}
}

// stop undoes one step. It may use what is left of the drain timeout, and has
// its own time in any case, but none past last.
func (n *Node) stop(ctx context.Context, s stopper, drained, last time.Time) error {
	n.stopping.Store(s.name)
	deadline := drained
	if own := time.Now().Add(s.stopWithin); own.After(deadline) {
		deadline = own
	}
	if deadline.After(last) {
		deadline = last
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.stop(ctx) }()
	hung := time.NewTimer(time.Until(deadline) + hangPause)
	defer hung.Stop()
	select {
	case err := <-done:
		return err
	case <-hung.C:
		return fmt.Errorf("%s: hangs; it was left behind", s.name)
	}
}

// Stopping is the step that a stop is at, "" before there is one.
func (n *Node) Stopping() string {
	name, _ := n.stopping.Load().(string)
	return name
}
