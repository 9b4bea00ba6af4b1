//go:build !race

package rewrite

import (
	"strings"
	"testing"
)

// Not under the race detector, where a sync.Pool throws away every fourth thing
// it is given, on purpose.
func TestAppendDoesNotAllocate(t *testing.T) {
	for _, c := range []struct{ pattern, form, path string }{
		{"/a", "/b", "/a"},
		{"/a", "/b", "/c"},
		{"/api/v2.0/(.*)", "/api/v1.0/%1", "/api/v2.0/members"},
		{"/{version}/{path}", "/{path}/{version}", "/v1/members"},
		{"/{version}/{path}", "/{path}/{version}", "/v1/%ED%95%9C%EA%B8%80"},
		{"/([^/]+)/([^/]+)/(.*)", "/%3/%2/%1", "/a/b/" + strings.Repeat("c/", 1000)},
		{`/{y:\d{4}}-{m:\d\d}(?i)(/x)?`, "/{m}/{y}%3", "/2019-04/X"},
		{`/(\w+|\d+)*\b-(?:a?){20}`, "/%1", "/" + strings.Repeat("abc1", 20) + "-aaaa"},
	} {
		r := mustCompile(t, c.pattern, c.form)
		path, dst := []byte(c.path), make([]byte, 0, 4096)
		allocs := testing.AllocsPerRun(200, func() {
			if _, _, err := r.Append(dst, path); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s to %s on %.40s: %v allocations", c.pattern, c.form, c.path, allocs)
		}
	}
}
