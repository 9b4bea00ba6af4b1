package route

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Many partial matches at once leave the arrays for the heap, and many rest
// nodes take to the bitmap.
func TestFindWithManyBranches(t *testing.T) {
	var rests, globs []Route
	var names []string
	for i := range 3 * inline {
		name := "s" + strings.Repeat("x", i)
		names = append(names, name)
		rests = append(rests, Route{"GET", "/**/" + name + "/**/end/{x}/" + name, i})
		globs = append(globs, Route{"GET", "/" + name + "*/?/" + name + "*/" + name, i})
	}
	longest := "/" + names[len(names)-1]
	var all string
	for seed := range uint64(3) {
		rand.New(rand.NewPCG(1, seed)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		all += "/" + strings.Join(names, "/")
	}
	for _, c := range []struct {
		routes []Route
		path   string
	}{
		{rests, all + "/end/y"},
		{globs, longest + "/y" + longest},
	} {
		table := mustTable(t, c.routes)
		for _, r := range c.routes {
			last := r.Pattern[strings.LastIndexByte(r.Pattern, '/'):]
			if got, ok := table.Find("GET", c.path+last); !ok || got != r.Index {
				t.Fatalf("%s: found %d %t", r.Pattern, got, ok)
			}
		}
	}
}

// What would take ages if anything were tried again and again. The deadline is
// far above what it takes and far below what backtracking would.
func TestCostIsBounded(t *testing.T) {
	long := strings.Repeat("/a", 4096)
	one := "/" + strings.Repeat("a", 8191)
	var wide []Route
	for i := range 300 {
		s := strings.Repeat("/a", i%7) + "/**" + strings.Repeat("/*", i/7) + "/b" // no path of a's matches
		wide = append(wide, Route{"GET", s, i})
	}
	cases := []struct {
		pattern, path string
	}{
		{strings.Repeat("/**/a", 400) + "/b", long},
		{strings.Repeat("/**/*", 400) + "/b", long},
		{strings.Repeat("/**/{x}", 1) + strings.Repeat("/*", 900) + "/b", long},
		{"/" + strings.Repeat("*a", 1000) + "b", one},
		{"/" + strings.Repeat("*?", 1000) + "b*c", one},
		{"/{x:(a*)*b}", one},
		{"/{x:(?:a?){250}b}", one},
		{"/**/{x:(?:a|aa)+b}/**/c", long},
	}
	start := time.Now()
	for _, c := range cases {
		if mustCompile(t, c.pattern).Match(c.path) {
			t.Errorf("%.20s… matches", c.pattern)
		}
		if _, ok := mustTable(t, []Route{{"GET", c.pattern, 0}}).Find("GET", c.path); ok {
			t.Errorf("%.20s… is found", c.pattern)
		}
	}
	if _, ok := mustTable(t, wide).Find("GET", long); ok {
		t.Error("found one of the wide")
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}
