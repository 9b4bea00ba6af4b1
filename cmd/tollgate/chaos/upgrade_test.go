//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// olderCommit is the newest commit whose entries have no rules.
const olderCommit = "af05de43c3aa19971b68a8777e39cda3fcebed54"

// older builds the binary of that commit, out of the repository's history.
func older(t *testing.T) string {
	t.Helper()
	if err := exec.Command("git", "cat-file", "-e", olderCommit+"^{commit}").Run(); err != nil {
		t.Skipf("commit %s is not in this checkout's history, so there is no older release to upgrade from: %v", olderCommit, err)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "source"), filepath.Join(dir, "tollgate")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	script := `cd "$(git rev-parse --show-toplevel)" && git archive "$0" | tar -x -C "$1" && cd "$1" && go build -o "$2" ./cmd/tollgate`
	if out, err := exec.Command("sh", "-c", script, olderCommit, source, binary).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", olderCommit, err, out)
	}
	return binary
}

// TestRollingUpgrade: nodes of an older release are replaced by this one, one after
// the other, under load. Every promise holds meanwhile, and once all are of this
// release, entries are applied by its rules.
func TestRollingUpgrade(t *testing.T) {
	newer := tollgate(t)
	net, err := newWires(3)
	if err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, older(t), net, 3)
	rd := newRound(c, run{test: t.Name(), seed: *seedFlag, nodes: 3}, 1, nil)
	rd.menu.withoutCallers()
	rd.meanwhile = func(context.Context) error {
		for _, n := range c.nodes {
			if err := terminate(n.process()); err != nil {
				return err
			}
			n.binary = newer
			if err := n.start(); err != nil {
				return err
			}
			if err := c.await(n.id+" is ready", healPatience, n.ready); err != nil {
				return err
			}
		}
		return c.await("the rules are raised", healPatience, func() error { return raised(c) })
	}
	f, found, err := rd.run()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(f)
	for _, v := range found {
		t.Error(v)
	}
}

// raised is nil once a leader has said in its log that the rules are.
func raised(c *cluster) error {
	for _, n := range c.nodes {
		text, err := os.ReadFile(n.log)
		if err == nil && bytes.Contains(text, []byte("all members know newer rules")) {
			return nil
		}
	}
	return errors.New("no leader says so")
}
