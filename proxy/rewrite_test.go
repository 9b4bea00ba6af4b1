package proxy

import (
	"strings"
	"testing"
)

// TestRewriteWithAQuery: what the endpoint server is asked where the form has a
// query or begins with a group.
func TestRewriteWithAQuery(t *testing.T) {
	up := startRecorder(t, says(ok200))
	g := startGateway(t, nil, parsed(t, "k", up.url(), "",
		`GET /users/** "URI_REWRITE":{"uriPattern":"/users/(.*)","rewriteUri":"/show?user=%1"}`,
		`GET /old/** "URI_REWRITE":{"uriPattern":"/old(.*)","rewriteUri":"%1"}`))
	for target, want := range map[string]string{
		"/k/users/7":           "GET /show?user=7 ",
		"/k/users/7?a=1&b":     "GET /show?user=7&a=1&b ",
		"/k/users/7?":          "GET /show?user=7 ",
		"/k/users/a&admin=1/x": "GET /show?user=a%26admin%3D1%2Fx ",
		"/k/users/%ED%95%9C?%": "GET /show?user=%ED%95%9C&% ",
		"/k/old/x?q":           "GET /x?q ",
	} {
		a := g.get(t, target)
		if got := up.requests(); a.StatusCode != 200 || len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: answered %d, the endpoint server got %q, want %q", target, a.StatusCode, got, want)
		}
	}
	if a := g.get(t, "/k/old"); a.StatusCode != 500 || !strings.Contains(a.body, "20006 Rewrite URI's syntax is invalid") {
		t.Errorf("a result without a slash is answered %d %s", a.StatusCode, a.body)
	}
}
