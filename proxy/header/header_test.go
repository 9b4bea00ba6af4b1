package header

import (
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for name, want := range map[string]Rules{
		"Host":            Host | Protected | Ours,
		"hOST":            Host | Protected | Ours,
		"Hos":             0,
		"Hosts":           0,
		"X-Tc-Timestamp":  Timestamp | Protected,
		"X-TC-Anything":   Protected,
		"X-TC-":           Protected,
		"X-TC":            0,
		"x-forwarded-FOR": ForwardedFor | Protected | Ours,
		"X-Forwarded-" + strings.Repeat("a", 1000): Protected | Ours,
		"X-Forwarded":                    0,
		"Proxy-Authorization":            Hop,
		"Proxy-Authorization1":           0,
		"If-None-Match":                  Subject,
		"Access-Control-Request-Headers": RequestHeaders,
		"":                               0,
	} {
		if got := Lookup([]byte(name)); got != want {
			t.Errorf("%.40s: %b, want %b", name, got, want)
		}
	}
	for name := range rules {
		if len(name) > longest || name != strings.ToLower(name) {
			t.Errorf("%s can never be found", name)
		}
	}
	singles := map[Rules]string{}
	for name, r := range rules {
		if other, twice := singles[r&Single]; twice && r&Single != 0 {
			t.Errorf("%s and %s have one bit", name, other)
		}
		singles[r&Single] = name
	}
}

func TestNextToken(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "a": "a", " a ,\tb": "a|b", "a,": "a", ",a": "|a", "a,,b ": "a||b",
	} {
		var got []string
		token, rest, done := NextToken([]byte(value))
		for ; !done; token, rest, done = NextToken(rest) {
			got = append(got, string(token))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestIsToken(t *testing.T) {
	for c := range 256 {
		want := c > ' ' && c < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, rune(c))
		if got := IsToken([]byte{'a', byte(c)}); got != want {
			t.Errorf("%q: %v", rune(c), got)
		}
	}
	if IsToken(nil) {
		t.Error("nothing is no token")
	}
}

// TestList: what is found, marked and passed on.
func TestList(t *testing.T) {
	var l List
	for _, name := range []string{"X-A", "Content-Type", "Connection", "x-a", "Content-Length", "X-B"} {
		l = append(l, Field{[]byte(name), []byte("v" + name), Lookup([]byte(name))})
	}
	if v, ok := l.First(ContentType | Origin); !ok || string(v) != "vContent-Type" {
		t.Errorf("first: %q, %v", v, ok)
	}
	if _, ok := l.First(Origin); ok {
		t.Error("found what is not there")
	}
	wire := func(without Rules) string {
		return strings.ReplaceAll(string(l.AppendEndToEnd([]byte("< "), without)), "\r\n", " ")
	}
	if got := wire(0); got != "< X-A: vX-A Content-Type: vContent-Type x-a: vx-a X-B: vX-B " {
		t.Error(got)
	}
	if got := wire(Subject); got != "< X-A: vX-A x-a: vx-a X-B: vX-B " {
		t.Error(got)
	}
	l.Mark([]byte("X-a"), Replaced)
	if got := wire(0); got != "< Content-Type: vContent-Type X-B: vX-B " {
		t.Error(got)
	}
}
