package rewrite

import (
	"strings"
	"testing"
)

func TestHint(t *testing.T) {
	for _, c := range []struct {
		pattern, form string
		wide          bool
		says          string
	}{
		{"/api/**", "/v2/%1", true, "looks like an Ant pattern"},
		{"/api/*/x", "/v2", true, "looks like an Ant pattern"},
		{"/api/(.*)", "/v2/%1", true, ""},
		{"/{version}/{path}", "/{path}/{version}", true, ""},
		{"/api/.*", "/v2", true, ""},
		{"/old", "/new", true, "matches /old alone"},
		{"^/old$", "/new", true, "matches /old alone"},
		{"/old", "/new", false, ""},
		{"v1/(.*)", "/v2/%1", false, `begins with "v1/"`},
		{"(?!x)/a", "/b", true, "look-ahead"},
		{"/(a", "/b", true, ""},
		{"(/a|/b)", "%1", true, ""},
	} {
		if got := Hint(c.pattern, c.form, c.wide); c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("%s to %s: %q, want %q", c.pattern, c.form, got, c.says)
		}
	}
}
