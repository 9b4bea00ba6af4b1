package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Cluster asks for the members and the leader.
func (c *Client) Cluster(ctx context.Context) (status ClusterStatus, err error) {
	err = c.Call(ctx, http.MethodGet, ClusterPath, nil, &status)
	return status, err
}

// Self asks what the node is.
func (c *Client) Self(ctx context.Context) (self Self, err error) {
	err = c.Call(ctx, http.MethodGet, SelfPath, nil, &self)
	return self, err
}

// Join takes a node into the cluster.
func (c *Client) Join(ctx context.Context, m NewMember) error {
	return c.Call(ctx, http.MethodPost, JoinPath, m, nil)
}

// Leave removes a member.
func (c *Client) Leave(ctx context.Context, id string) error {
	return c.Call(ctx, http.MethodPost, LeavePath, MemberID{id}, nil)
}

// Transfer hands leadership to a member, or to any voter where id is empty.
func (c *Client) Transfer(ctx context.Context, id string) error {
	return c.Call(ctx, http.MethodPost, TransferPath, MemberID{id}, nil)
}

// Deploy saves a document and makes it live.
func (c *Client) Deploy(ctx context.Context, document []byte) (saved Saved, err error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodPost, Path: DomainsPath, Query: url.Values{"deploy": {"true"}}, Body: document})
	if err != nil {
		return saved, err
	}
	err = json.Unmarshal(answer.Body, &saved)
	return saved, err
}

// Quota reads a domain's quotas.
func (c *Client) Quota(ctx context.Context, key string) ([]Condition, error) {
	var q Quota
	err := c.Call(ctx, http.MethodGet, QuotaPath(key), nil, &q)
	return q.Conditions, err
}

// Ready asks whether the node is ready, and why not. checks is a line a check.
func (c *Client) Ready(ctx context.Context) (checks string, ready bool, err error) {
	r, err := c.roundTrip(ctx, Request{Method: http.MethodGet, Path: ReadyPath})
	if err != nil {
		return "", false, err
	}
	if r.Status != http.StatusOK && r.Status != http.StatusServiceUnavailable || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		return "", false, newError(r)
	}
	return string(r.Body), r.Status == http.StatusOK, nil
}

// CheckReady is nil when the node is ready, else an error that says why not.
func (c *Client) CheckReady(ctx context.Context) error {
	checks, ready, err := c.Ready(ctx)
	if err == nil && !ready {
		return fmt.Errorf("%s: %s", ReadyPath, strings.ReplaceAll(strings.TrimSpace(checks), "\n", "; "))
	}
	return err
}

// Metrics reads the metrics of the given names, or all, in Prometheus' text
// form.
func (c *Client) Metrics(ctx context.Context, names ...string) ([]byte, error) {
	query := url.Values{}
	if len(names) > 0 {
		query["name[]"] = names
	}
	r, err := c.roundTrip(ctx, Request{Method: http.MethodGet, Path: MetricsPath, Query: query})
	if err != nil {
		return nil, err
	}
	if r.Status != http.StatusOK {
		return nil, newError(r)
	}
	return r.Body, nil
}
