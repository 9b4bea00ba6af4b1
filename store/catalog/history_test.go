package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// saved is a state after some drafts of one domain, by kim.
func saved(t *testing.T, n int, document func(i int) []byte) *State {
	t.Helper()
	s := NewState()
	for i := 1; i <= n; i++ {
		c := Put(Draft{Key: "a", Name: "A", Document: document(i)}, i == 1)
		c.By = Origin{Name: "kim", Role: "deploy", Address: "192.0.2.1", Note: fmt.Sprint("note ", i)}
		decoded, err := DecodeCommand(c.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(decoded, int64(1000*i)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func small(i int) []byte { return fmt.Appendf(nil, `{"revision":%d}`, i) }

// TestHistory: the newest revisions are kept, up to their number and their bytes, and
// each can be made live again; the draft stays.
func TestHistory(t *testing.T) {
	large := func(i int) []byte { return append(bytes.Repeat([]byte{' '}, MaxDocumentBytes-20), small(i)...) }
	for name, c := range map[string]struct {
		saved    int
		document func(int) []byte
		oldest   uint64
	}{
		"few":   {3, small, 1},
		"many":  {MaxHistory + 7, small, 8},
		"large": {5, large, 4}, // two of 8 MiB less a little
	} {
		t.Run(name, func(t *testing.T) {
			s := saved(t, c.saved, c.document)
			e, _ := s.Entry("a")
			kept := e.Revisions()
			last := kept[len(kept)-1]
			if kept[0].Number != c.oldest || last.Number != uint64(c.saved) || last.Name != "kim" || last.Note != fmt.Sprint("note ", c.saved) || last.At != int64(1000*c.saved) {
				t.Fatalf("kept are %d to %+v", kept[0].Number, last)
			}
			if _, err := s.Apply(RollBack("a", c.oldest-1), 1); c.oldest > 1 && !errors.Is(err, ErrNoRevision) {
				t.Errorf("back to a revision that is gone: %v", err)
			}
			res, err := s.Apply(RollBack("a", c.oldest), 1)
			e, _ = s.Entry("a")
			if err != nil || res.Revision != c.oldest || !res.Deployed || e.Deployed.Number != c.oldest || e.Draft.Number != uint64(c.saved) {
				t.Errorf("rolled back to %d: %+v, %v; live is %d, the draft %d", c.oldest, res, err, e.Deployed.Number, e.Draft.Number)
			}
			again := decoded(t, s)
			if e2, _ := again.Entry("a"); len(e2.History) != len(kept) || !bytes.Equal(histories(again), histories(s)) || !bytes.Equal(e2.History[0].Document, kept[0].Document) {
				t.Error("a state read back has another history")
			}
		})
	}
}

func histories(s *State) []byte {
	var b bytes.Buffer
	_, _ = s.HistoriesPart().WriteTo(&b)
	return b.Bytes()
}

// decoded is the state as others read it.
func decoded(t *testing.T, s *State) *State {
	t.Helper()
	again, err := DecodeState(s.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.DecodeHistories(histories(s)); err != nil {
		t.Fatal(err)
	}
	return again
}

// TestHistoryFromBefore: a draft that was saved before there were histories is the
// first revision of one, and a domain that is deleted takes its history with it.
func TestHistoryFromBefore(t *testing.T) {
	s := NewState()
	for _, now := range []int64{0, 5} {
		if _, err := s.Apply(Put(Draft{Key: "a", Document: small(int(now))}, false), now); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := s.Entry("a")
	if len(e.History) != 2 || e.History[0].At != 0 || e.History[0].Number != 1 || e.History[1].At != 5 {
		t.Errorf("history: %+v", e.History)
	}
	if _, err := s.Apply(Delete("a"), 6); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(Put(Draft{Key: "a", Document: small(9)}, false), 7); err != nil {
		t.Fatal(err)
	}
	if e, _ := s.Entry("a"); len(e.History) != 1 || e.History[0].Number != 1 {
		t.Errorf("history of the domain made anew: %+v", e.History)
	}
}
