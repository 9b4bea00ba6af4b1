package route

import (
	"slices"
	"testing"
)

// The answers of Spring 5.1 for two patterns, those of its own tests first.
func TestCompareAsSpring(t *testing.T) {
	cases := []struct{ path, better, worse string }{
		{"/hotels/new", "/hotels/new", "/hotels/*"},
		{"/hotels/new", "/hotels/new", "/hotels/{hotel}"},
		{"/hotels/new", "/hotels/{hotel}/booking", "/hotels/{hotel}/bookings/{booking}"},
		{"/hotels/new", "/hotels/{hotel}/bookings/{booking}/cutomers/{customer}", "/**"},
		{"/hotels/new", "/hotels/{hotel}", "/hotels/*"},
		{"/hotels/new", "/hotels/*", "/hotels/*/**"},
		{"/hotels/new", "/hotels/new", "/hotels/new.*"},
		{"/hotels/new", "/hotels/{hotel}.*", "/hotels/{hotel}"},
		{"/hotels/new", "/hotels/{hotel}/bookings/{booking}/cutomers/{customer}", "/hotels/**"},
		{"/hotels/new", "/hotels/{hotel}", "/hotels/foo/bar/**"},
		{"/hotels/new", "/hotels/**", "/hotels/**/bookings/**"},
		{"/hotels/new", "/hotels/{hotel}", "/**"},
		{"/hotels/new", "/hotels2", "/hotels"},
		{"/hotels/new", "/*", "/*/**"},
		{"/hotels/new", "/hotels/*", "/hotels/**"},
		{"/hotels/new", "/hotels/ne*", "/hotels/n*"},
		{"/hotels/new.html", "/hotels/new.*", "/hotels/{hotel}"},
		{"/web/endUser/action/login.html", "/**/endUser/action/login.*", "/**/login.*"},
		// Beyond its tests, one for each rule.
		{"/a*", "/a*", "/a"},       // spelled like the path, though with a wildcard
		{"/a/**", "/a/**", "/a/b"}, // the same before the prefix rule
		{"/**", "/{x}/**", "/**"},  // but never /** itself
		{"/q", "/**/", "/**"},      // which is one pattern, not a meaning
		{"/q", "//**", "/**"},
		{"/q", "/**/a", "/a/{b}/{c}/{d}"},              // no prefix pattern: by weight
		{"/q", "/{a}/{b}/{c}", "/aaaaaaaaaaaaaaaa/**"}, // prefix pattern: not by weight
		{"/q", "/a**b", "/a/{b}/{c}/{d}"},              // counts double inside a segment too
		{"/q", "/a/b/c/d**", "/{a}/{b}/c"},             // total 2 both: longer
		{"/q", "/**/abcde", "/{x}/{y}/c"},
		{"/q", "/{x}/b", "/**/abc"},           // ** weighs two
		{"/q", "/{variable}/ab", "/{v}/a"},    // a variable is one long
		{"/q", "/a/{b}", "/a/*"},              // total and length equal: fewer *
		{"/q", "/??????????", "/?"},           // ? weighs nothing
		{"/q", "/a.*", "/b.c*"},               // nor does .* at the end
		{"/q", "/{a}", `/{a:\d{4}}/abcdefgh`}, // a brace in a regex weighs
		{"/q", "/{a}", "/{a:x*}"},             // and so does a star
		{"/q", `/{a:\d{4}}`, "/{a}{b}"},       // it is "#}" long, the same as "##": by text
		{"/q", "/{a}/é", "/{a}/"},             // length in characters,
		{"/q", "/{a}/😀", "/{a}/é"},            // not all of which are one unit long
		{"/q", "/{a}/b", "/{b}/b"},            // equal for Spring: by text
	}
	for _, c := range cases {
		a, b := mustCompile(t, c.better), mustCompile(t, c.worse)
		if Compare(a, b, c.path) >= 0 || Compare(b, a, c.path) <= 0 {
			t.Errorf("for %s: Compare(%s, %s) = %d, the other way %d", c.path, a, b, Compare(a, b, c.path), Compare(b, a, c.path))
		}
		if Compare(a, a, c.path) != 0 || Compare(b, b, c.path) != 0 {
			t.Errorf("%s or %s is not equal to itself", a, b)
		}
		if got := Best([]*Pattern{b, a}, c.path); got != a {
			t.Errorf("for %s: best of %s and %s is %s", c.path, a, b, got)
		}
	}
}

// Three patterns of which each beats the next, in a circle.
func TestBestOfACircle(t *testing.T) {
	const path = "/x/b/c/d"
	circle := []*Pattern{mustCompile(t, "/**/{d}"), mustCompile(t, "/{a}/{b}/{c}/{d}"), mustCompile(t, "/x/**")}
	for i, p := range circle {
		if next := circle[(i+1)%3]; !p.Match(path) || Compare(p, next, path) >= 0 {
			t.Errorf("%s does not beat %s", p, next)
		}
	}
	for _, order := range permutations(circle) {
		if got := Best(order, path); got != circle[0] {
			t.Errorf("best of %v is %s", order, got)
		}
	}
	if Best(nil, path) != nil {
		t.Error("there is a best of none")
	}
}

func permutations[T any](list []T) [][]T {
	if len(list) < 2 {
		return [][]T{list}
	}
	var all [][]T
	for i, first := range list {
		for _, rest := range permutations(slices.Delete(slices.Clone(list), i, i+1)) {
			all = append(all, append([]T{first}, rest...))
		}
	}
	return all
}
