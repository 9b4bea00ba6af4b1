package rig

import (
	"context"
	"fmt"
)

// Reading is one condition of a domain, as a node reads it out.
type Reading struct {
	// Endpoint is the method and the pattern, such as "GET /items/{id}"; nil
	// of a condition of the whole domain.
	Endpoint         *string
	MaxUsageQuota    uint64
	ResetTimeSeconds uint32
	// Used is the calls that the running window counts, at most
	// MaxUsageQuota; 0 while no window runs.
	Used uint64
	// Leased is units that nodes hold and have not spent, as far as they said.
	Leased uint64
}

// Quota reads the conditions of a domain out of the first node that runs.
func (c *Cluster) Quota(ctx context.Context, domain string) ([]Reading, error) {
	n, err := c.running()
	if err != nil {
		return nil, err
	}
	var read struct{ Conditions []Reading }
	if err := c.admin.get(ctx, n, "/v1/domains/"+domain+"/quota", &read); err != nil {
		return nil, fmt.Errorf("the quota of %s: %w", domain, err)
	}
	return read.Conditions, nil
}
