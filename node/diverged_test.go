package node_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/tollgate/tollgate/node/nodetest"
	"github.com/tollgate/tollgate/store"
	"github.com/tollgate/tollgate/store/quota"
)

// TestDiverged: a replica that is made to differ, by a log that was changed on its
// disk, is found by the others, decides nothing any more and says so; they go on.
func TestDiverged(t *testing.T) {
	t.Parallel()
	c := nodetest.Start(t, 3, func(cfg *nodetest.Config) { cfg.CheckpointEvery = 100 * time.Millisecond })
	c.Deploy(document([][2]int{{100, 3600}}, nil))
	c.Raised()
	victim := c.Nodes[2]
	victim.Stop()
	falsify(t, filepath.Join(victim.Config().DataDir, "raft.db"), victim.ID)
	victim.Start()
	nodetest.Eventually(t, "it is found", func() bool {
		r := readyz(t, victim)
		return r.status == 503 && strings.Contains(r.body, "differs from the others'")
	})
	if v, err := victim.Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint}); err == nil {
		t.Errorf("it decides: %+v", v)
	}
	nodetest.Eventually(t, "the others decide", func() bool {
		v, err := c.Nodes[0].Cluster().Take(&quota.Call{Domain: "d", Endpoint: endpoint})
		return err == nil && v.Admitted
	})
	for _, n := range c.Nodes[:2] {
		if why := n.Cluster().Diverged(); why != "" {
			t.Errorf("%s: %s", n.ID, why)
		}
	}
}

// falsify changes entries of a log that is not open: a member's listener is said to
// be elsewhere.
func falsify(t *testing.T, path, member string) {
	t.Helper()
	db, err := raftboltdb.NewBoltStore(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := false
	last, err := db.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= last; i++ {
		var entry raft.Log
		if err := db.GetLog(i, &entry); err != nil {
			t.Fatal(err)
		}
		if cmd, err := store.DecodeCommand(entry.Data); err == nil && cmd.Kind == store.KindMember && cmd.Member.ID == member {
			entry.Data = bytes.Replace(entry.Data, []byte("127."), []byte("126."), 1)
			if err := db.StoreLog(&entry); err != nil {
				t.Fatal(err)
			}
			found = true
		}
	}
	if !found {
		t.Fatal("the log does not have the member")
	}
}
