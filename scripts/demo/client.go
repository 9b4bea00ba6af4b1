package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	callPatience = 10 * time.Second
	maxAnswer    = 1 << 20
)

// client makes HTTP calls as a user's program would.
type client struct{ http *http.Client }

func newClient() client {
	return client{&http.Client{
		Timeout: callPatience,
		// A connection a call: on one that was used before, Go repeats a GET
		// that was not answered, and it would count twice.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// answer is what a call got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (c client) get(ctx context.Context, url string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("%s: the answer broke off: %w", url, err)
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// ready is nil when the node's /readyz says so; else it tells which of its
// checks fail.
func (c client) ready(ctx context.Context, n *node) error {
	a, err := c.get(ctx, n.admin+"/readyz")
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("/readyz answers %d: %s", a.status, strings.ReplaceAll(strings.TrimSpace(string(a.body)), "\n", "; "))
	}
	return nil
}

// member is one of GET /v1/cluster.
type member struct {
	ID        string `json:"id"`
	Role      string `json:"role"`
	Voter     bool   `json:"voter"`
	Reachable bool   `json:"reachable"`
}

func (c client) members(ctx context.Context, via *node) ([]member, error) {
	url := via.admin + "/v1/cluster"
	a, err := c.get(ctx, url)
	if err != nil {
		return nil, err
	}
	var status struct {
		Members []member `json:"members"`
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d: %s", url, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, &status); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return status.Members, nil
}

// formed is nil once the node sees all nodes as voters it can reach, and one of
// them as their leader.
func (c client) formed(ctx context.Context, via *node) error {
	members, err := c.members(ctx, via)
	if err != nil {
		return err
	}
	voters, leaders := 0, 0
	for _, m := range members {
		if m.Voter && m.Reachable {
			voters++
		}
		if m.Role == "leader" {
			leaders++
		}
	}
	if voters != nodeCount || leaders != 1 {
		return fmt.Errorf("it sees %d voters and %d leaders", voters, leaders)
	}
	return nil
}

// roles maps the members' ids to their roles.
func (c client) roles(ctx context.Context, via *node) (map[string]string, error) {
	members, err := c.members(ctx, via)
	roles := make(map[string]string, len(members))
	for _, m := range members {
		roles[m.ID] = m.Role
	}
	return roles, err
}

// codeNoEndpoint is the gateway's result code for a path that no endpoint of
// a domain matches.
const codeNoEndpoint = 40401

// serves is nil once the node serves the domain. It asks for an endpoint that
// there is not, which a node can only tell when it knows the domain: such a
// call counts on no quota.
func (c client) serves(ctx context.Context, n *node, d domain) error {
	url := n.proxy + "/" + d.key + "/no-such-endpoint"
	a, err := c.get(ctx, url)
	if err != nil {
		return err
	}
	var envelope struct {
		Header struct {
			ResultCode int `json:"resultCode"`
		} `json:"header"`
	}
	if json.Unmarshal(a.body, &envelope) != nil || envelope.Header.ResultCode != codeNoEndpoint {
		return fmt.Errorf("%s answers %d: %s", url, a.status, a.body)
	}
	return nil
}
