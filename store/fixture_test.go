package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestFixtureOfRules1: the entries of testdata/rules1/log.bin come for ever to the
// states and answers that they came to in the release that wrote them. log.bin is
// { index:u term:u entry:s }; sums.txt has, every 50 entries, a hash over the one
// before, the state, and the results of frames; snapshot.bin is the largest state on
// the way. They were written once, by random commands, before there were rules.
func TestFixtureOfRules1(t *testing.T) {
	t.Parallel()
	log, snapshot, sums := fixture(t, "log.bin"), fixture(t, "snapshot.bin"), string(fixture(t, "sums.txt"))
	s := newState()
	var chain [sha256.Size]byte
	var got strings.Builder
	found := false
	for n := 1; len(log) > 0; n++ {
		index, a := protowire.ConsumeVarint(log)
		term, b := protowire.ConsumeVarint(log[a:])
		entry, c := protowire.ConsumeBytes(log[a+b:])
		if a < 0 || b < 0 || c < 0 {
			t.Fatalf("entry %d is cut off", n)
		}
		log = log[a+b+c:]
		cmd, err := decode(entry)
		if err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
		res := s.apply(index, term, &cmd)
		s.quota.TakeChanges()
		step := append(chain[:], s.append(nil)...)
		found = found || bytes.Equal(step[len(chain):], snapshot)
		for i := range res.Frames {
			step = res.Frames[i].Append(step)
		}
		chain = sha256.Sum256(step)
		if n%50 == 0 {
			fmt.Fprintf(&got, "%d %x\n", n, chain)
		}
	}
	wrote := strings.Split(sums, "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(wrote) || line != wrote[i] {
			t.Fatalf("by entry %d, something was applied otherwise than by the release that wrote it: %s", 50*(i+1), line)
		}
	}
	if len(got.String()) != len(sums) || len(sums) == 0 {
		t.Errorf("%d sums, want %d", strings.Count(got.String(), "\n"), len(wrote)-1)
	}
	if !found {
		t.Error("the snapshot is of no state on the way")
	}
	back, err := decodeState(snapshot)
	if err != nil || !bytes.Equal(back.append(nil), snapshot) {
		t.Errorf("the snapshot is read otherwise: %v", err)
	}
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/rules1/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
