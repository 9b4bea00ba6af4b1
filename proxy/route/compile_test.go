package route

import (
	"strings"
	"testing"
)

func TestCompileRefuses(t *testing.T) {
	cases := []struct {
		pattern string
		says    []string // what is wrong, and what would be right
	}{
		{"", []string{"empty", `"/**"`}},
		{"users", []string{`write "/users"`}},
		{"*", []string{`write "/*"`}},
		{"/a\tb", []string{"U+0009", "byte 2", "leave it out"}},
		{"/a\u0085", []string{"U+0085"}},
		{"/a\u2028", []string{"U+2028"}},
		{"/a\xff", []string{"byte 2", "%FF"}},
		{"/" + strings.Repeat("a", MaxPatternBytes), []string{"2049 bytes", "at most 2048"}},
		{"/{a", []string{`"{" at byte 1`, "{name:regex}"}},
		{"/b/x{a:[^/]+}", []string{`"{" at byte 4`, "not even as [^/]"}},
		{"/{a:[{}]}", []string{`"{" at byte 1`}}, // as Spring reads it, there is no variable at all
		{"/a}", []string{`"}" at byte 2`, `\x7D`}},
		{"/{a}}", []string{`"}" at byte 4`}},
		{"/{}", []string{"byte 1", "no name"}},
		{`/{:\d+}`, []string{"no name", "{name:regex}"}},
		{"/{*path}", []string{`"*path"`, `"**"`}},
		{"/{{a}}", []string{`"{a}"`}},
		{"/{a}/{a}", []string{"{a} stands twice", "its own name"}},
		{`/{a}-{a:\d}`, []string{"{a} stands twice"}},
		{"/{a:(}", []string{"regex of {a}", "missing closing )"}},
		{"/{a:x)(y}", []string{"regex of {a}", "unexpected )"}},
		{"/{a:(?!x)y}", []string{"RE2", "look-around"}},
		{`/{a:(x)\1}`, []string{"RE2", `\1`}},
		{"/{a:x*+}", []string{"possessive"}},
		{"/{a:[a-z&&[^b]]}", []string{`"&&"`, "spell the class out"}},
		{"/{a:[a[b]]}", []string{`"["`, `write \[`}},
		{"/{a:[[:alpha:]]}", []string{`"["`}},
		{"/{a:[]&&a]}", []string{`"&&"`}},
		{"/{a:[^]&&a]}", []string{`"&&"`}},
		{`/{a:\[[\]&&]}`, []string{`"&&"`}},
		{"/{a:(?iU)x}", []string{`"U"`, "leave it out"}},
		{"/{a:x{,3}}", []string{"no repetition", "x{2,3}"}},
		{"/{a:b{c}}", []string{"no repetition"}},
		{"/{a:x{1001}}", []string{"repeat"}},
		{"/{a:" + strings.Repeat("x", 257) + "}", []string{"257 bytes", "at most 256"}},
		{"/{a:x{1000}}", []string{"instructions", "at most 600", "smaller repetitions"}},
		{`/{a:[\}]+}`, []string{"trailing backslash", `\x7D`}}, // as Spring reads it, the variable ends at the first brace
	}
	for _, c := range cases {
		_, err := Compile(c.pattern)
		if err == nil {
			t.Errorf("%q compiles", c.pattern)
			continue
		}
		for _, s := range append(c.says, "pattern ") {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q: %v; want it to say %s", c.pattern, err, s)
			}
		}
	}
}

func TestCompileAccepts(t *testing.T) {
	for _, pattern := range []string{
		"/", "//", "/a b", "/한글/{이름}", "/{a-b.c d}", "/a?b=c", `/a\b`, "/{a:b:c}",
		`/{a:\[a&&b\]}`, "/{a:[&]&&}", `/{a:[\[&]+}`, `/{a:[]]}`, `/{a:[^]]}`, `/{a:[a\]&b]}`,
		`/{a:\Q[a&&b]\E}`, `/{a:\x{41}\p{L}{2}}`, "/{a:x{2}y{2,}z{2,3}}", "/{a:(?<n>x)(?:y)(?i:z)}",
		"/" + strings.Repeat("a", MaxPatternBytes-1), "/{a:x{500}}", "/{a:" + strings.Repeat("x", 256) + "}",
	} {
		p, err := Compile(pattern)
		if err != nil {
			t.Error(err)
		} else if p.String() != pattern {
			t.Errorf("%q comes back as %q", pattern, p)
		}
	}
}
