package catalog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/quota"
	"pgregory.net/rapid"
)

// model is the catalogue as the list of everything that happened.
type model struct {
	saved []modelRevision
	live  map[string]int // key → index in saved of what is deployed
	since map[string]int // key → number of saved revisions when it was deleted last
}

type modelRevision struct{ draft Draft }

func (m *model) draft(key string) int {
	for i := len(m.saved) - 1; i >= m.since[key]; i-- {
		if m.saved[i].draft.Key == key {
			return i
		}
	}
	return -1
}

func (m *model) revision(i int) Revision {
	d := m.saved[i].draft
	r := Revision{Serial: uint64(i + 1), Document: d.Document, Conditions: d.Conditions, SingleUse: d.SingleUse}
	for j := m.since[d.Key]; j <= i; j++ {
		if m.saved[j].draft.Key == d.Key {
			r.Number++
		}
	}
	return r
}

func (m *model) apply(c Command) (Result, error) {
	key := c.Key
	if c.Op == OpPut {
		key = c.Draft.Key
	}
	before := m.draft(key)
	if before < 0 && c.Op != OpPut {
		return Result{}, ErrNotFound
	}
	if c.If.Absent && before >= 0 || c.If.Present && before < 0 ||
		c.If.Serials != nil && (before < 0 || !slices.Contains(c.If.Serials, uint64(before+1))) {
		return Result{}, ErrPrecondition
	}
	if c.Op == OpPut {
		m.saved = append(m.saved, modelRevision{c.Draft})
	}
	i := m.draft(key)
	if c.Op == OpDelete {
		delete(m.live, key)
		m.since[key] = len(m.saved)
		return Result{Key: key, Deleted: true}, nil
	}
	rev := m.revision(i)
	r := Result{Key: key, Revision: rev.Number, Serial: rev.Serial}
	if c.Op == OpDeploy || c.Deploy {
		m.live[key] = i
		r.Deployed, r.Conditions, r.SingleUse = true, rev.Conditions, rev.SingleUse
	}
	return r, nil
}

func (m *model) entries() []Entry {
	keys := map[string]bool{}
	for _, s := range m.saved {
		keys[s.draft.Key] = true
	}
	var list []Entry
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		i := m.draft(key)
		if i < 0 {
			continue
		}
		e := Entry{Key: key, Name: m.saved[i].draft.Name, Endpoints: m.saved[i].draft.Endpoints, Draft: m.revision(i)}
		if j, ok := m.live[key]; ok {
			e.Deployed = m.revision(j)
		}
		list = append(list, e)
	}
	return list
}

func TestStateAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, m := NewState(), &model{live: map[string]int{}, since: map[string]int{}}
		for range rapid.IntRange(0, 30).Draw(t, "commands") {
			c := genCommand(t)
			before := s.Append(nil)
			clone := s.Clone()
			got, err := s.Apply(c, 0)
			want, wantErr := m.apply(c)
			if !reflect.DeepEqual(got, want) || !errors.Is(err, wantErr) {
				t.Fatalf("%+v gave %+v, %v; want %+v, %v", c, got, err, want, wantErr)
			}
			if after := s.Append(nil); err != nil && !bytes.Equal(before, after) {
				t.Fatal("a command that failed changed the state")
			}
			if !bytes.Equal(clone.Append(nil), before) {
				t.Fatal("a command changed a clone")
			}
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				b := s.Append(nil)
				if s, err = DecodeState(b); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(s.Append(nil), b) {
					t.Fatal("a decoded state encodes to other bytes")
				}
				clear(b) // a decoded state keeps no part of the buffer
			}
			checkState(t, s, m.entries())
		}
	})
}

func checkState(t *rapid.T, s *State, want []Entry) {
	if n := len(s.Summaries()); n != len(want) {
		t.Fatalf("%d domains, want %d", n, len(want))
	}
	var deployed []Entry
	for i, w := range want {
		if got, ok := s.Entry(w.Key); !ok || !reflect.DeepEqual(got, w) {
			t.Fatalf("entry %+v, want %+v", got, w)
		}
		sum := Summary{Key: w.Key, Name: w.Name, DraftRevision: w.Draft.Number, Endpoints: w.Endpoints}
		if w.Deployed.Number != 0 {
			deployed = append(deployed, w)
			sum.DeployedRevision = &w.Deployed.Number
		}
		if got := s.Summaries()[i]; !reflect.DeepEqual(got, sum) {
			t.Fatalf("summary %+v, want %+v", got, sum)
		}
	}
	if got := s.Deployed(); !slices.EqualFunc(got, deployed, func(a, b Entry) bool { return reflect.DeepEqual(a, b) }) {
		t.Fatalf("deployed %+v, want %+v", got, deployed)
	}
}

// TestStateSameCommandsSameBytes applies the same commands to one state as
// they are and to another as they come from the log.
func TestStateSameCommandsSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewState(), NewState()
		for range rapid.IntRange(0, 30).Draw(t, "commands") {
			c := genCommand(t)
			decoded, err := DecodeCommand(c.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			ra, ea := a.Apply(c, 0)
			rb, eb := b.Apply(decoded, 0)
			if !reflect.DeepEqual(ra, rb) || ea != eb || !bytes.Equal(a.Append(nil), b.Append(nil)) {
				t.Fatalf("%+v: %+v and %+v", c, ra, rb)
			}
		}
	})
}

func TestStateSerialIsNeverReused(t *testing.T) {
	s := NewState()
	put := Put(Draft{Key: "a", Document: []byte("x")}, true)
	apply := func(c Command) Result {
		t.Helper()
		r, err := s.Apply(c, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := apply(put); r.Revision != 1 || r.Serial != 1 {
		t.Errorf("%+v", r)
	}
	apply(Delete("a"))
	if _, err := s.Apply(Delete("a"), 0); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	s, err := DecodeState(s.Append(nil)) // a snapshot without domains keeps the count
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Apply(put, 0)
	if err != nil || r.Revision != 1 || r.Serial != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestStateBytes pins the encoding: it is in the snapshots of running
// clusters.
func TestStateBytes(t *testing.T) {
	s := NewState()
	for _, c := range []Command{
		Put(Draft{Key: "b", Name: "B", Endpoints: 2, Document: []byte("{}"), Conditions: []quota.Condition{{Max: 1, ResetSeconds: 2}}}, true),
		Put(Draft{Key: "b", Document: []byte("x")}, false),
		Put(Draft{Key: "a", Document: []byte("y")}, false),
		Put(Draft{Key: "c", Document: []byte("z")}, true),
	} {
		if _, err := s.Apply(c, 0); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.ReplaceAll("04 03"+
		" 0161 00 00 01 03 0179 00 00"+
		" 0162 00 00 02 02 0178 00 02 01 01 027b7d 01 00 01 02"+
		" 0163 00 00 01 04 017a 00 01", " ", "")
	if got := hex.EncodeToString(s.Append(nil)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestDecodeStateRefuses(t *testing.T) {
	const ok = "04 03 0161 00 00 01 03 0179 00 00 0162 00 00 02 02 0178 00 02 01 01 0179 00 0163 00 00 01 04 017a 00 01"
	decode := func(text string) error {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = DecodeState(b)
		return err
	}
	if err := decode(ok); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if strings.Count(ok, old) != 1 {
			t.Fatalf("%q is not once in the encoding", old)
		}
		return strings.Replace(ok, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":                     "",
		"a trailing byte":             ok + "00",
		"more domains than there are": replace("04 03", "04 04"),
		"a huge number of domains":    replace("04 03", "04 ffffffffffffffff7f"),
		"keys out of order":           replace("0162", "0164"),
		"a key twice":                 replace("0162", "0161"),
		"serial beyond the state's":   replace("04 03", "03 03"),
		"serial 0":                    replace("01 04 017a", "01 00 017a"),
		"serial used twice":           replace("01 04 017a", "01 03 017a"),
		"older serial used again":     replace("01 04 017a", "01 01 017a"),
		"older serial used twice":     replace("02 01 01 0179", "02 01 03 0179"),
		"number 0":                    replace("01 04 017a", "00 04 017a"),
		"number beyond the serial":    replace("01 03 0179", "04 03 0179"),
		"older with the same number":  replace("02 01 01 0179", "02 02 01 0179"),
		"older with the same serial":  replace("02 01 01 0179", "02 01 02 0179"),
		"deployed 3":                  replace("017a 00 01", "017a 00 03"),
		"empty document":              replace("01 04 017a", "01 04 00"),
	} {
		if err := decode(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	b, _ := hex.DecodeString(strings.ReplaceAll(ok, " ", ""))
	for i := range b {
		if _, err := DecodeState(b[:i]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", i, len(b))
		}
	}
}

// FuzzDecodeState: whatever is accepted has exactly this encoding, and works.
func FuzzDecodeState(f *testing.F) {
	f.Add([]byte{0, 0})
	b, _ := hex.DecodeString("04030161000001030179000001620000020201780002010101790001630000010401" + "7a0001")
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeState(b)
		if err != nil {
			return
		}
		if again := s.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted for %x", b, again)
		}
		for _, sum := range s.Summaries() {
			if _, err := s.Apply(Deploy(sum.Key), 0); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := DecodeState(s.Append(nil)); err != nil || len(again.Deployed()) != len(s.Summaries()) {
			t.Fatalf("after deploying all: %v", err)
		}
	})
}
