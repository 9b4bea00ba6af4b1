package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
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
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: api.NoRedirect,
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

// api calls the admin API of a node.
func (c client) api(n *node) *api.Client { return &api.Client{URL: n.admin, HTTP: c.http} }

// formed is nil once the node sees all nodes as voters it can reach, and one of
// them as their leader.
func (c client) formed(ctx context.Context, via *node) error {
	status, err := c.api(via).Cluster(ctx)
	if err != nil {
		return err
	}
	voters, leaders := 0, 0
	for _, m := range status.Members {
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
	status, err := c.api(via).Cluster(ctx)
	roles := make(map[string]string, len(status.Members))
	for _, m := range status.Members {
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
	if api.ResultCode(a.body) != codeNoEndpoint {
		return fmt.Errorf("%s answers %d: %s", url, a.status, a.body)
	}
	return nil
}
