package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

func applied(t interface{ Fatalf(string, ...any) }, f *machine, index uint64, c Command) Result {
	res, ok := f.Apply(index, 3, c.Append(nil)).(Result)
	if !ok {
		t.Fatalf("applying %+v gave no Result", c)
	}
	return res
}

// persisted is a snapshot of f as it would be on disk.
func persisted(t interface{ Fatalf(string, ...any) }, f *machine) []byte {
	var sink bytes.Buffer
	if _, err := f.Snapshot().WriteTo(&sink); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	return sink.Bytes()
}

// TestUndecodableEntryPanics: a node that cannot read what is committed stops,
// and says where, rather than drift from the others.
func TestUndecodableEntryPanics(t *testing.T) {
	f := newMachine(func(string, uint64) {}, nil)
	applied(t, f, 41, Command{Kind: KindInit, Time: 1, ClusterID: "c"})
	_, before := f.digest()
	for name, data := range map[string][]byte{"garbage": []byte("garbage"), "nothing": nil, "a newer version": {2, 1, 0, 0, 1, 'c'}} {
		func() {
			defer func() {
				p, _ := recover().(string)
				if !strings.Contains(p, "index 42") || !strings.Contains(p, "term 7") {
					t.Errorf("%s: panic %q names neither index 42 nor term 7", name, p)
				}
			}()
			f.Apply(42, 7, data)
			t.Errorf("%s was applied", name)
		}()
	}
	if index, after := f.digest(); index != 41 || after != before {
		t.Error("an entry that cannot be read changed the state")
	}
}

// TestRestoreGivesTheSameDigest: a replica made from a snapshot at any place
// equals the one the snapshot was taken of, then and later.
func TestRestoreGivesTheSameDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g := newMachine(func(string, uint64) {}, nil), newMachine(func(string, uint64) {}, nil)
		n := rapid.IntRange(1, 25).Draw(t, "commands")
		at := rapid.IntRange(0, n).Draw(t, "restored at")
		for i := range n {
			if i == at {
				if _, err := g.Restore(bytes.NewReader(persisted(t, f))); err != nil {
					t.Fatalf("after %d commands: %v", i, err)
				}
			}
			c := genCommand(t)
			applied(t, f, uint64(i+10), c)
			if i >= at {
				applied(t, g, uint64(i+10), c)
			}
		}
		fi, fs := f.digest()
		if gi, gs := g.digest(); at < n && (fi != gi || fs != gs) {
			t.Fatalf("index %d, digest %x; restored: index %d, digest %x", fi, fs, gi, gs)
		}
	})
}

// TestRestore: whoever waits for something of the snapshot is told.
func TestRestore(t *testing.T) {
	f := newMachine(func(string, uint64) {}, nil)
	f.state = *busyState(t)
	named := ""
	g := newMachine(func(id string, _ uint64) { named = id }, nil)
	index, err := g.Restore(bytes.NewReader(persisted(t, f)))
	if err != nil || index != f.state.applied {
		t.Fatalf("the newest entry in the snapshot is %d, want %d: %v", index, f.state.applied, err)
	}
	if named != "c1" {
		t.Errorf("the cluster's ID of the snapshot was told as %q", named)
	}
	select {
	case <-g.deployed:
	default:
		t.Error("nobody is told that the live domains changed")
	}
	if got := g.deployedAt.Load(); got != f.state.applied {
		t.Errorf("the live domains changed at %d, want %d", got, f.state.applied)
	}
}

// observed is a QuotaObserver that writes down what it is told.
type observed struct{ told []string }

func (o *observed) Restored() { o.told = append(o.told, "restored") }

func (o *observed) RulesChanged(changed map[string][]quota.Rule, _ quota.Version) {
	for _, domain := range slices.Sorted(maps.Keys(changed)) {
		line := domain + " has"
		for _, c := range changed[domain] {
			line += fmt.Sprintf(" %d%s:%v@%d", c.ID, c.Endpoint, c.Phase, c.Window)
		}
		o.told = append(o.told, line)
	}
}

func (o *observed) PhasesChanged(changed []quota.Info) {
	for _, c := range changed {
		o.told = append(o.told, fmt.Sprintf("%d:%v@%d-%d", c.ID.Rule, c.Phase, c.Window, c.Ends))
	}
}

// says compares what was told since the last time.
func (o *observed) says(t *testing.T, name string, want ...string) {
	t.Helper()
	if !slices.Equal(o.told, want) {
		t.Errorf("%s: the observer is told\n%q, want\n%q", name, o.told, want)
	}
	o.told = nil
}

// TestObserver: a ledger is told all there is when it begins to watch, and from
// then on every change, once, in the order of the log; also of what a snapshot
// brings and takes away.
func TestObserver(t *testing.T) {
	f := newMachine(func(string, uint64) {}, nil)
	index := uint64(0)
	do := func(c Command) {
		index++
		c.Term = 3
		applied(t, f, index, c)
	}
	put := func(key string, conditions ...quota.Condition) {
		c := catalog.Put(catalog.Draft{Key: key, Document: []byte("{}"), Conditions: conditions}, true)
		do(Command{Kind: KindCatalog, Time: 1000, Catalog: &c})
	}
	seq := uint64(0)
	frame := func(at int64, fr quota.Frame) {
		seq++
		fr.Node, fr.Incarnation, fr.Seq = "n1", 1, seq
		do(Command{Kind: KindFrames, Time: at, Leases: leasing, Frames: [][]byte{fr.Append(nil)}})
	}
	put("d", quota.Condition{Max: 100, ResetSeconds: 60}, quota.Condition{Endpoint: "e", Max: 3, ResetSeconds: 60})
	put("c", quota.Condition{Max: 5, ResetSeconds: 60})

	var o observed
	f.watch(&o)
	o.says(t, "at first", "c has 3:leasing@0", "d has 1:leasing@0 2e:leasing@0")
	frame(2000, quota.Frame{Takes: []quota.Take{take(4, 1, 2)}})
	o.says(t, "a refused call", "2:exhausted@2000-62000")
	frame(2000, quota.Frame{Takes: []quota.Take{take(4, 1, 2)}})
	o.says(t, "another one")
	frame(2000, quota.Frame{Reports: []quota.Report{{Counter: of(1), Want: 10}}})
	o.says(t, "a lease")
	frame(2001, quota.Frame{Takes: []quota.Take{take(90, 1)}})
	o.says(t, "calls beyond the pool", "1:draining@2000-62000")
	frame(2002, quota.Frame{Reports: []quota.Report{{Counter: of(1), Window: 2000, Back: 10}}})
	o.says(t, "all given back", "1:strict@2000-62000")
	frame(2003, quota.Frame{Takes: []quota.Take{take(90, 1), take(9, 3)}})
	o.says(t, "two at once", "1:exhausted@2000-62000", "3:exhausted@2003-62003")

	snapshot := persisted(t, f)
	put("d", quota.Condition{Max: 100, ResetSeconds: 60}, quota.Condition{Endpoint: "x", Max: 3, ResetSeconds: 60})
	o.says(t, "a deploy", "d has 1:exhausted@2000 4x:leasing@0")
	remove := catalog.Delete("c")
	do(Command{Kind: KindCatalog, Time: 3000, Catalog: &remove})
	o.says(t, "a delete", "c has")
	put("n", quota.Condition{Max: 1, ResetSeconds: 1})
	put("free")
	o.says(t, "two deploys", "n has 5:leasing@0", "free has")
	draft := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}")}, false)
	do(Command{Kind: KindCatalog, Time: 3000, Catalog: &draft})
	again := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}")}, true)
	again.MustBeNew = true
	do(Command{Kind: KindCatalog, Time: 3000, Catalog: &again})
	do(Command{Kind: KindMember, Time: 3000, Member: Member{ID: "n1"}})
	o.says(t, "a draft, a refused deploy and a member")

	if _, err := f.Restore(bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	// Of a domain that stands in both it may be told twice, but last what is.
	if o.told[0] != "restored" {
		t.Errorf("first it was told %q", o.told[0])
	}
	last := map[string]string{}
	for _, line := range o.told[1:] {
		last[line[:1]] = line
	}
	if want := map[string]string{"c": "c has 3:exhausted@2003", "d": "d has 1:exhausted@2000 2e:exhausted@2000", "n": "n has"}; !maps.Equal(last, want) {
		t.Errorf("after a restore the observer was told %q, want in the end %v", o.told, want)
	}
}

// TestSnapshotIsOfItsMoment: what is applied while a snapshot is written is
// not in it.
func TestSnapshotIsOfItsMoment(t *testing.T) {
	f := newMachine(func(string, uint64) {}, nil)
	f.state = *busyState(t)
	_, want := f.digest()
	s := f.Snapshot()
	remove := catalog.Delete("d")
	applied(t, f, 99, Command{Kind: KindCatalog, Time: 9000, Catalog: &remove})
	var sink bytes.Buffer
	if _, err := s.WriteTo(&sink); err != nil {
		t.Fatal(err)
	}
	g := newMachine(func(string, uint64) {}, nil)
	if _, err := g.Restore(&sink); err != nil {
		t.Fatal(err)
	}
	if _, got := g.digest(); got != want {
		t.Error("the snapshot is of a later state")
	}
}

// TestRestoreOfGarbage: the state stays what it was, and nobody is told of a
// change.
func TestRestoreOfGarbage(t *testing.T) {
	f := newMachine(func(id string, _ uint64) { t.Errorf("the cluster is called %q now", id) }, nil)
	f.state = *busyState(t)
	good := persisted(t, f)
	index, before := f.digest()
	broken := errors.New("input/output error")
	for name, r := range map[string]io.Reader{
		"nothing":         strings.NewReader(""),
		"text":            strings.NewReader("no snapshot"),
		"cut off":         bytes.NewReader(good[:len(good)/2]),
		"a byte missing":  bytes.NewReader(good[:len(good)-1]),
		"a byte too many": bytes.NewReader(append(bytes.Clone(good), 0)),
		"a newer version": bytes.NewReader(append([]byte{2}, good[1:]...)),
		"a disk fault":    io.MultiReader(bytes.NewReader(good[:10]), iotest.ErrReader(broken)),
	} {
		_, err := f.Restore(r)
		if err == nil {
			t.Errorf("%s was restored", name)
		}
		if name == "a disk fault" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if i, after := f.digest(); i != index || after != before {
			t.Errorf("%s: index %d, digest %x; before: index %d, digest %x", name, i, after, index, before)
		}
	}
	select {
	case <-f.deployed:
		t.Error("the live domains are said to have changed")
	default:
	}
}
