package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/admin"
)

const (
	// joinAttempt bounds one request to join; the leader waits in it until
	// this node has caught up.
	joinAttempt = 40 * time.Second
	// joinPause is between two rounds through the members to join through.
	joinPause = 500 * time.Millisecond
	// watchPause is how often a node looks whether it is ready, or removed.
	watchPause = 50 * time.Millisecond
	// refreshTimeout bounds one attempt to catch up with the leader.
	refreshTimeout = 2 * time.Second
)

// openMembership makes the node a member as its configuration says, and from
// then on opens the client port while it is one.
func (n *Node) openMembership() (func(context.Context) error, error) {
	if n.cfg.Bootstrap && n.store.Fresh() {
		if err := n.store.Bootstrap(); err != nil {
			return nil, fmt.Errorf("--bootstrap: %w", err)
		}
		n.cfg.Logger.Info("founded a cluster", "id", n.cfg.ID, "cluster", n.store.ClusterID())
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.belong(ctx) })
	wg.Go(func() { n.watch(ctx) })
	return func(context.Context) error {
		n.proxy.SetOpen(false)
		cancel()
		wg.Wait()
		return nil
	}, nil
}

// belong announces a member to its cluster, or joins one.
func (n *Node) belong(ctx context.Context) {
	if !n.store.Fresh() {
		err := n.announce(ctx)
		if !errors.Is(err, cluster.ErrNotMember) {
			return
		}
		if len(n.cfg.Join) == 0 {
			n.cfg.Logger.Warn("this node has left its cluster; start it with --join to return")
			return
		}
	}
	if len(n.cfg.Join) == 0 {
		n.cfg.Logger.Info("waiting to be joined to a cluster", "hint", "POST /v1/cluster/join at a member, or restart with --bootstrap or --join")
		return
	}
	n.join(ctx)
}

// announce tells the cluster this node's addresses, however long it takes to
// find a leader.
func (n *Node) announce(ctx context.Context) error {
	for {
		// A node that knows it was removed finds no leader to tell it.
		if _, removed := n.cluster.Membership(); removed {
			return cluster.ErrNotMember
		}
		err := n.cluster.Announce(ctx, n.Self())
		var refused *cluster.Refusal
		switch {
		case err == nil, errors.Is(err, cluster.ErrNotMember):
			return err
		case errors.As(err, &refused):
			n.cfg.Logger.Error("the cluster does not accept this node's addresses", "error", err)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchPause):
		}
	}
}

// join asks the configured members in turn, until one has made this node a
// member.
func (n *Node) join(ctx context.Context) {
	last := ""
	for {
		var errs []error
		for _, url := range n.cfg.Join {
			err := n.joinThrough(ctx, url)
			if err == nil {
				n.cfg.Logger.Info("joined", "through", url)
				return
			}
			errs = append(errs, fmt.Errorf("%s: %w", url, err))
		}
		if ctx.Err() != nil {
			return
		}
		if err := errors.Join(errs...); err.Error() != last { // once each
			last = err.Error()
			n.cfg.Logger.Warn("could not join; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(joinPause):
		}
	}
}

// joinThrough asks one member. Whatever is not a success is a failure.
func (n *Node) joinThrough(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, joinAttempt)
	defer cancel()
	self := n.Self()
	body, err := json.Marshal(admin.NewMember{
		ID: self.ID, ClusterAddress: self.ClusterAddress,
		AdminAddress: self.AdminAddress, ProxyAddress: self.ProxyAddress, Voter: self.Voter,
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+"/v1/cluster/join", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if n.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+n.cfg.Token)
	}
	client := http.Client{
		Transport:     &http.Transport{DialContext: dialHTTP(n.cfg.Network), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, message(answer))
	}
	return nil
}

// message is what an error envelope says, or the answer itself.
func message(answer []byte) string {
	var e struct {
		Header struct {
			ResultMessage string `json:"resultMessage"`
		} `json:"header"`
	}
	if json.Unmarshal(answer, &e) == nil && e.Header.ResultMessage != "" {
		return e.Header.ResultMessage
	}
	return strings.TrimSpace(string(answer))
}

// watch opens the client port once the node is a member and has caught up, and
// closes it when the node is removed.
func (n *Node) watch(ctx context.Context) {
	open := false
	for {
		member, removed := n.cluster.Membership()
		switch {
		case !open && member && n.caughtUp(ctx):
			open = true
			n.setPhase(serving)
			n.proxy.SetCluster(n.store.ClusterID())
			n.proxy.SetOpen(true)
			n.cfg.Logger.Info("ready", "id", n.cfg.ID, "proxy", n.ProxyAddr(), "admin", n.AdminAddr(), "cluster", n.ClusterAddr())
		case open && removed:
			open = false
			n.setPhase(starting)
			n.proxy.SetOpen(false)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchPause):
		}
	}
}

// caughtUp brings the replica, and the proxy, to what the leader had when it
// was asked.
func (n *Node) caughtUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if _, err := n.cluster.Refresh(ctx); err != nil {
		return false
	}
	return n.domains.await(ctx, n.store.DeployedIndex()) == nil
}
