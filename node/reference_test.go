package node_test

import (
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/tollgate/tollgate/node"
	"github.com/tollgate/tollgate/proxy"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md and the results in testdata/corpus")

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

// TestEveryLimitIsASetting: what bounds the data plane can be set, by one
// setting that has the bounds of the data plane.
func TestEveryLimitIsASetting(t *testing.T) {
	of := map[string]int{}
	for _, s := range node.Settings {
		of[node.LimitOf(s)]++
	}
	for _, l := range proxy.Limits() {
		if of[l.Setting] != 1 {
			t.Errorf("%s is set by %d settings", l.Setting, of[l.Setting])
		}
	}
}

// TestSettingsKeepValues: each setting is kept in its own place, and read from
// there.
func TestSettingsKeepValues(t *testing.T) {
	texts := map[node.Kind]string{node.Text: "t", node.Address: "h:1", node.File: "/f", node.List: "a,b", node.Files: "/a,/b", node.Subnets: "::1,10.0.0.0/8", node.Toggle: "true", node.Duration: "17s", node.Number: "17", node.Bytes: "17KiB", node.Ratio: "0.17"}
	for _, s := range node.Settings {
		if s.OneOf != nil || s.Name == node.ClusterKeyFile {
			continue // used before there is a Config
		}
		value, err := s.Parse(texts[s.Kind])
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		var cfg node.Config
		s.Put(&cfg, value)
		for _, other := range node.Settings {
			var empty node.Config
			want := other.Value(&empty)
			if other.Name == s.Name {
				want = value
			}
			if got := other.Value(&cfg); !reflect.DeepEqual(got, want) {
				t.Errorf("%s is put, and %s is %v, want %v", s.Name, other.Name, got, want)
			}
		}
	}
}
