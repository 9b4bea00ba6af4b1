package route

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func mustTable(t testing.TB, routes []Route) *Table {
	t.Helper()
	table, err := NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// slowFind is Find the obvious way: match them all, then take the one that
// beats all others; if they run in a circle, the prefix patterns have to go.
func slowFind(t testing.TB, routes []Route, method, path string) (int, bool) {
	t.Helper()
	index := make(map[*Pattern]int)
	var matching, noPrefix []*Pattern
	for _, r := range routes {
		p := mustCompile(t, r.Pattern)
		if r.Method != method || !slowMatch(r.Pattern, path) {
			continue
		}
		index[p] = r.Index
		matching = append(matching, p)
		if !strings.HasSuffix(r.Pattern, "/**") || r.Pattern == path {
			noPrefix = append(noPrefix, p)
		}
	}
	if len(matching) == 0 {
		return 0, false
	}
	for _, list := range [][]*Pattern{matching, noPrefix} {
		for _, p := range list {
			if !slices.ContainsFunc(list, func(q *Pattern) bool { return q != p && compare(q, p, path) <= 0 }) {
				return index[p], true
			}
		}
	}
	t.Fatalf("no best of %v for %q", matching, path)
	return 0, false
}

func TestTableFind(t *testing.T) {
	table := mustTable(t, []Route{
		{"GET", "/", 0},
		{"GET", "/users", 1},
		{"GET", "/users/{id}", 2},
		{"GET", "/users/me", 3},
		{"GET", "/users/*", 4},
		{"GET", "/users/{id}/{page}.html", 5},
		{"GET", "/users/**", 6},
		{"GET", "/**", 7},
		{"POST", "/users", 8},
		{"GET", `/users/{id:\d+}/x`, 9},
		{"HEAD", "/**/x", 10},
		{"GET", "/users/", 11},
	})
	cases := []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 0},
		{"GET", "//", 0},
		{"GET", "/users", 1},
		{"GET", "/users/1", 2},
		{"GET", "//users//1", 2},
		{"GET", "/users/me", 3},
		{"GET", "//users/me", 3},
		{"GET", "/users/", 11},
		{"GET", "/users//", 11},
		{"GET", "/users/me/", 6},
		{"GET", "/users/1/2.html", 5},
		{"GET", "/users/1/x", 9},
		{"GET", "/users/a/x", 6},
		{"GET", "/user", 7},
		{"GET", "", -1},
		{"GET", "users", -1},
		{"POST", "/users", 8},
		{"POST", "/users/", -1},
		{"HEAD", "/users", -1},
		{"HEAD", "/a/b/x", 10},
		{"HEAD", "/x/", -1},
		{"get", "/users", -1},
		{"PUT", "/users", -1},
	}
	for _, c := range cases {
		got, ok := table.Find(c.method, c.path)
		if ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("%s %q: %d %t, want %d", c.method, c.path, got, ok, c.want)
		}
	}
	if _, ok := mustTable(t, nil).Find("GET", "/"); ok {
		t.Error("an empty table finds something")
	}
}

func TestNewTableRefuses(t *testing.T) {
	_, err := NewTable([]Route{{"GET", "/a", 0}, {"GET", "/b}", 1}, {"POST", "/a", 2}, {"", "/c", 3}, {"GET", "/a", 4}})
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{`route 1: GET pattern "/b}"`, "route 3 (/c): no method", "route 4: GET /a is route 0 already"} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d of %q does not say %s", i, lines, want)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d problems: %v", len(lines), err)
	}
}

// Patterns and paths of few words, so that they meet.
var (
	patternSegments = []string{
		"a", "b", "ab", "a", "b", "*", "**", "**", "{x}", "{y}", "?", "a*", "*b", "{z}b", "a{w}", "?b", "***", "a**",
		"{v:a+}", "{u:[ab]}", "{t:.*}", "*.b", "a.*", "{s}.{r}", "",
	}
	pathSegments = []string{"a", "b", "ab", "aa", "a", "b", "a.b", "", "é", "**", "a*", "\n", "{x}"}
)

func draw(segments []string, most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		list := rapid.SliceOfN(rapid.SampledFrom(segments), 0, most).Draw(t, "segments")
		s := "/" + strings.Join(list, "/")
		if rapid.IntRange(0, 3).Draw(t, "slash") == 0 {
			s += "/"
		}
		return s
	})
}

func drawRoutes(t *rapid.T) []Route {
	var routes []Route
	seen := make(map[string]bool)
	for _, pattern := range rapid.SliceOfN(draw(patternSegments, 6), 0, 40).Draw(t, "patterns") {
		method := rapid.SampledFrom([]string{"GET", "GET", "GET", "HEAD"}).Draw(t, "method")
		if _, err := Compile(pattern); err != nil || seen[method+pattern] {
			continue // a variable twice
		}
		seen[method+pattern] = true
		routes = append(routes, Route{method, pattern, len(routes)})
	}
	return routes
}

func TestFindAsSlowFind(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		routes := drawRoutes(rt)
		table, err := NewTable(routes)
		if err != nil {
			rt.Fatal(err)
		}
		for _, path := range rapid.SliceOfN(draw(pathSegments, 6), 5, 40).Draw(rt, "paths") {
			got, ok := table.Find("GET", path)
			want, wantOK := slowFind(t, routes, "GET", path)
			if got != want || ok != wantOK {
				rt.Errorf("%q in %v: %d %t, want %d %t", path, routes, got, ok, want, wantOK)
			}
		}
	})
}

func TestFindWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		routes := drawRoutes(rt)
		table, err := NewTable(routes)
		if err != nil {
			rt.Fatal(err)
		}
		shuffled, err := NewTable(rapid.Permutation(routes).Draw(rt, "order"))
		if err != nil {
			rt.Fatal(err)
		}
		for _, path := range rapid.SliceOfN(draw(pathSegments, 6), 5, 40).Draw(rt, "paths") {
			a, aOK := table.Find("GET", path)
			b, bOK := shuffled.Find("GET", path)
			if a != b || aOK != bOK {
				rt.Errorf("%q in %v: %d %t, in another order %d %t", path, routes, a, aOK, b, bOK)
			}
		}
	})
}

// Find finds the best, in whatever order the patterns come.
func TestFindIsBest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		routes := drawRoutes(rt)
		table, err := NewTable(routes)
		if err != nil {
			rt.Fatal(err)
		}
		path := draw(pathSegments, 6).Draw(rt, "path")
		var matching []*Pattern
		for _, r := range rapid.Permutation(routes).Draw(rt, "order") {
			if p := mustCompile(t, r.Pattern); r.Method == "GET" && p.Match(path) {
				matching = append(matching, p)
			}
		}
		got, ok := table.Find("GET", path)
		want := best(matching, path)
		if ok != (want != nil) || ok && routes[got].Pattern != want.String() {
			rt.Errorf("%q: found %d %t of %v, the best of %v is %v", path, got, ok, routes, matching, want)
		}
	})
}

func TestFindConcurrently(t *testing.T) {
	table := mustTable(t, endpoints(1000))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				for _, r := range requests(1000) {
					if got, ok := table.Find("GET", r.path); ok != (r.want >= 0) || ok && got != r.want {
						t.Errorf("%s: %d %t, want %d", r.path, got, ok, r.want)
					}
				}
			}
		})
	}
	wg.Wait()
}
