package route

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestShadowed(t *testing.T) {
	for _, c := range []struct {
		patterns string
		want     map[int]int
	}{
		{"/users/{id} /users/{name}", map[int]int{1: 0}},
		{"/users/{id} /users/me", nil},
		{"/v1/** /v1/{tenant}/admin/**", nil}, // was one before 5.2
		{"/**/{c} /**/x/{a}/{b}", map[int]int{1: 0}},
		{`/{year:\d{4}} /{x}`, map[int]int{0: 1}},
		{"/a/* /a/{x}", nil}, // /a/ is left to the first
		{"/a/{x} /a/{y} /a/{z:.*}", map[int]int{1: 0, 2: 0}},
		{"/** /**/", map[int]int{0: 1}},
		{"/x/**/{d} /x/**", map[int]int{0: 1}},
		{"/x/**/{d} /x/** /x/{a}/{b}/{c}/{e}", map[int]int{2: 0}}, // the last puts /x/** out of the running
		{"/a /a/", nil},
		{"/a} /a", nil},
	} {
		var routes []Route
		for pattern := range strings.SplitSeq(c.patterns, " ") {
			routes = append(routes, Route{"GET", pattern, len(routes)})
		}
		got := Shadowed(routes)
		if len(got) == 0 && c.want == nil {
			continue
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.patterns, got, c.want)
		}
	}
	if got := Shadowed([]Route{{"GET", "/{a}", 0}, {"POST", "/{b}", 1}}); len(got) != 0 {
		t.Errorf("another method shadows: %v", got)
	}
}

// TestShadowedIsNeverFound: what is said to be shadowed is found by no path.
func TestShadowedIsNeverFound(t *testing.T) {
	claims := 0
	rapid.Check(t, func(rt *rapid.T) {
		routes := drawRoutes(rt)
		shadowed := Shadowed(routes)
		claims += len(shadowed)
		if len(shadowed) == 0 {
			return
		}
		table, err := NewTable(routes)
		if err != nil {
			rt.Fatal(err)
		}
		for _, path := range rapid.SliceOfN(draw(pathSegments, 6), 50, 100).Draw(rt, "paths") {
			got, ok := table.Find("GET", path)
			if winner, is := shadowed[got]; ok && is && routes[got].Method == "GET" && routes[got].Pattern != path {
				rt.Errorf("%q reaches %s, said to be shadowed by %s in %v", path, routes[got].Pattern, routes[winner].Pattern, routes)
			}
		}
	})
	if claims == 0 {
		t.Error("no pattern was ever shadowed: this test shows nothing")
	}
}
