package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRoundTrip: what was appended is read back, and nothing is left.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Uint64()).Draw(t, "numbers")
		text := rapid.String().Draw(t, "text")
		b := AppendString(AppendUints(nil, uint64(len(numbers))), text)
		b = AppendUints(b, numbers...)
		r := NewReader(b)
		n := r.Uint("count", 0, math.MaxUint64)
		got := r.String("text", 0, len(text))
		if int(n) != len(numbers) || got != text {
			t.Fatalf("%d, %q", n, got)
		}
		for _, want := range numbers {
			if v := r.Uint("number", 0, math.MaxUint64); v != want {
				t.Fatalf("%d became %d", want, v)
			}
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOneEncoding: a number has one encoding, but where old entries had others.
func TestOneEncoding(t *testing.T) {
	for _, overlong := range [][]byte{{0x80, 0}, {0x81, 0}, {0x81, 0x80, 0}, {0xff, 0}} {
		r := NewReader(overlong)
		if r.Uint("n", 0, math.MaxUint64); r.Err() == nil || !strings.Contains(r.Err().Error(), "shortest") {
			t.Errorf("%v: %v", overlong, r.Err())
		}
		old := NewOldReader(overlong)
		if old.Uint("n", 0, math.MaxUint64); old.Done() != nil {
			t.Errorf("%v, as of old: %v", overlong, old.Err())
		}
	}
	eleven := bytes.Repeat([]byte{0x80}, 11)
	if r := NewOldReader(eleven); r.Uint("n", 0, math.MaxUint64) != 0 || r.Err() == nil {
		t.Error("a number of 11 bytes was read")
	}
}

// TestBounds: what is out of bounds, or not there, is said, once, with its place.
func TestBounds(t *testing.T) {
	for want, read := range map[string]func(*Reader){
		"byte 0: n is 5, must be 6 to 7":        func(r *Reader) { r.Uint("n", 6, 7) },
		"byte 1: truncated s":                   func(r *Reader) { r.Bytes("s", 0, 9) },
		"byte 0: s length is 5, must be 0 to 4": func(r *Reader) { r.Bytes("s", 0, 4) },
		"byte 1: 1 bytes too many":              func(r *Reader) { r.Byte() },
		"byte 2: truncated":                     func(r *Reader) { r.Rest(); r.Byte() },
		"byte 2: truncated x":                   func(r *Reader) { List(r, "things", 9, func() uint64 { return r.Uint("x", 0, 9) }) },
	} {
		r := NewReader([]byte{5, 1})
		read(r)
		first := r.Done()
		r.Fail("later")
		if first == nil || first.Error() != want || r.Err() != first {
			t.Errorf("%v, want %s", first, want)
		}
	}
}
