package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
	"github.com/tollgate/tollgate/store/quota"
)

// noise is bytes that cannot be compressed; others for another seed.
func noise(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func putOf(key string, document []byte, deploy bool) Command {
	c := catalog.Put(catalog.Draft{Key: key, Document: document, Conditions: []quota.Condition{{Max: 5, ResetSeconds: 60}}}, deploy)
	return Command{Kind: KindCatalog, Catalog: &c}
}

// document is what the store has as a domain's draft.
func document(t *testing.T, s *Store, key string) []byte {
	t.Helper()
	e, _ := s.Domain(key)
	doc, err := e.Draft.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestPieces: a change that comes in pieces is the change that came whole, also
// over a snapshot in the middle; and it is made only of pieces that belong
// together.
func TestPieces(t *testing.T) {
	whole := putOf("d", noise(3*pieceBytes, 1), true)
	list := cut(whole.Catalog.Append(nil))
	if len(list) != 4 {
		t.Fatalf("%d pieces", len(list))
	}
	piece := func(m *machine, index, term uint64, p Piece, of uint64) Result {
		p.Of = of
		c := Command{Kind: KindPiece, Rules: RulesSecond, Term: term, Time: 1000, Piece: p}
		return m.Apply(index, term, c.Append(nil)).(Result)
	}
	want := newMachine(func(string, uint64) {}, nil)
	whole.Time, whole.Term, whole.Rules = 1000, 3, RulesSecond
	want.Apply(9, 3, whole.Append(nil))

	m := newMachine(func(string, uint64) {}, nil)
	piece(m, 5, 3, list[0], 0)
	if res := piece(m, 6, 3, list[0], 0); res.Err != nil { // the one before is dropped
		t.Fatal(res.Err)
	}
	if res := piece(m, 7, 3, list[1], 5); res.Err != errPiece {
		t.Errorf("a piece of a change that was dropped: %v", res.Err)
	}
	piece(m, 7, 3, list[1], 6)
	restored := newMachine(func(string, uint64) {}, nil)
	if _, err := restored.Restore(bytes.NewReader(persisted(t, m))); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*machine{"as it came": m, "restored": restored} {
		piece(m, 8, 3, list[2], 6)
		res := piece(m, 9, 3, list[3], 6)
		if res.Err != nil || !res.Catalog.Deployed || res.Catalog.Revision != 1 {
			t.Errorf("%s: %+v", name, res)
		}
		if got, was := persisted(t, m), persisted(t, want); !bytes.Equal(got, was) {
			t.Errorf("%s: the state is another one than of the change as a whole", name)
		}
		if res := piece(m, 10, 3, list[3], 6); res.Err != errPiece {
			t.Errorf("%s: a piece too many: %v", name, res.Err)
		}
	}

	// What a leader did not bring to an end leaves nothing behind.
	for name, drop := range map[string]Command{
		"the next term":      {Kind: KindMember, Term: 4, Member: Member{ID: "n1"}},
		"a piece of nothing": {Kind: KindPiece, Rules: RulesSecond, Term: 3},
	} {
		piece(m, 11, 3, list[0], 0)
		m.Apply(12, drop.Term, drop.Append(nil))
		if m.state.pieces != nil {
			t.Errorf("%s does not drop the pieces", name)
		}
	}
}

// TestLargeChange: a document that does not fit one entry is saved as any other,
// no entry is large, and others are proposed in between.
func TestLargeChange(t *testing.T) {
	t.Parallel()
	s := found(t, t.TempDir())
	doc := noise(2<<20, 1)
	mustApply(t, s, putOf("other", []byte("{}"), false))
	before := s.Applied()
	res := mustApply(t, s, putOf("d", doc, true))
	if !res.Catalog.Deployed || res.Catalog.Revision != 1 || !bytes.Equal(document(t, s, "d"), doc) {
		t.Errorf("%+v", res)
	}
	if entries := s.Applied() - before; entries != 2<<20/pieceBytes+1 {
		t.Errorf("%d entries", entries)
	}
	text := bytes.Repeat([]byte(`{"path":"/things"},`), 300_000)
	before = s.Applied()
	mustApply(t, s, putOf("t", text, false))
	if entries := s.Applied() - before; entries != 1 || !bytes.Equal(document(t, s, "t"), text) {
		t.Errorf("%d bytes of text took %d entries", len(text), entries)
	}

	// One whose caller is gone is not made, and the next one is.
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	before = s.Applied()
	go func() {
		_, err := s.Apply(ctx, putOf("d", noise(8<<20, 2), false))
		gone <- err
	}()
	eventually(t, "some pieces are there", func() bool { return s.Applied() > before+3 })
	cancel()
	if err := <-gone; !errors.Is(err, ErrNotLeader) {
		t.Errorf("a change that was given up: %v", err)
	}
	if res := mustApply(t, s, putOf("d", noise(pieceBytes, 3), false)); res.Catalog.Revision != 2 {
		t.Errorf("after a change that was given up: %+v", res)
	}
	if pieces := read(s, func(st *state) *assembly { return st.pieces }); pieces != nil {
		t.Errorf("%d bytes are left of it", len(pieces.bytes))
	}
}

// TestPieceFromOutside: pieces are the store's own. What they come to is decoded
// when the last one is applied, and every node would stop at one that cannot be.
func TestPieceFromOutside(t *testing.T) {
	t.Parallel()
	s := found(t, t.TempDir())
	before := s.Applied()
	c := Command{Kind: KindPiece, Piece: Piece{Total: 7, Bytes: []byte("garbage")}}
	if _, err := s.Apply(t.Context(), c); err == nil || s.Applied() != before {
		t.Errorf("%v", err)
	}
}

// TestUnchanged: saving what is there makes no entry and no revision; a
// precondition holds all the same, and what the caller asks for is so.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	s := found(t, t.TempDir())
	doc := bytes.Repeat([]byte("text "), 1000)
	first := mustApply(t, s, putOf("d", doc, false))
	other := putOf("d", doc, false)
	other.Catalog.Draft.Conditions = nil
	ifSerial := func(c Command, serial uint64) Command {
		c.Catalog.If.Serials = []uint64{serial}
		return c
	}
	serial := first.Catalog.Serial
	mustBeNew := putOf("d", doc, false)
	mustBeNew.Catalog.MustBeNew = true
	for _, c := range []struct {
		name     string
		cmd      Command
		entry    bool
		revision uint64
		deployed bool
		err      error
	}{
		{"again", putOf("d", doc, false), false, 1, false, nil},
		{"if it is what it is", ifSerial(putOf("d", doc, false), serial), false, 1, false, nil},
		{"if it is something else", ifSerial(putOf("d", doc, false), serial+1), true, 0, false, catalog.ErrPrecondition},
		{"must be new", mustBeNew, true, 0, false, catalog.ErrExists},
		{"and deployed", putOf("d", doc, true), true, 1, true, nil},
		{"deployed again", putOf("d", doc, true), false, 1, true, nil},
		{"draft again", putOf("d", doc, false), false, 1, false, nil},
		{"other conditions", other, true, 2, false, nil},
		{"back to the first", putOf("d", doc, true), true, 3, true, nil},
	} {
		before := s.Applied()
		res := mustApply(t, s, c.cmd)
		if entry := s.Applied() > before; entry != c.entry || res.Catalog.Revision != c.revision || res.Catalog.Deployed != c.deployed || res.Err != c.err {
			t.Errorf("%s: an entry: %t; %+v", c.name, entry, res)
		}
		if c.err == nil && (res.Index < s.Applied() || c.deployed && !reflect.DeepEqual(res.Catalog.Conditions, c.cmd.Catalog.Draft.Conditions)) {
			t.Errorf("%s: %+v with %d applied", c.name, res, s.Applied())
		}
	}
	follower := mustOpen(t, "n2", t.TempDir())
	if _, err := follower.Apply(t.Context(), putOf("d", doc, false)); err != ErrNotLeader {
		t.Errorf("on a follower: %v", err)
	}
}

// BenchmarkImport is what a document of 5 MB costs as it is saved again and
// again, each time a little different.
func BenchmarkImport(b *testing.B) {
	m := newMachine(func(string, uint64) {}, nil)
	text := bytes.Repeat([]byte(`{"path":"/things","get":{"summary":"a thing"}},`), 5<<20/48)
	index, logged := uint64(0), 0
	for b.Loop() {
		index++
		c := putOf("d", append([]byte(fmt.Sprint(index)), text...), true)
		c.Catalog.Pack()
		c.Rules = RulesSecond
		entry := c.Append(nil)
		logged += len(entry)
		m.Apply(index, 3, entry)
	}
	b.ReportMetric(float64(logged)/float64(index), "log-bytes/op")
}
