package route

import (
	"slices"
	"testing"
)

// Spring's order, and the best by it, written down as plainly as they can be: an index
// must find the same.

// compare ranks two patterns that match path as Spring's AntPatternComparator
// does: negative if a is better. See compareWeight.
func compare(a, b *Pattern, path string) int {
	switch {
	case a.weight.catchAll || b.weight.catchAll:
		return rank(a.weight.catchAll, b.weight.catchAll)
	case a.text == path || b.text == path:
		return rank(b.text == path, a.text == path)
	case a.weight.prefix && b.weight.prefix:
		return comparePrefix(a, b)
	case a.weight.prefix && b.weight.doubles == 0:
		return 1
	case b.weight.prefix && a.weight.doubles == 0:
		return -1
	}
	return compareWeight(a, b)
}

// best picks, whatever their order, the best of patterns that match path; nil
// if there are none. Patterns that end in "/**" drop out as soon as there is
// one without any "**"; of the others, the first by compare wins, which is
// transitive among them. That is the pattern which beats every other one by
// compare, if there is such a pattern; where Spring's order runs in a circle
// and its choice depends on the order of registration, it settles the matter.
func best(patterns []*Pattern, path string) *Pattern {
	var first, firstPrefix *Pattern
	plain := false
	for _, p := range patterns {
		plain = plain || p.weight.doubles == 0
		slot := &first
		if p.weight.prefix && p.text != path {
			slot = &firstPrefix
		}
		if *slot == nil || compare(p, *slot, path) < 0 {
			*slot = p
		}
	}
	if firstPrefix == nil || first != nil && (plain || compare(first, firstPrefix, path) < 0) {
		return first
	}
	return firstPrefix
}

// The answers of Spring 5.3 for two patterns, those of its own tests first.
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
		{"/hotels/new", "/hotels/**/bookings/**", "/hotels/**"},
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
		{"/v1/t/admin/u", "/v1/{t}/admin/**", "/v1/**"}, // both end in /**: the longer, whatever it weighs
		{"/q", "/v1/{t}/{u}/{v}/**", "/v1/abc/**"},      // 12 long, to 10
		{"/q", "/{a}/b/**", "/{a}/*/**"},                // as long: by weight
		{"/q", "/{x}/b", "/**/abc"},                     // ** weighs two
		{"/q", "/{variable}/ab", "/{v}/a"},              // a variable is one long
		{"/q", "/a/{b}", "/a/*"},                        // total and length equal: fewer *
		{"/q", "/??????????", "/?"},                     // ? weighs nothing
		{"/q", "/a.*", "/b.c*"},                         // nor does .* at the end
		{"/q", "/{a}", `/{a:\d{4}}/abcdefgh`},           // a brace in a regex weighs
		{"/q", "/{a}", "/{a:x*}"},                       // and so does a star
		{"/q", `/{a:\d{4}}`, "/{a}{b}"},                 // it is "#}" long, the same as "##": by text
		{"/q", "/{a}/é", "/{a}/"},                       // length in characters,
		{"/q", "/{a}/😀", "/{a}/é"},                      // not all of which are one unit long
		{"/q", "/{a}/b", "/{b}/b"},                      // equal for Spring: by text
	}
	for _, c := range cases {
		a, b := mustCompile(t, c.better), mustCompile(t, c.worse)
		if compare(a, b, c.path) >= 0 || compare(b, a, c.path) <= 0 {
			t.Errorf("for %s: compare(%s, %s) = %d, the other way %d", c.path, a, b, compare(a, b, c.path), compare(b, a, c.path))
		}
		if compare(a, a, c.path) != 0 || compare(b, b, c.path) != 0 {
			t.Errorf("%s or %s is not equal to itself", a, b)
		}
		if got := best([]*Pattern{b, a}, c.path); got != a {
			t.Errorf("for %s: best of %s and %s is %s", c.path, a, b, got)
		}
	}
}

// Three patterns of which each beats the next, in a circle.
func TestBestOfACircle(t *testing.T) {
	const path = "/x/b/c/d"
	circle := []*Pattern{mustCompile(t, "/**/{d}"), mustCompile(t, "/{a}/{b}/{c}/{d}"), mustCompile(t, "/x/**")}
	for i, p := range circle {
		if next := circle[(i+1)%3]; !p.Match(path) || compare(p, next, path) >= 0 {
			t.Errorf("%s does not beat %s", p, next)
		}
	}
	for _, order := range permutations(circle) {
		if got := best(order, path); got != circle[0] {
			t.Errorf("best of %v is %s", order, got)
		}
	}
	if best(nil, path) != nil {
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
