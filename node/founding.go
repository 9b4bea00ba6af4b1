package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/node/admin/api"
)

// A cluster is founded once. Who would found it a second time, such as a node whose
// disk was lost, or one that is cut off from the others, splits it: both halves
// would admit what the quota allows. So a node that is to found a cluster
//
//   - with --join as well founds only if all nodes that are named there answer, and
//     none of them has ever belonged to a cluster, and it has the smallest ID; they
//     may all have the same command line,
//   - and in any case first listens on its cluster port for a while: the members of
//     a cluster never stop dialling one of theirs.

// found founds a cluster, unless another one claims this node.
func (n *Node) found(ctx context.Context) error {
	if !pause(ctx, time.Until(n.listening.Add(n.cfg.FoundingWait))) {
		return ctx.Err()
	}
	if claim, standing := n.transport.Claimed(); standing {
		return errors.New("--bootstrap: no second cluster is founded: " + claimText(n.cfg.ID, claim))
	}
	if !n.store.Fresh() { // it was joined meanwhile
		return nil
	}
	if len(n.cfg.Join) > 0 { // somebody else may have founded meanwhile
		if may, err := n.mayFound(ctx); err != nil || !may {
			return errors.Join(err, errNotFounder)
		}
	}
	if err := n.store.Bootstrap(); err != nil {
		return fmt.Errorf("--bootstrap: %w", err)
	}
	n.cfg.Logger.Info("founded a cluster", "id", n.cfg.ID, "cluster", n.store.ClusterID())
	n.returns(ctx) // nobody has told the log where this node is
	return nil
}

var errNotFounder = errors.New("another of the nodes named by --join is to found the cluster")

// mayFound reports whether this node is the one to found a cluster of itself and
// those named by --join. It is not while one of them does not answer, nor where
// one of them belongs to a cluster: that one is to be joined.
func (n *Node) mayFound(ctx context.Context) (bool, error) {
	others, err := n.askAll(ctx)
	for _, o := range others {
		if o.ID != "" && !o.Fresh {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("--bootstrap with --join: no cluster is founded before all nodes that are named have answered: %w", err)
	}
	self := n.Self()
	for _, o := range others {
		switch {
		case o.ID == self.ID && o.ClusterAddress != self.ClusterAddress:
			return false, fmt.Errorf("--bootstrap with --join: the node at %s has the ID %s too: each needs one of its own", o.ClusterAddress, o.ID)
		case o.ID < self.ID:
			return false, fmt.Errorf("--bootstrap with --join: waiting for %s to found the cluster, which has the smallest ID", o.ID)
		}
	}
	return true, nil
}

// Self implements admin.Control.
func (c control) Self() api.Self {
	self := c.n.Self()
	return api.Self{
		ID: self.ID, ClusterID: c.n.store.ClusterID(), Fresh: c.n.store.Fresh(),
		ClusterAddress: self.ClusterAddress, AdminAddress: self.AdminAddress, ProxyAddress: self.ProxyAddress,
	}
}
