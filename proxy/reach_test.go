package proxy

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/store/catalog"
)

// TestReach: each endpoint that is not reached as it was meant is told, with what
// to do; those that are reached are not.
func TestReach(t *testing.T) {
	for _, c := range []struct{ patterns, says string }{
		{"/users/{id} /users/{name}", "GET /users/{id} matches every path"},
		{"/v1/** /v1/{tenant}/admin/**", ""},
		{"/a#b", "what follows a #"},
		{"/a/../b", "40000 (dot segment in the path)"},
		{"/a/%2e/b", "40000 (dot segment in the path)"},
		{"/a/%7Bid%7D", "write {name} for a variable"},
		{"/a%2Fb", "40000 (backslash or encoded slash in the path)"},
		{"/a%zz", "40000 (invalid percent-encoding in the path)"},
		{"/a%", "40000 (invalid percent-encoding in the path)"},
		{"/items?x=1", "write /items, which calls with any query reach"},
		{"/files/{proxy+}", "write ** for the rest of the path, as in /files/**"},
		{"/users/:id", "write /{id}"},
		{"/users/{[a-z]+}", "{name:[a-z]+}"},
		{"/users/{id} /users/me /users/** /a?b /x/{v:[0-9]{2,3}}/{w:\\d+\\.\\{a} /한글/{이름} /a%20b /a:b /v1/things:batch /", ""},
	} {
		var endpoints []catalog.Endpoint
		for pattern := range strings.SplitSeq(c.patterns, " ") {
			endpoints = append(endpoints, catalog.Endpoint{Method: "GET", Pattern: pattern})
		}
		got := Reach(endpoints)
		for i, hint := range got[:len(got)-1] {
			if hint != "" {
				t.Errorf("%s: %s", endpoints[i].Pattern, hint)
			}
		}
		if hint := got[len(got)-1]; c.says == "" && hint != "" || !strings.Contains(hint, c.says) {
			t.Errorf("%s: %q, want %q", c.patterns, hint, c.says)
		}
	}
}
