package catalog

import (
	"bytes"
	"errors"
	"testing"
)

func TestPutThatMustBeNew(t *testing.T) {
	s := NewState()
	put := func(key string) error {
		c := Put(Draft{Key: key, Name: key, Document: []byte("{}")}, false)
		c.MustBeNew = true
		decoded, err := DecodeCommand(c.Append(nil))
		if err != nil || !decoded.MustBeNew {
			t.Fatalf("%+v became %+v, %v", c, decoded, err)
		}
		_, err = s.Apply(decoded, 0)
		return err
	}
	if err := put("a"); err != nil {
		t.Fatalf("a new domain: %v", err)
	}
	before := s.Append(nil)
	if err := put("a"); !errors.Is(err, ErrExists) {
		t.Errorf("a domain of a key that is taken: %v, want ErrExists", err)
	}
	if !bytes.Equal(before, s.Append(nil)) {
		t.Error("a refused command changed the state")
	}
}
