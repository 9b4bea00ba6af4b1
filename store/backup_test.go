package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// replicas apply what they are given, one of them through a snapshot each time.
type replicas struct {
	t    *testing.T
	a, b *machine
	at   uint64
	now  int64
	// rules are those that commands are applied by.
	rules Rules
}

func newReplicas(t *testing.T) *replicas {
	m := func() *machine { return newMachine(func(string, uint64) {}, func(err error) { t.Fatal(err) }) }
	return &replicas{t: t, a: m(), b: m(), now: 1_000_000, rules: RulesThird}
}

func (r *replicas) apply(c Command) Result {
	r.t.Helper()
	r.at++
	r.now += 10
	c.Rules, c.Time, c.Term = r.rules, r.now, 1
	raw := c.Append(nil)
	res := r.a.Apply(r.at, 1, raw).(Result)
	r.b.Apply(r.at, 1, raw)
	var shot bytes.Buffer
	if _, err := r.b.Snapshot().WriteTo(&shot); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.b.Restore(&shot); err != nil {
		r.t.Fatalf("command %d, kind %d: %v", r.at, c.Kind, err)
	}
	_, one := r.a.digest()
	if _, other := r.b.digest(); one != other {
		r.t.Fatalf("replicas differ after command %d, kind %d", r.at, c.Kind)
	}
	return res
}

func (r *replicas) must(c Command) Result {
	r.t.Helper()
	res := r.apply(c)
	if res.Err != nil {
		r.t.Fatal(res.Err)
	}
	return res
}

var backedUp = []quota.Condition{
	{Max: 100, ResetSeconds: 3600},
	{Max: 7, ResetSeconds: 3600, By: quota.ByIP, MaxCallers: 10},
}

func (r *replicas) deploy(key string, document string) {
	r.t.Helper()
	put := catalog.Put(catalog.Draft{Key: key, Document: []byte(document), Conditions: backedUp}, true)
	put.By = catalog.Origin{Name: "kim"}
	r.must(Command{Kind: KindCatalog, Catalog: &put})
}

// frame has n1 take units, of the domain's two rules.
func (r *replicas) frame(seq uint64, key string, n uint32, want uint32) quota.Result {
	r.t.Helper()
	rules := r.a.state.quota.Rules(key)
	who := quota.DigestOf(rules[1].Seed, []byte("192.0.2.1"))
	f := quota.Frame{Version: quota.Third, Node: "n1", Incarnation: 1, Seq: seq, Takes: []quota.Take{{
		Items: []quota.Item{{ID: quota.ID{Rule: rules[0].ID}}, {ID: quota.ID{Rule: rules[1].ID, Caller: who}}}, N: n, Units: 1,
	}}}
	if want > 0 {
		f.Reports = []quota.Report{{Counter: quota.ID{Rule: rules[0].ID}, Want: want}}
	}
	return r.must(Command{Kind: KindFrames, Leases: quota.Params{LeaseMillis: 200, MinLease: 2}, Frames: [][]byte{f.Append(nil)}}).Frames[0]
}

func (r *replicas) used(key string) string {
	text := ""
	for _, one := range r.a.state.quota.Readings(key, r.now) {
		text += fmt.Sprint(one.Used, " ", one.Leased, " ", one.Callers, "; ")
	}
	return text
}

// backup is the file of what there is now.
func (r *replicas) backup() []byte {
	r.t.Helper()
	var file bytes.Buffer
	s := &Store{machine: r.a}
	if _, err := s.Backup(&file, "1.2.3", time.Unix(1_700_000_000, 0)); err != nil {
		r.t.Fatal(err)
	}
	return file.Bytes()
}

// restore puts a backup in, each piece twice.
func (r *replicas) restore(file []byte) {
	r.t.Helper()
	back, err := ReadBackup(file)
	if err != nil {
		r.t.Fatal(err)
	}
	err = back.Pieces("r1", func(p RestorePiece) error {
		r.must(Command{Kind: KindRestorePiece, Restore: p})
		r.must(Command{Kind: KindRestorePiece, Restore: p})
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if res := r.must(Command{Kind: KindRestore, Restore: RestorePiece{ID: "r1"}, By: catalog.Origin{Name: "kim"}}); !res.Restored {
		r.t.Fatal("nothing was restored")
	}
}

var update = flag.Bool("update", false, "rewrite testdata/backup1")

// TestBackup: what a backup has is there again, over other things too: domains with
// their history, consumers, and what of the quotas was used, without leases. Members and
// the cluster's ID stay, and words about what was there before count on nothing.
func TestBackup(t *testing.T) {
	from := newReplicas(t)
	from.must(Command{Kind: KindInit, ClusterID: "c1"})
	from.must(Command{Kind: KindMember, Member: Member{"n1", "a", "b"}})
	from.deploy("shop", `{"v":1}`)
	from.deploy("shop", `{"v":2}`)
	from.must(Command{Kind: KindConsumer, Consumer: catalog.ConsumerCommand{Op: catalog.PutConsumer, Domain: "shop", ID: "kim"}})
	from.frame(1, "shop", 3, 20)
	leased := from.a.state.quota.Readings("shop", from.now)[0].Leased
	if leased == 0 {
		t.Fatal("nothing is leased")
	}
	file := from.backup()

	to := newReplicas(t)
	to.must(Command{Kind: KindInit, ClusterID: "c2"})
	to.must(Command{Kind: KindMember, Member: Member{"m1", "c", "d"}})
	to.deploy("other", `{"v":9}`)
	to.frame(1, "other", 5, 20)
	before := to.a.state.quota.Rules("other")
	to.restore(file)

	state := &to.a.state
	if state.clusterID != "c2" || len(state.members) != 1 || state.members["m1"].ID != "m1" {
		t.Errorf("the cluster is now %s with %v", state.clusterID, state.members)
	}
	shop, ok := state.catalog.Entry("shop")
	if _, other := state.catalog.Entry("other"); !ok || other || len(shop.History) != 2 || string(shop.Deployed.Document) != `{"v":2}` || shop.History[1].Name != "kim" {
		t.Errorf("the domain is %+v", shop)
	}
	if shop.Draft.Serial <= 1 {
		t.Errorf("serial %d was another revision's", shop.Draft.Serial)
	}
	if state.catalog.Consumer("shop", "kim") == nil {
		t.Error("the consumer is gone")
	}
	if got, want := to.used("shop"), fmt.Sprint(3+leased, " 0 0; 0 0 1; "); got != want {
		t.Errorf("used, leased, callers: %q, want %q", got, want)
	}
	for _, r := range state.quota.Rules("shop") {
		for _, old := range before {
			if r.ID == old.ID {
				t.Errorf("rule %d was another's", r.ID)
			}
		}
	}
	if got := to.frame(2, "shop", 5, 0).Decisions[0]; got.Decided != 5 || got.Admitted != 4 {
		t.Errorf("a caller who has used 3 of 7: %+v", got)
	}
	if last := state.audit[len(state.audit)-1]; last.Action != ActionRestore || last.Name != "kim" {
		t.Errorf("the audit ends with %+v", last)
	}

	// Over itself: what is leased now is used then.
	to.restore(to.backup())
	if got := to.used("shop"); !strings.HasPrefix(got, fmt.Sprint(7+leased, " 0 ")) {
		t.Errorf("after a restore of itself: %q", got)
	}
}

// TestBackupOfBefore: a backup that an earlier release has written is read.
func TestBackupOfBefore(t *testing.T) {
	const name = "testdata/backup1"
	if *update {
		r := newReplicas(t)
		r.must(Command{Kind: KindInit, ClusterID: "c1"})
		r.must(Command{Kind: KindMember, Member: Member{"n1", "a", "b"}})
		r.deploy("shop", `{"v":1}`)
		r.deploy("shop", `{"v":2}`)
		r.must(Command{Kind: KindConsumer, Consumer: catalog.ConsumerCommand{Op: catalog.PutConsumer, Domain: "shop", ID: "kim"}})
		r.frame(1, "shop", 3, 20)
		if err := os.WriteFile(name, r.backup(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := newReplicas(t)
	r.must(Command{Kind: KindInit, ClusterID: "c2"})
	r.restore(file)
	if shop, ok := r.a.state.catalog.Entry("shop"); !ok || len(shop.History) != 2 || r.a.state.catalog.Consumer("shop", "kim") == nil || !strings.HasSuffix(r.used("shop"), " 1; ") {
		t.Errorf("it gives %+v, %s", shop, r.used("shop"))
	}
}

// TestBackupByOlderRules: a backup of a cluster that had not come to the newest rules is
// restored into one that has. What its windows had counted and leased is used there.
func TestBackupByOlderRules(t *testing.T) {
	from, to := newReplicas(t), newReplicas(t)
	from.rules = RulesSecond
	from.must(Command{Kind: KindInit, ClusterID: "c1"})
	put := catalog.Put(catalog.Draft{Key: "shop", Document: []byte(`{"v":1}`), Conditions: backedUp[:1]}, true)
	from.must(Command{Kind: KindCatalog, Catalog: &put})
	rule := from.a.state.quota.Rules("shop")[0].ID
	f := quota.Frame{Node: "n1", Incarnation: 1, Seq: 1, Takes: []quota.Take{take(3, rule)}, Reports: []quota.Report{{Counter: of(rule), Want: 20}}}
	from.must(Command{Kind: KindFrames, Leases: quota.Params{LeaseMillis: 200, MinLease: 2}, Frames: [][]byte{f.Append(nil)}})
	was := from.a.state.quota.Readings("shop", from.now)[0]
	if was.Used != 3 || was.Leased == 0 {
		t.Fatalf("there is %+v", was)
	}
	file := from.backup()
	if back, err := ReadBackup(file); err != nil || back.Info.Rules != RulesSecond {
		t.Fatalf("%+v, %v", back, err)
	}
	to.must(Command{Kind: KindInit, ClusterID: "c2"})
	to.restore(file)
	if got, want := to.used("shop"), fmt.Sprint(3+was.Leased, " 0 0; "); got != want {
		t.Errorf("used, leased, callers: %q, want %q", got, want)
	}
}

// TestRestoreOutOfOrder: pieces that fit nothing are refused, another restore takes the
// place of one under way, and one that nobody goes on with is dropped.
func TestRestoreOutOfOrder(t *testing.T) {
	r := newReplicas(t)
	r.must(Command{Kind: KindInit, ClusterID: "c"})
	piece := func(id string, offset uint64, text string) error {
		return r.apply(Command{Kind: KindRestorePiece, Restore: RestorePiece{ID: id, Total: 6, Offset: offset, Bytes: []byte(text)}}).Err
	}
	finish := func(id string) error {
		return r.apply(Command{Kind: KindRestore, Restore: RestorePiece{ID: id}}).Err
	}
	for _, step := range []struct {
		what string
		err  error
		want error
	}{
		{"from the middle", piece("a", 3, "def"), ErrNoRestore},
		{"the first", piece("a", 0, "abc"), nil},
		{"too early", finish("a"), ErrNoRestore},
		{"of another", piece("b", 3, "def"), ErrNoRestore},
		{"another begins", piece("b", 0, "xyz"), nil},
		{"the one before goes on", piece("a", 3, "def"), ErrNoRestore},
		{"the other goes on", piece("b", 3, "def"), nil},
		{"what is no state", finish("b"), ErrDamaged},
		{"again", finish("b"), ErrNoRestore},
		{"a third", piece("c", 0, "abc"), nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("%s: %v, want %v", step.what, step.err, step.want)
		}
	}
	r.now += restoreTime
	if r.must(Command{Kind: KindCheckpoint}); r.a.state.restoring != nil {
		t.Error("a restore is kept that nobody goes on with")
	}
}

// TestDamagedBackup: whichever byte of a backup is another, and wherever it is cut off,
// it is refused whole; and so is one of another format, or of newer rules, by name.
func TestDamagedBackup(t *testing.T) {
	r := newReplicas(t)
	r.must(Command{Kind: KindInit, ClusterID: "c1"})
	r.deploy("shop", `{"v":1}`)
	file := r.backup()
	if back, err := ReadBackup(file); err != nil || back.Info.Version != "1.2.3" || back.Info.Domains != 1 || back.Info.ClusterID != "c1" || back.Info.Rules != RulesThird {
		t.Fatalf("%+v, %v", back, err)
	}
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1
		if _, err := ReadBackup(bad); err == nil {
			t.Errorf("byte %d of %d is another, and it is read", i, len(file))
		}
		if _, err := ReadBackup(file[:i]); err == nil {
			t.Errorf("it is read with %d of %d bytes", i, len(file))
		}
	}
	for was, is := range map[string]string{`"format":1`: `"format":2`, `"rules":3`: `"rules":9`} {
		_, err := ReadBackup(bytes.Replace(file, []byte(was), []byte(is), 1))
		if err == nil || !strings.Contains(err.Error(), "1.2.3") || errors.Is(err, ErrDamaged) {
			t.Errorf("with %s: %v", is, err)
		}
	}
	if _, err := ReadBackup([]byte("{}")); err == nil || !strings.Contains(err.Error(), "no backup of Tollgate") {
		t.Errorf("of something else: %v", err)
	}
}
