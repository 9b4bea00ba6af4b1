package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// Leave ends a membership: any member's, this node's and the leader's own
// included. It is refused where the rest could not go on. Errors are the store's, a
// *Refusal and ErrNoMember.
func (c *Cluster) Leave(ctx context.Context, id string) error {
	_, err := onLeader(ctx, c,
		func() (struct{}, error) { return struct{}{}, c.leaveHere(ctx, id) },
		func(p clusterpb.ClusterClient) (struct{}, error) {
			_, err := p.Leave(ctx, &clusterpb.LeaveRequest{Id: id})
			return struct{}{}, err
		})
	return err
}

// leaveHere is Leave on the leader. A leader that is to leave hands over first
// and answers ErrNotLeader, so that the caller turns to the next one. If it removed
// itself, the calls under way would be lost with it.
func (c *Cluster) leaveHere(ctx context.Context, id string) error {
	done, err := c.changing(ctx)
	if err != nil {
		return err
	}
	defer done()
	servers := c.store.Servers()
	s := servers.Find(id)
	if s == nil {
		return fmt.Errorf("%w: %q; members are %s", ErrNoMember, id, names(servers))
	}
	if s.Voter {
		if err := c.checkQuorumWithout(ctx, id, servers); err != nil {
			return err
		}
	}
	if id == c.cfg.ID {
		if err := c.handOver(nil); err != nil {
			return err
		}
		return store.ErrNotLeader
	}
	if err := c.store.Remove(id, servers.Index); err != nil {
		return err
	}
	_, err = c.store.Apply(ctx, store.Command{Kind: store.KindForget, Member: store.Member{ID: id}})
	return err
}

// checkQuorumWithout refuses a leave after which the voters that can be
// reached are no majority.
func (c *Cluster) checkQuorumWithout(ctx context.Context, id string, servers store.Servers) error {
	voters, alive := 0, 0
	status := c.identifyAll(ctx, servers)
	for i, s := range servers.List {
		if !s.Voter || s.ID == id {
			continue
		}
		voters++
		if status[i] != nil {
			alive++
		}
	}
	if voters == 0 {
		return conflict("%s is the last member with a vote: a cluster cannot be left by its last voter; stop the node instead", id)
	}
	if alive <= voters/2 {
		return conflict("without %s only %d of the %d voters left can be reached, which is no majority: bring the others back first", id, alive, voters)
	}
	return nil
}

// Transfer hands leadership to the voter id, or to any if id is empty. Its errors are
// those of Leave.
func (c *Cluster) Transfer(ctx context.Context, id string) error {
	_, err := onLeader(ctx, c,
		func() (struct{}, error) { return struct{}{}, c.transferHere(id) },
		func(p clusterpb.ClusterClient) (struct{}, error) {
			_, err := p.Transfer(ctx, &clusterpb.TransferRequest{Id: id})
			return struct{}{}, err
		})
	return err
}

func (c *Cluster) transferHere(id string) error {
	if !c.store.IsLeader() {
		return store.ErrNotLeader
	}
	servers := c.store.Servers()
	if id == "" {
		if len(servers.List) == 1 {
			return conflict("%s is the only member: there is nobody to hand leadership to", c.cfg.ID)
		}
		return c.handOver(nil)
	}
	to := servers.Find(id)
	switch {
	case to == nil:
		return fmt.Errorf("%w: %q; members are %s", ErrNoMember, id, names(servers))
	case !to.Voter:
		return conflict("%s has no vote and cannot lead", id)
	case id == c.cfg.ID:
		return nil
	}
	return c.handOver(to)
}

// handOver hands leadership to the voter to, or to any if it is nil. Where that
// fails, as with a voter that is down, this node goes on leading.
func (c *Cluster) handOver(to *store.Server) error {
	err := c.store.Transfer(to)
	if err == nil || errors.Is(err, store.ErrNotLeader) {
		return err
	}
	whom := "another voter"
	if to != nil {
		whom = to.ID
	}
	return conflict("%s still leads, leadership could not be handed to %s: %v", c.cfg.ID, whom, err)
}

// stepDown hands leadership over if this node leads and another could, so that
// its stop is not felt. It is best effort.
func (c *Cluster) stepDown() {
	if !c.store.IsLeader() {
		return
	}
	voters := 0
	for _, s := range c.store.Servers().List {
		if s.Voter {
			voters++
		}
	}
	if voters < 2 {
		return
	}
	if err := c.store.Transfer(nil); err != nil {
		c.cfg.Logger.Warn("could not hand leadership over; the others elect a leader", "error", err)
	}
}
