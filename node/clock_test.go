package node_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store/quota"
)

// wrongClock sets the third node's clock forward by ahead.
func wrongClock(ahead time.Duration) nodetest.Option {
	return func(cfg *nodetest.Config) {
		if cfg.ID == "n3" {
			cfg.Clock = func() time.Time { return time.Now().Add(ahead) }
		}
	}
}

// TestLeaderAhead: a leader whose clock stands two hours ahead of the others'
// ends no window: what was used up stays so, until the same time. It warns of its clock.
func TestLeaderAhead(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	c := nodetest.Start(t, 3, wrongClock(2*time.Hour), func(cfg *nodetest.Config) {
		if cfg.ID == "n3" {
			cfg.Logger = log.logger()
		}
	})
	c.Deploy(document([][2]int{{100, 3600}}, nil))
	var got tally
	for !got.exhausted.Load() {
		got.call(c.Nodes[0].Cluster().Take, endpoint)
	}
	ends := c.Nodes[0].Store().Readings("d", 0)[0].WindowEnds
	lead(t, c, c.Nodes[2])
	for range 10 {
		for _, n := range c.Nodes {
			got.call(n.Cluster().Take, endpoint)
		}
	}
	if n := got.admitted.Load(); n != 100 {
		t.Errorf("admitted %d of a limit of 100", n)
	}
	if after := c.Nodes[0].Store().Readings("d", 0)[0].WindowEnds; after != ends {
		t.Errorf("the window ends at %d, by the leader with the wrong clock at %d", ends, after)
	}
	nodetest.Eventually(t, "it warns", func() bool {
		return strings.Contains(log.String(), "this node's clock is far off those of the other voters")
	})
	c.Digest()
}

// TestLeaderBehind: a leader whose clock stands two hours behind does not have
// time stand still: a window of a second that was used up ends.
func TestLeaderBehind(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3, wrongClock(-2*time.Hour))
	c.Deploy(document([][2]int{{3, 1}}, nil))
	lead(t, c, c.Nodes[2])
	// Two windows more than the ones that the leader before may have begun.
	for range 4 {
		nodetest.Eventually(t, "a window ends", func() bool {
			v, err := c.Nodes[0].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint})
			return err == nil && v.Admitted
		})
		nodetest.Eventually(t, "the window is used up", func() bool {
			v, err := c.Nodes[0].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint})
			return err == nil && !v.Admitted
		})
	}
	c.Digest()
}

// lead has a node lead.
func lead(t *testing.T, c *nodetest.Cluster, n *nodetest.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	nodetest.Eventually(t, n.ID+" leads", func() bool {
		err := c.Leader().Cluster().Transfer(ctx, n.ID)
		return err == nil && c.Leader() == n
	})
}

// TestTimeStandsStill: a cluster whose only clock was a year ahead has its time stand
// still once the clock is right. The leader says for how long.
func TestTimeStandsStill(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	c := nodetest.Start(t, 1, func(cfg *nodetest.Config) {
		cfg.Clock = func() time.Time { return time.Now().Add(year) }
	})
	n := c.Nodes[0]
	c.Deploy(document([][2]int{{3, 1}}, nil))
	if behind := n.Store().TimeBehind(); behind != 0 {
		t.Errorf("time stands still for %v under the clock that it goes by", behind)
	}
	n.Stop()
	n.Config().Clock = time.Now
	n.Start()
	n.WaitReady()
	if behind := n.Store().TimeBehind(); behind < year-time.Hour || behind > year+time.Hour {
		t.Errorf("time stands still for %v", behind)
	}
	// 3.1e+07 seconds
	if text := call(t, web, "GET", n.AdminAddr(), "/metrics", "").body; !regexp.MustCompile(`(?m)^tollgate_cluster_time_behind_seconds 3\.1\d*e\+07$`).MatchString(text) {
		t.Errorf("no metric says so:\n%s", text)
	}
}
