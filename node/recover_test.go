package node_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
)

// TestRecover: of three nodes two are gone for good. The third goes on alone, as the same
// cluster in its second generation, with the domains and what was used of the quota. A
// former member that comes back with its data is told to empty it, and can then join.
func TestRecover(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3)
	c.Deploy(limited("kept", 10))
	for range 4 {
		if status, body := get(t, c.Nodes[2]); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	c.Settled("d")
	c.Digest()
	id := c.Nodes[2].Store().ClusterID()
	for _, n := range c.Nodes {
		n.Stop()
	}
	left := c.Nodes[2]
	dir := left.Config().DataDir

	off := errors.New("not yet")
	if _, err := store.Recover(dir, slog.New(slog.DiscardHandler), func(found store.Recoverable) ([]store.Server, error) {
		if found.ID != left.ID || len(found.Before) != 3 || found.Index == 0 {
			t.Errorf("found %+v", found)
		}
		return nil, off
	}); !errors.Is(err, off) {
		t.Fatalf("called off: %v", err)
	}
	r, err := store.Recover(dir, slog.New(slog.DiscardHandler), func(store.Recoverable) ([]store.Server, error) { return nil, nil })
	if err != nil || r.ClusterID != id || r.Generation != 2 || r.Domains != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	left.Start()
	left.WaitReady()
	if got := left.Store().ClusterID(); got != id || len(left.Store().Servers().List) != 1 {
		t.Errorf("it is of %s, with %+v", got, left.Store().Servers().List)
	}
	admitted := 0
	for range 10 {
		if status, _ := get(t, left); status == 200 {
			admitted++
		}
	}
	if admitted != 6 {
		t.Errorf("%d calls were admitted, want the 6 that were left", admitted)
	}

	back := c.Nodes[0]
	back.Start()
	nodetest.Eventually(t, "the former member is told what to do", func() bool {
		r := api(t, back, "GET", "/readyz", "")
		return r.status == 503 && strings.Contains(r.body, "recovered without this node") && strings.Contains(r.body, id+"-g2")
	})
	if !left.Ready() {
		t.Error("the recovered node is not ready any more")
	}
	back.Stop()
	back.Config().DataDir = t.TempDir()
	back.Config().Bootstrap, back.Config().Join = false, []string{left.AdminURL()}
	back.Start()
	back.WaitReady()
	if got := len(left.Store().Servers().List); got != 2 {
		t.Errorf("there are %d members", got)
	}
	if status, _ := get(t, back); status != 403 {
		t.Errorf("the new member answers %d, the quota is used up", status)
	}
}
