package route

import (
	"fmt"
	"strings"
	"testing"
)

// endpoints are n endpoints as an API has them, ten to a resource: literal
// ones, variables, an extension, a regex, a "**" in front, inside and behind.
func endpoints(n int) []Route {
	shapes := []struct{ method, pattern string }{
		{"GET", "/v1/res%d"},
		{"GET", "/v1/res%d/{id}"},
		{"GET", "/v1/res%d/recent"},
		{"GET", "/v1/res%d/{id}/items/{item}"},
		{"GET", "/v1/res%d/{id}/{page}.html"},
		{"GET", `/v1/res%d/{id:\d+}/owner`},
		{"GET", "/v1/res%d/files/**"},
		{"GET", "/v1/res%d/**/index.json"},
		{"GET", "/**/export%d"},
		{"POST", "/v1/res%d"},
	}
	routes := make([]Route, 0, n)
	for i := range n {
		s := shapes[i%len(shapes)]
		routes = append(routes, Route{s.method, fmt.Sprintf(s.pattern, i/len(shapes)), i})
	}
	return routes
}

// requests hit a resource in the middle, each in another way; want is the
// shape that answers, -1 for none.
func requests(n int) []struct {
	name, path string
	want       int
} {
	mid := n / 20
	res := fmt.Sprintf("/v1/res%d", mid)
	return []struct {
		name, path string
		want       int
	}{
		{"exact", res + "/recent", 10*mid + 2},
		{"variable", res + "/4711", 10*mid + 1},
		{"variables", res + "/4711/items/12", 10*mid + 3},
		{"extension", res + "/4711/about.html", 10*mid + 4},
		{"regex", res + "/4711/owner", 10*mid + 5},
		{"prefix", res + "/files/2019/04/x.png", 10*mid + 6},
		{"inner", res + "/a/b/c/index.json", 10*mid + 7},
		{"suffix", fmt.Sprintf("/x/y/z/export%d", mid), 10*mid + 8},
		{"none", res + "/4711/items/12/x", -1},
		{"8KB", res + strings.Repeat("/a", 4000), -1},
	}
}

var sizes = []int{10, 1000, 10000}

func BenchmarkFind(b *testing.B) {
	for _, n := range sizes {
		table := mustTable(b, endpoints(n))
		for _, r := range requests(n) {
			b.Run(fmt.Sprintf("%d/%s", n, r.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, ok := table.Find("GET", r.path); ok != (r.want >= 0) {
						b.Fatal(r.path)
					}
				}
			})
		}
	}
}

func BenchmarkNewTable(b *testing.B) {
	routes := endpoints(10000)
	for b.Loop() {
		mustTable(b, routes)
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	for _, n := range sizes {
		table := mustTable(t, endpoints(n))
		for _, r := range requests(n) {
			got, ok := table.Find("GET", r.path)
			if ok != (r.want >= 0) || ok && got != r.want {
				t.Errorf("%s of %d: %d %t, want %d", r.path, n, got, ok, r.want)
			}
			if allocs := testing.AllocsPerRun(100, func() { table.Find("GET", r.path) }); allocs != 0 {
				t.Errorf("%s of %d: %v allocations", r.path, n, allocs)
			}
		}
	}
}
