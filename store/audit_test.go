package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// kimDoes is a state of rules 3 in which kim does things.
func kimDoes(t *testing.T, commands ...Command) *state {
	t.Helper()
	s := newState()
	for i, c := range commands {
		c.Rules, c.Time, c.Term = RulesThird, int64(1000*(i+1)), 1
		d, err := decode(c.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		s.apply(uint64(i+1), 1, &d)
	}
	return &s
}

// TestAudit: what was asked for and made is remembered, with who asked; what was
// refused, or nobody asked for, is not.
func TestAudit(t *testing.T) {
	kim := catalog.Origin{Name: "kim", Role: "admin", Address: "192.0.2.1"}
	by := func(c catalog.Command) Command {
		c.By = kim
		return Command{Kind: KindCatalog, Catalog: &c}
	}
	conditions := []quota.Condition{{Max: 10, ResetSeconds: 60}}
	draft := catalog.Draft{Key: "a", Document: []byte("{}"), Conditions: conditions}
	s := kimDoes(t,
		by(catalog.Put(draft, true)),
		by(catalog.Put(draft, false)),
		by(catalog.RollBack("a", 1)),
		by(catalog.RollBack("a", 7)),
		by(catalog.Deploy("nope")),
		Command{Kind: KindConsumer, Consumer: catalog.ConsumerCommand{Op: catalog.PutConsumer, Domain: "a", ID: "c"}, By: kim},
		Command{Kind: KindConsumer, Consumer: catalog.ConsumerCommand{Op: catalog.DeleteConsumer, Domain: "a", ID: "nobody"}, By: kim},
		Command{Kind: KindReset, Target: quota.Target{Domain: "a", Name: quota.ConditionName{ResetSeconds: 60}}, By: kim}, // none runs
		Command{Kind: KindAudit, Action: ActionLeave, Of: "n3", By: kim},
		Command{Kind: KindCheckpoint},
		by(catalog.Delete("a")),
	)
	want := []string{"1000 import a 1", "1000 deploy a 1", "2000 import a 2", "3000 rollback a 1", "6000 consumer.put a 0", "9000 member.leave n3 0", "11000 delete a 0"}
	var got []string
	for _, a := range s.audit {
		got = append(got, fmt.Sprintf("%d %s %s %d", a.At, a.Action, a.Domain, a.Revision))
		if a.Name != "kim" || a.Role != "admin" || a.Address != "192.0.2.1" {
			t.Errorf("%+v", a)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("remembered is %q\nwant %q", got, want)
	}
	b := s.append(nil)
	again, err := decodeState(b)
	if err != nil || !bytes.Equal(again.append(nil), b) {
		t.Errorf("read back it is another: %v", err)
	}
}

// TestAuditBounds: the newest changes are remembered, and a snapshot keeps what it had.
func TestAuditBounds(t *testing.T) {
	s := newState()
	kim := catalog.Origin{Name: "kim"}
	fill := func(n int) {
		for i := range n {
			s.record(&kim, ActionTransfer, fmt.Sprint(i), 0)
		}
	}
	fill(5)
	before := s.snapshot()
	fill(3 * MaxAudit)
	after := s.snapshot()
	if n := len(before.audit); n != 5 || before.audit[4].Domain != "4" {
		t.Errorf("an old snapshot has %d changes", n)
	}
	if n := len(after.audit); n != MaxAudit || after.audit[n-1].Domain != fmt.Sprint(3*MaxAudit-1) {
		t.Errorf("%d changes are remembered", n)
	}
}
