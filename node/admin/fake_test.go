package admin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/node/stats"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// fakeControl is a Control over a map. err, if set, is what everything that
// can fail fails with; calls notes what was asked of it.
type fakeControl struct {
	mu       sync.Mutex
	err      error
	calls    []string
	domains  map[string]catalog.Entry
	readings []quota.Reading
	status   api.ClusterStatus

	explanation proxy.Explanation
	points      []stats.Point

	pending []string
	checks  []Check
	block   bool // wait for the end of ctx, then fail with its error
}

func (f *fakeControl) note(ctx context.Context, format string, args ...any) error {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	block := f.block
	f.mu.Unlock()
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.err
}

func (f *fakeControl) Cluster(context.Context) api.ClusterStatus { return f.status }

func (f *fakeControl) Self() api.Self {
	return api.Self{ID: "n1", ClusterID: "c", ClusterAddress: "127.0.0.1:7001", AdminAddress: "127.0.0.1:9001", ProxyAddress: "127.0.0.1:8001"}
}

func (f *fakeControl) Join(ctx context.Context, m api.NewMember) error {
	return f.note(ctx, "join %+v", m)
}

func (f *fakeControl) Leave(ctx context.Context, id string) error {
	return f.note(ctx, "leave %s", id)
}

func (f *fakeControl) Transfer(ctx context.Context, id string) error {
	return f.note(ctx, "transfer %q", id)
}

func (f *fakeControl) Domains(ctx context.Context) ([]catalog.Summary, error) {
	var list []catalog.Summary
	for _, key := range slices.Sorted(maps.Keys(f.domains)) {
		e := f.domains[key]
		s := catalog.Summary{Key: e.Key, Name: e.Name, DraftRevision: e.Draft.Number, Endpoints: e.Endpoints}
		if e.Deployed.Number > 0 {
			s.DeployedRevision = &e.Deployed.Number
		}
		list = append(list, s)
	}
	return list, f.note(ctx, "domains")
}

func (f *fakeControl) Domain(ctx context.Context, key string) (catalog.Entry, error) {
	if err := f.note(ctx, "domain %s", key); err != nil {
		return catalog.Entry{}, err
	}
	e, ok := f.domains[key]
	if !ok {
		return e, ErrNotFound
	}
	return e, nil
}

func (f *fakeControl) PutDomain(ctx context.Context, doc *catalog.Document, opts PutOptions) (Saved, error) {
	key := doc.Domain.Key
	if err := f.note(ctx, "put %s {Deploy:%t MustBeNew:%t} %s", key, opts.Deploy, opts.MustBeNew, doc.JSON); err != nil {
		return Saved{}, err
	}
	e, taken := f.domains[key]
	if !opts.If.Holds(e.Draft.Serial) {
		return Saved{}, ErrPrecondition
	}
	if taken && opts.MustBeNew {
		return Saved{}, &Refusal{Conflict: true, Message: fmt.Sprintf("there is a domain %q already", key)}
	}
	return Saved{Revision: e.Draft.Number + 1, Serial: 100, Pending: f.pending}, nil
}

func (f *fakeControl) DeployDomain(ctx context.Context, key string, revision uint64, cond catalog.Precondition) (Saved, error) {
	asked := "deploy " + key
	if revision != 0 {
		asked += fmt.Sprintf(", revision %d", revision)
	}
	if err := f.note(ctx, "%s", asked); err != nil {
		return Saved{}, err
	}
	e, ok := f.domains[key]
	if !ok {
		return Saved{}, ErrNotFound
	}
	if !cond.Holds(e.Draft.Serial) {
		return Saved{}, ErrPrecondition
	}
	rev := e.Draft
	if revision != 0 {
		past, ok := e.Past(revision)
		if !ok {
			return Saved{}, catalog.ErrNoRevision
		}
		rev = past.Revision
	}
	e.Deployed = rev
	f.domains[key] = e
	return Saved{Revision: rev.Number, Serial: e.Draft.Serial, Pending: f.pending}, nil
}

func (f *fakeControl) Backup(ctx context.Context, w io.Writer, begin func()) error {
	if err := f.note(ctx, "backup"); err != nil {
		return err
	}
	begin()
	_, err := io.WriteString(w, "a backup")
	return err
}

func (f *fakeControl) Restore(ctx context.Context, b *store.Restorable) (uint64, []string, error) {
	return 77, nil, f.note(ctx, "restore %s", b.Info.ClusterID)
}

func (f *fakeControl) Audit(ctx context.Context, n int) ([]store.Audit, error) {
	by := Origin(ctx)
	list := []store.Audit{
		{At: 1700000000000, Name: by.Name, Role: by.Role, Address: by.Address, Action: store.ActionDeploy, Domain: "shop", Revision: 3},
		{At: 1600000000000, Name: "kim", Role: "admin", Address: "192.0.2.1", Action: store.ActionLeave, Domain: "n3"},
	}
	return list[:min(n, len(list))], f.note(ctx, "audit %d", n)
}

func (f *fakeControl) DeleteDomain(ctx context.Context, key string, cond catalog.Precondition) error {
	if err := f.note(ctx, "delete %s", key); err != nil {
		return err
	}
	e, ok := f.domains[key]
	if !ok {
		return fmt.Errorf("delete: %w", ErrNotFound)
	}
	if !cond.Holds(e.Draft.Serial) {
		return ErrPrecondition
	}
	return nil
}

func (f *fakeControl) Quota(ctx context.Context, key string) ([]quota.Reading, error) {
	if err := f.note(ctx, "quota %s", key); err != nil {
		return nil, err
	}
	if _, ok := f.domains[key]; !ok {
		return nil, ErrNotFound
	}
	return f.readings, nil
}

func (f *fakeControl) Explain(ctx context.Context, r proxy.ExplainRequest) (proxy.Explanation, error) {
	return f.explanation, f.note(ctx, "explain %+v", r)
}

func (f *fakeControl) Ready() ([]Check, bool) {
	failed := func(c Check) bool { return c.Problem != "" }
	return f.checks, !slices.ContainsFunc(f.checks, failed)
}

func (f *fakeControl) Callers(ctx context.Context, key string, value func(quota.By) []byte) ([]quota.Reading, error) {
	var list []quota.Reading
	for _, r := range f.readings {
		if r.By != quota.ByAll && len(value(r.By)) > 0 {
			r.Used++
			list = append(list, r)
		}
	}
	return list, f.note(ctx, "callers %s", key)
}

func (f *fakeControl) Top(ctx context.Context, key string, n int) ([]quota.CallerReading, error) {
	return nil, f.note(ctx, "top %s %d", key, n)
}

func (f *fakeControl) ResetQuota(ctx context.Context, t quota.Target, value []byte) error {
	return f.note(ctx, "reset %s %+v %x of %d", t.Domain, t.Name, value, t.Window)
}

func (f *fakeControl) AdjustQuota(ctx context.Context, t quota.Target, value []byte, add int64) error {
	return f.note(ctx, "adjust %s %+v %x of %d by %d", t.Domain, t.Name, value, t.Window, add)
}

func (f *fakeControl) Consumers(ctx context.Context, domain, after string, n int) ([]*catalog.Consumer, error) {
	return []*catalog.Consumer{kim}, f.note(ctx, "consumers %s behind %q, %d", domain, after, n)
}

// kim is a consumer with a key.
var kim = &catalog.Consumer{Domain: "shop", ID: "kim", Plan: "pro", Keys: []catalog.Key{{Prefix: "tg_12345678", Created: 1_500_000_000_000}}}

func (f *fakeControl) Consumer(ctx context.Context, domain, id string) (*catalog.Consumer, error) {
	if id != kim.ID {
		return nil, catalog.ErrNoConsumer
	}
	return kim, f.note(ctx, "consumer %s", domain)
}

func (f *fakeControl) ChangeConsumer(ctx context.Context, c catalog.ConsumerCommand) error {
	if c.Op == catalog.AddKey && f.err == nil { // the key that the answer is to have
		own := *kim
		own.Keys = append(own.Keys[:1:1], catalog.Key{Prefix: c.Prefix, Digest: c.Digest, Created: 1_600_000_000_000})
		kim = &own
	}
	return f.note(ctx, "change %d of %s in %s", c.Op, c.ID, c.Domain)
}

func (f *fakeControl) Stats(ctx context.Context, q stats.Query) ([]stats.Point, []string, error) {
	if err := f.note(ctx, "stats %+v", q); err != nil {
		return nil, nil, err
	}
	if _, ok := f.domains[q.Domain]; !ok {
		return nil, nil, ErrNotFound
	}
	return f.points, f.pending, nil
}

func (f *fakeControl) Listen() (<-chan api.Event, func()) {
	events := make(chan api.Event, 1)
	events <- api.Event{Type: "quotaAlert", Domain: "shop", Window: 60, Percent: 80}
	return events, func() {}
}
