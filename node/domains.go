package node

import (
	"context"
	"log/slog"
	"sync"

	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
)

// domains keeps the proxy at what the replica says is live.
type domains struct {
	store  *store.Store
	proxy  *proxy.Proxy
	logger *slog.Logger
	// published is the index of the log up to which the proxy serves what is
	// deployed.
	published store.Progress
	// parsed has the live domains by serial, so that a deploy parses one.
	parsed map[uint64]*catalog.Domain
}

func newDomains(s *store.Store, p *proxy.Proxy, logger *slog.Logger) *domains {
	return &domains{store: s, proxy: p, logger: logger, parsed: map[uint64]*catalog.Domain{}}
}

// openDomains starts to keep the proxy up to date.
func (n *Node) openDomains() (func(context.Context) error, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { n.domains.run(ctx) })
	return func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	}, nil
}

func (d *domains) run(ctx context.Context) {
	for {
		d.publish()
		select {
		case <-ctx.Done():
			return
		case <-d.store.DeployedChanged():
		}
	}
}

// publish gives the proxy the live domains. A document was checked when it was
// imported; one that this version cannot read leaves its domain as it is
// served, and says so.
func (d *domains) publish() {
	index := d.store.Applied() // before what is read: the proxy serves at least this
	live := d.store.Deployed()
	parsed := make(map[uint64]*catalog.Domain, len(live))
	set := make([]proxy.Deployment, 0, len(live))
	for _, e := range live {
		serial := e.Deployed.Serial
		dom := d.parsed[serial]
		if dom == nil {
			doc, err := parseStored(&e.Deployed)
			if err != nil {
				d.logger.Error("a deployed domain cannot be read by this version", "domain", e.Key, "revision", e.Deployed.Number, "error", err)
				continue
			}
			dom = doc.Domain
		}
		parsed[serial] = dom
		set = append(set, proxy.Deployment{Domain: dom, Serial: serial})
	}
	if err := d.proxy.Publish(set); err != nil {
		d.logger.Error("a deployed domain cannot be served; its last revision goes on", "error", err)
	}
	d.parsed = parsed
	d.published.Reach(index)
}

// parseStored reads a revision's document.
func parseStored(r *catalog.Revision) (*catalog.Document, error) {
	stored, err := r.JSON()
	if err != nil {
		return nil, err
	}
	return catalog.Parse(stored, catalog.ParseOptions{})
}

// await returns once the proxy serves what was deployed up to index.
func (d *domains) await(ctx context.Context, index uint64) error {
	if err := d.store.WaitApplied(ctx, index); err != nil {
		return err
	}
	// Up to there, what is live has last changed then.
	return d.published.Wait(ctx, min(index, d.store.DeployedIndex()))
}
