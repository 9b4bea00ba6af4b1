package main

import (
	"context"

	"github.com/tollgate/tollgate/node"
)

// openNode starts a real node.
func openNode(ctx context.Context, cfg node.Config) (runningNode, error) {
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return nil, err // not a nil *node.Node in an interface
	}
	return n, nil
}
