package route

import (
	"strings"
	"testing"
)

func FuzzCompile(f *testing.F) {
	for _, pattern := range []string{
		"/", "/a/{id}/b", `/{v:[\p{N}\.\{\}]+}.jar`, "/**/a/**/{x}.{y}", `/{a:\Q[\E}`, "/{a:[^]]{2,3}}", "/a//b/", "/{*p}", "/***/?é",
	} {
		f.Add(pattern, pattern)
		f.Add(pattern, "/a/1/b")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := Compile(pattern)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "pattern ") {
				t.Errorf("%q: %v", pattern, err)
			}
			return
		}
		matches := p.Match(path)
		if variables, ok := p.Variables(path); ok != matches {
			t.Errorf("%q on %q: matches %t, variables %v", pattern, path, matches, variables)
		}
		if p.literal && !p.Match(pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
		if _, ok := mustTable(t, []Route{{"GET", pattern, 0}}).Find("GET", path); ok != matches {
			t.Errorf("%q on %q: matches %t, found %t", pattern, path, matches, ok)
		}
	})
}

// The patterns come as lines.
func FuzzFindAsSlowFind(f *testing.F) {
	f.Add("/a\n/a/\n/*\n/{x}\n/**\n/a/**", "/a/")
	f.Add("/**/{d}\n/{a}/{b}/{c}/{d}\n/x/**", "/x/b/c/d")
	f.Add("/a/**/b\n/a/**/*\n/**/b/**\n/{x:a+}/?\n/a*/*b", "/a/b//b/")
	f.Add("/{v}.html\n/*.html\n/{a}.{b}\n/**/*.html", "/x.html")
	f.Add("/**/\n/**\n//**", "/**")
	f.Fuzz(func(t *testing.T, patterns, path string) {
		if len(patterns) > 2000 || len(path) > 1000 {
			return // the slow way is slow
		}
		var routes []Route
		seen := make(map[string]bool)
		for pattern := range strings.Lines(patterns) {
			pattern = strings.TrimSuffix(pattern, "\n")
			if _, err := Compile(pattern); err != nil || seen[pattern] {
				continue
			}
			seen[pattern] = true
			routes = append(routes, Route{"GET", pattern, len(routes)})
		}
		got, ok := mustTable(t, routes).Find("GET", path)
		want, wantOK := slowFind(t, routes, "GET", path)
		if got != want || ok != wantOK {
			t.Errorf("%q in %v: %d %t, want %d %t", path, routes, got, ok, want, wantOK)
		}
	})
}
