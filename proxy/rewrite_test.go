package proxy

import (
	"strings"
	"testing"
)

// TestRewrite: spec section 9 end to end. What is rewritten is the path behind
// the domain's key; what a group holds goes on as the client spelled it.
func TestRewrite(t *testing.T) {
	up := startRecorder(t, says(ok200))
	const swap = `"URI_REWRITE":{"uriPattern":"/{version}/{path}","rewriteUri":"/{path}/{version}"}`
	g := startGateway(t, nil,
		parsed(t, "swap", up.url()+"/base", swap, "GET /**",
			`GET /own/{x} "URI_REWRITE":{"uriPattern":"/own/(.*)","rewriteUri":"/mine/%1"}`,
			`GET /off/{x} "URI_REWRITE":{"uriPattern":"/never","rewriteUri":"/"}`,
			`GET /pieces/** "URI_REWRITE":{"uriPattern":"/pieces/(.)(.*)","rewriteUri":"/%2/%1./x"}`),
		parsed(t, "numbered", up.url(), `"URI_REWRITE":{"uriPattern":"/api/v2.0/(.*)","rewriteUri":"/api/v1.0/%1"}`, "GET /**"))
	for _, tc := range []struct{ target, want string }{
		{"/swap/v1/members", "/base/members/v1"},
		{"/swap/v1/members?a=1&b=%2f..&&c", "/base/members/v1?a=1&b=%2f..&&c"},
		{"/swap/v1/members?", "/base/members/v1?"},
		{"/swap/v%31/a%20b%3f%23%40%25", "/base/a%20b%3f%23%40%25/v%31"},
		{"/swap/v1/@evil.example", "/base/@evil.example/v1"},
		{"/swap/a/%ea%b0%80", "/base/%ea%b0%80/a"},
		{"/swap/v1", "/base/v1"},
		{"/swap/a/b/c", "/base/a/b/c"},
		{"/swap/own/a", "/base/mine/a"},
		{"/swap/off/a", "/base/off/a"}, // its own does not match, the domain's is not asked
		{"/swap/pieces/ab", "/base/b/a./x"},
		{"/swap/pieces/.b", ""}, // would be ".."
		{"/numbered/api/v2.0/members", "/api/v1.0/members"},
		{"/numbered/api/v2.0/members/1/?q", "/api/v1.0/members/1/?q"},
		{"/numbered/api/v2.0/", "/api/v1.0/"},
		{"/numbered/api/v1.0/members", "/api/v1.0/members"},
		{"/numbered/x/api/v2.0/members", "/x/api/v2.0/members"},
	} {
		a := g.get(t, tc.target)
		heard := strings.Join(up.requests(), "|")
		if tc.want == "" {
			if a.code() != 40000 || heard != "" {
				t.Errorf("%s: answered %s, went on as %q", tc.target, a.raw, heard)
			}
			continue
		}
		line, _, _ := strings.Cut(heard, "\r\n")
		if want := "GET " + tc.want + " HTTP/1.1"; a.StatusCode != 200 || line != want {
			t.Errorf("%s: answered %d, went on as %q, want %q", tc.target, a.StatusCode, line, want)
		}
	}
}
