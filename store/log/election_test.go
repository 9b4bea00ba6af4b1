package log

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// introduced is a Network whose diallers tell their ID in a first line.
type introduced struct {
	tcp
	id string
}

func (n introduced) Dial(id, addr string, timeout time.Duration) (net.Conn, error) {
	c, err := n.tcp.Dial(id, addr, timeout)
	if err == nil {
		_, err = fmt.Fprintln(c, n.id)
	}
	return c, err
}

func (n introduced) Accept() (net.Conn, error) {
	c, err := n.tcp.Accept()
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	id, err := r.ReadString('\n')
	return &guest{c, r, strings.TrimSpace(id)}, err
}

// guest is a Peer.
type guest struct {
	net.Conn
	r  *bufio.Reader
	id string
}

func (g *guest) Read(b []byte) (int, error) { return g.r.Read(b) }
func (g *guest) Peer() string               { return g.id }

// TestLeaderGone: when a leader's connections end and nothing more comes of it, the
// others elect another without waiting for their timeouts.
func TestLeaderGone(t *testing.T) {
	t.Parallel()
	var group [3]*replica
	for i := range group {
		id := fmt.Sprint("n", i+1)
		group[i] = start(t, id, t.TempDir(), func(c *Config) {
			c.Network, c.ElectionTimeout = introduced{c.Network.(tcp), id}, 3*time.Second
		})
	}
	together(t, group)
	for _, r := range group {
		r.AskEnds(func(_ context.Context, id, _ string) (end End, ok bool) {
			for _, o := range group {
				if ok = o.cfg.ID == id; ok {
					end.Index, end.Term = o.Last()
					break
				}
			}
			return end, ok
		})
	}
	leader := leaderOf(t, group[:])
	var others []*replica
	for _, r := range group {
		if r != leader {
			others = append(others, r)
		}
	}
	for _, r := range others {
		eventually(t, "all know the leader", func() bool { id, _ := r.Leader(); return id == leader.cfg.ID })
	}
	// A connection that ends while the leader is there is no reason.
	for _, r := range others {
		at := time.Now()
		eventually(t, "the leader is heard of", func() bool { return r.raft.LastContact().After(at) })
		r.suspect(broken{leader.cfg.ID, at.Add(-time.Hour)})
		r.suspect(broken{"n9", at.Add(-time.Hour)})
		if n := testutil.ToFloat64(r.early); n != 0 {
			t.Errorf("%s began %v elections under a leader that is there", r.cfg.ID, n)
		}
	}
	if err := leader.Close(); err != nil {
		t.Fatal(err)
	}
	next := leaderOf(t, others)
	if n := testutil.ToFloat64(next.early); n == 0 {
		t.Errorf("%s leads after a timeout only", next.cfg.ID)
	}
	for _, r := range others {
		for _, m := range group {
			if members := r.Servers(); members.Find(m.cfg.ID) == nil {
				t.Errorf("%s knows the members %v, and not %s", r.cfg.ID, members.List, m.cfg.ID)
			}
		}
	}
}

// TestTurns: the log that has most comes last, and of two that are equal the greater ID.
func TestTurns(t *testing.T) {
	voters := []raft.Server{{ID: "n3"}, {ID: "n1"}, {ID: "n2"}}
	for _, c := range []struct {
		ends []End
		want map[string]int
	}{
		{[]End{{2, 9}, {2, 9}, {2, 9}}, map[string]int{"n1": 0, "n2": 1, "n3": 2, "n9": -1}},
		{[]End{{2, 8}, {2, 9}, {2, 9}}, map[string]int{"n3": 0, "n1": 1, "n2": 2}},
		{[]End{{2, 9}, {3, 1}, {}}, map[string]int{"n2": 0, "n3": 1, "n1": 2}},
	} {
		for self, want := range c.want {
			if got := turnOf(voters, c.ends, self); got != want {
				t.Errorf("%v: %s has turn %d, want %d", c.ends, self, got, want)
			}
		}
	}
}
