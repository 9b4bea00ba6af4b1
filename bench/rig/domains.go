package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/tollgate/tollgate/node/admin/api"
)

// importers is how many documents are imported at a time.
const importers = 8

// codeNoEndpoint is the gateway's answer to a path that no endpoint of a domain
// matches.
const codeNoEndpoint = 40401

// Domain is a domain to be made live.
type Domain struct {
	Key string
	// Document is its Swagger document.
	Document []byte
}

// Deploy makes domains live and returns once every node that runs serves all of
// them.
func (c *Cluster) Deploy(ctx context.Context, domains ...Domain) error {
	if len(domains) == 0 {
		return nil
	}
	// A node that serves what was deployed last serves all that was before.
	last := domains[len(domains)-1]
	if err := c.deployAll(ctx, domains[:len(domains)-1]); err != nil {
		return err
	}
	if err := c.Put(ctx, last); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		p := n.live.Load()
		if p == nil {
			continue
		}
		err := p.Await(ctx, startPatience, n.ID+" serves "+last.Key, func(ctx context.Context) error { return c.serves(ctx, n, last.Key) })
		if err != nil {
			return err
		}
	}
	return nil
}

// deployAll deploys domains in any order.
func (c *Cluster) deployAll(ctx context.Context, domains []Domain) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan Domain)
	var wg sync.WaitGroup
	for range min(importers, len(domains)) {
		wg.Go(func() {
			for d := range work {
				if err := c.Put(ctx, d); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, d := range domains {
		select {
		case work <- d:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// Put makes one domain live, as the admin API does: once it returns, a majority
// of the nodes has it, and the one that was asked serves it.
func (c *Cluster) Put(ctx context.Context, d Domain) error {
	n, err := c.running()
	if err != nil {
		return err
	}
	_, err = c.api(n).Deploy(ctx, d.Document)
	if err == nil {
		return nil
	}
	if why := context.Cause(ctx); why != nil { // err says only that it was stopped
		return why
	}
	return fmt.Errorf("deploying %s: %w", d.Key, err)
}

// serves is nil once a node serves a domain. It asks for an endpoint that there
// is not, which counts on no quota, and which only who knows the domain can
// tell.
func (c *Cluster) serves(ctx context.Context, n *Node, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.listen+"/"+key+"/no-such-endpoint", nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswerBytes))
	if err != nil {
		return err
	}
	if code := api.ResultCode(body); code != codeNoEndpoint {
		return fmt.Errorf("it answers %s, code %d", resp.Status, code)
	}
	return nil
}
