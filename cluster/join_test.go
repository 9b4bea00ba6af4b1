package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// testCluster is a cluster of one real node.
func testCluster(t *testing.T) *Cluster {
	t.Helper()
	s, tr := testStore(t, true)
	c := Open(Config{
		ID: "n1", Store: s, Transport: tr, QuotaWait: patience, Leases: strictly, Clock: time.Now,
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(patience); s.ReplicatedClusterID() == ""; time.Sleep(time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatal("the founder does not name its cluster")
		}
	}
	return c
}

// impostor answers Identify, and nothing else: Raft gets no answer from it.
type impostor struct {
	clusterpb.UnimplementedClusterServer
	says *clusterpb.IdentifyResponse
}

func (i impostor) Identify(context.Context, *clusterpb.IdentifyRequest) (*clusterpb.IdentifyResponse, error) {
	return i.says, nil
}

// newImpostor runs one, and is what it would join as.
func newImpostor(t *testing.T, says *clusterpb.IdentifyResponse) Member {
	t.Helper()
	p := portOf(t, says.GetId(), says.GetClusterId(), "")
	server := grpc.NewServer()
	clusterpb.RegisterClusterServer(server, impostor{says: says})
	go func() { _ = server.Serve(p.rpc) }()
	t.Cleanup(server.Stop)
	return Member{ID: "n2", ClusterAddress: p.Addr(), AdminAddress: "127.0.0.1:1", ProxyAddress: "127.0.0.1:2", Voter: true}
}

// outage is a network on which nobody can be dialled for a while.
type outage struct {
	TCP
	over   atomic.Bool
	dialed atomic.Int64
}

func (o *outage) Dial(ctx context.Context, addr string) (net.Conn, error) {
	o.dialed.Add(1)
	if !o.over.Load() {
		return nil, syscall.ECONNREFUSED
	}
	return o.TCP.Dial(ctx, addr)
}

// TestReturnIsNoticed: a node that is back is found at once, however often it was dialled
// in vain meanwhile. A member that was not found would be told that it is not accepted.
func TestReturnIsNoticed(t *testing.T) {
	t.Parallel()
	back := newImpostor(t, &clusterpb.IdentifyResponse{Id: "n2", ClusterId: "red"})
	o := &outage{}
	from, err := Listen(o, "127.0.0.1:0", "n1", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	from.Serve(someone("red"))
	peers := newPeers(from)
	defer func() {
		if err := peers.close(); err != nil {
			t.Error(err)
		}
	}()
	peer, err := peers.at(back.ID, back.ClusterAddress)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); o.dialed.Load() < 7; time.Sleep(time.Millisecond) { // between two looks
		if _, err := peer.Identify(t.Context(), &clusterpb.IdentifyRequest{}); err == nil || time.Now().After(deadline) {
			t.Fatalf("after %d attempts: %v", o.dialed.Load(), err)
		}
	}
	o.over.Store(true)
	who, err := identify(t.Context(), from, peers, back.ID, back.ClusterAddress, forRPC, &clusterpb.IdentifyRequest{})
	if err != nil || who.GetId() != "n2" {
		t.Errorf("back again, it is %v, %v", who, err)
	}
}

// TestJoinThatFails: a node that cannot become a member leaves the cluster as
// it was, also if that shows only once it was made one.
func TestJoinThatFails(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	newest := store.KnownRules().Newest
	for deadline := time.Now().Add(patience); c.store.Rules() < newest; time.Sleep(time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			t.Fatal("the rules are not raised")
		}
	}
	servers := c.store.Servers().List
	index, digest := c.store.Digest()
	for name, j := range map[string]struct {
		is   *clusterpb.IdentifyResponse
		says string
	}{
		"an older version":     {&clusterpb.IdentifyResponse{Id: "n2", Fresh: true}, "n2 speaks version 0 of the cluster protocol, this cluster version 1"},
		"a newer version":      {&clusterpb.IdentifyResponse{Id: "n2", Fresh: true, Protocol: 2}, "n2 speaks version 2 of the cluster protocol, this cluster version 1"},
		"an older release":     {&clusterpb.IdentifyResponse{Id: "n2", Fresh: true, Protocol: protocol}, "n2 knows rules 1 of the log, this cluster has come to rules 3"},
		"another name":         {&clusterpb.IdentifyResponse{Id: "n3", Fresh: true, Protocol: protocol}, "is n3, not n2"},
		"no name":              {&clusterpb.IdentifyResponse{}, "is , not n2"},
		"never catches up":     {&clusterpb.IdentifyResponse{Id: "n2", Fresh: true, Protocol: protocol, RulesOldest: 1, RulesNewest: uint32(newest)}, "n2 did not catch up with the log in time"},
		"ours, but never does": {&clusterpb.IdentifyResponse{Id: "n2", Protocol: protocol, RulesOldest: 1, RulesNewest: uint32(newest), ClusterId: c.store.ClusterID(), AppliedIndex: 1}, "it has applied 1 of"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := c.Join(ctx, newImpostor(t, j.is))
		cancel()
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Conflict || !strings.Contains(err.Error(), j.says) {
			t.Errorf("%s: %v, want a refusal that says %q", name, err, j.says)
		}
		if after := c.store.Servers().List; !reflect.DeepEqual(after, servers) {
			t.Errorf("%s: members are %v, were %v", name, after, servers)
		}
	}
	if i, d := c.store.Digest(); i != index || d != digest {
		t.Error("joins that failed changed the state")
	}
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Errorf("afterwards, the cluster does not answer: %v", err)
	}
}

// TestApplyOversized: a change that the log would not be read with again is
// refused before it is proposed.
func TestApplyOversized(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	d := catalog.Draft{Key: "d", Document: []byte("{}")}
	for i := range 26_000 {
		d.Conditions = append(d.Conditions, quota.Condition{Endpoint: fmt.Sprintf("%01000d", i), Max: 1, ResetSeconds: 1})
	}
	put := catalog.Put(d, true)
	var refused *Refusal
	if _, err := c.Apply(t.Context(), store.Command{Kind: store.KindCatalog, Catalog: &put}); !errors.As(err, &refused) || refused.Conflict || !strings.Contains(err.Error(), "must be at most 25165824") {
		t.Errorf("oversized: %v", err)
	}
	// The leader's own entries may have come meanwhile.
	if _, err := c.Refresh(t.Context()); err != nil || len(c.store.Domains()) > 0 {
		t.Errorf("the refused change changed the state: %v, %v", c.store.Domains(), err)
	}
}

// TestChangesOneAtATime: while a change of the membership is under way, another
// waits, and is told so when its time is over.
func TestChangesOneAtATime(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	done, err := c.changing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for name, err := range map[string]error{
		"join":  c.Join(ctx, newImpostor(t, &clusterpb.IdentifyResponse{Id: "n2", Fresh: true, Protocol: protocol})),
		"leave": c.Leave(ctx, "n9"),
	} {
		var refused *Refusal
		if !errors.As(err, &refused) || !refused.Conflict || !strings.Contains(err.Error(), "another change of the membership is under way") {
			t.Errorf("%s: %v", name, err)
		}
	}
	done()
	if err := c.Leave(t.Context(), "n9"); !errors.Is(err, ErrNoMember) {
		t.Errorf("when it is done, a leave: %v", err)
	}
}

// TestRulesWaitForAll: the rules are not raised before every member knows them.
func TestRulesWaitForAll(t *testing.T) {
	t.Parallel()
	newest := store.KnownRules().Newest
	for _, r := range []struct {
		name string
		says *clusterpb.IdentifyResponse
		want store.Rules
	}{
		{"an older release", &clusterpb.IdentifyResponse{}, store.RulesFirst},
		{"this one", &clusterpb.IdentifyResponse{RulesOldest: 1, RulesNewest: uint32(newest)}, newest},
		{"a newer one", &clusterpb.IdentifyResponse{RulesOldest: 2, RulesNewest: 9}, newest},
	} {
		if got := commonRules([]*clusterpb.IdentifyResponse{{RulesOldest: 1, RulesNewest: uint32(newest)}, r.says}); got != r.want {
			t.Errorf("%s: %d, want %d", r.name, got, r.want)
		}
	}
	if got := commonRules([]*clusterpb.IdentifyResponse{{RulesOldest: 1, RulesNewest: uint32(newest)}, nil}); got != 0 {
		t.Errorf("with a member that does not answer: %d", got)
	}
}

// TestRightDigest: what most voters have is right; where there is no majority, what
// the leader has, whose answers count.
func TestRightDigest(t *testing.T) {
	t.Parallel()
	servers := []store.Server{{ID: "n1", Voter: true}, {ID: "n2", Voter: true}, {ID: "n3", Voter: true}, {ID: "n4"}}
	a, b := []byte("a"), []byte("b")
	for _, c := range []struct {
		name    string
		digests [][]byte
		self    string
		want    []byte
	}{
		{"all agree", [][]byte{a, a, a, a}, "n1", a},
		{"one differs", [][]byte{a, b, a, a}, "n1", a},
		{"the leader differs", [][]byte{b, a, a, a}, "n1", a},
		{"one voter is silent, the other differs", [][]byte{a, b, nil, b}, "n1", a},
		{"who has no vote has none here", [][]byte{a, a, nil, b}, "n2", a},
	} {
		if got := rightDigest(servers, c.digests, c.self); string(got) != string(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
