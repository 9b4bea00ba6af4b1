package rig

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tollgate/tollgate/node/admin/api"
)

// Quota reads the conditions of a domain out of the first node that runs.
func (c *Cluster) Quota(ctx context.Context, domain string) ([]api.Condition, error) {
	n, err := c.running()
	if err != nil {
		return nil, err
	}
	read, err := c.api(n).Quota(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("the quota of %s: %w", domain, err)
	}
	return read, nil
}

// Consumer makes a consumer of a domain and returns a key of it.
func (c *Cluster) Consumer(ctx context.Context, domain, id string) (key string, err error) {
	n, err := c.running()
	if err != nil {
		return "", err
	}
	if err := c.api(n).Call(ctx, http.MethodPut, api.ConsumerPath(domain, id), struct{}{}, nil); err != nil {
		return "", fmt.Errorf("consumer %s of %s: %w", id, domain, err)
	}
	var made api.NewKey
	if err := c.api(n).Call(ctx, http.MethodPost, api.KeysPath(domain, id), nil, &made); err != nil {
		return "", fmt.Errorf("a key of consumer %s of %s: %w", id, domain, err)
	}
	return made.Key, nil
}
