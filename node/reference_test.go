package node_test

import (
	"flag"
	"os"
	"testing"

	"github.com/tollgate/tollgate/node"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md")

// TestReference: the reference says what the declaration does.
func TestReference(t *testing.T) {
	const file = "../docs/settings.md"
	want := node.Reference()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the declaration says (make docs writes it): %v", file, err)
	}
}
