package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/proxy/gate"
)

// rule is a random rewrite, spelled twice: as ours and for package regexp.
type rule struct {
	pattern, form  string
	expr, template string // for ReplaceAllString
	groups         int
	names          map[int]string
}

// fragments are regexes without groups that mean the same in both spellings.
var fragments = []string{"[^/]+", ".*", ".+?", `\w*`, "a|b", "a{1,2}", "[ab./-]+", "한?", `[^\d]`, "(?:a|ab)", `\.`, ".", "(?i)A"}

// literals are ours and what they match decoded.
var literals = [][2]string{
	{"/", "/"}, {"/", "/"}, {"a", "a"}, {"b", "b"}, {"-", "-"}, {`\.`, `\.`}, {".", "."},
	{"%20", " "}, {"%ED%95%9C", "한"}, {"%61", "a"}, {`\Qa.%2e\E`, `a\.\.`}, {"a?", "a?"},
}

func drawRule(t *rapid.T) rule {
	r := rule{pattern: "/", expr: "/", names: map[int]string{}}
	add := func(ours, theirs string) { r.pattern, r.expr = r.pattern+ours, r.expr+theirs }
	for i := range rapid.IntRange(0, 6).Draw(t, "pieces") {
		fragment := rapid.SampledFrom(fragments).Draw(t, "fragment")
		name := fmt.Sprintf("n%d", i)
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		default:
			l := rapid.SampledFrom(literals).Draw(t, "literal")
			add(l[0], l[1])
		case 1:
			r.groups++
			add("("+fragment+")", "("+fragment+")")
		case 2:
			r.groups++
			r.names[r.groups] = name
			add("{"+name+"}", "(?P<"+name+">[^/]+)")
		case 3:
			r.groups++
			r.names[r.groups] = name
			add("{"+name+":"+fragment+"}", "(?P<"+name+">"+fragment+")")
		case 4:
			r.groups++
			r.names[r.groups] = name
			add("(?<"+name+">"+fragment+")", "(?P<"+name+">"+fragment+")")
		}
	}
	r.drawForm(t)
	return r
}

func (r *rule) drawForm(t *rapid.T) {
	r.form, r.template = "/x", "/x"
	for range rapid.IntRange(0, 5).Draw(t, "parts") {
		literal := rapid.SampledFrom([]string{"/", "/", ".", "a", "-", "%%", ";"}).Draw(t, "text")
		group := rapid.IntRange(0, r.groups).Draw(t, "group")
		name := r.names[group]
		switch {
		case group == 0 && literal == "%%":
			r.form, r.template = r.form+"%%2e", r.template+"%2e"
		case group == 0:
			r.form, r.template = r.form+literal, r.template+literal
		case name != "" && rapid.Bool().Draw(t, "named"):
			r.form, r.template = r.form+"{"+name+"}", r.template+"${"+name+"}"
		default:
			r.form, r.template = fmt.Sprintf("%s%%%d", r.form, group), fmt.Sprintf("%s${%d}", r.template, group)
		}
	}
}

// apply is the obvious Append. Each character of the decoded path stands for
// its spelling; to let package regexp expand spellings, they are swapped in
// once it has said where the groups are.
func (r rule) apply(path string) (result string, matched bool) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		panic(err)
	}
	re := regexp.MustCompile("^(?:" + r.expr + ")$")
	at := re.FindStringSubmatchIndex(decoded)
	if at == nil {
		return "", false
	}
	if decoded == path {
		return re.ReplaceAllString(path, r.template), true
	}
	var spellings []string // one a byte
	for rest := path; rest != ""; {
		n := 1
		if rest[0] == '%' {
			n = 3
		}
		spellings = append(spellings, rest[:n])
		rest = rest[n:]
	}
	spelledAt := make([]int, len(at))
	for i, n := range at {
		spelledAt[i] = n
		if n > 0 {
			spelledAt[i] = len(strings.Join(spellings[:n], ""))
		}
	}
	return string(re.ExpandString(nil, r.template, path, spelledAt)), true
}

// passesGate reports whether the gate takes path for a path and nothing else.
func passesGate(path []byte) bool {
	var r gate.Request
	target := append([]byte("/k"), path...)
	err := r.Read(gate.Raw{Method: []byte("GET"), Target: target, Protocol: []byte("HTTP/1.1"), Header: []byte("Host: h\r\n\r\n")}, 10)
	return err == nil && bytes.Equal(r.Path, path) && len(r.Query) == 0
}

func TestAppendAsSlowly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRule(t)
		if r.groups > 9 {
			return
		}
		compiled, err := Compile(r.pattern, r.form)
		if err != nil {
			if errors.Is(err, ErrForm) && strings.Contains(err.Error(), "dot segment") {
				return
			}
			t.Fatalf("%s to %s: %v", r.pattern, r.form, err)
		}
		for range 10 {
			path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
				"a", "b", "a", "/", "/", ".", "-", "%61", "%2E", "%20", "%ED%95%9C", "1", ";", "%25", "A",
			}), 0, 12).Draw(t, "path"), "")
			want, wantMatched := r.apply(path)
			out, matched, err := compiled.Append(nil, []byte(path))
			if wantMatched && (!passesGate([]byte(want)) || strings.HasPrefix(want, "//")) {
				if !errors.Is(err, ErrResult) || !matched || len(out) > 0 {
					t.Fatalf("%s to %s on %s: %q %v, but %q must not go out", r.pattern, r.form, path, out, err, want)
				}
				continue
			}
			if string(out) != want || matched != wantMatched || err != nil {
				t.Fatalf("%s to %s on %s: %q %t %v, want %q %t", r.pattern, r.form, path, out, matched, err, want, wantMatched)
			}
		}
	})
}

// sameGroups compares a match with package regexp's.
func sameGroups(t *testing.T, m *matcher, text []byte) {
	t.Helper()
	var s, slow scratch
	s.text, slow.text = text, text
	got, want := m.match(&s), m.matchSlowly(&slow)
	if got != want || got && fmt.Sprint(s.bounds[2:]) != fmt.Sprint(slow.bounds[2:]) {
		t.Errorf("%s on %.80q: %t %v, want %t %v", m.slow, text, got, s.bounds, want, slow.bounds)
	}
}

func FuzzMatcher(f *testing.F) {
	for _, expr := range []string{
		"/api/(.*)", "(a*)*", "(a|b)*?(b+)", "(|a)+(a?)$", `^(?:(a)|b)*\b(c)\B`, "(?m:^a$\n?)*", "(?:(a*)+|b){2,3}", "((a?)(b?))*", "(?s).(한|.)*?", "()|[^\\x00-\\x{10FFFF}]",
	} {
		f.Add(expr, []byte("/api/aabab c\n"))
		f.Add(expr, []byte("aab한\xff"))
	}
	f.Fuzz(func(t *testing.T, expr string, text []byte) {
		if len(expr) > MaxBytes || len(text) > 2000 || wellFormed(expr) != nil {
			return
		}
		if m, err := newMatcher(expr); err == nil {
			sameGroups(t, m, text)
		}
	})
}

func FuzzAppend(f *testing.F) {
	f.Add("/{a}/{b}", "/{b}%1%%20", "/x%2ey/z")
	f.Add(`/(?<n>.*?){v:[^/]{2,3}}\Q.\E%20`, "/{n}/%2;", "/%ED%95%9Cab.%20")
	f.Add("/(.*)", "/%1", "//x/..")
	f.Fuzz(func(t *testing.T, pattern, form, path string) {
		expr, groups, err := translate(pattern)
		if err == nil {
			if re, err := regexp.Compile(expr); err == nil && re.NumSubexp() != len(groups) {
				t.Errorf("%q is %q with %d groups, noted %q", pattern, expr, re.NumSubexp(), groups)
			}
		}
		r, err := Compile(pattern, form)
		if err != nil {
			if errors.Is(err, ErrPattern) == errors.Is(err, ErrForm) {
				t.Errorf("%q to %q: %v", pattern, form, err)
			}
			return
		}
		out, matched, err := r.Append(nil, []byte(path))
		switch {
		case err != nil && (!matched || !errors.Is(err, ErrResult) && !errors.Is(err, ErrForm) || out != nil), !matched && out != nil:
			t.Errorf("%q to %q on %q: %q %t %v", pattern, form, path, out, matched, err)
		case err == nil && matched && passesGate([]byte(path)) && !passesGate(out):
			t.Errorf("%q to %q on %q: %q gets out", pattern, form, path, out)
		}
		if len(path) < 2000 {
			sameGroups(t, r.matcher, []byte(path))
		}
	})
}
