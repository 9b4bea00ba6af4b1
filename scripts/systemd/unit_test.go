// Package systemd has the unit of a node, and this check of it.
package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUnit: systemd finds nothing wrong with the unit, and it is hardened: its exposure
// is at most 2.0 of 10.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze on this machine")
	}
	raw, err := os.ReadFile("tollgate.service")
	if err != nil {
		t.Fatal(err)
	}
	// The binary is not installed here.
	if !bytes.Contains(raw, []byte("ExecStart=/usr/bin/tollgate node\n")) {
		t.Fatal("the unit does not start a node")
	}
	unit := filepath.Join(t.TempDir(), "tollgate.service")
	if err := os.WriteFile(unit, bytes.Replace(raw, []byte("/usr/bin/tollgate node"), []byte("/bin/true"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", unit}, {"security", "--offline=true", "--threshold=20", unit}} {
		if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
