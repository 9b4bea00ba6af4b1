//go:build linux

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"time"

	nodes "github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/node/admin/api"
)

// adminClient calls the admin API, a connection a call: each finds the node as
// it is.
type adminClient struct {
	http  *http.Client
	token string
}

// leaderPatience bounds asking a node who leads: it asks the others, too.
const leaderPatience = 2500 * time.Millisecond

// adminPatience is above what the nodes themselves bound.
const adminPatience = 45 * time.Second

func newAdminClient(secret string) (adminClient, error) {
	trust, err := nodes.AdminTrust("", secret)
	if err != nil {
		return adminClient{}, err
	}
	return adminClient{&http.Client{Timeout: adminPatience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}, CheckRedirect: api.NoRedirect}, secret}, nil
}

// url is the admin URL at an address.
func (c adminClient) url(addr string) string {
	if c.token != "" {
		return "https://" + addr
	}
	return "http://" + addr
}

// of is the client of a node's admin API.
func (c adminClient) of(n *node) *api.Client {
	return &api.Client{URL: c.url(n.at.admin), Token: c.token, HTTP: c.http}
}

// ready is nil if the node's /readyz says so.
func (n *node) ready() error { return n.c.admin.of(n).CheckReady(context.Background()) }

// healed waits until every node is ready, and sees all as voters and one and
// the same as leader.
func (c *cluster) healed(patience time.Duration) error {
	for _, n := range c.nodes {
		if err := c.await(n.id+" is ready", patience, n.ready); err != nil {
			return err
		}
	}
	return c.await("all nodes see all as voters they can reach, and the same leader", patience, func() error {
		leader := ""
		for _, n := range c.nodes {
			s, err := c.admin.of(n).Cluster(context.Background())
			if err != nil {
				return fmt.Errorf("%s: %w", n.id, err)
			}
			voters := 0
			for _, m := range s.Members {
				if m.Voter && m.Reachable {
					voters++
				}
			}
			if voters != len(c.nodes) || s.Leader == "" || leader != "" && s.Leader != leader {
				return fmt.Errorf("%s sees %d voters of %d and the leader %q, a node before it %q", n.id, voters, len(c.nodes), s.Leader, leader)
			}
			leader = s.Leader
		}
		return nil
	})
}

// leader is the node that most lately was elected, as the nodes know it that
// answer soon; nil if none knows one.
func (c *cluster) leader() *node {
	type seen struct {
		id   string
		term uint64
	}
	quick := c.admin
	quick.http = &http.Client{Timeout: leaderPatience, Transport: c.admin.http.Transport}
	answers := make(chan seen, len(c.nodes))
	for _, n := range c.nodes {
		go func() { // bounded by the timeout
			s, _ := quick.of(n).Cluster(context.Background())
			answers <- seen{s.Leader, s.Term}
		}()
	}
	var best seen
	for range c.nodes {
		if s := <-answers; s.id != "" && s.term >= best.term {
			best = s
		}
	}
	for _, n := range c.nodes {
		if n.id == best.id {
			return n
		}
	}
	return nil
}

// put makes a new document live. On a machine that is too busy leadership may
// move without any fault, and leave it open whether that was done.
func (c *cluster) put(via *node, document []byte) error {
	asked := false
	return c.await("a document is imported through "+via.id, healPatience, func() error {
		_, err := c.admin.of(via).Deploy(context.Background(), document)
		if asked && api.StatusOf(err) == http.StatusConflict {
			return nil // an attempt before this one did it
		}
		asked = true
		return err
	})
}

// readings reads a domain's conditions out of a node.
func (c *cluster) readings(via *node, domain string) ([]api.Condition, error) {
	return c.admin.of(via).Quota(context.Background(), domain)
}

// leave has a member leave, until it has.
func (c *cluster) leave(via func() *node, id string, patience time.Duration) error {
	return c.await(id+" leaves the cluster", patience, func() error {
		err := c.admin.of(via()).Leave(context.Background(), id)
		if api.StatusOf(err) == http.StatusNotFound {
			return nil // an attempt before this one did it, and was not answered
		}
		return err
	})
}
