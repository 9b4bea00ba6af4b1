//go:build linux

package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	nodes "github.com/tollgate/tollgate/node"
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
	return adminClient{&http.Client{Timeout: adminPatience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}, secret}, nil
}

// url is the admin URL at an address.
func (c adminClient) url(addr string) string {
	if c.token != "" {
		return "https://" + addr
	}
	return "http://" + addr
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	body   []byte
}

func (r *refusal) Error() string {
	return fmt.Sprintf("it answers %d: %s", r.status, bytes.TrimSpace(r.body))
}

// do makes a call of a node's admin API and decodes what it answers into v,
// unless that is nil.
func (c adminClient) do(n *node, method, path string, body []byte, v any) error {
	req, err := http.NewRequest(method, c.url(n.at.admin)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return &refusal{resp.StatusCode, raw}
	case v == nil:
		return nil
	}
	return json.Unmarshal(raw, v)
}

// status is the answer of GET /v1/cluster.
type status struct {
	Leader  string
	Term    uint64
	Members []struct {
		ID               string
		Voter, Reachable bool
	}
}

// ready is nil if the node's /readyz says so.
func (n *node) ready() error { return n.c.admin.do(n, http.MethodGet, "/readyz", nil, nil) }

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
			var s status
			if err := c.admin.do(n, http.MethodGet, "/v1/cluster", nil, &s); err != nil {
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
			var s status
			_ = quick.do(n, http.MethodGet, "/v1/cluster", nil, &s)
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
		err := c.admin.do(via, http.MethodPost, "/v1/domains?deploy=true", document, nil)
		var r *refusal
		if asked && errors.As(err, &r) && r.status == http.StatusConflict {
			return nil // an attempt before this one did it
		}
		asked = true
		return err
	})
}

// reading is one condition of GET /v1/domains/{key}/quota.
type reading struct {
	Endpoint         *string
	MaxUsageQuota    int
	ResetTimeSeconds int
	Used             int
	Lost             int
	WindowEndsAt     *string
}

// readings reads a domain's conditions out of a node.
func (c *cluster) readings(via *node, domain string) (conditions []reading, err error) {
	var answer struct{ Conditions []reading }
	err = c.admin.do(via, http.MethodGet, "/v1/domains/"+domain+"/quota", nil, &answer)
	return answer.Conditions, err
}

// change asks a node for a change of the membership, until it is made or refused
// for a reason that will not go away.
func (c *cluster) change(via func() *node, path string, body any, patience time.Duration) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.await("POST "+path+" "+string(raw)+" succeeds", patience, func() error {
		err := c.admin.do(via(), http.MethodPost, path, raw, nil)
		var r *refusal
		if errors.As(err, &r) && r.status == http.StatusNotFound && path == "/v1/cluster/leave" {
			return nil // an attempt before this one did it, and was not answered
		}
		return err
	})
}
