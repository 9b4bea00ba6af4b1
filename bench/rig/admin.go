package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bounds of calls of the admin API.
const (
	// adminPatience is above what the nodes bound by themselves.
	adminPatience = 40 * time.Second
	// leaderPatience bounds asking a node who leads: it asks the others, too.
	leaderPatience  = 2500 * time.Millisecond
	mostAnswerBytes = 64 << 20
)

// adminClient calls the admin API of nodes.
type adminClient struct{ http *http.Client }

func newAdminClient() adminClient {
	return adminClient{&http.Client{Timeout: adminPatience, Transport: &http.Transport{MaxIdleConnsPerHost: importers}}}
}

func (c adminClient) close() { c.http.CloseIdleConnections() }

// Refusal is an answer of the admin API other than 200.
type Refusal struct {
	Call   string // method and URL
	Status int
	Body   []byte
}

// Error is the call, its status and the answer.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s is answered %d: %s", r.Call, r.Status, bytes.TrimSpace(r.Body))
}

// do makes a call of a node's admin API and returns the answer's body.
func (c adminClient) do(ctx context.Context, n *Node, method, path string, query url.Values, body []byte) ([]byte, error) {
	target := url.URL{Scheme: "http", Host: n.admin, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswerBytes))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: the answer broke off: %w", method, target.String(), err)
	case resp.StatusCode != http.StatusOK:
		return nil, &Refusal{method + " " + target.String(), resp.StatusCode, raw}
	}
	return raw, nil
}

// get decodes what a GET answers.
func (c adminClient) get(ctx context.Context, n *Node, path string, into any) error {
	raw, err := c.do(ctx, n, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s of %s: %w", path, n.ID, err)
	}
	return nil
}

// status is what is read of GET /v1/cluster.
type status struct {
	Leader  string
	Term    uint64
	Members []member
}

// member is one of status.
type member struct {
	ID               string
	Voter, Reachable bool
}

// resultCode is the code in an error envelope, 0 where there is none.
func resultCode(body []byte) int {
	var envelope struct{ Header struct{ ResultCode int } }
	if json.Unmarshal(body, &envelope) != nil {
		return 0
	}
	return envelope.Header.ResultCode
}
