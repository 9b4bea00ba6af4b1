package cluster

import (
	"errors"
	"testing"

	"github.com/tollgate/tollgate/cluster/clusterpb"
	"github.com/tollgate/tollgate/store"
)

// TestCallsOfStrangers: what somebody sends who is on the cluster port, but no
// member, or a member that is not right in its mind, is refused and counts
// nothing.
func TestCallsOfStrangers(t *testing.T) {
	t.Parallel()
	c := testCluster(t)
	deploy(t, c.store, 10)
	peers := newPeers(portOf(t, "n2", c.store.ClusterID(), ""))
	defer func() {
		if err := peers.close(); err != nil {
			t.Error(err)
		}
	}()
	leader, err := peers.at("n1", c.cfg.Transport.Addr())
	if err != nil {
		t.Fatal(err)
	}
	frame := func(raw []byte) error {
		_, err := leader.SubmitFrame(t.Context(), &clusterpb.SubmitFrameRequest{Frame: raw})
		return fromWire(err)
	}
	apply := func(raw []byte) error {
		_, err := leader.Apply(t.Context(), &clusterpb.ApplyRequest{Command: raw})
		return fromWire(err)
	}
	if err := frame(takes("n1", 1<<40, 3)); err != nil {
		t.Fatalf("a member's frame: %v", err)
	}
	index, digest := c.store.Digest()
	if err := frame(takes("n9", 1, 3)); !errors.Is(err, ErrNotMember) {
		t.Errorf("a frame of a node that is no member: %v", err)
	}
	var refused *Refusal
	for name, err := range map[string]error{
		"no frame":          frame(nil),
		"a frame cut off":   frame(takes("n1", 1<<41, 3)[:5]),
		"a frame of nobody": frame(takes("", 1, 3)),
		"no command":        apply(nil),
		"no known command":  apply([]byte{1, 99, 0}),
		"a newer command":   apply([]byte{2, 1, 0, 0}),
	} {
		if !errors.As(err, &refused) || refused.Conflict {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if i, d := c.store.Digest(); i != index || d != digest {
		t.Error("what was refused changed the state")
	}
	if used := c.store.Readings("d", 0)[0].Used; used != 3 {
		t.Errorf("%d calls are counted, want the member's 3", used)
	}

	// A node that does not lead says so, to each of them.
	idle, _ := testStore(t, false)
	follower := &service{c: &Cluster{store: idle, changes: make(chan struct{}, 1)}}
	for name, err := range map[string]error{
		"frame": errorOf(follower.SubmitFrame(t.Context(), &clusterpb.SubmitFrameRequest{Frame: takes("n1", 1, 3)})),
		"apply": errorOf(follower.Apply(t.Context(), &clusterpb.ApplyRequest{Command: (&store.Command{Kind: store.KindFrames}).Append(nil)})),
		"read":  errorOf(follower.ReadIndex(t.Context(), &clusterpb.ReadIndexRequest{})),
		"join":  errorOf(follower.Join(t.Context(), &clusterpb.JoinRequest{Id: "n2"})),
		"leave": errorOf(follower.Leave(t.Context(), &clusterpb.LeaveRequest{Id: "n2"})),
		"hand":  errorOf(follower.Transfer(t.Context(), &clusterpb.TransferRequest{})),
	} {
		if err := fromWire(err); !errors.Is(err, store.ErrNotLeader) {
			t.Errorf("%s at a node that does not lead: %v", name, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }
