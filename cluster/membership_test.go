package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/cluster"
	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// document is a domain "d" with a quota for all its calls.
func document(limit int) string {
	return fmt.Sprintf(`{"swagger":"2.0","info":{"title":"d","version":"1"},"basePath":"/d","schemes":["http"],
		"paths":{"/x":{"get":{"x-toastcloud-apigw":{"plugins":{"MOCK":{"statusCode":200,"headers":{},"body":"ok"}}}}}},
		"x-toastcloud-apigw":{"plugins":{"HTTP_PROXY":{"url":"http://127.0.0.1:1"},
			"USAGE_QUOTA":{"usageQuotaBeans":[{"maxUsageQuota":%d,"resetTimeSeconds":3600}]}}}}`, limit)
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// config gives the test the configuration that a node is started with, to
// change between two starts.
func config(to **nodetest.Config) nodetest.Option {
	return func(cfg *nodetest.Config) { *to = cfg }
}

// stray runs a node that belongs to nothing, unless it founds a cluster of its
// own.
func stray(t *testing.T, id string, bootstrap bool) *nodetest.Node {
	nd := nodetest.Start(t, 0).Add(func(cfg *nodetest.Config) { cfg.ID, cfg.Bootstrap = id, bootstrap })
	nd.Start()
	if bootstrap {
		nd.WaitReady()
	}
	return nd
}

// is checks for a *cluster.Refusal of the given kind that says all of what.
func refusal(t *testing.T, name string, err error, isConflict bool, what ...string) {
	t.Helper()
	var r *cluster.Refusal
	if !errors.As(err, &r) {
		t.Errorf("%s: %v, want a refusal", name, err)
		return
	}
	if r.Conflict != isConflict {
		t.Errorf("%s: conflict is %t: %v", name, r.Conflict, err)
	}
	for _, w := range what {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q does not say %q", name, err, w)
		}
	}
}

// moved reports whether a change failed because leadership moved.
func moved(err error) bool {
	return errors.Is(err, store.ErrNoLeader) || errors.Is(err, store.ErrNotLeader) || errors.Is(err, store.ErrUnknownOutcome)
}

// join asks a node to make m a member, again while leadership moves: it does no harm.
func join(ctx context.Context, via *nodetest.Node, m cluster.Member) error {
	for {
		if err := via.Cluster().Join(ctx, m); !moved(err) || ctx.Err() != nil {
			return err
		}
	}
}

// under asks something while a node leads: on a busy machine another may come to
// lead meanwhile; then it is asked again.
func under(t *testing.T, c *nodetest.Cluster, leader *nodetest.Node, ask func() error) error {
	t.Helper()
	for range 20 {
		nodetest.Eventually(t, leader.ID+" leads", func() bool {
			now := c.Leader()
			return now == leader || now.Cluster().Transfer(t.Context(), leader.ID) == nil && c.Leader() == leader
		})
		term := leader.Store().Term()
		if err := ask(); leader.Store().IsLeader() && leader.Store().Term() == term {
			return err
		}
	}
	t.Fatalf("%s did not lead for as long as a question takes", leader.ID)
	return nil
}

// picture is all that a refused change must leave as it is.
type picture struct {
	servers store.Servers
	members map[string]store.Member
	index   uint64
	digest  [32]byte
}

func pictureOf(n *nodetest.Node) picture {
	p := picture{servers: n.Store().Servers(), members: n.Store().Members()}
	p.index, p.digest = n.Store().Digest()
	return p
}

// nobody listens there.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestRefusedJoins: whoever is asked, a node that is not what it is said to be
// does not become a member, and the cluster stays as it was.
func TestRefusedJoins(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 3)
	leader := c.Leader()
	var followers []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			followers = append(followers, n)
		}
	}
	foreign := nodetest.Start(t, 2, func(cfg *nodetest.Config) { cfg.ID = "f" + cfg.ID }).Nodes[1]
	founder := stray(t, "n8", true)
	fresh := stray(t, "n9", false)
	twin := stray(t, followers[0].ID, false)
	tokened := nodetest.Start(t, 0).Add(func(cfg *nodetest.Config) { cfg.ID, cfg.ClusterKey = "n6", strings.Repeat("t", 32) })
	tokened.Start()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	go func() { // says something that is no greeting
		for {
			conn, err := web.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()

	dead := nobody(t)
	at := func(n *nodetest.Node, id, clusterAddress string) cluster.Member {
		m := n.Self()
		m.ID, m.ClusterAddress = id, clusterAddress
		return m
	}
	c.Raised()
	before := pictureOf(leader)
	for name, j := range map[string]struct {
		member   cluster.Member
		conflict bool
		says     []string
	}{
		"nobody there":                 {at(fresh, "n9", dead), false, []string{dead, "cannot be reached from the leader " + leader.ID, "connection refused"}},
		"a web server there":           {at(fresh, "n9", web.Addr().String()), false, []string{web.Addr().String(), "no Tollgate node answers there"}},
		"another node there":           {at(fresh, "n10", fresh.Self().ClusterAddress), false, []string{"is n9, not n10"}},
		"a member's ID, fresh":         {twin.Self(), true, []string{followers[0].ID + " is a member already, at " + followers[0].Self().ClusterAddress, "another ID", "leave"}},
		"a member's address":           {at(fresh, "n9", followers[1].Self().ClusterAddress), true, []string{followers[1].Self().ClusterAddress + " is " + followers[1].ID + "'s"}},
		"the leader's address":         {at(fresh, "n9", leader.Self().ClusterAddress), true, []string{leader.Self().ClusterAddress + " is " + leader.ID + "'s"}},
		"a member, nobody there":       {at(followers[0], followers[0].ID, dead), false, []string{dead}},
		"a member, another there":      {at(followers[0], followers[0].ID, fresh.Self().ClusterAddress), false, []string{"is n9, not " + followers[0].ID}},
		"a member, another's address":  {at(followers[0], followers[0].ID, followers[1].Self().ClusterAddress), true, []string{followers[1].ID + "'s"}},
		"the leader, nobody there":     {at(leader, leader.ID, dead), false, []string{dead}},
		"the leader, another there":    {at(leader, leader.ID, fresh.Self().ClusterAddress), false, []string{"is n9, not " + leader.ID}},
		"the leader, a member there":   {at(leader, leader.ID, followers[0].Self().ClusterAddress), true, []string{followers[0].ID + "'s"}},
		"of another cluster":           {foreign.Self(), true, []string{foreign.Self().ClusterAddress, "another cluster", "empty data directory"}},
		"its own founder":              {founder.Self(), true, []string{founder.Self().ClusterAddress, "another cluster"}},
		"of another cluster, as ours":  {at(foreign, followers[0].ID, foreign.Self().ClusterAddress), true, []string{"another cluster"}},
		"behind a token":               {tokened.Self(), false, []string{tokened.Self().ClusterAddress, "cluster key"}},
		"a member with a vote, demote": {func() cluster.Member { m := followers[0].Self(); m.Voter = false; return m }(), true, []string{"leave first"}},
	} {
		for _, via := range []*nodetest.Node{leader, followers[0]} {
			err := under(t, c, leader, func() error { return via.Cluster().Join(ctx, j.member) })
			refusal(t, name+", via "+via.ID, err, j.conflict, j.says...)
		}
	}
	if after := pictureOf(leader); !reflect.DeepEqual(after, before) {
		t.Errorf("refused joins changed the cluster:\nbefore %+v\nafter  %+v", before, after)
	}
	if !foreign.Ready() || foreign.Store().ClusterID() == leader.Store().ClusterID() || len(foreign.Store().Servers().List) != 2 {
		t.Error("the other cluster is not what it was")
	}
	if !fresh.Store().Fresh() || !twin.Store().Fresh() {
		t.Error("a node that was refused has state of the cluster")
	}

	// What was refused for its address alone is welcome at its own.
	if err := join(ctx, followers[1], fresh.Self()); err != nil {
		t.Fatalf("joining a fresh node through a follower: %v", err)
	}
	fresh.WaitReady()
	c.Digest()
	joined := pictureOf(leader)
	if s := joined.servers.Find("n9"); s == nil || !s.Voter || s.Address != fresh.Self().ClusterAddress || joined.members["n9"].ProxyAddress != fresh.ProxyAddr() {
		t.Errorf("the new member is %+v, its listeners %+v", s, joined.members["n9"])
	}
	// A join is idempotent, for everybody.
	for _, n := range []*nodetest.Node{fresh, followers[0], leader} {
		for _, via := range []*nodetest.Node{leader, followers[1], fresh} {
			if err := join(ctx, via, n.Self()); err != nil {
				t.Errorf("joining %s again through %s: %v", n.Self().ID, via.Self().ID, err)
			}
		}
	}
	c.Digest()
	if again := pictureOf(leader); !reflect.DeepEqual(again, joined) {
		t.Errorf("joining again changed the cluster:\nbefore %+v\nafter  %+v", joined, again)
	}
}

// TestJoinsAtOnce: several nodes that join at the same time, through different
// members and more than once, all become members.
func TestJoinsAtOnce(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 2)
	results := make(chan error)
	joins := 0
	for range 2 {
		nd := c.Add()
		nd.Start()
		for _, via := range c.Nodes[:2] {
			joins++
			go func() { results <- join(ctx, via, nd.Self()) }()
		}
	}
	for range joins {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	for _, n := range c.Nodes {
		n.WaitReady()
	}
	for _, s := range c.Leader().Store().Servers().List {
		if !s.Voter {
			t.Errorf("%s has no vote", s.ID)
		}
	}
	if got := len(c.Leader().Store().Servers().List); got != 4 {
		t.Errorf("%d members, want 4", got)
	}
	c.Digest()
}

// TestWipedNode: a member that lost its state has forgotten what it voted and
// acknowledged. Under its old name it is refused, and is not made use of,
// until the old member has left.
func TestWipedNode(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	var cfg *nodetest.Config
	c := nodetest.Start(t, 3, config(&cfg)) // cfg is the last one's
	c.Deploy(document(100))
	wiped := c.Nodes[2]
	var via *nodetest.Node
	wiped.Kill()
	if err := os.RemoveAll(cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	leader := c.Leader()
	for _, n := range c.Up() {
		if n != leader {
			via = n
		}
	}
	wiped.Start() // with --join, which it goes on trying
	// Commits give the leader reason to send it something all the time.
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		// Leadership may move on a busy machine.
		if _, err := via.Cluster().Apply(ctx, store.Command{Kind: store.KindFrames}); err != nil && !moved(err) {
			t.Fatal(err)
		}
		for _, asked := range []*nodetest.Node{leader, via} {
			if err := asked.Cluster().Join(ctx, wiped.Self()); !moved(err) {
				refusal(t, "via "+asked.ID, err, true, wiped.ID, "lost its state", "leave first")
			}
		}
		if wiped.Ready() || !wiped.Store().Fresh() {
			t.Errorf("it is made use of: ready %t, fresh %t", wiped.Ready(), wiped.Store().Fresh())
		}
		if t.Failed() {
			return
		}
	}
	if err := via.Cluster().Leave(ctx, wiped.ID); err != nil {
		t.Fatal(err)
	}
	wiped.WaitReady()
	c.Digest()
}

// TestNonvoter: a member without a vote serves like any other, but decides
// nothing of the cluster.
func TestNonvoter(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 1)
	c.Deploy(document(5))
	leader := c.Nodes[0]
	nd := c.Add(func(cfg *nodetest.Config) {
		cfg.Nonvoter, cfg.Join = true, []string{"http://" + leader.AdminAddr()}
	})
	nd.Start()
	nd.WaitReady()
	if s := leader.Store().Servers().Find(nd.ID); s == nil || s.Voter {
		t.Errorf("the member is %+v", s)
	}
	for i := range 6 {
		if v, err := nd.Cluster().Take(&quota.Call{Domain: "d"}); err != nil || v.Admitted != (i < 5) {
			t.Errorf("call %d of 5: %+v, %v", i+1, v, err)
		}
	}
	for _, via := range []*nodetest.Node{leader, nd} {
		refusal(t, "transfer to it", via.Cluster().Transfer(ctx, nd.ID), true, nd.ID+" has no vote")
	}
	// It does not keep the last voter from being the last.
	refusal(t, "leave of the last voter", leader.Cluster().Leave(ctx, leader.ID), true, leader.ID+" is the last member with a vote")
	// A restart neither gives nor takes a vote; a join may give it.
	nd.Stop()
	nd.Start()
	nd.WaitReady()
	if s := leader.Store().Servers().Find(nd.ID); s == nil || s.Voter {
		t.Errorf("after a restart, the member is %+v", s)
	}
	m := nd.Self()
	m.Voter = true
	if err := join(ctx, nd, m); err != nil {
		t.Errorf("giving it a vote: %v", err)
	}
	if s := leader.Store().Servers().Find(nd.ID); s == nil || !s.Voter {
		t.Errorf("with a vote, the member is %+v", s)
	}
	// Two voters: now either may leave.
	if err := nd.Cluster().Leave(ctx, nd.ID); err != nil {
		t.Errorf("leaving: %v", err)
	}
}

// TestLeave: who cannot leave, and why; nothing changes then.
func TestLeave(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 3)
	leader := c.Leader()
	var followers []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			followers = append(followers, n)
		}
	}
	c.Raised()
	before := pictureOf(leader)
	for _, via := range c.Nodes {
		err := via.Cluster().Leave(ctx, "n99")
		if !errors.Is(err, cluster.ErrNoMember) {
			t.Errorf("an unknown member, via %s: %v", via.ID, err)
		}
		for _, n := range c.Nodes {
			if err != nil && !strings.Contains(err.Error(), n.ID) {
				t.Errorf("%q does not name the member %s", err, n.ID)
			}
		}
	}

	// With one of three down, no other may leave: two voters, one alive.
	down := followers[1]
	down.Kill()
	for _, id := range []string{followers[0].ID, leader.ID} {
		for _, via := range []*nodetest.Node{leader, followers[0]} {
			refusal(t, "breaking the majority", via.Cluster().Leave(ctx, id), true, "without "+id, "only 1 of the 2 voters left can be reached", "no majority")
		}
	}
	if after := pictureOf(leader); !reflect.DeepEqual(after, before) {
		t.Errorf("refused leaves changed the cluster:\nbefore %+v\nafter  %+v", before, after)
	}
	if c.Leader() != leader {
		t.Error("a refused leave of the leader took its leadership")
	}
	// But the one that is down may.
	if err := followers[0].Cluster().Leave(ctx, down.ID); err != nil {
		t.Fatalf("the member that is down leaves: %v", err)
	}
	if _, known := leader.Store().Members()[down.ID]; known || leader.Store().Servers().Find(down.ID) != nil {
		t.Error("it is still known")
	}
	if err := leader.Cluster().Leave(ctx, down.ID); !errors.Is(err, cluster.ErrNoMember) {
		t.Errorf("it leaves again: %v", err)
	}
	// A leader by its own hand; then the last voter cannot.
	if err := leader.Cluster().Leave(ctx, leader.ID); err != nil {
		t.Fatalf("the leader leaves by itself: %v", err)
	}
	nodetest.Eventually(t, "the leader that left is not ready", func() bool { return !leader.Ready() })
	last := followers[0]
	nodetest.Eventually(t, "the last one leads", func() bool { return last.Store().IsLeader() })
	before = pictureOf(last)
	refusal(t, "the last voter", last.Cluster().Leave(ctx, last.ID), true, last.ID+" is the last member with a vote", "stop the node instead")
	if after := pictureOf(last); !reflect.DeepEqual(after, before) {
		t.Errorf("the refused leave changed the cluster:\nbefore %+v\nafter  %+v", before, after)
	}
	if !last.Ready() {
		t.Error("the last member is not ready")
	}
}

// TestRemovedNode: a member that was removed decides nothing, whether it was
// there to see it or not, also after a restart, and disturbs nobody.
func TestRemovedNode(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	var cfg *nodetest.Config
	c := nodetest.Start(t, 3, config(&cfg), func(cfg *nodetest.Config) { cfg.QuotaWait = 200 * time.Millisecond })
	c.Deploy(document(1000))
	removed := c.Nodes[2]
	var rest []*nodetest.Node
	rest = append(rest, c.Nodes[:2]...)
	if removed.Store().IsLeader() {
		if err := removed.Cluster().Transfer(ctx, rest[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	// It is removed while it is down, and the leader that did it, which goes on
	// trying to send it that for a while, starts anew: nothing tells it.
	removed.Kill()
	nodetest.Eventually(t, "the others let it go", func() bool { return rest[0].Cluster().Leave(ctx, removed.ID) == nil })
	remover := c.Leader()
	remover.Stop()
	remover.Start()
	remover.WaitReady()
	c.Leader()
	cfg.Join = nil // or it would return
	removed.Start()
	check := func(when string) {
		t.Helper()
		nodetest.Eventually(t, when+", it is not ready", func() bool { return !removed.Ready() })
		nodetest.Eventually(t, when+", it knows why", func() bool {
			_, gone := removed.Cluster().Membership()
			return gone
		})
		for range 3 {
			if v, err := removed.Cluster().Take(&quota.Call{Domain: "d"}); err == nil {
				t.Errorf("%s, it decides: %+v", when, v)
			}
		}
	}
	check("removed")
	removed.Stop()
	removed.Start()
	check("restarted")
	for _, n := range rest {
		nodetest.Eventually(t, n.ID+" decides", func() bool {
			v, err := n.Cluster().Take(&quota.Call{Domain: "d"})
			return err == nil && v.Admitted
		})
	}
	if was, now := removed.Store().Term(), rest[0].Store().Term(); was > now {
		t.Errorf("the removed node made elections: its term is %d, the cluster's %d", was, now)
	}
	// Asked to, it comes back, with the state that it missed.
	if err := join(ctx, rest[1], removed.Self()); err != nil {
		t.Fatal(err)
	}
	removed.WaitReady()
	nodetest.Eventually(t, "back, it decides", func() bool {
		v, err := removed.Cluster().Take(&quota.Call{Domain: "d"})
		return err == nil && v.Admitted
	})
	c.Digest()
}

// TestTransfer: leadership goes where it is sent, or stays.
func TestTransfer(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 3)
	leader := c.Leader()
	var followers []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			followers = append(followers, n)
		}
	}
	term := leader.Store().Term()
	for _, via := range c.Nodes {
		if err := via.Cluster().Transfer(ctx, "n99"); !errors.Is(err, cluster.ErrNoMember) || !strings.Contains(err.Error(), "n1") {
			t.Errorf("to nobody, via %s: %v", via.ID, err)
		}
		if err := via.Cluster().Transfer(ctx, leader.ID); err != nil {
			t.Errorf("to the leader itself, via %s: %v", via.ID, err)
		}
	}
	if c.Leader() != leader || leader.Store().Term() != term {
		t.Error("leadership moved")
	}
	for i, to := range []*nodetest.Node{followers[0], followers[1], leader} {
		via := c.Nodes[i]
		if err := via.Cluster().Transfer(ctx, to.ID); err != nil {
			t.Fatalf("to %s via %s: %v", to.ID, via.ID, err)
		}
		if got := c.Leader(); got != to {
			t.Fatalf("%s leads, want %s", got.ID, to.ID)
		}
	}
	if err := followers[0].Cluster().Transfer(ctx, ""); err != nil {
		t.Errorf("to anybody: %v", err)
	}
	nodetest.Eventually(t, "another leads", func() bool { return c.Leader() != leader })
	// To a member that is down it does not go, and the one that leads goes on.
	leader = c.Leader()
	var down *nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			down = n
		}
	}
	down.Kill()
	err := under(t, c, leader, func() error { return leader.Cluster().Transfer(ctx, down.ID) })
	refusal(t, "to a member that is down", err, true, down.ID)
	nodetest.Eventually(t, "the cluster goes on", func() bool {
		_, err := c.Leader().Store().Apply(ctx, store.Command{Kind: store.KindFrames})
		return err == nil
	})
	alone := nodetest.Start(t, 1)
	refusal(t, "from the only member", alone.Nodes[0].Cluster().Transfer(ctx, ""), true, "the only member")
}

// TestAddressChangesHands: a node of another cluster at the address, and under
// the name, of a member of ours gets nothing of ours, and gives nothing.
func TestAddressChangesHands(t *testing.T) {
	t.Parallel()
	ctx := patience(t)
	c := nodetest.Start(t, 3)
	c.Deploy(document(100))
	gone := c.Nodes[2]
	addr := gone.Self().ClusterAddress
	gone.Stop()
	other := nodetest.Start(t, 1, func(cfg *nodetest.Config) { cfg.ID = gone.ID })
	stranger := other.Nodes[0]
	stranger.Stop()
	stranger.Config().Cluster = addr
	stranger.Start()
	nodetest.Eventually(t, "its own cluster has it there", func() bool {
		s := stranger.Store().Servers()
		return s.Find(gone.ID).Address == addr && s.Index > 0 && stranger.Store().Members()[gone.ID].ID == gone.ID
	})
	id, term := stranger.Store().ClusterID(), stranger.Store().Term()
	mine := func() picture { // but for how far its own log has come
		p := pictureOf(stranger)
		return picture{servers: store.Servers{List: p.servers.List}, members: p.members}
	}
	before := mine()
	// The leader has something for the member all the time.
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if _, err := c.Leader().Store().Apply(ctx, store.Command{Kind: store.KindFrames}); err != nil && !moved(err) {
			t.Fatal(err)
		}
	}
	leader := c.Leader()
	for _, m := range leader.Cluster().Status(ctx).Members {
		if m.ID == gone.ID && m.Reachable {
			t.Errorf("the stranger is taken for %+v", m)
		}
	}
	if after := mine(); !reflect.DeepEqual(after, before) || stranger.Store().ClusterID() != id || stranger.Store().Term() != term {
		t.Errorf("something of ours got there:\nbefore %+v, term %d\nafter  %+v, term %d", before, term, after, stranger.Store().Term())
	}
	if got := len(stranger.Store().Domains()); got != 0 {
		t.Errorf("the stranger has %d domains", got)
	}
}

// TestMinorityCommitsNothing: two nodes of five commit nothing, although the
// addresses of two others lead to one of them.
func TestMinorityCommitsNothing(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 5)
	leader := c.Leader()
	var others []*nodetest.Node
	for _, n := range c.Nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	double := others[0]
	for _, n := range others[1:] {
		n.Isolate()
	}
	for _, n := range others[2:] {
		c.Misdirect(n, double)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		for _, n := range []*nodetest.Node{leader, double} {
			if _, err := n.Store().Apply(ctx, store.Command{Kind: store.KindFrames}); err == nil {
				t.Fatalf("%s has committed something with two of five", n.ID)
			}
		}
	}
}
