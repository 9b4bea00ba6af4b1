package store

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestKeys: the keys of consumers are found as they are made and taken away, and anew
// after a restore.
func TestKeys(t *testing.T) {
	t.Parallel()
	m := newMachine(func(string, uint64) {}, nil)
	s := &Store{machine: m}
	index := uint64(1)
	apply := func(c Command) error {
		c.Rules = RulesThird
		index++
		return m.Apply(index, 1, c.Append(nil)).(Result).Err
	}
	do := func(c catalog.ConsumerCommand, want error) {
		t.Helper()
		c.Domain = "d"
		if err := apply(Command{Kind: KindConsumer, Consumer: c}); err != want {
			t.Errorf("%+v: %v, want %v", c, err, want)
		}
	}
	has := func(key, id, plan string) {
		t.Helper()
		gotID, gotPlan, ok := s.Consumer("d", sha256.Sum256([]byte(key)))
		if gotID != id || gotPlan != plan || ok != (id != "") {
			t.Errorf("%s is of %q, %q, want %q, %q", key, gotID, gotPlan, id, plan)
		}
	}
	add := func(id, key string) catalog.ConsumerCommand {
		return catalog.ConsumerCommand{Op: catalog.AddKey, ID: id, Prefix: key, Digest: sha256.Sum256([]byte(key))}
	}
	do(catalog.ConsumerCommand{Op: catalog.PutConsumer, ID: "kim"}, catalog.ErrNotFound)
	put := catalog.Put(catalog.Draft{Key: "d", Document: []byte("{}")}, true)
	if err := apply(Command{Kind: KindCatalog, Catalog: &put}); err != nil {
		t.Fatal(err)
	}
	do(add("kim", "k1"), catalog.ErrNoConsumer)
	do(catalog.ConsumerCommand{Op: catalog.PutConsumer, ID: "kim", Plan: "pro"}, nil)
	do(catalog.ConsumerCommand{Op: catalog.PutConsumer, ID: "lee"}, nil)
	do(add("kim", "k1"), nil)
	do(add("lee", "k1"), catalog.ErrKeyTaken)
	do(add("kim", "k2"), nil)
	has("k1", "kim", "pro")
	do(catalog.ConsumerCommand{Op: catalog.PutConsumer, ID: "kim", Plan: "free"}, nil)
	has("k2", "kim", "free")
	do(catalog.ConsumerCommand{Op: catalog.DeleteKey, ID: "kim", Prefix: "k1"}, nil)
	do(catalog.ConsumerCommand{Op: catalog.DeleteKey, ID: "kim", Prefix: "k1"}, catalog.ErrNoKey)
	has("k1", "", "")
	snapshot := m.state.append(nil)
	do(catalog.ConsumerCommand{Op: catalog.DeleteConsumer, ID: "kim"}, nil)
	has("k2", "", "")
	restored, err := decodeState(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	m.keys.restore(restored.catalog)
	has("k2", "kim", "free")
	remove := catalog.Delete("d")
	if err := apply(Command{Kind: KindCatalog, Catalog: &remove}); err != nil {
		t.Fatal(err)
	}
	has("k2", "", "")
	if n := len(m.state.catalog.Consumers("d", "", 9)); n != 0 {
		t.Errorf("%d consumers outlive their domain", n)
	}
}

// BenchmarkConsumer finds the consumer of a key among 100,000, its digest included: of one
// that is asked for again and again, and of ever another.
func BenchmarkConsumer(b *testing.B) {
	const consumers = 100_000
	m := newMachine(func(string, uint64) {}, nil)
	s := &Store{machine: m}
	texts := make([][]byte, consumers)
	for i := range texts {
		texts[i] = fmt.Appendf(nil, "tg_%043d", i)
		m.keys.replace(nil, &catalog.Consumer{Domain: "d", ID: fmt.Sprint("c", i), Keys: []catalog.Key{{Digest: sha256.Sum256(texts[i])}}})
	}
	for name, step := range map[string]int{"hot": 0, "cold": 7919} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i = (i + step) % consumers {
				if _, _, ok := s.Consumer("d", sha256.Sum256(texts[i])); !ok {
					b.Fatal("no consumer")
				}
			}
		})
	}
}
