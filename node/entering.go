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

	"github.com/tollgate/tollgate/node/admin"
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
		if err == nil || ctx.Err() != nil {
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
	return n.ask(ctx, http.MethodPost, url, "/v1/cluster/join", admin.NewMember{
		ID: self.ID, ClusterAddress: self.ClusterAddress,
		AdminAddress: self.AdminAddress, ProxyAddress: self.ProxyAddress, Voter: self.Voter,
	}, nil)
}

// askSelf asks the node at an admin URL what it is.
func (n *Node) askSelf(ctx context.Context, url string) (who admin.Self, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return who, n.ask(ctx, http.MethodGet, url, admin.SelfPath, nil, &who)
}

// askAll asks all nodes of --join at once what they are.
func (n *Node) askAll(ctx context.Context) ([]admin.Self, error) {
	answers, errs := make([]admin.Self, len(n.cfg.Join)), make([]error, len(n.cfg.Join))
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

// ask calls the admin API at url, as this node.
func (n *Node) ask(ctx context.Context, method, url, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(url, "/")+path, content)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client, err := n.adminClient()
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, message(raw))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(raw, answer)
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
