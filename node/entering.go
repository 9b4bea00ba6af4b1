package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

const (
	// joinAttempt bounds one request to join; the leader waits in it until
	// this node has caught up.
	joinAttempt = 40 * time.Second
	// askTimeout bounds the question what a node is.
	askTimeout = 2 * time.Second
	// enterPause is between two rounds through the URLs of --join.
	enterPause = 500 * time.Millisecond
	// maxAnswer bounds what is read of another node's answer, in bytes.
	maxAnswer = 64 << 10
)

// enter asks the nodes of --join in turn, until one has made this node a member.
// Where none of them belongs to a cluster and --bootstrap is given too, one of them
// founds it.
func (n *Node) enter(ctx context.Context) {
	last := ""
	for {
		err := n.enterOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if n.setKeptOut(err); err == nil {
			return
		}
		if err.Error() != last { // once each
			last = err.Error()
			n.cfg.Logger.Warn("could not join; trying again", "error", err)
		}
		if !pause(ctx, enterPause) {
			return
		}
	}
}

func (n *Node) enterOnce(ctx context.Context) error {
	if n.cfg.Bootstrap && n.store.Fresh() {
		found, err := n.mayFound(ctx)
		if err == nil && found {
			return n.found(ctx)
		} else if err != nil {
			return err
		}
	}
	var errs []error
	for _, url := range n.cfg.Join {
		err := n.joinThrough(ctx, url)
		if err == nil {
			n.cfg.Logger.Info("joined", "through", url)
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", url, err))
	}
	return errors.Join(errs...)
}

// joinThrough asks one member. Whatever is not a success is a failure.
func (n *Node) joinThrough(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, joinAttempt)
	defer cancel()
	self := n.Self()
	member, err := n.adminClient(url)
	if err != nil {
		return err
	}
	return member.Join(ctx, api.NewMember{
		ID: self.ID, ClusterAddress: self.ClusterAddress,
		AdminAddress: self.AdminAddress, ProxyAddress: self.ProxyAddress, Voter: self.Voter,
	})
}

// askSelf asks the node at an admin URL what it is.
func (n *Node) askSelf(ctx context.Context, url string) (who api.Self, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	other, err := n.adminClient(url)
	if err != nil {
		return who, err
	}
	return other.Self(ctx)
}

// askAll asks all nodes of --join at once what they are.
func (n *Node) askAll(ctx context.Context) ([]api.Self, error) {
	answers, errs := make([]api.Self, len(n.cfg.Join)), make([]error, len(n.cfg.Join))
	var wg sync.WaitGroup
	for i, url := range n.cfg.Join {
		wg.Go(func() {
			if answers[i], errs[i] = n.askSelf(ctx, url); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", url, errs[i])
			}
		})
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}
