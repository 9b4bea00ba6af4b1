package node

import (
	"context"
	"io"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/admin"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// control is what the admin API sees of the node. It implements admin.Control.
type control struct{ n *Node }

// Cluster implements admin.Control.
func (c control) Cluster(ctx context.Context) api.ClusterStatus {
	st := c.n.cluster.Status(ctx)
	out := api.ClusterStatus{ClusterID: st.ClusterID, Leader: st.Leader, Term: st.Term, Members: []api.MemberStatus{}}
	for _, m := range st.Members {
		out.Members = append(out.Members, api.MemberStatus{
			ID: m.ID, Voter: m.Voter, Role: m.Role,
			ClusterAddress: m.ClusterAddress, AdminAddress: m.AdminAddress, ProxyAddress: m.ProxyAddress,
			Reachable: m.Reachable, AppliedIndex: m.AppliedIndex, Version: m.Version, Rules: uint32(m.Rules),
		})
		if m.Reachable {
			ahead := m.ClockAhead.Seconds()
			out.Members[len(out.Members)-1].ClockAheadSeconds = &ahead
		}
	}
	return out
}

// Join implements admin.Control.
func (c control) Join(ctx context.Context, m api.NewMember) error {
	_, known := c.n.store.Members()[m.ID] // a member that starts again says so, too
	err := c.n.cluster.Join(ctx, cluster.Member{
		ID: m.ID, Voter: m.Voter,
		ClusterAddress: m.ClusterAddress, AdminAddress: m.AdminAddress, ProxyAddress: m.ProxyAddress,
	})
	if err == nil && !known {
		c.record(ctx, store.ActionJoin, m.ID)
	}
	return err
}

// Leave implements admin.Control.
func (c control) Leave(ctx context.Context, id string) error {
	if id == c.n.cfg.ID { // who has left proposes nothing
		c.record(ctx, store.ActionLeave, id)
		return c.n.cluster.Leave(ctx, id)
	}
	err := c.n.cluster.Leave(ctx, id)
	if err == nil {
		c.record(ctx, store.ActionLeave, id)
	}
	return err
}

// Transfer implements admin.Control.
func (c control) Transfer(ctx context.Context, id string) error {
	err := c.n.cluster.Transfer(ctx, id)
	if err == nil {
		c.record(ctx, store.ActionTransfer, id)
	}
	return err
}

// Domains implements admin.Control.
func (c control) Domains(ctx context.Context) ([]catalog.Summary, error) {
	if _, err := c.n.cluster.Refresh(ctx); err != nil {
		return nil, err
	}
	return c.n.store.Domains(), nil
}

// Domain implements admin.Control.
func (c control) Domain(ctx context.Context, key string) (catalog.Entry, error) {
	if _, err := c.n.cluster.Refresh(ctx); err != nil {
		return catalog.Entry{}, err
	}
	e, ok := c.n.store.Domain(key)
	if !ok {
		return catalog.Entry{}, catalog.ErrNotFound
	}
	return e, nil
}

// PutDomain implements admin.Control.
func (c control) PutDomain(ctx context.Context, doc *catalog.Document, opts admin.PutOptions) (admin.Saved, error) {
	put := catalog.Put(doc.Draft(), opts.Deploy)
	put.MustBeNew, put.If, put.By.Note = opts.MustBeNew, opts.If, opts.Note
	return c.change(ctx, put, opts.Deploy)
}

// DeployDomain implements admin.Control.
func (c control) DeployDomain(ctx context.Context, key string, revision uint64, cond catalog.Precondition) (admin.Saved, error) {
	deploy := catalog.RollBack(key, revision)
	deploy.If = cond
	return c.change(ctx, deploy, true)
}

// DeleteDomain implements admin.Control.
func (c control) DeleteDomain(ctx context.Context, key string, cond catalog.Precondition) error {
	remove := catalog.Delete(key)
	remove.If = cond
	_, err := c.change(ctx, remove, true)
	return err
}

// change has the cluster make a change of the domains and, if it changes what
// is live, returns once the members serve it so, as far as they answer.
func (c control) change(ctx context.Context, cmd catalog.Command, live bool) (admin.Saved, error) {
	note := cmd.By.Note
	cmd.By = admin.Origin(ctx)
	cmd.By.Note = note
	done, err := c.n.cluster.Apply(ctx, store.Command{Kind: store.KindCatalog, Catalog: &cmd})
	saved := admin.Saved{Revision: done.Revision, Serial: done.Serial}
	if err == nil && live {
		if err = c.n.domains.await(ctx, done.Index); err == nil {
			saved.Pending = c.n.cluster.AwaitServed(ctx, done.Index)
		}
	}
	return saved, err
}

// Quota implements admin.Control.
func (c control) Quota(ctx context.Context, key string) ([]quota.Reading, error) {
	c.n.cluster.Settle(ctx, key)
	now, err := c.n.cluster.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := c.n.store.Domain(key); !ok {
		return nil, catalog.ErrNotFound
	}
	return c.n.store.Readings(key, now), nil
}

// Callers implements admin.Quotas.
func (c control) Callers(ctx context.Context, key string, value func(quota.By) []byte) ([]quota.Reading, error) {
	now, err := c.n.cluster.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	return c.n.store.CallerReadings(key, now, value), nil
}

// Top implements admin.Quotas. Consumers are known by name: their digests can be made.
func (c control) Top(ctx context.Context, key string, n int) ([]quota.CallerReading, error) {
	now, err := c.n.cluster.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	top := c.n.store.TopCallers(key, now, n)
	names := map[quota.Digest]string{}
	for i := range top {
		if top[i].By != quota.ByConsumer {
			continue
		}
		if len(names) == 0 {
			for _, id := range c.n.store.ConsumerIDs(key) {
				for _, seed := range c.n.store.ConsumerSeeds(key) {
					names[quota.DigestOf(seed, []byte(id))] = id
				}
			}
		}
		top[i].Value = names[top[i].Digest]
	}
	return top, nil
}

// ResetQuota implements admin.Quotas.
func (c control) ResetQuota(ctx context.Context, t quota.Target, value []byte) error {
	return c.administer(ctx, store.Command{Kind: store.KindReset, Target: t}, value)
}

// AdjustQuota implements admin.Quotas.
func (c control) AdjustQuota(ctx context.Context, t quota.Target, value []byte, add int64) error {
	return c.administer(ctx, store.Command{Kind: store.KindAdjust, Target: t, Add: add}, value)
}

// administer changes a running window, and returns once the members that answer have
// applied it.
func (c control) administer(ctx context.Context, cmd store.Command, value []byte) error {
	if _, err := c.n.cluster.Refresh(ctx); err != nil {
		return err
	}
	rule, ok := c.n.store.QuotaRule(cmd.Target.Domain, cmd.Target.Name)
	if !ok {
		if _, there := c.n.store.Domain(cmd.Target.Domain); !there {
			return catalog.ErrNotFound
		}
		return quota.ErrNoCondition
	}
	cmd.Target.Name = rule.Condition.Name()
	if rule.By != quota.ByAll {
		cmd.Target.Caller = quota.DigestOf(rule.Seed, value)
	}
	cmd.By = admin.Origin(ctx)
	done, err := c.n.cluster.Apply(ctx, cmd)
	if err == nil {
		c.n.cluster.AwaitServed(ctx, done.Index)
	}
	return err
}

// Audit implements admin.Audit.
func (c control) Audit(ctx context.Context, n int) ([]store.Audit, error) {
	if _, err := c.n.cluster.Refresh(ctx); err != nil {
		return nil, err
	}
	return c.n.store.Audit(n), nil
}

// Backup implements admin.Backups.
func (c control) Backup(ctx context.Context, w io.Writer, begin func()) error {
	if _, err := c.n.cluster.Refresh(ctx); err != nil {
		return err
	}
	c.record(ctx, store.ActionBackup, "")
	begin()
	_, err := c.n.store.Backup(w, c.n.cfg.Version, c.n.cfg.Clock())
	return err
}

// Restore implements admin.Backups.
func (c control) Restore(ctx context.Context, b *store.Restorable) (uint64, []string, error) {
	done, err := c.n.cluster.Restore(ctx, b, admin.Origin(ctx))
	if err != nil {
		return 0, nil, err
	}
	if err := c.n.domains.await(ctx, done.Index); err != nil {
		return 0, nil, err
	}
	return done.Index, c.n.cluster.AwaitServed(ctx, done.Index), nil
}

// record has the cluster remember what was done. That it cannot is no failure of what
// was done.
func (c control) record(ctx context.Context, action, of string) {
	if c.n.store.Rules() < store.RulesThird {
		return
	}
	act := store.Command{Kind: store.KindAudit, By: admin.Origin(ctx), Action: action, Of: of}
	if _, err := c.n.cluster.Apply(ctx, act); err != nil {
		c.n.cfg.Logger.Warn("the audit lacks what an administrator did", "action", action, "of", of, "name", act.By.Name, "error", err)
	}
}

// Listen implements admin.Events.
func (c control) Listen() (<-chan api.Event, func()) { return c.n.events.listen() }

// Consumers implements admin.Consumers.
func (c control) Consumers(ctx context.Context, domain, after string, n int) ([]*catalog.Consumer, error) {
	if _, err := c.Domain(ctx, domain); err != nil {
		return nil, err
	}
	return c.n.store.Consumers(domain, after, n), nil
}

// Consumer implements admin.Consumers.
func (c control) Consumer(ctx context.Context, domain, id string) (*catalog.Consumer, error) {
	if _, err := c.Domain(ctx, domain); err != nil {
		return nil, err
	}
	if found := c.n.store.ConsumerOf(domain, id); found != nil {
		return found, nil
	}
	return nil, catalog.ErrNoConsumer
}

// ChangeConsumer implements admin.Consumers.
func (c control) ChangeConsumer(ctx context.Context, change catalog.ConsumerCommand) error {
	if _, err := c.Domain(ctx, change.Domain); err != nil {
		return err
	}
	done, err := c.n.cluster.Apply(ctx, store.Command{Kind: store.KindConsumer, Consumer: change, By: admin.Origin(ctx)})
	if err == nil {
		c.n.cluster.AwaitServed(ctx, done.Index)
	}
	return err
}

// Explain implements admin.Control.
func (c control) Explain(_ context.Context, r proxy.ExplainRequest) (proxy.Explanation, error) {
	if c.n.currentPhase() == starting {
		return proxy.Explanation{}, admin.ErrNotServing
	}
	return c.n.proxy.Explain(r), nil
}

// Ready implements admin.Control.
func (c control) Ready() ([]admin.Check, bool) {
	n := c.n
	checks := []admin.Check{{Name: "member"}, {Name: "leader"}, {Name: "serving"}}
	if member, removed := n.cluster.Membership(); removed {
		checks[0].Problem = "this node was removed from the cluster; restart it with --join to return"
	} else if why := n.keptOut(); !member && why != "" {
		checks[0].Problem = "this node belongs to no cluster yet and goes on trying to join: " + why
	} else if !member {
		checks[0].Problem = "this node belongs to no cluster yet: join it at a member with POST /v1/cluster/join"
	} else if refused := n.refused(); refused != "" {
		checks[0].Problem = "the cluster does not accept this node: " + refused
	} else if claimed := n.claimed(); claimed != "" {
		checks[0].Problem = claimed
	} else if diverged := n.cluster.Diverged(); diverged != "" {
		checks[0].Problem = diverged
	}
	if leader, _ := n.store.Leader(); leader == "" {
		checks[1].Problem = "no leader is known now"
		if why := n.transport.Stranger(); why != "" {
			checks[1].Problem += "; " + why
		}
	}
	switch n.currentPhase() {
	case starting:
		checks[2].Problem = "catching up with the cluster"
	case stopping:
		checks[2].Problem = "stopping"
	}
	if slow := n.store.DiskSlow(); slow != "" {
		checks = append(checks, admin.Check{Name: "disk", Problem: slow})
	}
	if note := n.events.crowded(); note != "" {
		checks = append(checks, admin.Check{Name: "callers", Note: note})
	}
	ready := true
	for _, check := range checks {
		ready = ready && check.Problem == ""
	}
	return checks, ready
}
