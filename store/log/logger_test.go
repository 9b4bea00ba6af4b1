package log

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// TestRaftsLog: what raft logs is readable: times in seconds, with the unit in
// the key, and no Go syntax.
func TestRaftsLog(t *testing.T) {
	var out strings.Builder
	l := raftLogger(slog.New(slog.NewTextHandler(&out, nil)))
	l.Warn("failed to contact", "server-id", raft.ServerID("n2"), "time", 1500*time.Millisecond)
	l.Warn("failed to heartbeat", "backoff time", 10*time.Millisecond, "peer", raft.Server{ID: "n3", Address: "10.0.0.3:7001"})
	l.Warn("configuration", "servers", hclog.Fmt("%+v", []raft.Server{{ID: "n1", Address: "10.0.0.1:7001"}, {Suffrage: raft.Nonvoter, ID: "n2", Address: "10.0.0.2:7001"}}))
	l.Warn("snapshot", "percent-complete", hclog.Fmt("%0.2f%%", 12.5), "odd")
	for _, want := range []string{
		`msg="raft: failed to contact" serverId=n2 timeSeconds=1.5`,
		`backoffTimeSeconds=0.01 peer="n3 at 10.0.0.3:7001 (voter)"`,
		`servers="n1 at 10.0.0.1:7001 (voter), n2 at 10.0.0.2:7001 (nonvoter)"`,
		`percentComplete=12.50%`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}
