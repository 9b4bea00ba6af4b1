package rig

import (
	"context"
	"fmt"

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
