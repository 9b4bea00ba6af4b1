package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster"
)

const (
	// announcePause is between two attempts of a member to tell its cluster where
	// it is, refusedPause after one that was refused: the cause may pass, such as
	// a process that still answers at the old address.
	announcePause = 100 * time.Millisecond
	refusedPause  = 2 * time.Second
	// announceTimeout bounds one attempt; it may wait that long for a leader.
	announceTimeout = 500 * time.Millisecond
)

// returns tells the cluster this node's addresses, however long it takes to find
// a leader. It reports false if the node is no member any more.
func (n *Node) returns(ctx context.Context) bool {
	for ctx.Err() == nil {
		// A node that knows it was removed finds no leader to tell it.
		if _, removed := n.cluster.Membership(); removed {
			return false
		}
		if n.cluster.Leader() == "" {
			n.lookAround(ctx)
		}
		err := n.announce(ctx)
		var refusal *cluster.Refusal
		switch {
		case err == nil:
			n.setRefused("")
			return true
		case errors.Is(err, cluster.ErrNotMember):
			return false
		case errors.As(err, &refusal):
			if n.refused() != refusal.Message {
				n.cfg.Logger.Error("the cluster does not accept this node", "error", err)
			}
			n.setRefused(refusal.Message)
			pause(ctx, refusedPause)
		default:
			pause(ctx, announcePause)
		}
	}
	return true
}

// announce tells the leader this node's addresses.
func (n *Node) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	return n.cluster.Announce(ctx, n.Self())
}

// lookAround meets the members where the membership has them, and those that
// answer at the URLs of --join: this node has moved, or they have, or all.
func (n *Node) lookAround(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { n.cluster.MeetAll(ctx) })
	for _, url := range n.cfg.Join {
		wg.Go(func() {
			if who, err := n.askSelf(ctx, url); err == nil && who.ClusterID == n.store.ClusterID() {
				_ = n.cluster.Meet(ctx, who.ID, who.ClusterAddress) // others may answer
			}
		})
	}
	wg.Wait()
}
