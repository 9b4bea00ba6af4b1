package store

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestUnknownRules: an entry by rules that this release does not know ends the
// applying: nothing of it nor of what follows is applied, and nothing is written of
// the state. The error says where, which rules, and what to do.
func TestUnknownRules(t *testing.T) {
	t.Parallel()
	var fatal []error
	m := newMachine(func(string, uint64) {}, func(err error) { fatal = append(fatal, err) })
	member := Command{Kind: KindMember, Rules: RulesSecond, Member: Member{ID: "n1"}}
	m.Apply(7, 1, member.Append(nil))
	index, before := m.digest()
	later := Command{Kind: KindMember, Rules: newestRules + 1, Member: Member{ID: "n2"}}
	for i := range uint64(2) {
		if res := m.Apply(8+i, 1, later.Append(nil)).(Result); res.Err == nil {
			t.Error("it was applied")
		}
	}
	m.Apply(10, 1, member.Append(nil))
	if i, sum := m.digest(); i != index || sum != before {
		t.Errorf("the state went on to index %d", i)
	}
	if len(fatal) != 1 {
		t.Fatalf("it was told %d times", len(fatal))
	}
	for _, want := range []string{"index 8", fmt.Sprint("rules ", newestRules+1), fmt.Sprint("rules 1 to ", newestRules), "upgrade"} {
		if !strings.Contains(fatal[0].Error(), want) {
			t.Errorf("%q does not say %q", fatal[0], want)
		}
	}
	if _, err := m.Snapshot().WriteTo(io.Discard); err == nil {
		t.Error("a snapshot was written")
	}
}

// TestRulesOfSnapshots: a state by later rules knows them when it is read again; one
// by unknown rules is refused.
func TestRulesOfSnapshots(t *testing.T) {
	t.Parallel()
	m := newMachine(func(string, uint64) {}, nil)
	first := m.state.append(nil)
	if first[0] != stateFirst {
		t.Errorf("a state of the first rules begins with %d", first[0])
	}
	checkpoint := Command{Kind: KindCheckpoint, Rules: RulesSecond}
	m.Apply(3, 1, checkpoint.Append(nil))
	later := m.state.append(nil)
	back, err := decodeState(later)
	if err != nil || back.rules != RulesSecond || !bytes.Equal(back.append(nil), later) {
		t.Errorf("rules %d, %v", back.rules, err)
	}
	later[1] = byte(newestRules + 1)
	if _, err := decodeState(later); err == nil || !strings.Contains(err.Error(), fmt.Sprint("the snapshot has rules ", newestRules+1)) {
		t.Errorf("unknown rules: %v", err)
	}
}

// TestKindsHaveRules: a command of a kind that its rules do not have does not decode.
func TestKindsHaveRules(t *testing.T) {
	t.Parallel()
	early := Command{Kind: KindCheckpoint}
	if _, err := DecodeCommand(early.Append(nil)); err == nil {
		t.Error("a checkpoint by the first rules")
	}
	for _, bad := range [][]byte{{commandRules, byte(KindCheckpoint), 1, 0, 0}, {commandRules, byte(KindCheckpoint)}, {commandRules, byte(KindCheckpoint), 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0}} {
		if _, err := DecodeCommand(bad); err == nil {
			t.Errorf("%v was decoded", bad)
		}
	}
}

// TestCheckpoint: a checkpoint's digest is that of the state at its index, also when
// more has been applied since.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	m := newMachine(func(string, uint64) {}, nil)
	member := Command{Kind: KindMember, Member: Member{ID: "n1"}}
	m.Apply(2, 1, member.Append(nil))
	checkpoint := Command{Kind: KindCheckpoint, Rules: RulesSecond}
	m.Apply(3, 1, checkpoint.Append(nil))
	_, want := m.digest()
	m.Apply(4, 1, member.Append(nil))
	got, err := m.checkpoints.at(t.Context(), 3)
	if err != nil || got.Digest != want {
		t.Errorf("%x, want %x: %v", got.Digest, want, err)
	}
	m.checkpoints.wg.Wait()
}
