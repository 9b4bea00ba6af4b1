package catalog

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// noise is bytes that cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}

// TestPack: a document that is compressed on its way is the same document on
// every way out, and one that would not become smaller stays as it is.
func TestPack(t *testing.T) {
	for name, c := range map[string]struct {
		doc    []byte
		packed bool
	}{
		"small":       {[]byte("{}"), false},
		"text":        {[]byte(strings.Repeat(`{"path":"/things"},`, 1000)), true},
		"the largest": {bytes.Repeat([]byte("x"), MaxDocumentBytes), true},
		"noise":       {noise(100_000), false},
	} {
		put := Put(Draft{Key: "a", Document: c.doc}, true)
		put.Pack()
		if err := put.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if packed := put.Draft.Size != 0; packed != c.packed || packed && len(put.Draft.Document) > len(c.doc)/10 {
			t.Errorf("%s: %d bytes became %d, size %d", name, len(c.doc), len(put.Draft.Document), put.Draft.Size)
		}
		again := put
		if again.Pack(); !reflect.DeepEqual(again, put) {
			t.Errorf("%s: packed twice", name)
		}
		decoded, err := DecodeCommand(put.Append(nil))
		if err != nil || !reflect.DeepEqual(decoded, put) {
			t.Errorf("%s: decoded otherwise: %v", name, err)
		}
		s := NewState()
		if _, err := s.Apply(decoded, 0); err != nil {
			t.Fatal(err)
		}
		restored, err := DecodeState(s.Append(nil))
		if err != nil || !bytes.Equal(restored.Append(nil), s.Append(nil)) {
			t.Fatalf("%s: restored otherwise: %v", name, err)
		}
		e, _ := restored.Entry("a")
		for _, r := range []Revision{e.Draft, e.Deployed} {
			if doc, err := r.JSON(); err != nil || !bytes.Equal(doc, c.doc) {
				t.Errorf("%s: another document comes out: %v", name, err)
			}
		}
	}
}

// TestDamagedDocument: what cannot be decompressed, or is more or less than it
// says, is an error, and costs no memory beyond the bound.
func TestDamagedDocument(t *testing.T) {
	put := Put(Draft{Key: "a", Document: bytes.Repeat([]byte("x"), 100_000)}, false)
	put.Pack()
	good := put.Draft.Document
	for name, r := range map[string]Revision{
		"text":      {Document: []byte("{}"), Size: 100_000},
		"cut off":   {Document: good[:len(good)-1], Size: 100_000},
		"too long":  {Document: good, Size: 99_999},
		"too short": {Document: good, Size: 100_001},
	} {
		if doc, err := r.JSON(); err == nil {
			t.Errorf("%s: %d bytes", name, len(doc))
		}
	}
}
