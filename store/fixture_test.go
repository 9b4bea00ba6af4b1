package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tollgate/tollgate/store/quota"
)

// TestFixtures: the entries of testdata/rules1/log.bin come for ever to the states and
// answers that they came to in the release that wrote them. log.bin is { index:u
// term:u entry:s }; sums.txt has, every 50 entries, a hash over the one before, the
// state, and the results of frames; snapshot.bin is the largest state on the way. They
// were written once, by random commands, before there were rules. The sums of rules 2
// are of the same commands by those rules.
func TestFixtures(t *testing.T) {
	t.Parallel()
	for rules, dir := range map[Rules]string{RulesFirst: "rules1/", RulesSecond: "rules2/"} {
		snapshot, sums := fixture(t, dir+"snapshot.bin"), string(fixture(t, dir+"sums.txt"))
		got, found := replayFixture(t, rules, snapshot)
		wrote := strings.Split(sums, "\n")
		for i, line := range strings.Split(got, "\n") {
			if i >= len(wrote) || line != wrote[i] {
				t.Fatalf("rules %d: by entry %d, something was applied otherwise than by the release that wrote it: %s", rules, 50*(i+1), line)
			}
		}
		if len(got) != len(sums) || len(sums) == 0 {
			t.Errorf("rules %d: %d sums, want %d", rules, strings.Count(got, "\n"), len(wrote)-1)
		}
		if !found {
			t.Errorf("rules %d: the snapshot is of no state on the way", rules)
		}
		back, err := decodeState(snapshot)
		if err != nil || !bytes.Equal(back.append(nil), snapshot) {
			t.Errorf("rules %d: the snapshot is read otherwise: %v", rules, err)
		}
	}
}

// replayFixture applies the fixture's commands by those rules. It returns the sums, and
// whether the snapshot was the state on the way.
func replayFixture(t *testing.T, rules Rules, snapshot []byte) (sums string, found bool) {
	t.Helper()
	log := fixture(t, "rules1/log.bin")
	s := newState()
	var chain [sha256.Size]byte
	var got strings.Builder
	for n := 1; len(log) > 0; n++ {
		index, a := protowire.ConsumeVarint(log)
		term, b := protowire.ConsumeVarint(log[a:])
		entry, c := protowire.ConsumeBytes(log[a+b:])
		if a < 0 || b < 0 || c < 0 {
			t.Fatalf("entry %d is cut off", n)
		}
		log = log[a+b+c:]
		cmd, err := decode(entry)
		if err == nil && rules > RulesFirst {
			cmd.Rules = rules
			cmd, err = decode(cmd.Append(nil))
		}
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
	return got.String(), found
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// of is the counter of all calls of a rule.
func of(rule uint64) quota.ID { return quota.ID{Rule: rule} }

// take is n calls on counters of all calls.
func take(n uint32, rules ...uint64) quota.Take {
	t := quota.Take{N: n, Units: 1}
	for _, id := range rules {
		t.Items = append(t.Items, quota.Item{ID: of(id)})
	}
	return t
}
